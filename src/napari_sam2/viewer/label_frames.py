"""The labels of a whole stack as an array that napari can show and paint in, computed frame by frame when read.

Handing it to a layer costs nothing, however long the stack: a frame comes from `read_frame` when it is looked at, and
the last few are kept until `forget`, or `amend` where only some objects of it are others. Painting writes into a copy
of the frame and is taken out as `strokes`; nothing here knows a session. Axes that the session holds show labels at
that position only; channels all show the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from napari_sam2.masks.overlaps import PixelBox
from napari_sam2.viewer.coordinates import Grid

Array = np.ndarray[Any, Any]
KEPT_FRAMES = 8
MOST_AMENDED = 8
"""Where more objects of a frame are others, it is read as a whole."""


@dataclass(frozen=True, slots=True, eq=False)
class Stroke:
    """What was painted on one frame: labels before and after, (H, W) each."""

    frame: int
    before: Array
    after: Array

    def object_ids(self, where: Array | None = None) -> frozenset[int]:
        """Return the labels that lost or won pixels, or that had or have some `where` (H, W) says."""
        changed = self.before != self.after if where is None else where
        touched = np.union1d(self.before[changed], self.after[changed]).tolist()
        return frozenset(one for one in touched if one)


class LabelFrames:
    """Labels with the shape of the image layer; indexes, slices and whole coordinate arrays are read and written.

    `read_frame` gives the labels (H, W) of a frame, `read_box` those (h, w) of a box of it, for `amend`.
    """

    def __init__(
        self,
        grid: Grid,
        dtype: np.dtype[Any],
        read_frame: Callable[[int], Array],
        read_box: Callable[[int, PixelBox], Array] | None = None,
    ) -> None:
        self.grid = grid
        self.shape = grid.shape
        self.ndim = grid.ndim
        self.dtype = np.dtype(dtype)
        self._read_frame = read_frame
        self._read_box = read_box
        self._kept: OrderedDict[int, Array] = OrderedDict()
        self._painted: dict[int, Stroke] = {}
        self.missed = False

    @property
    def size(self) -> int:
        """Number of pixels."""
        return int(np.prod(self.shape))

    @property
    def is_painted(self) -> bool:
        """Whether something was painted that nobody has taken yet."""
        return bool(self._painted) or self.missed

    def __len__(self) -> int:
        return self.shape[0]

    def frame(self, frame: int) -> Array:
        """Return the labels of a frame, (H, W), with what is being painted; not to be written to."""
        if frame in self._painted:
            return self._painted[frame].after
        if frame not in self._kept:
            self._kept[frame] = np.asarray(self._read_frame(frame)).astype(self.dtype, copy=False)
            if len(self._kept) > KEPT_FRAMES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(frame)
        return self._kept[frame]

    def forget(self, frame: int | None = None) -> None:
        """Read a frame, or all, anew when they are next looked at; what is being painted stays."""
        if frame is None:
            self._kept.clear()
        else:
            self._kept.pop(frame, None)

    def amend(self, frame: int, object_ids: Collection[int], boxes: Iterable[PixelBox]) -> None:
        """Read a frame anew where some objects were shown and where they are now: in the boxes of their masks."""
        kept, read = self._kept.get(frame), self._read_box
        if kept is None or read is None or frame in self._painted or len(object_ids) > MOST_AMENDED:
            self.forget(frame)
            return
        was = [box for one in object_ids for box in ndimage.find_objects((kept == one).view(np.uint8))]
        for y0, x0, y1, x1 in (
            *((rows.start, columns.start, rows.stop, columns.stop) for rows, columns in was),
            *boxes,
        ):
            kept[y0:y1, x0:x1] = read(frame, (y0, x0, y1, x1))

    def strokes(self) -> list[Stroke]:
        """Return what was painted since the last time, per frame, and forget it."""
        painted = [stroke for _, stroke in sorted(self._painted.items())]
        self._painted.clear()
        for stroke in painted:
            self.forget(stroke.frame)
        self.missed = False
        return [stroke for stroke in painted if not np.array_equal(stroke.before, stroke.after)]

    def __getitem__(self, index: Any) -> Array:
        whole = self._whole(index)
        if any(isinstance(part, np.ndarray) for part in whole):
            return self._gather(whole)
        spans = [self._span(part, size) for part, size in zip(whole, self.shape, strict=True)]
        block = np.zeros([len(span) for span in spans], dtype=self.dtype)
        for position, frame in enumerate(self._frames(spans)):
            self._fill(block, spans, position, frame)
        return block[tuple(0 if isinstance(part, int | np.integer) else slice(None) for part in whole)]

    def __setitem__(self, index: Any, value: Any) -> None:
        whole = self._whole(index)
        if any(isinstance(part, np.ndarray) for part in whole):
            self._scatter(whole, value)
            return
        spans = [self._span(part, size) for part, size in zip(whole, self.shape, strict=True)]
        given = tuple(
            len(span) for part, span in zip(whole, spans, strict=True) if not isinstance(part, int | np.integer)
        )
        block = np.broadcast_to(np.asarray(value), given).reshape([len(span) for span in spans])
        y, x = (spans[axis] for axis in self.grid.plane_axes)
        for position, frame in enumerate(self._frames(spans)):
            plane = self._plane(block, spans, position)
            if plane is None:
                self.missed = True
            else:
                self._writable(frame)[np.ix_(y, x)] = plane

    def astype(self, dtype: Any, copy: bool = True) -> Array:
        """Return all labels as they are now, as a plain array of a type; napari's conversions ask for it."""
        return np.asarray(self, dtype=dtype)

    def __copy__(self) -> Array:
        """Return all labels as they are now, as a plain array: a copy must not change with the session."""
        return np.asarray(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Array:
        return np.asarray(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self[(slice(None),) * self.ndim], dtype=dtype)

    def _whole(self, index: Any) -> tuple[Any, ...]:
        """Return one entry per dimension."""
        given = index if isinstance(index, tuple) else (index,)
        given = tuple(np.asarray(part) if isinstance(part, list) else part for part in given)
        if any(part is Ellipsis for part in given):
            where = next(position for position, part in enumerate(given) if part is Ellipsis)
            missing = self.ndim - (len(given) - 1)
            given = (*given[:where], *(slice(None),) * missing, *given[where + 1 :])
        if len(given) > self.ndim:
            raise IndexError(f"{len(given)} indices for labels with {self.ndim} dimensions")
        return (*given, *(slice(None),) * (self.ndim - len(given)))

    @staticmethod
    def _span(part: Any, size: int) -> range:
        if isinstance(part, slice):
            return range(size)[part]
        position = range(size)[int(part)]
        return range(position, position + 1)

    def _frames(self, spans: list[range]) -> range:
        return range(1) if self.grid.frame_axis is None else spans[self.grid.frame_axis]

    def _held_at(self, spans: list[range], position: int) -> tuple[Any, ...] | None:
        """Return where a block shows a frame: its plane at the held positions; None if it does not reach them."""
        where: list[Any] = []
        for axis, (letter, span) in enumerate(zip(self.grid.axes, spans, strict=True)):
            if axis == self.grid.frame_axis:
                where.append(position)
            elif letter in self.grid.held:
                if self.grid.held[letter] not in span:
                    return None
                where.append(span.index(self.grid.held[letter]))
            else:
                where.append(slice(None))
        return tuple(where)

    def _fill(self, block: Array, spans: list[range], position: int, frame: int) -> None:
        where = self._held_at(spans, position)
        if where is not None:
            y, x = (_slice(spans[axis]) for axis in self.grid.plane_axes)
            plane = self.frame(frame)[y, x]
            block[where] = plane if self.grid.plane_axes[0] < self.grid.plane_axes[1] else plane.T

    def _plane(self, block: Array, spans: list[range], position: int) -> Array | None:
        """Return what a block says of a frame, (h, w); of several channels the first."""
        where = self._held_at(spans, position)
        if where is None:
            return None
        free = [axis for axis in range(self.ndim) if axis not in self.grid.plane_axes]
        picked = tuple(0 if axis in free and isinstance(part, slice) else part for axis, part in enumerate(where))
        plane = block[picked]
        return plane if self.grid.plane_axes[0] < self.grid.plane_axes[1] else plane.T

    def _writable(self, frame: int) -> Array:
        if frame not in self._painted:
            before = self.frame(frame)
            self._painted[frame] = Stroke(frame, before, before.copy())
        return self._painted[frame].after

    def _points(self, whole: tuple[Any, ...]) -> tuple[Array, Array, Array, Array]:
        """Return frame, y, x and whether it is where the session works, for each point of coordinate arrays."""
        if any(isinstance(part, slice) for part in whole):
            raise IndexError("labels are read by slices or by one coordinate array per dimension, not by both")
        points = np.broadcast_arrays(*whole)
        works = np.ones(points[0].shape, dtype=bool)
        for letter, part in zip(self.grid.axes, points, strict=True):
            works &= part == self.grid.held.get(letter, part)
        axis = self.grid.frame_axis
        frames = np.zeros(points[0].shape, dtype=int) if axis is None else points[axis]
        y, x = (points[axis] for axis in self.grid.plane_axes)
        return frames, y, x, works

    def _gather(self, whole: tuple[Any, ...]) -> Array:
        frames, y, x, works = self._points(whole)
        found = np.zeros(frames.shape, dtype=self.dtype)
        for frame in np.unique(frames[works]).tolist():
            here = works & (frames == frame)
            found[here] = self.frame(frame)[y[here], x[here]]
        return found

    def _scatter(self, whole: tuple[Any, ...], value: Any) -> None:
        frames, y, x, works = self._points(whole)
        values = np.broadcast_to(np.asarray(value), frames.shape)
        self.missed |= not works.all()
        for frame in np.unique(frames[works]).tolist():
            here = works & (frames == frame)
            self._writable(frame)[y[here], x[here]] = values[here]


def _slice(span: range) -> slice:
    stop = span.stop if span.step > 0 or span.stop >= 0 else None
    return slice(span.start, stop, span.step)
