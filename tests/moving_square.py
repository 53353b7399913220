"""A bright square that moves to the right by two pixels a frame."""

from __future__ import annotations

import numpy as np

SIZE = 60, 90
"""(H, W) of the frames."""


def left(frame):
    """Return the first of its columns; its rows are 6 to 14."""
    return 6 + 2 * frame


def square(frame):
    mask = np.zeros(SIZE, bool)
    mask[6:15, left(frame) : left(frame) + 9] = True
    return mask
