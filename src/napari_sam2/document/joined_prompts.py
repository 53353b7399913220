"""Two prompts compared and made one, their masks included: `==` on prompts leaves masks out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from napari_sam2.document.prompt import Prompt

BoxYX = tuple[float, float, float, float]
Array = np.ndarray[Any, Any]


def same_prompt(first: Prompt | None, second: Prompt | None) -> bool:
    """Return whether two prompts say the same, their masks included (`==` leaves those out)."""
    if first is second:
        return True
    if first is None or second is None or first != second:
        return False
    if first.mask is None or second.mask is None:
        return first.mask is second.mask
    return first.mask is second.mask or np.array_equal(first.mask, second.mask)


def joined(first: Prompt, second: Prompt) -> Prompt:
    """Return both prompts as one of the first's object and frame: masks united, one box around both, points in turn."""
    return replace(
        first,
        points_yx=first.points_yx + second.points_yx,
        labels=first.labels + second.labels,
        box_yx=_around(first.box_yx, second.box_yx),
        mask=_united(first.mask, second.mask),
    )


def _around(first: BoxYX | None, second: BoxYX | None) -> BoxYX | None:
    if first is None or second is None:
        return first if second is None else second
    return min(first[0], second[0]), min(first[1], second[1]), max(first[2], second[2]), max(first[3], second[3])


def _united(first: Array | None, second: Array | None) -> Array | None:
    if first is None or second is None:
        return first if second is None else second
    return np.logical_or(first, second)
