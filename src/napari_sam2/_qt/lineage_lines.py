"""The connectors of a lineage tree: which ones cross the rows in view, and how they are drawn.

A connector goes from the lane of a mother down to that of a daughter, where the daughter begins. Rows stand in the
order of `Forest.order`, so what crosses a view without ending in it hangs on an ancestor of its last row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from qtpy.QtCore import QRect
from qtpy.QtGui import QColor, QPainter

from napari_sam2._qt.objects_model import ObjectsModel
from napari_sam2._qt.timeline import frame_x


@dataclass(frozen=True, slots=True)
class Connector:
    """From the row of a mother to that of a daughter, who begins on `frame`."""

    mother_row: int
    daughter_row: int
    frame: int


def connectors(model: ObjectsModel, first: int, last: int) -> Iterator[Connector]:
    """Yield the connectors that can be seen on rows, both included; none where these do not stand by lineage."""
    if not model.is_tree or last < first:
        return
    shown = model.shown
    ending = [*shown[first : last + 1], *_crossing(model, shown[last], last)]
    for one in ending:
        mother = model.forest.parent.get(one)
        rows = (None if mother is None else model.row_of(mother)), model.row_of(one)
        begin = model.known[one].begin
        if rows[0] is not None and rows[1] is not None and begin is not None:
            yield Connector(rows[0], rows[1], begin)


def _crossing(model: ObjectsModel, bottom: int, last: int) -> Iterator[int]:
    """Yield the daughters below the last row, whose mothers are in it or above."""
    one: int | None = bottom
    while one is not None:
        for daughter in model.forest.daughters.get(one, ()):
            row = model.row_of(daughter)
            if row is not None and row > last:
                yield daughter
        one = model.forest.parent.get(one)


def paint_connectors(
    painter: QPainter, model: ObjectsModel, rows: tuple[int, int], lane: Callable[[int], QRect], frame_count: int
) -> None:
    """Draw the connectors of the rows in view; `lane` gives the rectangle of a row's lane, in view or not."""
    colour = QColor(model.palette.text)
    colour.setAlpha(150)
    for one in connectors(model, *rows):
        above, below = lane(one.mother_row), lane(one.daughter_row)
        x = frame_x(one.frame, below, frame_count)
        top = above.center().y()
        painter.fillRect(QRect(x - 1, top, 1, below.center().y() - top), colour)
