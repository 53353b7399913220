"""The table of objects, each row with its timeline beneath the text; a click in the timeline asks for that frame."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QPoint, QRect, QSize, Qt, Signal
from qtpy.QtGui import QHelpEvent, QMouseEvent, QPainter, QPaintEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QSizePolicy,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QToolTip,
    QWidget,
)

from napari_sam2._qt.objects_model import STATES, Column, ObjectsModel
from napari_sam2._qt.timeline import STATE_NAMES, frame_at, paint_current_frame, paint_doubt, paint_lane

LANE_HEIGHT = 9
_BELOW_LANE = 4
_STRIP = LANE_HEIGHT + _BELOW_LANE
_ROW_HEIGHT = 22 + _STRIP
_WIDTHS = {Column.number: 46, Column.visible: 26, Column.locked: 26}
_FEWEST_ROWS = 2
_ROOM = 14


class ObjectsTable(QTableView):
    """Objects with their timelines.

    Signals: `frame_chosen(int)` after a click in a timeline, `object_chosen(int)` when the current row changes. `frame`
    is the one that is marked, `doubtful` the object and frame of a mask that looks wrong, as long as it is shown.
    """

    frame_chosen = Signal(int)
    object_chosen = Signal(int)

    def __init__(self, model: ObjectsModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._objects = model
        self.frame = 0
        self.doubtful: tuple[int, int] | None = None
        self.setModel(model)
        self.setItemDelegate(_AboveStrip(self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setIconSize(QSize(14, 14))
        self.setWordWrap(False)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._set_headers()
        self.clicked.connect(self._toggle)
        self.selectionModel().currentRowChanged.connect(self._announce)
        model.modelReset.connect(self._fit_columns)
        self._fit_columns()

    def _set_headers(self) -> None:
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(_ROW_HEIGHT)
        columns.setMinimumSectionSize(20)
        columns.setHighlightSections(False)
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for column in Column:
            stretch = column == Column.title
            mode = QHeaderView.ResizeMode.Stretch if stretch else QHeaderView.ResizeMode.Fixed
            columns.setSectionResizeMode(column, mode)
        for column, width in _WIDTHS.items():
            self.setColumnWidth(column, width)

    def _fit_columns(self) -> None:
        """Give the columns of words the width that the longest word takes."""
        rows, words = self._objects.rows(), self.fontMetrics()
        frames = 0 if not rows else len(rows[0].codes)
        longest = {Column.frames: (f"{frames}/{frames}", "Frames"), Column.state: STATES}
        for column, texts in longest.items():
            self.setColumnWidth(column, max(map(words.horizontalAdvance, texts)) + _ROOM)

    def set_frame(self, frame: int) -> None:
        """Move the mark of the frame that is shown; one of a doubtful mask goes with another frame."""
        self.frame = frame
        if self.doubtful is not None and self.doubtful[1] != frame:
            self.doubtful = None
        self.viewport().update()

    def mark_doubtful(self, object_id: int, frame: int) -> None:
        """Bring the row of an object into view, and mark the frame on which its mask looks wrong."""
        self.doubtful = object_id, frame
        row = self._objects.row_of(object_id)
        if row is not None:
            self.selectRow(row)
            self.scrollTo(self._objects.index(row, 0))
        self.viewport().update()

    def selected_ids(self) -> tuple[int, ...]:
        """Return the selected objects, in the order of their ids."""
        return tuple(sorted(self._objects.at(index.row()).object_id for index in self.selectionModel().selectedRows()))

    def select_object(self, object_id: int) -> None:
        """Make an object the current row; nothing happens if it has none."""
        row = self._objects.row_of(object_id)
        if row is not None and self.currentIndex().row() != row:
            self.selectRow(row)
            self.scrollTo(self.currentIndex())

    def lane_rect(self, row: int) -> QRect:
        """Return where a row's timeline is, in pixels of the viewport."""
        top = self.rowViewportPosition(row) + self.rowHeight(row) - _STRIP
        return QRect(6, top, max(self.viewport().width() - 12, 1), LANE_HEIGHT)

    def sizeHint(self) -> QSize:
        """Return room for two rows; the table takes the height that is there, and more rows scroll."""
        return QSize(300, self.horizontalHeader().sizeHint().height() + _FEWEST_ROWS * _ROW_HEIGHT + 2)

    def minimumSizeHint(self) -> QSize:
        """Return the same."""
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the table, then the timelines."""
        super().paintEvent(event)
        painter = QPainter(self.viewport())
        selected = {index.row() for index in self.selectionModel().selectedRows()}
        for row in range(self._objects.rowCount()):
            rect = self.lane_rect(row)
            if rect.bottom() < 0 or rect.top() > self.viewport().height():
                continue
            if row in selected:
                strip = QRect(0, rect.y(), self.viewport().width(), _STRIP)
                painter.fillRect(strip, self.palette().highlight().color())
            codes = self._objects.at(row).codes
            paint_lane(painter, rect, codes, self._objects.palette)
            paint_current_frame(painter, rect, self.frame, len(codes), self._objects.palette)
            if self.doubtful is not None and self.doubtful[0] == self._objects.at(row).object_id:
                paint_doubt(painter, rect, self.doubtful[1], len(codes), self._objects.palette)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Select the row; in a timeline, ask for the frame too."""
        super().mousePressEvent(event)
        frame = self._frame_under(event.position().toPoint())
        if frame is not None and event.button() == Qt.MouseButton.LeftButton:
            self.frame_chosen.emit(frame)

    def viewportEvent(self, event: QEvent) -> bool:
        """Say over a timeline which frame it is and what it holds."""
        if isinstance(event, QHelpEvent) and (frame := self._frame_under(event.pos())) is not None:
            codes = self._objects.at(self.rowAt(event.pos().y())).codes
            QToolTip.showText(event.globalPos(), f"{frame}: {STATE_NAMES[codes[frame]]}", self)
            return True
        return super().viewportEvent(event)

    def _frame_under(self, place: QPoint) -> int | None:
        row = self.rowAt(place.y())
        if row < 0:
            return None
        rect = self.lane_rect(row)
        count = len(self._objects.at(row).codes)
        if count == 0 or not rect.top() - 2 <= place.y() <= rect.bottom() + 3:
            return None
        return frame_at(place.x() - rect.x(), rect.width(), count)

    def _toggle(self, index: QModelIndex) -> None:
        """Change visibility or lock after a click on its icon."""
        if self._frame_under(self.viewport().mapFromGlobal(self.cursor().pos())) is not None:
            return
        row = self._objects.at(index.row())
        if index.column() == Column.visible:
            self._objects.setData(index, not row.visible, Qt.ItemDataRole.CheckStateRole)
        elif index.column() == Column.locked:
            self._objects.setData(index, not row.locked, Qt.ItemDataRole.CheckStateRole)

    def _announce(self, current: QModelIndex, previous: QModelIndex) -> None:
        if current.isValid():
            self.object_chosen.emit(self._objects.at(current.row()).object_id)


class _AboveStrip(QStyledItemDelegate):
    """Cells without the strip that the timeline takes."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        inside = QStyleOptionViewItem(option)
        inside.rect = QRect(option.rect.x(), option.rect.y(), option.rect.width(), option.rect.height() - _STRIP)
        super().paint(painter, inside, index)

    def updateEditorGeometry(
        self, editor: QWidget, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        rect = option.rect
        editor.setGeometry(QRect(rect.x(), rect.y(), rect.width(), rect.height() - _STRIP))
