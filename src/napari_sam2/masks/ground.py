"""What of a frame is taken by objects, to tell which masks lie on top of them; no mask is changed.

A mask is on top of what is there where more than `SHARE` of it is, or where it covers more than half of an object: the
border between neighbours, on which no two outlines agree, makes up less (measured on cells: candidates that overlap
better ones by more than about 15 % are wrong). A click whose mask is not there yet takes its pixel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.document.document import Document
from napari_sam2.document.prompt_parts import Mask
from napari_sam2.masks.mask_store import MaskStore

SHARE = 0.15
HALF = 0.5
SAME = 0.8
"""IoU from which on two masks are the same thing."""


class Ground:
    """Who has the pixels of a frame of a size (H, W).

    Parameters
    ----------
    masks
        Who is there, by a number of 1 or more; of two on one pixel the later one has it.
    """

    def __init__(self, size: tuple[int, int], masks: Mapping[int, Mask]) -> None:
        self._owners = np.zeros(size, np.int64)
        self._areas: dict[int, int] = {}
        for number, mask in masks.items():
            self.take(number, mask)

    @classmethod
    def of_objects(cls, document: Document, masks: MaskStore, frame: int, near: Iterable[Mask] | None = None) -> Ground:
        """Return what the objects of a frame have, hidden ones too; at least those that may meet what is near.

        near: masks that will be asked about; any where None.
        """
        there = ((one, masks.get((one, frame))) for one in masks.objects_on(frame))
        known = {one: mask for one, mask in there if mask is not None and not mask.is_empty}
        ground, zone = cls(masks.size, {}), np.full(masks.size, near is None)
        for asked in near or ():
            zone[asked.rows, asked.columns] = True
        for one, mask in known.items():
            if zone[mask.rows, mask.columns].any():
                ground._give(one, mask.rows, mask.columns, mask.mask())
        for (object_id, at), prompt in document.prompts.items():
            if at == frame and object_id not in known:
                inside = [point for point, label in zip(prompt.points_yx, prompt.labels, strict=True) if label == 1]
                ground._click(object_id, inside)
        return ground

    def take(self, number: int, mask: Mask) -> None:
        """Give the pixels of a mask to a number."""
        self._give(number, mask.rows, mask.columns, mask.inside)

    def is_taken(self, mask: Mask) -> bool:
        """Return whether a mask lies on top of what is there."""
        if not self._owners[mask.rows, mask.columns].any():
            return False
        area, owners, counts = self._under(mask)
        if counts.sum() > SHARE * area:
            return True
        return any(count > HALF * self._areas[int(owner)] for owner, count in zip(owners, counts, strict=True))

    def is_known(self, mask: Mask) -> bool:
        """Return whether a mask is the same as one that is there, or nearly so."""
        if not self._owners[mask.rows, mask.columns].any():
            return False
        area, owners, counts = self._under(mask)
        found = zip(owners, counts, strict=True)
        return any(count >= SAME * (area + self._areas[int(owner)] - count) for owner, count in found)

    def _under(self, mask: Mask) -> tuple[int, NDArray[Any], NDArray[Any]]:
        """Return the pixels of a mask, whose numbers are under it, and on how many pixels each."""
        owners = self._owners[mask.rows, mask.columns][mask.inside]
        values, counts = np.unique(owners[owners > 0], return_counts=True)
        return owners.size, values, counts

    def _give(self, number: int, rows: slice, columns: slice, inside: NDArray[np.bool_]) -> None:
        self._owners[rows, columns][inside] = number
        self._areas[number] = int(np.count_nonzero(inside))

    def _click(self, number: int, points_yx: list[tuple[float, float]]) -> None:
        pixels = {(round(y), round(x)) for y, x in points_yx}
        free = [pixel for pixel in pixels if not self._owners[pixel]]
        for pixel in free:
            self._owners[pixel] = number
        self._areas[number] = 1
