"""What a program found and nobody said yet: evidence that a person accepts or rejects."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from napari_sam2.document.plain_values import whole_number
from napari_sam2.document.prompt import LARGEST_ID
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
    label
        The object id that it would like, as in the label image that it comes from; None for any.
    """

    frame: int
    mask: Mask
    score: float
    source: str
    state: ProposalState = ProposalState.proposed
    label: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "frame", whole_number(self.frame, "frame"))
        object.__setattr__(self, "score", float(self.score))
        object.__setattr__(self, "source", str(self.source))
        object.__setattr__(self, "state", ProposalState(self.state))
        object.__setattr__(self, "label", None if self.label is None else whole_number(self.label, "label"))
        if not math.isfinite(self.score):
            raise PromptError(f"a proposal on frame {self.frame} has the score {self.score}; give a finite number.")
        if self.mask.is_empty:
            raise PromptError(f"a proposal on frame {self.frame} has no pixel; give masks that hold at least one.")
        if self.label is not None and not 1 <= self.label <= LARGEST_ID:
            raise PromptError(f"a proposal on frame {self.frame} has the label {self.label}; use 1 to {LARGEST_ID}.")

    @property
    def is_open(self) -> bool:
        """Whether nobody decided about it yet."""
        return self.state is ProposalState.proposed
