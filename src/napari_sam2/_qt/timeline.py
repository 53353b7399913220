"""One object's frames as a thin coloured lane: what was prompted, tracked, found, edited, is stale, or absent.

`lane_runs` turns the codes of `Session.status` into stretches of pixels, `paint_lane` draws them, `frame_at` says
which frame a pixel stands for, `frame_x` the other way round. Pure geometry and painting: who owns the lane decides
what a click does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QRect, QRectF, Qt
from qtpy.QtGui import QBrush, QColor, QPainter, QPen

from napari_sam2._qt.theme import Palette

NOTHING, PROMPTED, TRACKED, EDITED, STALE, ABSENT, IMPORTED, FOUND = range(8)
"""Codes of `Session.status`."""
STATE_NAMES = ("no mask", "prompted", "tracked", "edited", "stale", "absent", "imported", "found")

_PATTERN = {
    STALE: Qt.BrushStyle.BDiagPattern,
    FOUND: Qt.BrushStyle.Dense4Pattern,
    IMPORTED: Qt.BrushStyle.VerPattern,
}
"""Filled otherwise."""

# What is shown where several frames share a pixel: what a person made is never hidden.
_RANK = np.array([0, 7, 2, 6, 5, 1, 4, 3], np.uint8)
_BY_RANK = np.argsort(_RANK).astype(np.uint8)
_LEAST_SLIT = 6  # pixels of height below which a slit would leave nothing
_HEIGHT = {PROMPTED: 1.0, EDITED: 1.0, TRACKED: 0.6, IMPORTED: 0.8, FOUND: 0.8, STALE: 0.6, ABSENT: 0.2}


@dataclass(frozen=True, slots=True)
class TimelineRun:
    """A stretch of a lane: first pixel, width in pixels, and the code it shows."""

    x: int
    width: int
    code: int


def lane_runs(codes: NDArray[np.uint8], width: int) -> list[TimelineRun]:
    """Return the stretches of a lane `width` pixels wide for the codes (T,) of an object's frames.

    A prompt keeps at least two pixels, so that one click in a long movie can be seen.
    """
    if width < 1 or len(codes) == 0:
        return []
    columns = _columns(codes, width)  # (width,)
    starts = [0, *(np.flatnonzero(columns[1:] != columns[:-1]) + 1).tolist()]
    ends = [*starts[1:], width]
    return [TimelineRun(start, end - start, int(columns[start])) for start, end in zip(starts, ends, strict=True)]


def frame_at(x: float, width: int, frame_count: int) -> int:
    """Return the frame under a pixel of a lane, held inside the movie."""
    return int(np.clip(x * frame_count // max(width, 1), 0, max(frame_count - 1, 0)))


def frame_x(frame: float, rect: QRect, frame_count: int) -> int:
    """Return where in a lane a frame begins, in pixels of the widget."""
    return rect.x() + round(frame * rect.width() / max(frame_count, 1))


def paint_lane(
    painter: QPainter, rect: QRect, runs: Iterable[TimelineRun], palette: Palette, colour: QColor | None = None
) -> None:
    """Draw the stretches of a lane into a rectangle: taller is closer to what a person did.

    No two look alike without their colours: edited has a slit, found is dotted, imported is a comb, stale is hatched,
    an absence is a line. Stretches have the colours of what they are, or all the one that is given.
    """
    colours = {
        PROMPTED: palette.prompted,
        TRACKED: palette.tracked,
        IMPORTED: palette.tracked,
        FOUND: palette.tracked,
        EDITED: palette.edited,
        STALE: palette.stale,
        ABSENT: palette.absent,
    }
    for run in runs:
        if run.code == NOTHING:
            continue
        height = max(1.0, _HEIGHT[run.code] * rect.height())
        box = QRectF(rect.x() + run.x, rect.bottom() + 1 - height, run.width, height)
        pattern = _PATTERN.get(run.code, Qt.BrushStyle.SolidPattern)
        own = colour if colour is not None and run.code != ABSENT else QColor(colours[run.code])
        if run.code == EDITED and height >= _LEAST_SLIT:
            painter.fillRect(box.adjusted(0, 0, 0, -(height + 1) // 2 - 1), QBrush(own))
            box.adjust(0, (height + 1) // 2 + 1, 0, 0)
        painter.fillRect(box, QBrush(own, pattern))
        if run.code == IMPORTED:
            painter.fillRect(box.adjusted(0, height / 2, 0, 0), QBrush(own))


def paint_current_frame(painter: QPainter, rect: QRect, frame: int, frame_count: int, palette: Palette) -> None:
    """Draw the mark of the frame that is shown: a line, framed so that it can be seen on any lane."""
    if frame_count < 1:
        return
    x = rect.x() + round((frame + 0.5) * rect.width() / frame_count)
    painter.fillRect(QRect(x - 1, rect.y() - 1, 3, rect.height() + 2), QColor(palette.lane))
    painter.fillRect(QRect(x, rect.y() - 1, 1, rect.height() + 2), QColor(palette.text))


def paint_doubt(painter: QPainter, rect: QRect, frame: int, frame_count: int, palette: Palette) -> None:
    """Draw a frame around a frame of a lane whose mask looks wrong."""
    x = rect.x() + round((frame + 0.5) * rect.width() / max(frame_count, 1))
    painter.setPen(QPen(QColor(palette.warning), 2))
    painter.drawRect(QRect(x - 5, rect.y() - 2, 11, rect.height() + 4))


def _columns(codes: NDArray[np.uint8], width: int) -> NDArray[np.int16]:
    """Return the code that each pixel column shows (width,)."""
    ranks = _RANK[codes]  # (T,)
    count = len(codes)
    if count > width:
        first = (np.arange(width) * count) // width
        columns = np.maximum.reduceat(ranks, first)
    else:
        columns = ranks[(np.arange(width) * count) // width]
    person = np.flatnonzero(columns >= _RANK[EDITED])
    if count > width // 2:
        columns[np.minimum(person + 1, width - 1)] = np.maximum(
            columns[np.minimum(person + 1, width - 1)], columns[person]
        )
    return _BY_RANK[columns].astype(np.int16)
