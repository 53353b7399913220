"""How a row of the objects table is laid out: its height, where its timeline is, and the cells beside or above that."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from qtpy.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, Qt
from qtpy.QtGui import QColor, QPainter, QPolygonF
from qtpy.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from napari_sam2._qt.objects_model import Column, ObjectsModel

Index = QModelIndex | QPersistentModelIndex
LANE_HEIGHT = 9
_BELOW_LANE = 4
STRIP = LANE_HEIGHT + _BELOW_LANE
INDENT = 7
"""Pixels by which a daughter stands to the right of her mother."""
DEEPEST = 6
"""Generations from which on all stand as far to the right."""
FOLD_WIDTH = 12


@dataclass(frozen=True, slots=True)
class RowShape:
    """Height of a row; whether it has text above its timeline, or beside it, or none."""

    height: int
    is_two_lines: bool = False
    has_text: bool = True


class RowSize(Enum):
    """How much of an object a row shows."""

    roomy = RowShape(22 + STRIP, is_two_lines=True)
    compact = RowShape(18)
    glance = RowShape(5, has_text=False)


class Cells(QStyledItemDelegate):
    """Cells around the timelines; numbers stand further to the right by generation, with a mark to fold.

    `size` says how much of them there is room for.
    """

    def __init__(self, model: ObjectsModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._objects = model
        self.size = RowSize.roomy

    def number_indent(self, row: int) -> int:
        """Return by how many pixels a number stands to the right, the mark to fold included."""
        if not self._objects.is_tree:
            return 0
        generation = self._objects.forest.generation[self._objects.shown[row]]
        return INDENT * min(generation, DEEPEST) + FOLD_WIDTH

    @property
    def most_indent(self) -> int:
        """The largest of these, for the width of the column."""
        if not self._objects.is_tree:
            return 0
        return INDENT * min(max(self._objects.forest.generation.values()), DEEPEST) + FOLD_WIDTH

    def is_fold_mark(self, row: int, x: int) -> bool:
        """Return whether the mark of a row to fold is at a place of its first column."""
        at = self.number_indent(row)
        return self._objects.shown[row] in self._objects.forest.daughters and at - FOLD_WIDTH <= x < at

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw a cell where it has room."""
        shape, column = self.size.value, index.column()
        if not shape.has_text or (column == Column.title and not shape.is_two_lines):
            if self._is_selected(option):
                painter.fillRect(option.rect, option.palette.highlight())
            return
        inside = QStyleOptionViewItem(option)
        indent = self.number_indent(index.row()) if column == Column.number else 0
        inside.rect = option.rect.adjusted(indent, 0, 0, -STRIP if shape.is_two_lines else 0)
        super().paint(painter, inside, index)
        if column == Column.number:
            self._paint_mark(painter, inside.rect, index.row())

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: Index) -> None:
        """Edit above the timeline, or over it where there is no room above."""
        below = STRIP if self.size.value.is_two_lines else 0
        editor.setGeometry(option.rect.adjusted(0, 0, 0, -below))

    @staticmethod
    def _is_selected(option: QStyleOptionViewItem) -> bool:
        return bool(option.state & QStyle.StateFlag.State_Selected)

    def _paint_mark(self, painter: QPainter, rect: QRect, row: int) -> None:
        """Draw a triangle before a mother's number: down where her daughters are shown, right where they are not."""
        object_id = self._objects.shown[row]
        if not self._objects.is_tree or object_id not in self._objects.forest.daughters:
            return
        middle = QPointF(rect.x() - FOLD_WIDTH / 2, rect.center().y() + 0.5)
        folded = object_id in self._objects.wanted.folded
        corners = ((-2, -4), (3, 0), (-2, 4)) if folded else ((-4, -2), (4, -2), (0, 3))
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._objects.palette.text))
        painter.drawPolygon(QPolygonF([middle + QPointF(x, y) for x, y in corners]))
        painter.restore()
