"""The table of objects as a tree: each row with its timeline, connectors from mothers down to their daughters.

A click in a timeline asks for that frame, one on the mark before a mother's number folds what comes of her away, as do
the arrow keys; Ctrl and the wheel change how much a row shows, down to a line a few pixels high. Only the rows in view
are looked at when it is drawn, so that thousands scroll as smoothly as ten.
"""

from __future__ import annotations

from qtpy.QtCore import QEvent, QItemSelection, QItemSelectionModel, QModelIndex, QPoint, QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QSizePolicy, QTableView, QToolTip, QWidget

from napari_sam2._qt.lineage_lines import paint_connectors
from napari_sam2._qt.objects_cells import LANE_HEIGHT, STRIP, Cells, RowSize
from napari_sam2._qt.objects_model import STATES, Column, ObjectRow, ObjectsModel
from napari_sam2._qt.timeline import (
    STATE_NAMES,
    TimelineRun,
    frame_at,
    lane_runs,
    paint_current_frame,
    paint_doubt,
    paint_lane,
)

_WIDTHS = {Column.number: 46, Column.visible: 26, Column.locked: 26}
_NARROWEST = 280
_FEWEST_ROWS = 2
_ROOM = 14
_MOST_KEPT = 1000
_SIZES = tuple(RowSize)


class ObjectsTable(QTableView):
    """Objects with their timelines.

    `frame` is the one that is marked, `doubtful` the object and frame of a mask that looks wrong, as long as it is
    shown, `objects` the model.

    Signals: `frame_chosen(int)` after a click in a timeline, `object_chosen(int)` when the current row changes,
    `frame_shown(int)` when another frame is marked.
    """

    frame_chosen = Signal(int)
    object_chosen = Signal(int)
    frame_shown = Signal(int)

    def __init__(self, model: ObjectsModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.objects = model
        self.frame = 0
        self.doubtful: tuple[int, int] | None = None
        self._runs: dict[int, tuple[ObjectRow, int, list[TimelineRun]]] = {}
        self._held: tuple[tuple[int, ...], int | None, int] = (), None, 0
        self._is_settling = False
        self._cells = Cells(model, self)
        self.setModel(model)
        self.setItemDelegate(self._cells)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setIconSize(QSize(14, 14))
        self.setWordWrap(False)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Objects, with a timeline of each")
        self._set_headers()
        self.clicked.connect(self._toggle)
        self.selectionModel().currentRowChanged.connect(self._announce)
        model.modelAboutToBeReset.connect(self._hold)
        model.modelReset.connect(self._settle)
        model.rowsInserted.connect(self._fit_columns)
        self._fit_columns()

    def _set_headers(self) -> None:
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setMinimumSectionSize(RowSize.glance.value.height)
        rows.setDefaultSectionSize(self._cells.size.value.height)
        columns.setMinimumSectionSize(20)
        columns.setHighlightSections(False)
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for column in Column:
            stretch = column == Column.title
            mode = QHeaderView.ResizeMode.Stretch if stretch else QHeaderView.ResizeMode.Fixed
            columns.setSectionResizeMode(column, mode)
        for column, width in _WIDTHS.items():
            self.setColumnWidth(column, width)

    @property
    def row_size(self) -> RowSize:
        """How much a row shows."""
        return self._cells.size

    def show_rows(self, size: RowSize) -> None:
        """Show more or less of each row; the row in the middle of the view stays there."""
        middle = self.rowAt(self.viewport().height() // 2)
        self._cells.size = size
        self.verticalHeader().setDefaultSectionSize(size.value.height)
        for column in (Column.frames, Column.state):
            self.setColumnHidden(column, not size.value.is_two_lines)
        for column in (Column.number, Column.visible, Column.locked):
            self.setColumnHidden(column, not size.value.has_text)
        self.horizontalHeader().setVisible(size.value.has_text)
        self.updateGeometries()
        if middle >= 0:
            self.scrollTo(self.objects.index(middle, Column.title), QAbstractItemView.ScrollHint.PositionAtCenter)

    def _fit_columns(self) -> None:
        """Give the columns of numbers and words the width that the longest takes."""
        words = self.fontMetrics()
        frames = 0 if not self.objects.shown else len(self.objects.at(0).codes)
        longest = {Column.frames: (f"{frames}/{frames}", "Frames"), Column.state: STATES}
        for column, texts in longest.items():
            self.setColumnWidth(column, max(map(words.horizontalAdvance, texts)) + _ROOM)
        number = words.horizontalAdvance(str(max(self.objects.shown, default=0))) + 28
        self.setColumnWidth(Column.number, max(_WIDTHS[Column.number], number) + self._cells.most_indent)

    def _hold(self) -> None:
        """Remember what is chosen, by object, because rows are about to change."""
        current = self.currentIndex().row()
        chosen = None if current < 0 else self.objects.shown[current]
        self._held = self.selected_ids(), chosen, self.verticalScrollBar().value()

    def _settle(self) -> None:
        """Choose the same objects as before in the new rows, of those that have one, and stay where the view was."""
        chosen, current, scrolled = self._held
        self._fit_columns()
        selection = QItemSelection()
        for row in (row for one in chosen if (row := self.objects.row_of(one)) is not None):
            selection.select(self.objects.index(row, 0), self.objects.index(row, len(Column) - 1))
        row = None if current is None else self.objects.row_of(current)
        self._is_settling = True
        if row is not None:
            place = self.objects.index(row, Column.title)
            self.selectionModel().setCurrentIndex(place, QItemSelectionModel.SelectionFlag.NoUpdate)
        self.selectionModel().select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        self._is_settling = False
        self.updateGeometries()
        self.verticalScrollBar().setValue(scrolled)

    def set_frame(self, frame: int) -> None:
        """Move the mark of the frame that is shown; one of a doubtful mask goes with another frame."""
        self.frame = frame
        if self.doubtful is not None and self.doubtful[1] != frame:
            self.doubtful = None
        self.viewport().update()
        self.frame_shown.emit(frame)

    def mark_doubtful(self, object_id: int, frame: int) -> None:
        """Bring the row of an object into view, and mark the frame on which its mask looks wrong."""
        self.doubtful = object_id, frame
        row = self.objects.row_of(object_id)
        if row is not None:
            self.selectRow(row)
            self.scrollTo(self.objects.index(row, 0))
        self.viewport().update()

    def selected_ids(self) -> tuple[int, ...]:
        """Return the selected objects, in the order of their ids."""
        return tuple(sorted(self.objects.shown[index.row()] for index in self.selectionModel().selectedRows()))

    def select_object(self, object_id: int) -> None:
        """Make an object the current row; one that is folded away or left out leaves none chosen."""
        row = self.objects.row_of(object_id)
        if row is not None and self.currentIndex().row() != row:
            self.selectRow(row)
            self.scrollTo(self.currentIndex())
        elif row is None and object_id in self.objects.known:
            self.clearSelection()

    def reveal(self, object_id: int) -> None:
        """Make an object the current row and bring it into view, whatever hides it."""
        row = self.objects.reveal(object_id)
        if row is not None:
            self.selectRow(row)
            self.scrollTo(self.objects.index(row, Column.title), QAbstractItemView.ScrollHint.PositionAtCenter)

    def lane_rect(self, row: int) -> QRect:
        """Return where a row's timeline is, in pixels of the viewport."""
        shape, top = self._cells.size.value, self.rowViewportPosition(row)
        if shape.is_two_lines:
            return QRect(6, top + shape.height - STRIP, max(self.viewport().width() - 12, 1), LANE_HEIGHT)
        left, width = self.columnViewportPosition(Column.title), self.columnWidth(Column.title)
        height = min(LANE_HEIGHT + 2, shape.height - 1)
        return QRect(left + 4, top + (shape.height - height) // 2, max(width - 8, 1), height)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the current row in view."""
        super().resizeEvent(event)
        self.scrollTo(self.currentIndex())

    def sizeHint(self) -> QSize:
        """Return room for two rows; the table takes the height that is there, and more rows scroll."""
        header = self.horizontalHeader().sizeHint().height()
        return QSize(_NARROWEST, header + _FEWEST_ROWS * RowSize.roomy.value.height + 2)

    def minimumSizeHint(self) -> QSize:
        """Return the same."""
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the cells, then connectors and timelines, of the rows in view."""
        super().paintEvent(event)
        first, last = self.rows_in_view()
        if last < first:
            return
        painter, palette = QPainter(self.viewport()), self.objects.palette
        frames = len(self.objects.at(first).codes)
        if self.row_size.value.is_two_lines:
            self._paint_strips(painter, first, last)
        paint_connectors(painter, self.objects, (first, last), self.lane_rect, frames)
        for row in range(first, last + 1):
            rect, about = self.lane_rect(row), self.objects.at(row)
            paint_lane(painter, rect, self._runs_of(about, rect.width()), palette, self.objects.lane_colour(about))
            if self.row_size.value.has_text:
                paint_current_frame(painter, rect, self.frame, frames, palette)
            if self.doubtful is not None and self.doubtful[0] == about.object_id:
                paint_doubt(painter, rect, self.doubtful[1], frames, palette)
        if not self.row_size.value.has_text:
            top = self.lane_rect(first)
            whole = QRect(top.x(), 0, top.width(), self.lane_rect(last).bottom())
            paint_current_frame(painter, whole, self.frame, frames, palette)
        painter.end()

    def rows_in_view(self) -> tuple[int, int]:
        """Return the first and the last row that can be seen, (0, -1) where there is none."""
        first, last = self.rowAt(0), self.rowAt(self.viewport().height() - 1)
        if first < 0:
            return 0, -1
        return first, self.objects.rowCount() - 1 if last < 0 else last

    def _paint_strips(self, painter: QPainter, first: int, last: int) -> None:
        """Draw what lies under timelines, in the colour of what is chosen where it is."""
        background, model = QColor(self.objects.palette.lane), self.selectionModel()
        for row in range(first, last + 1):
            rect = self.lane_rect(row)
            if model.isRowSelected(row, QModelIndex()):
                strip = QRect(0, rect.y(), self.viewport().width(), STRIP)
                painter.fillRect(strip, self.palette().highlight().color())
            painter.fillRect(rect, background)

    def _runs_of(self, row: ObjectRow, width: int) -> list[TimelineRun]:
        """Return the stretches of a row's timeline, as long as it is what it was."""
        kept = self._runs.get(row.object_id)
        if kept is not None and kept[0] is row and kept[1] == width:
            return kept[2]
        if len(self._runs) > _MOST_KEPT:
            self._runs.clear()
        runs = lane_runs(row.codes, width)
        self._runs[row.object_id] = row, width, runs
        return runs

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll; with Ctrl show more or less of each row."""
        step = event.angleDelta().y()
        if not event.modifiers() & Qt.KeyboardModifier.ControlModifier or step == 0:
            super().wheelEvent(event)
            return
        at = _SIZES.index(self.row_size) + (-1 if step > 0 else 1)
        if 0 <= at < len(_SIZES):
            self.show_rows(_SIZES[at])
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Fold what comes of the chosen objects with the left arrow, unfold it with the right one.

        Space shows or hides them, Shift and Space lock them or let them go, F2 renames the current one.
        """
        if event.key() == Qt.Key.Key_F2 and self.currentIndex().isValid():
            self.edit(self.objects.index(self.currentIndex().row(), Column.title))
            return
        if event.key() == Qt.Key.Key_Space and self.currentIndex().isValid():
            is_lock = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self._switch(Column.locked if is_lock else Column.visible)
            event.accept()
            return
        arrows = {Qt.Key.Key_Left: True, Qt.Key.Key_Right: False}
        if self.objects.is_tree and event.key() in arrows and not event.modifiers():
            self.objects.fold(self.selected_ids(), arrows[Qt.Key(event.key())])
            event.accept()
            return
        super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Select the row; in a timeline, ask for the frame too; on the mark of a mother, fold or unfold."""
        place, is_left = event.position().toPoint(), event.button() == Qt.MouseButton.LeftButton
        mother = self._mother_at(place)
        if mother is not None and is_left:
            self.objects.fold([mother], mother not in self.objects.wanted.folded)
            return
        super().mousePressEvent(event)
        frame = self._frame_under(place)
        if frame is not None and is_left:
            self.frame_chosen.emit(frame)

    def _mother_at(self, place: QPoint) -> int | None:
        """Return the mother whose mark to fold is at a place."""
        row, shape = self.rowAt(place.y()), self.row_size.value
        if row < 0 or self.columnAt(place.x()) != Column.number or not self.objects.is_tree:
            return None
        in_text = not shape.is_two_lines or place.y() - self.rowViewportPosition(row) < shape.height - STRIP
        x = place.x() - self.columnViewportPosition(Column.number)
        return self.objects.shown[row] if in_text and self._cells.is_fold_mark(row, x) else None

    def viewportEvent(self, event: QEvent) -> bool:
        """Say over a timeline which frame it is and what it holds."""
        if isinstance(event, QHelpEvent) and (frame := self._frame_under(event.pos())) is not None:
            row = self.objects.at(self.rowAt(event.pos().y()))
            text = f"object {row.object_id}, {frame}: {STATE_NAMES[row.codes[frame]]}"
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().viewportEvent(event)

    def _frame_under(self, place: QPoint) -> int | None:
        row = self.rowAt(place.y())
        if row < 0:
            return None
        rect = self.lane_rect(row)
        count = len(self.objects.at(row).codes)
        if count == 0 or not rect.top() - 2 <= place.y() <= rect.bottom() + 3 or self._is_beside(rect, place):
            return None
        return frame_at(place.x() - rect.x(), rect.width(), count)

    def _is_beside(self, rect: QRect, place: QPoint) -> bool:
        """Return whether a place is left or right of a lane that has cells there."""
        return not self.row_size.value.is_two_lines and not rect.left() - 4 <= place.x() <= rect.right() + 4

    def _switch(self, column: Column) -> None:
        """Change visibility or lock of the chosen objects, all to what the current one is not."""
        row = self.objects.at(self.currentIndex().row())
        value = not (row.info.locked if column == Column.locked else row.info.visible)
        for index in self.selectionModel().selectedRows(column):
            self.objects.setData(index, value, Qt.ItemDataRole.CheckStateRole)

    def _toggle(self, index: QModelIndex) -> None:
        """Change visibility or lock after a click on its icon."""
        if self._frame_under(self.viewport().mapFromGlobal(self.cursor().pos())) is not None:
            return
        row = self.objects.at(index.row())
        if index.column() == Column.visible:
            self.objects.setData(index, not row.info.visible, Qt.ItemDataRole.CheckStateRole)
        elif index.column() == Column.locked:
            self.objects.setData(index, not row.info.locked, Qt.ItemDataRole.CheckStateRole)

    def _announce(self, current: QModelIndex, previous: QModelIndex) -> None:
        if current.isValid() and not self._is_settling:
            self.object_chosen.emit(self.objects.at(current.row()).object_id)
