"""Tracks of other programs, as they come in: labels that keep their value, or places and outlines; and parents.

Outlines become masks, places become clicks that the model answers; see `imports`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_sam2.stacks import Movie
from sam2_core.errors import PromptError, StackError

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class TrackedLabels:
    """Labels that keep their value over time, one channel of whole numbers, and object id -> the one it came from.

    spans: object id -> first and last frame, where a table of the Cell Tracking Challenge says so. notes: what is odd.
    """

    labels: Movie
    parents: Mapping[int, int]
    spans: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrackedSpots:
    """Objects of other programs on frames, a row for each of N.

    Attributes
    ----------
    name
        Of what they were read from, for messages.
    object_ids, frames
        (N,), 1 or more, and 0 or more; no object is twice on a frame.
    places_yx
        (N, 2) in pixels.
    parents
        Object id -> the one that it came from.
    outlines_yx
        Row -> polygon (V, 2) in pixels, of those that have one.
    shape
        (T, H, W) of the images, where the file says it.
    plane
        Place along Z, in planes, where it is said.
    notes
        What is odd about them, in sentences.
    """

    name: str
    object_ids: Array
    frames: Array
    places_yx: Array
    parents: Mapping[int, int]
    outlines_yx: Mapping[int, Array] = field(default_factory=dict)
    shape: tuple[int, int, int] | None = None
    plane: float | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.frames):
            raise StackError(f"{self.name} holds no object on any frame.")
        pairs, counts = np.unique(np.stack([self.object_ids, self.frames]), axis=1, return_counts=True)
        if counts.max() > 1:
            one, frame = pairs[:, counts.argmax()].tolist()
            raise PromptError(
                f"{self.name} says of object {one} on frame {frame} that it is in {counts.max()} places; give each "
                "object once a frame, daughters under ids of their own."
            )

    @property
    def frames_of(self) -> dict[int, list[int]]:
        """Object id -> frames on which it is, both ascending."""
        order = np.lexsort((self.frames, self.object_ids))
        ids, starts = np.unique(self.object_ids[order], return_index=True)
        parts = np.split(self.frames[order], starts[1:])
        return {one: frames.tolist() for one, frames in zip(ids.tolist(), parts, strict=True)}


def one_parent_each(pairs: Iterable[tuple[int, int]], name: str) -> dict[int, int]:
    """Return object id -> parent of pairs of both; `name` is that of the file.

    Raises
    ------
    PromptError
        If an object has two.
    """
    parents: dict[int, int] = {}
    for child, parent in pairs:
        if parents.setdefault(child, parent) != parent:
            raise PromptError(
                f"{name} says that object {child} comes from {parents[child]} and from {parent}; an object has one "
                "parent, so correct one of the lines."
            )
    return parents


def check_fits(name: str, shape: tuple[int, ...], session: tuple[int, ...]) -> None:
    """Return nothing if tracks of images (T, H, W) are of the images of a session.

    Raises
    ------
    StackError
        If they have other frames or another size.
    """
    if shape != session:
        raise StackError(
            f"{name} has {shape[0]} frames of {shape[1]} x {shape[2]} pixels, and the session {session[0]} of "
            f"{session[1]} x {session[2]}; import the tracks of the same stack."
        )


def checked_parents(name: str, parents: Mapping[int, int], begins: Mapping[int, int]) -> dict[int, int]:
    """Return object id -> the one that it came from, of the objects that begin, id -> frame.

    Raises
    ------
    PromptError
        If a parent is not there or begins later.
    """
    for one, begin in begins.items():
        parent = parents.get(one, one)
        if parent not in begins:
            raise PromptError(
                f"{name} holds no object {parent}, which is said to be the parent of {one}; leave the parent empty or "
                "0 in the table, or take tracks that hold it."
            )
        if begins[parent] > begin:
            raise PromptError(
                f"{name}: object {one} begins on frame {begin}, and {parent}, which is said to be its parent, on frame "
                f"{begins[parent]}; leave the parent empty or 0 in the table."
            )
    return {one: parents[one] for one in begins if one in parents}
