"""Tiles: a fixed plan of windows that cover a frame, so that what lies close together is seen in the same one.

Neighbouring tiles overlap by more than a typical object and room around it takes, so such an object lies whole in one
of them wherever it is. Which tile an object is seen in follows from where it is alone, never from what else is there.
Everything is (y, x) in pixels of the frame.
"""

from __future__ import annotations

import math

import numpy as np

from sam2_core.windowed.following_window import BoxYX, Place, PointYX, Size, Window, window_at

OVERLAP = 0.25
"""Share of their side by which neighbouring tiles overlap at least."""
ROOM = 0.04
"""Share of its side that a tile leaves free around an object, but not at the border of the frame."""


class Tiling:
    """Tiles over a frame.

    Parameters
    ----------
    frame_size
        (height, width) in pixels.
    side
        Side of a tile; one that is longer than the frame reaches over its border, as windows do.
    """

    def __init__(self, frame_size: Size, side: int) -> None:
        self.frame_size = frame_size
        self.side = side
        self._starts = tuple(_starts(length, side) for length in frame_size)

    def __len__(self) -> int:
        """Return how many tiles there are."""
        return len(self._starts[0]) * len(self._starts[1])

    def __contains__(self, window: Window) -> bool:
        """Return whether a window is one of the tiles."""
        starts_y, starts_x = self._starts
        return (window.height, window.width) == (self.side, self.side) and (
            window.y0 in starts_y and window.x0 in starts_x
        )

    def place(self, aim_yx: PointYX, box_yx: BoxYX, before: Window | None = None) -> Place:
        """Return where to look for an object: in the tile where it was as long as that shows it well, else in the
        nearest tile that does, else, when it is too large for that, in a window around it.

        Parameters
        ----------
        aim_yx
            Where its middle is expected.
        box_yx
            What it takes up.
        before
            Where it was seen last.
        """
        tile = self.nearest(aim_yx)
        if before is not None and before in self and self.shows(before, box_yx):
            tile = before
        if self.shows(tile, box_yx):
            return Place(tile, aim_yx)
        return Place(window_at(aim_yx, (self.side, self.side), self.frame_size), aim_yx)

    def nearest(self, place_yx: PointYX) -> Window:
        """Return the tile whose middle is nearest to a place."""
        y0, x0 = (
            min(starts, key=lambda start: abs(start + (self.side - 1) / 2 - place))
            for starts, place in zip(self._starts, place_yx, strict=True)
        )
        return Window(y0, x0, self.side, self.side)

    def shows(self, window: Window, box_yx: BoxYX) -> bool:
        """Return whether a box lies inside a window with room around it; at the border of the frame none is needed."""
        room = ROOM * self.side
        first, length = (window.y0, window.x0), (window.height, window.width)
        return all(
            (first[axis] <= 0 or box_yx[axis] >= first[axis] + room)
            and (
                first[axis] + length[axis] >= self.frame_size[axis]
                or box_yx[axis + 2] <= first[axis] + length[axis] - room
            )
            for axis in (0, 1)
        )


def _starts(length: int, side: int) -> tuple[int, ...]:
    """Return where tiles begin along an axis: as few as overlap enough, evenly spread."""
    if side >= length:
        return ((length - side) // 2,)
    count = math.ceil((length - side) / ((1 - OVERLAP) * side)) + 1
    return tuple(int(start) for start in np.linspace(0, length - side, count).round())
