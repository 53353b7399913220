"""Windows: square parts of a frame that are looked at as if they were the whole, and that follow an object.

`window_side` says how large a window shows an object of known diameter at the size that the model knows; `cut` takes a
window out of a plane, `paste` puts values back; a `FollowingWindow` is a movie of such cuts, whose place on each frame
is set while the tracking goes. Windows stay inside the image where they fit into it, and reach over its border where
they are larger; there the border pixels are repeated.

Everything is (y, x) in whole pixels. Where the object goes is decided by the caller; nothing here knows a model.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

SEEN_PX = 48
"""Diameter in pixels of the model's input at which a window shows an object of typical size: where the bundled model
measured best, at every input size."""
NARROWEST, WIDEST = 0.15, 0.4
"""Shares of a window's side between which an object stays, whatever the input size."""
SMALLEST_SIDE = 16
KEPT_FRAMES = 4

PointYX = tuple[float, float]
BoxYX = tuple[float, float, float, float]
Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a frame, from row `y0` and column `x0` on; it may reach over the border of the frame."""

    y0: int
    x0: int
    height: int
    width: int

    @property
    def centre_yx(self) -> PointYX:
        """Middle in pixels; the middle of pixel (0, 0) is (0, 0)."""
        return self.y0 + (self.height - 1) / 2, self.x0 + (self.width - 1) / 2

    def holds(self, box_yx: BoxYX) -> bool:
        """Return whether a box (y0, x0, y1, x1), in pixels of the frame, lies inside."""
        y0, x0, y1, x1 = box_yx
        return self.y0 <= y0 and self.x0 <= x0 and y1 <= self.y0 + self.height and x1 <= self.x0 + self.width

    def region(self, size: Size) -> tuple[slice, slice]:
        """Return rows and columns of a frame of `size` (height, width) that the window covers."""
        return _overlap(self.y0, self.height, size[0]), _overlap(self.x0, self.width, size[1])

    def inside(self, size: Size) -> tuple[slice, slice]:
        """Return the rows and columns of the window itself that lie on a frame of `size` (height, width)."""
        rows, columns = self.region(size)
        return (
            slice(rows.start - self.y0, rows.stop - self.y0),
            slice(columns.start - self.x0, columns.stop - self.x0),
        )


def usual_span(image_size: int) -> float:
    """Return the share of a window's side that a typical object takes for a model input of `image_size` pixels."""
    return min(max(SEEN_PX / image_size, NARROWEST), WIDEST)


def window_side(object_diameter_px: float, span: float) -> int:
    """Return the side in pixels of a window in which an object of that diameter takes the share `span` of the side.

    Parameters
    ----------
    object_diameter_px
        > 0, in pixels of the frame.
    span
        > 0 to 1.

    Raises
    ------
    ValueError
        A diameter or share that is not a positive number.
    """
    if not (object_diameter_px > 0 and 0 < span <= 1 and np.isfinite(object_diameter_px)):
        raise ValueError(
            f"an object of {object_diameter_px} px at {span} of a window makes no window; give a diameter above 0 and "
            "a share above 0 and up to 1"
        )
    return max(SMALLEST_SIDE, round(object_diameter_px / span))


def window_at(centre_yx: PointYX, window_size: Size, frame_size: Size) -> Window:
    """Return the window of `window_size` whose middle is as close to `centre_yx` as the border of the frame allows."""
    y0, x0 = (
        _start(centre, length, whole) for centre, length, whole in zip(centre_yx, window_size, frame_size, strict=True)
    )
    return Window(y0, x0, *window_size)


def cut(plane: np.ndarray[Any, Any], window: Window) -> np.ndarray[Any, Any]:
    """Return the part of a plane (H, W) or (H, W, C) that the window shows, border pixels repeated where it ends."""
    rows, columns = window.region((plane.shape[0], plane.shape[1]))
    part = plane[rows, columns]
    if part.shape[:2] == (window.height, window.width):
        return part
    all_rows = np.arange(window.y0, window.y0 + window.height).clip(0, plane.shape[0] - 1)
    all_columns = np.arange(window.x0, window.x0 + window.width).clip(0, plane.shape[1] - 1)
    return plane[np.ix_(all_rows, all_columns)]


def paste(values: np.ndarray[Any, Any], window: Window, out: np.ndarray[Any, Any]) -> None:
    """Write the values (h, w) of a window into `out` (H, W), where it lies on it."""
    size = (out.shape[0], out.shape[1])
    out[window.region(size)] = values[window.inside(size)]


class RecentFrames:
    """A movie that keeps the frames read last, so that many windows of one frame read it once.

    Parameters
    ----------
    movie
        `len`, `[i]`, `height` and `width`.
    keep
        How many frames, at least 1.
    """

    def __init__(self, movie: Any, keep: int = KEPT_FRAMES) -> None:
        self.movie = movie
        self.height = int(movie.height)
        self.width = int(movie.width)
        self._keep = keep
        self._frames: OrderedDict[int, np.ndarray[Any, Any]] = OrderedDict()

    def __len__(self) -> int:
        return len(self.movie)

    def __getitem__(self, frame_index: int) -> np.ndarray[Any, Any]:
        frame = self._frames.pop(frame_index, None)
        if frame is None:
            frame = np.asarray(self.movie[frame_index])
        self._frames[frame_index] = frame
        while len(self._frames) > self._keep:
            self._frames.popitem(last=False)
        return frame

    @property
    def contrast_limits(self) -> Any:
        """Limits of the whole movie where it knows them, else None."""
        return getattr(self.movie, "contrast_limits", None)


class Place(NamedTuple):
    """Where a window is on a frame, and the place (y, x) on the frame where what it follows was expected."""

    window: Window
    aim_yx: PointYX


class FollowingWindow:
    """A movie of what one window shows: `len` and `[i]`, with `height` and `width` of the window.

    Parameters
    ----------
    movie
        `len`, `[i]`, `height` and `width`; its `contrast_limits`, if it has any, are passed on, so that a dark corner
        is not brightened.
    side
        Side of the window in pixels; None shows whole frames.
    """

    may_read_ahead = False
    """Where it looks on a frame depends on what was seen on the one before."""

    def __init__(self, movie: Any, side: int | None = None) -> None:
        self.movie = movie
        self.frame_size: Size = (int(movie.height), int(movie.width))
        self.height, self.width = self.frame_size if side is None else (side, side)
        self._places: dict[int, Place] = {}

    def __len__(self) -> int:
        return len(self.movie)

    def __getitem__(self, frame_index: int) -> np.ndarray[Any, Any]:
        return cut(np.asarray(self.movie[frame_index]), self.window(frame_index))

    @property
    def contrast_limits(self) -> Any:
        """Limits of the whole movie where it knows them, else None."""
        return getattr(self.movie, "contrast_limits", None)

    @property
    def shows_all(self) -> bool:
        """Whether the window is the whole frame."""
        return (self.height, self.width) == self.frame_size

    @property
    def places(self) -> tuple[tuple[int, Place], ...]:
        """Frames on which the place was set, in the order in which they were, and the place there."""
        return tuple(self._places.items())

    def is_placed(self, frame_index: int) -> bool:
        """Return whether the place on a frame was set."""
        return frame_index in self._places

    def place(self, frame_index: int, centre_yx: PointYX) -> None:
        """Set the middle of the window on a frame."""
        window = window_at(centre_yx, (self.height, self.width), self.frame_size)
        self._places[frame_index] = Place(window, centre_yx)

    def put(self, frame_index: int, place: Place) -> None:
        """Set the place on a frame."""
        self._places[frame_index] = place

    def leave(self, frame_index: int) -> None:
        """Forget the place on a frame, if it was set."""
        self._places.pop(frame_index, None)

    def window(self, frame_index: int) -> Window:
        """Return the window on a frame: as it was placed, else as on the nearest frame that was, else in the middle."""
        return self.placed(frame_index).window

    def placed(self, frame_index: int) -> Place:
        """Return the place on a frame, found as for `window`."""
        if frame_index in self._places:
            return self._places[frame_index]
        if self._places:
            return self._places[min(self._places, key=lambda known: abs(known - frame_index))]
        middle = ((self.frame_size[0] - 1) / 2, (self.frame_size[1] - 1) / 2)
        return Place(window_at(middle, (self.height, self.width), self.frame_size), middle)

    def shift(self, frame_index: int, to_frame: int) -> tuple[float, float]:
        """Return by which shares of its height and width what one window saw is moved to lie upon what another sees.

        Nothing is moved between frames with the same window. Between different ones the places where the object was
        expected are brought together.
        """
        (old, old_aim), (new, new_aim) = self.placed(frame_index), self.placed(to_frame)
        if old == new:
            return 0.0, 0.0
        down = (new_aim[0] - new.y0) - (old_aim[0] - old.y0)
        right = (new_aim[1] - new.x0) - (old_aim[1] - old.x0)
        return down / self.height, right / self.width


def _start(centre: float, length: int, whole: int) -> int:
    if length >= whole:
        return (whole - length) // 2
    return min(max(round(centre - (length - 1) / 2), 0), whole - length)


def _overlap(start: int, length: int, whole: int) -> slice:
    first = min(max(start, 0), whole)
    return slice(first, max(min(start + length, whole), first))
