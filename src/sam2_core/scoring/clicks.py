"""Corrective clicks: where a person who knows the truth would click next.

In the centre of the largest error region (4-connected): positive in a miss, negative in an excess. Shared by stills
and movies; it does not count clicks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from sam2_core.scoring.ground_truth import Mask, farthest_pixel


@dataclass(frozen=True, slots=True)
class CorrectiveClick:
    """A pixel (y, x), and whether it lies in the object (1) or outside (0)."""

    yx: tuple[int, int]
    label: int


def corrective_click(truth: Mask, found: Mask) -> CorrectiveClick | None:
    """Return the next click from two masks (H, W), None where they agree; a miss wins a tie with an excess."""
    best: tuple[int, Mask, int] | None = None
    for wrong, label in ((truth & ~found, 1), (found & ~truth, 0)):
        area, region = _largest_region(wrong)
        if area and (best is None or area > best[0]):
            best = (area, region, label)
    return None if best is None else CorrectiveClick(farthest_pixel(best[1]), best[2])


def _largest_region(wrong: Mask) -> tuple[int, Mask]:
    """Return area and mask of the largest connected region, the first in row order on a tie."""
    regions, count = ndimage.label(wrong)
    if count == 0:
        return 0, wrong
    areas = np.bincount(regions.ravel())[1:]
    largest = int(areas.argmax())
    return int(areas[largest]), regions == largest + 1
