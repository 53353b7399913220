"""What is seen of single masks: their pixels, area, middle, pieces, and how far two of them agree."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy import ndimage

from napari_sam2.masks.stored_masks import Array, StoredMask


class View:
    """A mask with its pixels in the box (h, w), unpacked when they are first asked for."""

    def __init__(self, mask: StoredMask) -> None:
        self.mask = mask

    @cached_property
    def inside(self) -> Array:
        """Its pixels, (h, w) bool."""
        return self.mask.mask()

    @cached_property
    def area(self) -> int:
        """How many there are."""
        return int(np.count_nonzero(self.inside))

    @cached_property
    def center_yx(self) -> tuple[float, float]:
        """Mean place of its pixels on the frame; it has to hold one."""
        rows = np.arange(self.inside.shape[0]) @ self.inside.sum(axis=1)
        columns = np.arange(self.inside.shape[1]) @ self.inside.sum(axis=0)
        return self.mask.y0 + float(rows) / self.area, self.mask.x0 + float(columns) / self.area

    @cached_property
    def apart(self) -> float:
        """Share of its pixels that lie apart from the largest piece."""
        if not self.area:
            return 0.0
        pieces, _ = ndimage.label(self.inside, structure=np.ones((3, 3)))
        return 1 - float(np.bincount(pieces.ravel())[1:].max()) / self.area


def centroid_yx(mask: StoredMask) -> tuple[float, float]:
    """Return the mean place (y, x) of the pixels of a mask that holds one."""
    return View(mask).center_yx


def common(first: View, second: View, by_yx: tuple[int, int] = (0, 0)) -> int:
    """Return how many pixels two views share, the first one moved by (y, x) pixels."""
    a, b = first.mask, second.mask
    ay, ax = a.y0 + by_yx[0], a.x0 + by_yx[1]
    y0, x0 = max(ay, b.y0), max(ax, b.x0)
    y1, x1 = min(ay + a.shape[0], b.rows.stop), min(ax + a.shape[1], b.columns.stop)
    if y0 >= y1 or x0 >= x1:
        return 0
    one = first.inside[y0 - ay : y1 - ay, x0 - ax : x1 - ax]
    return int(np.count_nonzero(one & second.inside[y0 - b.y0 : y1 - b.y0, x0 - b.x0 : x1 - b.x0]))


def iou(first: View, second: View, by_yx: tuple[int, int] = (0, 0)) -> float:
    """Return the IoU of two views, the first one moved by (y, x) pixels; 0 where both are empty."""
    shared = common(first, second, by_yx)
    union = first.area + second.area - shared
    return shared / union if union else 0.0
