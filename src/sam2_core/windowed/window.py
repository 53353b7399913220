"""Windows: square parts of a frame that are looked at as if they were the whole.

`window_side` says how large a window shows an object of known diameter at the size that the model knows; `cut` takes a
window out of a plane, `paste` puts values back. Windows stay inside the image where they fit into it, and reach over
its border where they are larger; there the border pixels are repeated.

Places are (x, y) in whole pixels. A size whose name ends with `_hw` is (height, width), as an array's shape is.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np

from sam2_core.inference.frames.contrast import Frame

SEEN_PX = 48
"""Diameter in pixels of the model's input at which a window shows an object of typical size: where the bundled model
measured best, at every input size."""
NARROWEST, WIDEST = 0.15, 0.4
"""Shares of a window's side between which an object stays, whatever the input size."""
SMALLEST_SIDE = 16
NEAR, STEP, FARTHEST = 1.5, 1.35, 2.5
"""Factor up to which an object's size is near enough to that of a typical one, those in whose steps windows are larger
or smaller for others, and the largest: what seems to be farther off is rather a wrong mask."""

PointXY = tuple[float, float]
BoxXYXY = tuple[float, float, float, float]
SizeHW = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a frame, from column `x0` and row `y0` on; it may reach over the border of the frame."""

    x0: int
    y0: int
    width: int
    height: int

    @property
    def centre_xy(self) -> PointXY:
        """Middle in pixels; the middle of pixel (0, 0) is (0, 0)."""
        return self.x0 + (self.width - 1) / 2, self.y0 + (self.height - 1) / 2

    def holds(self, box_xyxy: BoxXYXY) -> bool:
        """Return whether a box, in pixels of the frame, lies inside."""
        x0, y0, x1, y1 = box_xyxy
        return self.x0 <= x0 and self.y0 <= y0 and x1 <= self.x0 + self.width and y1 <= self.y0 + self.height

    def region(self, frame_hw: SizeHW) -> tuple[slice, slice]:
        """Return rows and columns of the frame that the window covers."""
        return _overlap(self.y0, self.height, frame_hw[0]), _overlap(self.x0, self.width, frame_hw[1])

    def inside(self, frame_hw: SizeHW) -> tuple[slice, slice]:
        """Return the rows and columns of the window itself that lie on the frame."""
        rows, columns = self.region(frame_hw)
        return (
            slice(rows.start - self.y0, rows.stop - self.y0),
            slice(columns.start - self.x0, columns.stop - self.x0),
        )


def usual_span(image_size: int) -> float:
    """Return the share of a window's side that a typical object takes for a model input of `image_size` pixels."""
    return min(max(SEEN_PX / image_size, NARROWEST), WIDEST)


def window_side(object_diameter_px: float, span: float) -> int:
    """Return the side in pixels of a window in which an object of that diameter takes the share `span` of the side.

    Raises
    ------
    ValueError
        A diameter that is not above 0, or a share that is not above 0 and up to 1.
    """
    if not (object_diameter_px > 0 and 0 < span <= 1 and np.isfinite(object_diameter_px)):
        raise ValueError(
            f"an object of {object_diameter_px} px at {span} of a window makes no window; give a diameter above 0 and "
            "a share above 0 and up to 1"
        )
    return max(SMALLEST_SIDE, round(object_diameter_px / span))


def rescaled(ratio: float) -> float:
    """Return by which factor a window is made larger for an object that is `ratio` times as large as a typical one.

    1 where that is not far off, or no size at all; else the nearest power of `STEP`, up to `FARTHEST`.
    """
    if ratio <= 0 or 1 / NEAR <= ratio <= NEAR:
        return 1.0
    nearest = STEP ** round(log(ratio) / log(STEP))
    return min(max(nearest, 1 / FARTHEST), FARTHEST)


def window_at(centre_xy: PointXY, window_hw: SizeHW, frame_hw: SizeHW) -> Window:
    """Return the window of that size whose middle is as close to a place as the border of the frame allows."""
    (x, y), (height, width) = centre_xy, window_hw
    return Window(_start(x, width, frame_hw[1]), _start(y, height, frame_hw[0]), width, height)


def cut(plane: Frame, window: Window) -> Frame:
    """Return the part of a plane (H, W) or (H, W, C) that the window shows, border pixels repeated where it ends."""
    part = plane[window.region((plane.shape[0], plane.shape[1]))]
    if part.shape[:2] == (window.height, window.width):
        return part
    rows = np.arange(window.y0, window.y0 + window.height).clip(0, plane.shape[0] - 1)
    columns = np.arange(window.x0, window.x0 + window.width).clip(0, plane.shape[1] - 1)
    return plane[np.ix_(rows, columns)]


def paste(values: Frame, window: Window, out: Frame) -> None:
    """Write the values (h, w) of a window into `out` (H, W), where it lies on it."""
    frame_hw = (out.shape[0], out.shape[1])
    out[window.region(frame_hw)] = values[window.inside(frame_hw)]


def _start(centre: float, length: int, whole: int) -> int:
    if length >= whole:
        return (whole - length) // 2
    return min(max(round(centre - (length - 1) / 2), 0), whole - length)


def _overlap(start: int, length: int, whole: int) -> slice:
    first = min(max(start, 0), whole)
    return slice(first, max(min(start + length, whole), first))
