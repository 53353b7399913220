"""What an object is on each frame, in numbers, and what is usual among all: motion, size, how far masks agree.

How objects move from frame to frame is the median of the steps of the `NEAREST` tracks, so that a movie that drifts, or
cells that move together, are not in doubt as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_sam2.masks.stored_masks import StoredMask
from napari_sam2.review.views import View

Floats = NDArray[np.float64]
NEAREST = 7
"""Tracks around a place whose steps say how objects move there; where a frame has fewer, they count as standing."""


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """An object on the frames on which it is there, ascending.

    Attributes
    ----------
    frames
        (n,).
    areas, yx
        (n,) pixels and (n, 2) middles.
    """

    frames: NDArray[np.int64]
    areas: Floats
    yx: Floats

    @property
    def begin(self) -> int:
        """First frame; there has to be one."""
        return int(self.frames[0])

    @property
    def end(self) -> int:
        """Last frame."""
        return int(self.frames[-1])

    def __len__(self) -> int:
        return len(self.frames)

    def from_frame(self, frame: int) -> int:
        """Return on how many frames it is there from a frame on."""
        return int(np.count_nonzero(self.frames >= frame))


def views_of(frames: Mapping[int, StoredMask]) -> dict[int, View]:
    """Return the masks of an object that hold a pixel, as they are seen, by frame."""
    return {frame: View(mask) for frame, mask in frames.items() if not mask.is_empty}


def course_of(views: Mapping[int, View]) -> Course:
    """Return the course that views by frame make."""
    return Course(
        np.array(list(views), np.int64),
        np.array([view.area for view in views.values()], np.float64),
        np.array([view.center_yx for view in views.values()], np.float64).reshape(-1, 2),
    )


class Usual:
    """What is usual among the objects of a movie: their diameter, and how they move from frame to frame."""

    def __init__(self, courses: Iterable[Course], frame_count: int) -> None:
        frames, begins, steps, areas = [np.zeros(0, np.int64)], [np.zeros((0, 2))], [np.zeros((0, 2))], [np.zeros(0)]
        for course in courses:
            follows = np.flatnonzero(np.diff(course.frames) == 1)
            frames.append(course.frames[follows])
            begins.append(course.yx[follows])
            steps.append(course.yx[follows + 1] - course.yx[follows])
            areas.append(course.areas)
        at, yx = np.concatenate(frames), np.concatenate(begins)
        moved, area = np.concatenate(steps), np.concatenate(areas)
        order = np.argsort(at, kind="stable")
        bounds = np.searchsorted(at[order], np.arange(frame_count + 1))
        parts = [order[first:stop] for first, stop in pairwise(bounds.tolist())]
        self._fields = [(cKDTree(yx[part]), moved[part]) if len(part) >= NEAREST else None for part in parts]
        self.diameter = float(np.sqrt(4 / np.pi * np.median(area))) if area.size else 1.0
        """Of a disc with the area of a typical object."""

    def moved(self, frame: int, then: int, yx: Floats) -> Floats:
        """Return (2,) pixels by which objects near a place (2,) move from a frame to a later one, as a rule."""
        there = np.array(yx)
        for field in self._fields[frame:then]:
            if field is not None:
                tree, steps = field
                there = there + np.median(steps[tree.query(there, NEAREST)[1]], axis=0)
        return there - yx
