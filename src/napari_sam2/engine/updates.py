"""What crosses from the lane to the main thread: the masks of one frame, as values of numpy alone.

A `FrameUpdate` says for which document it was computed (`revision`), so that one that comes late can be told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

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
