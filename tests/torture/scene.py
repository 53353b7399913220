"""A small movie to walk in, and the values that are drawn there."""

from __future__ import annotations

from typing import Any

import numpy as np

from sam2_core.errors import PromptError, StackError

FRAMES, HEIGHT, WIDTH = 6, 40, 56
REFUSALS = (PromptError, StackError)
Box = tuple[int, int, int, int]
"""y, x, height, width."""


def rectangle(box: Box) -> np.ndarray[Any, Any]:
    """(H, W) bool of y, x, height, width."""
    y, x, height, width = box
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y : y + height, x : x + width] = True
    return mask


def movie() -> np.ndarray[Any, Any]:
    """Two discs that move, (T, H, W) uint8."""
    frames = np.random.default_rng(0).integers(0, 40, (FRAMES, HEIGHT, WIDTH)).astype(np.uint8)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for frame in range(FRAMES):
        for y, x in ((12, 12), (28, 34)):
            frames[frame][np.hypot(rows - y, columns - x - frame) < 6] = 180
    return frames


def in_words(error: Exception) -> None:
    """A refusal says why."""
    assert str(error), f"a {type(error).__name__} without a word"
