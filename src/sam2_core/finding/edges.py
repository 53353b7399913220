"""Outlines moved to the edge of what is brighter than the ground around it.

The model answers at a quarter of its input, and it learnt from outlines that many people drew, each a little wider or
narrower than the next. Of something bright the picture itself says where it ends: where brightness is half way from the
ground around it to its own. Outlines go about half of the way there, more where the edge is sharp. What is darker than
the ground, what hardly stands out of it (phase contrast, a texture), what has no ground beside it (a tissue) and what
would come apart (two halves with a dark neck) stays as it was found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sam2_core.finding.found import FoundObject, Mask, cut_to_pixels, labels_of
from sam2_core.finding.picture import Picture
from sam2_core.finding.pieces import largest_piece

Map = npt.NDArray[np.floating]

REACH, MOST_REACH = 0.05, 4.0
"""Of its diameter, and in pixels: so far an outline can be moved."""
LEAST_REACH = 0.5
"""Pixels; outlines that could be moved less than that are left alone."""
GROUND = 0.25
"""Of its diameter: so far the ground around an object goes."""
BLUR = 0.7
"""Pixels over which brightness is smoothed first."""
CLEAR = 1.5
"""Times the standard deviations of an object and of its ground together that lie between their means, at least."""
FEW = 8
"""Pixels of an object or of its ground that tell nothing."""


def at_edges(
    picture: Picture, objects: Sequence[FoundObject], is_wanted: Callable[[FoundObject], bool] = lambda _: True
) -> tuple[FoundObject, ...]:
    """Return the objects with their outlines at the edge in the picture where it shows one.

    None shares a pixel, and the seed of each lies on one of its own.

    Parameters
    ----------
    objects
        Share no pixel; the first ones have the first say about what lies between two.
    is_wanted
        Whether an object is what is sought; one that would be so no longer keeps its outline.
    """
    labels = labels_of(objects, picture.frame_hw)
    after = list[FoundObject]()
    for label, found in enumerate(objects, start=1):
        moved = _at_edge(picture, found, label, labels)
        if moved is not None and is_wanted(moved):
            labels[found.region][found.mask] = 0
            labels[moved.region][moved.mask] = label
            found = moved
        after.append(found.seeded())
    return tuple(after)


def _at_edge(picture: Picture, found: FoundObject, label: int, labels: npt.NDArray[np.int32]) -> FoundObject | None:
    """Return an object with its outline at the edge; None where it stays. Labels (H, W) say whose each pixel is."""
    diameter = float(np.sqrt(4 / np.pi * found.area))
    reach = min(REACH * diameter, MOST_REACH)
    if reach < LEAST_REACH:
        return None
    window = picture.around(found.box_xyxy, int(np.ceil(reach + GROUND * diameter)) + 1)
    there = labels[window.region(picture.frame_hw)]
    mask, free = there == label, there == 0
    depth = _depth(mask)
    level = _level(picture.grey(window), depth > reach, free & (depth < -reach) & (depth > -reach - GROUND * diameter))
    if level is None:
        return None
    inside = largest_piece((depth / reach + level.clip(-1, 1) > 0) & (mask | free)) & (mask | free)
    patch = cut_to_pixels(inside, (window.x0, window.y0))
    if patch is None or (~inside & (depth > reach)).any():  # a dark neck would cut it in two
        return None
    return replace(found, box_xyxy=patch[0], mask=patch[1])


def _depth(mask: Mask) -> Map:
    """Return how far inside its outline each pixel lies, negative outside; the frame cuts nothing."""
    inside = ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1]
    depth: Map = np.where(mask, inside - 0.5, 0.5 - ndimage.distance_transform_edt(~mask))
    return depth


def _level(grey: Map, inside: Mask, ground: Mask) -> Map | None:
    """Return brightness as 1 inside an object, -1 on the ground, 0 at its edge; None where it does not stand out."""
    if min(np.count_nonzero(inside), np.count_nonzero(ground)) < FEW:
        return None
    grey = ndimage.gaussian_filter(grey, BLUR)
    bright, dark = grey[inside], grey[ground]
    contrast = bright.mean() - dark.mean()
    if contrast <= CLEAR * (bright.std() + dark.std()):
        return None
    level: Map = 2 * (grey - dark.mean()) / contrast - 1
    return level
