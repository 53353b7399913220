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

from napari_sam2.document.reviews import ReviewKind
from napari_sam2.masks.stored_masks import StoredMask
from napari_sam2.review.views import View

Floats = NDArray[np.float64]
NEAREST = 7
"""Tracks around a place whose steps say how objects move there, an odd number; where a frame has fewer, they count as
standing.
"""


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


def course_of(views: Mapping[int, View], memory: Memory | None = None) -> Course:
    """Return the course that views by frame make; what is remembered of a mask is not measured again."""
    shapes = {} if memory is None else memory.shapes
    rows = []
    for view in views.values():
        known = shapes.get(id(view.mask))
        if known is None:
            known = shapes[id(view.mask)] = view.mask, float(view.area), view.center_yx
        rows.append((known[1], *known[2]))
    table = np.array(rows, np.float64).reshape(-1, 3)
    return Course(np.array(list(views), np.int64), table[:, 0], table[:, 1:])


Verdict = tuple[tuple[ReviewKind, float, str], ...]
"""What is unusual about a step: kind, degree, reason."""


class Memory:
    """What was found of the masks of an object, for as long as they are the same masks.

    Attributes
    ----------
    shapes
        Mask, area and middle, by the identity of the mask, which is kept so that it stays its own.
    verdicts
        Of steps, by the first frame and the identities of both masks; made with what was usual then.
    """

    def __init__(self) -> None:
        self.shapes: dict[int, tuple[StoredMask, float, tuple[float, float]]] = {}
        self.verdicts: dict[tuple[int, int, int], Verdict] = {}

    def take(self, other: Memory) -> None:
        """Remember what another one does."""
        self.shapes |= other.shapes
        self.verdicts |= other.verdicts

    def only(self, masks: Iterable[StoredMask]) -> Memory:
        """Return what is remembered of these masks."""
        kept, ids = Memory(), {id(mask) for mask in masks}
        kept.shapes = {one: known for one, known in self.shapes.items() if one in ids}
        kept.verdicts = {step: known for step, known in self.verdicts.items() if ids.issuperset(step[1:])}
        return kept


class Usual:
    """What is usual among the objects of a movie: their diameter, and how they move from frame to frame."""

    def __init__(self, courses: Iterable[Course], frame_count: int) -> None:
        self.first, self.last = frame_count - 1, 0
        """Frames on which anything is there for the first and for the last time: nobody may have looked beyond."""
        frames, begins, steps, areas = [np.zeros(0, np.int64)], [np.zeros((0, 2))], [np.zeros((0, 2))], [np.zeros(0)]
        for course in courses:
            if len(course):
                self.first, self.last = min(self.first, course.begin), max(self.last, course.end)
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
                near = np.sort(steps[tree.query(there, NEAREST)[1]], axis=0)
                there = there + near[NEAREST // 2]  # their median, in a third of the time of numpy's for so few
        return there - yx
