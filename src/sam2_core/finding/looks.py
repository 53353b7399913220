"""Where a look at a frame is unsure, objects are sought at other scales too, and what the looks agree on stays.

Sizes of cells that spread differ twofold in one frame, and each scale shows some of them best: from near a large one
comes apart, from afar small ones join. An object counts for more where other looks saw it as well, and its outline is
what most of those saw. Frames of which the first look is sure are not looked at again, nor rods (`rods`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sam2_core.finding.conflicts import without_conflicts
from sam2_core.finding.found import FoundObject, cut_to_pixels, labels_of
from sam2_core.finding.pieces import largest_piece
from sam2_core.windowed.window import SizeHW

Look: TypeAlias = Sequence[FoundObject]
"""What was seen at one scale; no two share a pixel."""

OTHER_SCALES = (0.7, 1.4)
"""Times the diameter for which tiles were laid at first."""
LEAST_SEEN = 0.15
"""Score of what a look shows; below, it counts for nothing."""
SURE = 0.86
"""Mean score of what a look shows, by area, from which on it is not looked again."""
MOST_SPREAD = 0.27
"""Standard deviation of the logarithm of diameters up to which objects are of about one size."""
SAME_OBJECT = 0.5
"""IoU above which two looks saw the same object: each has one such partner at most."""


def is_sure(look: Look) -> bool:
    """Return whether a look can be believed: what it shows is likely right and of about one size, or nothing."""
    seen = [each for each in look if each.score >= LEAST_SEEN]
    if not seen:
        return True
    scores, areas = np.array([(each.score, each.area) for each in seen], dtype=float).T
    sizes = np.log(areas) / 2
    spread = np.sqrt(np.average((sizes - np.average(sizes, weights=scores)) ** 2, weights=scores))
    return bool(np.average(scores, weights=areas) >= SURE and spread <= MOST_SPREAD)


def agreed(looks: Sequence[Look], frame_hw: SizeHW) -> tuple[FoundObject, ...]:
    """Return the objects that several looks at one frame agree on, the best first; no two share a pixel.

    The score of an object is the mean of its own and of what all looks give it, which is nothing where it was not seen.
    """
    labels = [labels_of(look, frame_hw) for look in looks]
    same: list[list[list[FoundObject]]] = [[[] for _ in look] for look in looks]
    for one, other in combinations(range(len(looks)), 2):
        for mine, theirs in _pairs(labels[one], labels[other]):
            same[one][mine].append(looks[other][theirs])
            same[other][theirs].append(looks[one][mine])
    ranked = []
    for look, partners in zip(looks, same, strict=True):
        for found, others in zip(look, partners, strict=True):
            seen = sum((each.score for each in others), found.score) / len(looks)
            ranked.append(replace(_outlined([found, *others]), score=(found.score + seen) / 2))
    ranked.sort(key=lambda each: each.score, reverse=True)
    return tuple(without_conflicts(ranked, frame_hw))


def _pairs(labels: npt.NDArray[np.int32], others: npt.NDArray[np.int32]) -> list[tuple[int, int]]:
    """Return which objects of two looks are the same, by their places in each."""
    count = int(others.max()) + 1
    both = (labels > 0) & (others > 0)
    pairs, shared = np.unique(labels[both].astype(np.int64) * count + others[both], return_counts=True)
    mine, theirs = np.divmod(pairs, count)
    areas, other_areas = np.bincount(labels.ravel()), np.bincount(others.ravel())
    same = shared > SAME_OBJECT * (areas[mine] + other_areas[theirs] - shared)
    return list(zip((mine[same] - 1).tolist(), (theirs[same] - 1).tolist(), strict=True))


def _outlined(views: Sequence[FoundObject]) -> FoundObject:
    """Return the first of several views of an object with the pixels that most of them show; it decides a draw."""
    boxes = np.array([each.box_xyxy for each in views])
    (x0, y0), (x1, y1) = boxes[:, :2].min(axis=0).tolist(), boxes[:, 2:].max(axis=0).tolist()
    votes = np.zeros((y1 - y0, x1 - x0))
    for place, each in enumerate(views):
        left, top, right, bottom = each.box_xyxy
        votes[top - y0 : bottom - y0, left - x0 : right - x0] += each.mask * (1.5 if place == 0 else 1.0)
    cut = cut_to_pixels(largest_piece(2 * votes > len(views) + 0.5), (x0, y0))
    return views[0] if cut is None else replace(views[0], box_xyxy=cut[0], mask=cut[1])
