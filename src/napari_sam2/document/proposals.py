"""What a program found and nobody said yet: evidence that a person accepts or rejects."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from napari_sam2.document.prompt_parts import Mask


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
