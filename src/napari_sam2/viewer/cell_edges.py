"""The edge of a cell as pixels: those of its mask that lie next to others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PX_PER_LINE = 600
"""Longer frames have lines of two pixels and more, for they are shown smaller."""


def line_width(size: tuple[int, int]) -> int:
    """Return how many pixels wide outlines are on a frame of that height and width."""
    return max(1, round(max(size) / _PX_PER_LINE))


def edge_of(inside: NDArray[np.bool_], thickness: int = 1) -> NDArray[np.bool_]:
    """Return the pixels of a mask (h, w) that lie next to others, so many deep; small ones stay open inside."""
    padded = np.zeros((inside.shape[0] + 2, inside.shape[1] + 2), bool)  # np.pad takes longer than all the rest
    padded[1:-1, 1:-1] = inside
    kept = padded
    for _ in range(max(1, min(thickness, min(inside.shape) // 6))):
        kept = _eroded(kept)
    return (padded & ~kept)[1:-1, 1:-1]


def _eroded(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a plane without the pixels that have an empty one beside them; its edge is empty."""
    kept = np.zeros_like(inside)
    middle = inside[1:-1, 1:-1] & inside[:-2, 1:-1] & inside[2:, 1:-1]
    kept[1:-1, 1:-1] = middle & inside[1:-1, :-2] & inside[1:-1, 2:]
    return kept
