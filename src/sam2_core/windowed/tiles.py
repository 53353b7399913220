"""Tiles: a fixed plan of windows that cover a frame, so that what lies close together is seen in the same one.

Neighbouring tiles overlap by more than a typical object and room around it takes, so such an object lies whole in one
of them wherever it is. Which tile an object is seen in follows from where it is alone, never from what else is there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from sam2_core.windowed.following_window import Place
from sam2_core.windowed.window import BoxXYXY, PointXY, SizeHW, Window, window_at

OVERLAP = 0.25
"""Share of their side by which neighbouring tiles overlap at least."""
ROOM = 0.04
"""Share of its side that a tile leaves free around an object, but not at the border of the frame."""


class Tiling:
    """Tiles over a frame; a side that is longer than the frame reaches over its border, as windows do."""

    def __init__(self, frame_hw: SizeHW, side: int, overlap: float = OVERLAP) -> None:
        self.frame_hw = frame_hw
        self.side = side
        self._starts_x, self._starts_y = (_starts(length, side, overlap) for length in (frame_hw[1], frame_hw[0]))

    def __len__(self) -> int:
        """Return how many tiles there are."""
        return len(self._starts_x) * len(self._starts_y)

    @property
    def rows_and_columns(self) -> tuple[int, int]:
        """How many tiles there are one above the other, and side by side."""
        return len(self._starts_y), len(self._starts_x)

    def __iter__(self) -> Iterator[Window]:
        """Return the tiles, row by row."""
        return (Window(x0, y0, self.side, self.side) for y0 in self._starts_y for x0 in self._starts_x)

    def __contains__(self, window: Window) -> bool:
        """Return whether a window is one of the tiles."""
        is_of_size = (window.width, window.height) == (self.side, self.side)
        return is_of_size and window.x0 in self._starts_x and window.y0 in self._starts_y

    def place(self, aim_xy: PointXY, box_xyxy: BoxXYXY, before: Window | None = None) -> Place:
        """Return where to look for an object that takes up a box and is expected at `aim_xy`.

        That is the tile where it was seen last as long as that shows it well, else the nearest tile that does, else,
        when it is too large for that, a window around it.
        """
        tile = self.nearest(aim_xy)
        if before is not None and before in self and self.shows(before, box_xyxy):
            tile = before
        if self.shows(tile, box_xyxy):
            return Place(tile, aim_xy)
        return Place(window_at(aim_xy, (self.side, self.side), self.frame_hw), aim_xy)

    def nearest(self, place_xy: PointXY) -> Window:
        """Return the tile whose middle is nearest to a place."""
        x0, y0 = (
            min(starts, key=lambda start: abs(start + (self.side - 1) / 2 - place))
            for starts, place in zip((self._starts_x, self._starts_y), place_xy, strict=True)
        )
        return Window(x0, y0, self.side, self.side)

    def shows(self, window: Window, box_xyxy: BoxXYXY) -> bool:
        """Return whether a box lies inside a window with room around it; at the border of the frame none is needed."""
        x0, y0, x1, y1 = box_xyxy
        return self._spans(window.x0, window.width, self.frame_hw[1], (x0, x1)) and self._spans(
            window.y0, window.height, self.frame_hw[0], (y0, y1)
        )

    def _spans(self, start: int, length: int, whole: int, shown: tuple[float, float]) -> bool:
        room = ROOM * self.side
        return (start <= 0 or shown[0] >= start + room) and (
            start + length >= whole or shown[1] <= start + length - room
        )


def _starts(length: int, side: int, overlap: float) -> tuple[int, ...]:
    """Return where tiles begin along an axis: as few as overlap enough, evenly spread."""
    if side >= length:
        return ((length - side) // 2,)
    count = math.ceil((length - side) / ((1 - overlap) * side)) + 1
    return tuple(int(start) for start in np.linspace(0, length - side, count).round())
