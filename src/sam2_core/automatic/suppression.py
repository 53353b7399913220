"""Of boxes that overlap the one with the highest score: greedy non-maximum suppression on numpy arrays.

It decides as ``torchvision.ops.batched_nms`` does for one category on a CPU, to the last bit of an overlap: boxes are
x0, y0, x1, y1, an area is (x1 - x0) * (y1 - y0), a box goes where the overlap with a better one is *above* the
threshold. Source of the formula: ``torchvision/csrc/ops/cpu/nms_kernel.cpp``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def best_of_overlapping(boxes: npt.ArrayLike, scores: npt.ArrayLike, iou_threshold: float) -> list[int]:
    """Return the indices of the boxes (N, 4) that stay, by falling score (N,); of equals the earlier comes first."""
    order = np.argsort(-np.asarray(scores, dtype=np.float32), kind="stable")
    corners = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)[order]
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    left = np.arange(len(order))
    kept = []
    while left.size:
        best, left = left[0], left[1:]
        kept.append(int(order[best]))
        overlaps = _overlaps(corners[best], areas[best], corners[left], areas[left])
        left = left[~(overlaps.astype(np.float64) > iou_threshold)]  # what has no area overlaps by NaN, and stays
    return kept


def _overlaps(
    box: npt.NDArray[np.float32], area: np.float32, others: npt.NDArray[np.float32], areas: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return the intersection over union of a box (4,) with others (N, 4)."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.maximum(sides, 0).prod(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return shared / (area + areas - shared)
