"""Which object a pixel belongs to where masks overlap: labels of one frame from its masks.

Locked objects win over painted masks, painted ones over all others, and these over what was found or imported, so that
a correction holds; among equals the policy decides. The answer is the same in whatever order the masks are given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from napari_sam2.masks.stored_masks import LARGEST_CODE, Array, MaskStatus, StoredMask

LabelType = np.dtype[np.uint16] | np.dtype[np.uint32]
PixelBox = tuple[int, int, int, int]
"""y0, x0, y1, x1 in whole pixels; the last ones are not in it."""


class Overlaps(StrEnum):
    """What happens where masks of several objects lie over each other."""

    logits = "logits"
    """The highest logit gets the pixel; of equal ones the lower id."""
    keep = "keep"
    """The object that came first keeps its pixels."""
    allowed = "allowed"
    """Masks are not cut: ask for the labels of one object at a time. For several at once as `logits`."""


@dataclass(frozen=True, slots=True)
class Layered:
    """A mask that takes part in the labels of a frame; `place` is that of its object among those on the frame."""

    object_id: int
    mask: StoredMask
    place: int
    locked: bool

    @property
    def rank(self) -> int:
        """Return 3 for a locked object, 2 for a painted mask, 0 for evidence, 1 for any other."""
        if self.locked:
            return 3
        if self.mask.status is MaskStatus.edited:
            return 2
        return 0 if self.mask.status.is_evidence else 1


def painted(layers: Iterable[Layered], box: PixelBox, overlaps: Overlaps, dtype: LabelType) -> Array:
    """Return labels (h, w) of a box of a frame: at each pixel the id of the object that has it, else 0."""
    y0, x0, y1, x1 = box
    labels = np.zeros((y1 - y0, x1 - x0), dtype=dtype)
    taken = np.zeros(labels.shape, dtype=np.int16)
    ordered = sorted(layers, key=lambda one: one.place if overlaps is Overlaps.keep else one.object_id)
    for layer in ordered:
        mask = layer.mask
        top, left = max(mask.y0, y0), max(mask.x0, x0)
        bottom, right = min(mask.rows.stop, y1), min(mask.columns.stop, x1)
        if mask.is_empty or top >= bottom or left >= right:
            continue
        here = slice(top - y0, bottom - y0), slice(left - x0, right - x0)
        inside = slice(top - mask.y0, bottom - mask.y0), slice(left - mask.x0, right - mask.x0)
        strength = _strength(layer, overlaps)[inside]
        wins = strength > taken[here]
        labels[here][wins] = layer.object_id
        taken[here][wins] = strength[wins]
    return labels


def label_dtype(object_ids: Iterable[int]) -> LabelType:
    """Return uint16, or uint32 where an id does not fit into it."""
    return np.dtype(np.uint16) if max(object_ids, default=0) < 2**16 else np.dtype(np.uint32)


def _strength(layer: Layered, overlaps: Overlaps) -> Array:
    """Return (h, w) int16, 0 outside the mask: rank before logit, or rank alone where logits do not count."""
    codes = layer.mask.codes()
    inside = codes > 0
    if overlaps is Overlaps.keep:
        return inside * np.int16(layer.rank + 1)
    return codes + inside * np.int16(layer.rank * (LARGEST_CODE + 1))
