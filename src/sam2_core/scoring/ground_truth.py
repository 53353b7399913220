"""What is judged: objects of a ground truth, where a person would click on them, and how long they are followed.

`still_targets` and `movie_targets` choose objects by the protocol: at least 40 px on the frame where they are prompted
and not touching the border of the image there. `farthest_pixel` is the click, `bounding_box` the box,
`typical_diameter` the one number about the stack that a predictor may be told. Labels are read one frame at a time and
never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from scipy import ndimage

from sam2_core.errors import StackError

LEAST_AREA_PX = 40
MOST_OBJECTS = 40
MOST_FRAMES = 40
DIVIDED_SHARE = 0.1
"""An object whose last place new ids take by this share on the next frame has divided."""

Mask = np.ndarray[Any, np.dtype[np.bool_]]
Labels = np.ndarray[Any, Any]
Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Target:
    """One object that is prompted and judged.

    Attributes
    ----------
    object_id
        Its label value.
    first_frame, last_frame
        The frame on which it is prompted, and the last one on which it is judged.
    click_yx
        Pixel farthest from its outline on the first frame.
    box_yx
        (y0, x0, y1, x1): its outermost pixels on the first frame.
    gone
        Frames behind the first on which it is truly not in the image: those of a gap, and those after it left.
    """

    object_id: int
    first_frame: int
    last_frame: int
    click_yx: tuple[int, int]
    box_yx: tuple[int, int, int, int]
    gone: tuple[int, ...] = ()

    @property
    def stop(self) -> int:
        """One behind the last frame that has to be looked at."""
        return max((self.last_frame, *self.gone)) + 1


@dataclass(frozen=True, slots=True)
class MovieScope:
    """How much of a movie is judged: ids per movie; frames per id, the prompted one included; only ids of frame 0."""

    objects: int = MOST_OBJECTS
    frames: int = MOST_FRAMES
    first_frame_only: bool = False


def still_targets(labels: Labels, most: int | None = None) -> tuple[Target, ...]:
    """Return the objects of one still (H, W), by id; at most so many, evenly picked from the sorted ids."""
    chosen = evenly(judged_ids(labels), most)
    return tuple(_target(object_id, 0, 0, labels == object_id) for object_id in chosen)


def movie_targets(truth: Sequence[Labels], scope: MovieScope | None = None) -> tuple[Target, ...]:
    """Return the objects of a movie, by id, each to be prompted on the first frame on which it exists.

    An object has left where its mask touched the border of the image on the last frame that shows it and no new ids
    take its place; one that divides or ends inside (an annotation that stops) has not, and the frames behind are not
    judged. truth: frames of labels (H, W), `len` and `[i]`. scope: the protocol's 40 ids and 40 frames by default.

    Raises
    ------
    StackError
        If no object can be judged.
    """
    found = targets_in(truth, scope or MovieScope())
    if not found:
        raise StackError(
            f"The ground truth has no object of at least {LEAST_AREA_PX} px that lies inside the image on its first "
            "frame; is it a label stack, with one value per object?"
        )
    return found


def targets_in(truth: Sequence[Labels], scope: MovieScope) -> tuple[Target, ...]:
    """Return what `movie_targets` does, nothing where no object can be judged."""
    lives = _lives(truth, scope.first_frame_only)
    picked = evenly(sorted(lives), scope.objects)
    return tuple(_movie_target(object_id, lives[object_id], truth, scope.frames) for object_id in picked)


def judged_ids(labels: Labels) -> list[int]:
    """Return the ids of objects of at least 40 px that do not touch the border of the image (H, W), sorted."""
    values, areas = np.unique(labels, return_counts=True)
    large = values[(areas >= LEAST_AREA_PX) & (values != 0)]
    return [int(value) for value in np.setdiff1d(large, border_ids(labels))]


def border_ids(labels: Labels) -> Labels:
    """Return the values on the border of an image (H, W), sorted."""
    return np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))


def evenly(entries: Sequence[Entry], most: int | None) -> list[Entry]:
    """Return at most so many entries, evenly picked, the first and the last among them; all where None."""
    if most is None or len(entries) <= most:
        return list(entries)
    return [entries[index] for index in np.linspace(0, len(entries) - 1, most).round().astype(int).tolist()]


def farthest_pixel(mask: Mask) -> tuple[int, int]:
    """Return the pixel (y, x) of a mask (H, W) that is farthest from its outline, the first in row order on a tie.

    The border of the image counts as outline. Objects that do not touch it are not concerned; error regions are.
    """
    y0, x0, y1, x1 = bounding_box(mask)
    crop = np.pad(mask[y0 : y1 + 1, x0 : x1 + 1], 1)
    depth = ndimage.distance_transform_edt(crop)[1:-1, 1:-1]
    y, x = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return y0 + int(y), x0 + int(x)


def bounding_box(mask: Mask) -> tuple[int, int, int, int]:
    """Return (y0, x0, y1, x1), the outermost rows and columns of a mask (H, W) that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]), int(columns[-1])


def typical_diameter(truth: Iterable[Labels]) -> float:
    """Return the median diameter of the objects in px, as `median_diameter` does.

    Raises
    ------
    StackError
        If there is no object to take it from.
    """
    diameter = median_diameter(truth)
    if not diameter:
        raise StackError(f"The ground truth has no object of at least {LEAST_AREA_PX} px to take a diameter from.")
    return diameter


def median_diameter(truth: Iterable[Labels]) -> float:
    """Return the median diameter in px of discs as large as the objects of at least 40 px, 0 where there is none.

    truth: labels (H, W), frame by frame; each frame of an object counts.
    """
    counted = [np.unique(labels[labels != 0], return_counts=True)[1] for labels in truth]
    areas = np.array([area for frame in counted for area in frame if area >= LEAST_AREA_PX], dtype=np.float64)
    return float(np.median(np.sqrt(4.0 * areas / np.pi))) if areas.size else 0.0


@dataclass(slots=True)
class _Life:
    """Frames on which an id exists, and whether it left the image after the last of them."""

    frames: list[int] = field(default_factory=list)
    left: bool = False


def _lives(truth: Sequence[Labels], first_frame_only: bool) -> dict[int, _Life]:
    """Return id -> life of the ids that may be judged; every frame is read once."""
    lives: dict[int, _Life] = {}
    refused: set[int] = set()
    before: Labels | None = None
    for index in range(len(truth)):
        labels = truth[index]
        present = [int(value) for value in np.unique(labels) if value]
        fresh = set(present) - lives.keys() - refused
        if before is not None:
            for divided in _divided(before, labels, fresh) & lives.keys():
                lives[divided].left = False
        welcome = fresh & set(judged_ids(labels)) if index == 0 or not first_frame_only else set()
        refused |= fresh - welcome
        edge = set(border_ids(labels).tolist())
        for object_id in present:
            if object_id not in refused:
                life = lives.setdefault(object_id, _Life())
                life.frames.append(index)
                life.left = object_id in edge
        before = labels
    return lives


def _divided(before: Labels, labels: Labels, fresh: set[int]) -> set[int]:
    """Return the ids of a frame (H, W) that are gone on the next one, with fresh ids in their place."""
    taken = before[np.isin(labels, list(fresh))]
    values, areas = np.unique(taken[taken != 0], return_counts=True)
    return {
        int(value)
        for value, area in zip(values, areas, strict=True)
        if area >= DIVIDED_SHARE * np.count_nonzero(before == value) and not (labels == value).any()
    }


def _movie_target(object_id: int, life: _Life, truth: Sequence[Labels], most_frames: int) -> Target:
    first, last = life.frames[0], life.frames[-1]
    stop = min(first + most_frames, len(truth))
    end = stop if life.left else min(last + 1, stop)
    shown = set(life.frames)
    gone = tuple(index for index in range(first, end) if index not in shown)
    return _target(object_id, first, min(last, stop - 1), truth[first] == object_id, gone)


def _target(object_id: int, first: int, last: int, mask: Mask, gone: tuple[int, ...] = ()) -> Target:
    return Target(object_id, first, last, farthest_pixel(mask), bounding_box(mask), gone)
