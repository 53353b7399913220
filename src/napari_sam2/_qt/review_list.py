"""The places in doubt as a list: what, who, when, how sure, why; a click on a row goes there, on a header sorts.

So do Enter, and Ctrl with the number of a column.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal
from qtpy.QtGui import QColor, QKeyEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_sam2._qt.theme import Palette
from napari_sam2.document.reviews import At, ReviewState

if TYPE_CHECKING:
    from napari_sam2.review.items import ReviewItem

Index = QModelIndex | QPersistentModelIndex
_NO_INDEX = QModelIndex()
_ROOM, _ROW_HEIGHT = 12, 20


class ReviewColumn(IntEnum):
    """Columns of the list."""

    kind = 0
    object_id = 1
    frame = 2
    degree = 3
    gain = 4
    reason = 5


ORDERS = {
    ReviewColumn.kind: "kind",
    ReviewColumn.object_id: "cell",
    ReviewColumn.frame: "frame",
    ReviewColumn.degree: "doubt",
    ReviewColumn.gain: "gain",
}
"""Values of `viewer.places.Order` that a click on a header asks for."""
_TEXTS = {
    ReviewColumn.kind: ("What", "What is in doubt"),
    ReviewColumn.object_id: ("Cell", "Its number in the labels; + is a found cell that became no object"),
    ReviewColumn.frame: ("Frame", "Where to look"),
    ReviewColumn.degree: ("Doubt", "How likely something is wrong"),
    ReviewColumn.gain: ("Gain", "How many frames of cells a look is expected to save: doubt times what it spoils"),
    ReviewColumn.reason: ("Why", "What speaks for it"),
}
_LONGEST = {
    ReviewColumn.kind: "jump of place",
    ReviewColumn.object_id: "+9999",
    ReviewColumn.frame: "Frame",
    ReviewColumn.degree: "Doubt",
    ReviewColumn.gain: "9999.9",
}
_MARKS = {ReviewState.open: "", ReviewState.accepted: "✓ ", ReviewState.corrected: "✎ ", ReviewState.dismissed: "– "}


class ReviewModel(QAbstractTableModel):
    """The places that are listed, in their order."""

    def __init__(self, theme_id: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._items: tuple[ReviewItem, ...] = ()
        self.palette = Palette.of(theme_id)

    def show(self, items: tuple[ReviewItem, ...]) -> None:
        """List other places."""
        if items != self._items:
            self.beginResetModel()
            self._items = items
            self.endResetModel()

    def at(self, row: int) -> ReviewItem:
        """Return the place of a row."""
        return self._items[row]

    def rowCount(self, parent: Index = _NO_INDEX) -> int:
        """Return the number of places."""
        return 0 if parent.isValid() else len(self._items)

    def columnCount(self, parent: Index = _NO_INDEX) -> int:
        """Return the number of columns."""
        return 0 if parent.isValid() else len(ReviewColumn)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        """Return the title of a column, or what it means as a tool tip."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        place = {Qt.ItemDataRole.DisplayRole: 0, Qt.ItemDataRole.ToolTipRole: 1}.get(Qt.ItemDataRole(role))
        return None if place is None else _TEXTS[ReviewColumn(section)][place]

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell of the table shows in a role."""
        item = self._items[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(item, ReviewColumn(index.column()))
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{item.state.value}: {', '.join(item.reasons)}"
        if role == Qt.ItemDataRole.ForegroundRole and item.state is not ReviewState.open:
            return QColor(self.palette.stale)
        return None


class ReviewList(QTableView):
    """The list. Signals: `item_chosen(ReviewItem)` for a row that was chosen, `order_chosen(str)` for a column."""

    item_chosen = Signal(object)
    order_chosen = Signal(str)

    def __init__(self, model: ReviewModel) -> None:
        super().__init__()
        self._places = model
        self.setModel(model)
        self.setAccessibleName("Places in doubt")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setStyleSheet("QTableView, QHeaderView::section { font-size: 8pt; padding: 1px; }")
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(_ROW_HEIGHT)
        columns.setHighlightSections(False)
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        columns.setStretchLastSection(True)
        columns.setSectionsClickable(True)
        for column, longest in _LONGEST.items():
            columns.resizeSection(column, self.fontMetrics().horizontalAdvance(longest) + _ROOM)
        columns.sectionClicked.connect(self._sort)
        self.clicked.connect(self._choose)
        self.show_order("gain")

    def show_order(self, order: str) -> None:
        """Mark the column that the places are sorted by."""
        column = next(column for column, name in ORDERS.items() if name == order)
        falls = column in (ReviewColumn.degree, ReviewColumn.gain)
        self.horizontalHeader().setSortIndicatorShown(True)
        direction = Qt.SortOrder.DescendingOrder if falls else Qt.SortOrder.AscendingOrder
        self.horizontalHeader().setSortIndicator(column, direction)

    def show_row(self, row: int | None) -> None:
        """Mark the row of the place in view, and bring it into view; none for None."""
        if row is None:
            self.clearSelection()
        else:
            self.selectRow(row)
            self.scrollTo(self._places.index(row, 0))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go to the current row with Enter, sort by a column with Ctrl and its number."""
        column = event.key() - Qt.Key.Key_1
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self._choose(self.currentIndex())
        elif event.modifiers() & Qt.KeyboardModifier.ControlModifier and 0 <= column < len(ReviewColumn):
            self._sort(column)
        else:
            super().keyPressEvent(event)

    def _choose(self, index: QModelIndex) -> None:
        self.item_chosen.emit(self._places.at(index.row()))

    def _sort(self, section: int) -> None:
        order = ORDERS.get(ReviewColumn(section))
        if order is not None:
            self.order_chosen.emit(order)


def _text(item: ReviewItem, column: ReviewColumn) -> str:
    place = item.place
    if column is ReviewColumn.kind:
        return _MARKS[item.state] + item.kind.value
    if column is ReviewColumn.object_id:
        return f"+{place.object_id}" if place.at is At.proposal else str(place.object_id)
    if column is ReviewColumn.frame:
        return str(place.frame)
    if column is ReviewColumn.degree:
        return f"{item.degree:.0%}"
    return f"{item.gain:.1f}" if column is ReviewColumn.gain else ", ".join(item.reasons)
