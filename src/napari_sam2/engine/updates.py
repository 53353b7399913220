"""What crosses from the lane to the main thread: the masks of one frame, as values of numpy alone.

A `FrameUpdate` has the masks of objects, a `FoundUpdate` objects that nobody named yet, a `LinkUpdate` tracks of these.
All say for which document they were computed (`revision`), so that one that comes late can be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from napari_sam2.document.prompt_parts import Mask
from napari_sam2.document.proposal_map import ProposalMap
from napari_sam2.document.proposals import Proposal
from napari_sam2.engine.known_objects import KnownObjects
from napari_sam2.linking import Linked, Node
from napari_sam2.masks.stored_masks import StoredMask
from sam2_core.inference.mask_logits import LogitPatch, Logits

LegName = Literal["prompt", "forward", "backward"]


@dataclass(frozen=True, slots=True, eq=False)
class MaskPatch:
    """Logits of one object, cut to the box in which they are above 0.

    Attributes
    ----------
    y0, x0
        Upper left corner in the frame.
    logits
        (h, w) float32.
    """

    y0: int
    x0: int
    logits: Logits

    @classmethod
    def of(cls, patch: LogitPatch | None) -> MaskPatch | None:
        """Return what is above 0 of a patch; None where nothing is."""
        if patch is None:
            return None
        inside = patch.logits > 0
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        if rows.size == 0:
            return None
        cut = patch.logits[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()  # (h, w)
        return cls((patch.rows.start or 0) + int(rows[0]), (patch.columns.start or 0) + int(columns[0]), cut)


@dataclass(frozen=True, slots=True, eq=False)
class FrameUpdate:
    """The masks of one frame, or of one prompt.

    Attributes
    ----------
    revision
        Of the document that it was computed for.
    frame_index
        0-based position on the tracked axis.
    patches
        One per object; None where it is absent.
    object_score_logits
        One per object, > 0 where it is there.
    done, total
        Progress of the job: frames finished, this one included, and frames in all.
    is_anew
        Whether it takes the place of a mask that was shown in another view, although its prompt did not change.
    is_aside
        Whether it is of no run of the session, see `PropagateJob`.
    """

    revision: int
    frame_index: int
    leg: LegName
    object_ids: tuple[int, ...]
    patches: tuple[MaskPatch | None, ...]
    object_score_logits: tuple[float, ...]
    done: int
    total: int
    is_anew: bool = False
    is_aside: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The objects that were found on one frame.

    Attributes
    ----------
    masks
        Best first.
    scores
        One per mask, 0 to 1: of those with 0.8 about 80 % are right.
    diameter_px
        Of a typical object, as it was told or found; None where it could not be found, and so nothing was.
    remark
        What a person should know, for example why nothing was found; else empty.
    """

    masks: tuple[Mask, ...]
    scores: tuple[float, ...]
    source: str
    diameter_px: float | None
    remark: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class FoundUpdate:
    """How far a search is, and what it found on a frame that it is through with.

    Attributes
    ----------
    revision
        Of the document that was there when it was asked for.
    found
        None while the frame is still looked at.
    done, total
        Hundredths of frames looked at, and of all frames.
    """

    revision: int
    frame_index: int
    done: int
    total: int
    found: Found | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FoundTracks:
    """What linking made of proposals, and of the objects that were there.

    Attributes
    ----------
    proposals, frames, known, sought
        As in the job; the nodes of tracks are places in `frames`, and behind them those of known objects.
    masks
        Number of a proposal -> its mask as it is kept.
    median_step
        How far objects move from one frame to the next: the median over all links, in their diameters.
    """

    linked: Linked
    proposals: Mapping[int, Proposal]
    frames: Sequence[Sequence[int]]
    masks: Mapping[int, StoredMask]
    median_step: float
    known: KnownObjects
    sought: range

    def number(self, node: Node) -> int | None:
        """Return the number of the proposal that a node is, None where it is the mask of an object."""
        frame, index = node
        numbers = self.frames[frame]
        return numbers[index] if index < len(numbers) else None

    def drawn(self, node: Node) -> Mask:
        """Return the mask of a node as a prompt says it."""
        number = self.number(node)
        return self.known.drawn(node) if number is None else self.proposals[number].mask

    def sought_on(self, frame: int) -> dict[int, Proposal]:
        """Return all that was proposed on a frame, whatever became of it; nothing where nobody looked."""
        return ProposalMap.of(self.proposals).on_frame(frame)


@dataclass(frozen=True, slots=True, eq=False)
class LinkUpdate:
    """How far linking is, and what came of it at the end.

    Attributes
    ----------
    done, total
        Frames read and linked, of twice as many as there are.
    """

    revision: int
    frame_index: int
    done: int
    total: int
    tracks: FoundTracks | None = None


Update = FrameUpdate | FoundUpdate | LinkUpdate
