"""Masks kept small: only what lies in their bounding box, so that those of a whole run fit into memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class FoundMask:
    """A mask in its bounding box: first row and column, and the pixels."""

    top: int
    left: int
    pixels: Mask

    @classmethod
    def of(cls, mask: Mask) -> FoundMask:
        """Return a mask (H, W) cut to what is in it."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not rows.size:
            return cls(0, 0, np.zeros((0, 0), dtype=bool))
        return cls(int(rows[0]), int(columns[0]), mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy())

    def on(self, shape: tuple[int, int]) -> Mask:
        """Return the whole mask (H, W)."""
        whole = np.zeros(shape, dtype=bool)
        height, width = self.pixels.shape
        whole[self.top : self.top + height, self.left : self.left + width] = self.pixels
        return whole
