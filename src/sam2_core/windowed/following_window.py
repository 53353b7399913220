"""A window that follows an object, as a movie of what it shows; its place on each frame is set while tracking goes on.

Where the object goes is decided by the caller; nothing here knows a model.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from sam2_core.windowed.window import PointXY, SizeHW, Window, cut, window_at

if TYPE_CHECKING:
    from sam2_core.inference.frames.contrast import Frame, LimitPairs
    from sam2_core.inference.frames.opened_frames import OpenedFrames


class RecentFrames:
    """A movie that keeps the frames read last, so that many windows of one frame read it once."""

    def __init__(self, movie: OpenedFrames, keep: int = 4) -> None:
        self.movie = movie
        self.height, self.width = movie.height, movie.width
        self._read = lru_cache(keep)(movie.__getitem__)

    def __len__(self) -> int:
        return len(self.movie)

    def __getitem__(self, frame: int) -> Frame:
        return self._read(frame)

    @property
    def contrast_limits(self) -> LimitPairs | None:
        """Limits of the whole movie; a dark corner is not brightened."""
        return self.movie.contrast_limits


class Place(NamedTuple):
    """Where a window is on a frame, and the place on the frame where what it follows was expected.

    steps: how many long steps (`Motion`) lie between the first place and this one; backwards they count less than none.
    """

    window: Window
    aim_xy: PointXY
    steps: int = 0


class FollowingWindow:
    """A movie of what one window shows, `side` pixels wide and high; None shows whole frames."""

    may_read_ahead = False
    """Where it looks on a frame depends on what was seen on the one before."""

    def __init__(self, movie: RecentFrames, side: int | None = None) -> None:
        self.movie = movie
        self.frame_hw: SizeHW = (movie.height, movie.width)
        self.height, self.width = self.frame_hw if side is None else (side, side)
        self._places: dict[int, Place] = {}

    def __len__(self) -> int:
        return len(self.movie)

    def __getitem__(self, frame: int) -> Frame:
        return cut(self.movie[frame], self.window(frame))

    @property
    def contrast_limits(self) -> LimitPairs | None:
        """Limits of the whole movie."""
        return self.movie.contrast_limits

    @property
    def shows_all(self) -> bool:
        """Whether the window is the whole frame."""
        return (self.height, self.width) == self.frame_hw

    @property
    def places(self) -> tuple[tuple[int, Place], ...]:
        """Frames on which the place was set, in the order in which they were, and the place there."""
        return tuple(self._places.items())

    def is_placed(self, frame: int) -> bool:
        """Return whether the place on a frame was set."""
        return frame in self._places

    def put(self, frame: int, place: Place) -> None:
        """Set the place on a frame."""
        self._places[frame] = place

    def leave(self, frame: int) -> None:
        """Forget the place on a frame, if it was set."""
        self._places.pop(frame, None)

    def window(self, frame: int) -> Window:
        """Return the window on a frame: as it was placed, else as on the nearest frame that was, else in the middle."""
        return self.placed(frame).window

    def placed(self, frame: int) -> Place:
        """Return the place on a frame, found as for `window`."""
        if frame in self._places:
            return self._places[frame]
        if self._places:
            return self._places[min(self._places, key=lambda known: abs(known - frame))]
        return self.around(((self.frame_hw[1] - 1) / 2, (self.frame_hw[0] - 1) / 2))

    def shift(self, frame: int, to_frame: int) -> tuple[float, float]:
        """Return by which shares of its height and width what one window saw is moved to lie upon what another sees.

        Nothing is moved between frames with the same window and no long step between them. Between others the places
        where the object was expected are brought together.
        """
        (old, old_aim, steps), (new, new_aim, new_steps) = self.placed(frame), self.placed(to_frame)
        if old == new and steps == new_steps:
            return 0.0, 0.0
        right = (new_aim[0] - new.x0) - (old_aim[0] - old.x0)
        down = (new_aim[1] - new.y0) - (old_aim[1] - old.y0)
        return down / self.height, right / self.width

    def around(self, centre_xy: PointXY) -> Place:
        """Return the place whose middle is as close to a point as the border of the frame allows."""
        return Place(window_at(centre_xy, (self.height, self.width), self.frame_hw), centre_xy)
