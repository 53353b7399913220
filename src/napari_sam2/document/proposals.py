"""What a program found and nobody said yet: evidence that a person accepts or rejects."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from napari_sam2.document.plain_values import whole_number
from napari_sam2.document.prompt_parts import Mask
from sam2_core.errors import PromptError


class ProposalState(StrEnum):
    """What a person made of a proposal."""

    proposed = "proposed"
    accepted = "accepted"
    rejected = "rejected"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A mask on a frame that may be an object.

    Attributes
    ----------
    frame
        0-based position on the tracked axis.
    score
        How sure the program is; larger is surer.
    source
        What found it, for example the name of a model.
    """

    frame: int
    mask: Mask
    score: float
    source: str
    state: ProposalState = ProposalState.proposed

    def __post_init__(self) -> None:
        object.__setattr__(self, "frame", whole_number(self.frame, "frame"))
        object.__setattr__(self, "score", float(self.score))
        object.__setattr__(self, "source", str(self.source))
        if not math.isfinite(self.score):
            raise PromptError(f"a proposal on frame {self.frame} has the score {self.score}; give a finite number.")
