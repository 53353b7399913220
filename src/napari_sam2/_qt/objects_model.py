"""The objects of a session as rows of a table: read from the session, edited through it.

Every edit goes to the session (one undo step each); the row changes when the session says so. The status codes of an
object's frames are kept here only until the session reports that its masks changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from qtpy.QtGui import QColor

from napari_sam2._qt.theme import Palette, swatch, themed_icon
from napari_sam2._qt.timeline import ABSENT, NOTHING, STALE, TRACKED

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

Index = QModelIndex | QPersistentModelIndex
_NO_INDEX = QModelIndex()


class Column(IntEnum):
    """Columns of the table."""

    number = 0
    title = 1
    frames = 2
    state = 3
    visible = 4
    locked = 5


_TEXTS = {
    Column.number: ("Id", "The object's number: its value in the labels"),
    Column.title: ("Name", "Double-click to rename"),
    Column.frames: ("Frames", "Frames that have a mask, of all"),
    Column.state: ("State", "What is done, and what a correction left behind"),
    Column.visible: ("", "Show or hide the object"),
    Column.locked: ("", "A locked object is never changed by a run"),
}
"""Title and tool tip."""


STATES = ("new", "prompted", "partly", "done", "stale")
"""Words for what is done of an object."""


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """One object: what the table shows of it, with the codes of `Session.status` (T,)."""

    object_id: int
    name: str
    visible: bool
    locked: bool
    codes: NDArray[np.uint8]

    @property
    def frames(self) -> int:
        """Number of frames with a mask."""
        return int(np.count_nonzero(np.isin(self.codes, (NOTHING, ABSENT), invert=True)))

    @property
    def state(self) -> str:
        """One word for what is done."""
        if not np.any(self.codes != NOTHING):
            return "new"
        if np.any(self.codes == STALE):
            return "stale"
        if not np.any(self.codes == NOTHING):
            return "done"
        return "partly" if np.any((self.codes == TRACKED) | (self.codes == ABSENT)) else "prompted"


class ObjectsModel(QAbstractTableModel):
    """Rows in the order of object ids; `colour_of` gives the colour that an object's label has in the viewer."""

    def __init__(self, colour_of: Callable[[int], QColor], theme_id: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._colour_of = colour_of
        self._session: Session | None = None
        self._rows: list[ObjectRow] = []
        self.set_theme(theme_id)

    def set_theme(self, theme_id: str) -> None:
        """Take icons and colours of a napari theme."""
        self.palette = Palette.of(theme_id)
        names = {
            (Column.visible, True): "visibility",
            (Column.visible, False): "visibility_off",
            (Column.locked, True): "lock",
            (Column.locked, False): "lock_open",
        }
        self._icons = {key: themed_icon(name, theme_id) for key, name in names.items()}
        if self._rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._rows) - 1, len(Column) - 1))

    def set_session(self, session: Session | None) -> None:
        """Show the objects of a session, or none."""
        self._session = session
        self.reload()

    def reload(self) -> None:
        """Read all objects again; rows that stay keep their place and selection."""
        wanted = [] if self._session is None else sorted(self._session.document.objects)
        if wanted == [row.object_id for row in self._rows]:
            self.refresh(wanted)
            return
        self.beginResetModel()
        self._rows = [self._read(object_id) for object_id in wanted]
        self.endResetModel()

    def refresh(self, object_ids: Iterable[int]) -> None:
        """Read some objects again; those that are not in the table are left out."""
        places = {row.object_id: place for place, row in enumerate(self._rows)}
        for object_id in object_ids:
            place = places.get(object_id)
            if place is None or self._session is None or object_id not in self._session.document.objects:
                continue
            self._rows[place] = self._read(object_id)
            self.dataChanged.emit(self.index(place, 0), self.index(place, len(Column) - 1))

    def row_of(self, object_id: int) -> int | None:
        """Return the row of an object, None if it has none."""
        return next((place for place, row in enumerate(self._rows) if row.object_id == object_id), None)

    def at(self, row: int) -> ObjectRow:
        """Return what a row shows."""
        return self._rows[row]

    def rows(self) -> tuple[ObjectRow, ...]:
        """Return all rows."""
        return tuple(self._rows)

    def rowCount(self, parent: Index = _NO_INDEX) -> int:
        """Return the number of objects."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = _NO_INDEX) -> int:
        """Return the number of columns."""
        return 0 if parent.isValid() else len(Column)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        """Return the title of a column, or what it means as a tool tip."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        place = {Qt.ItemDataRole.DisplayRole: 0, Qt.ItemDataRole.ToolTipRole: 1}.get(Qt.ItemDataRole(role))
        return None if place is None else _TEXTS[Column(section)][place]

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Return what can be done with a cell: names are edited, the rest selected."""
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() == Column.title else flags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows in a role."""
        row, column = self._rows[index.row()], Column(index.column())
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row, column)
        if role == Qt.ItemDataRole.EditRole and column == Column.title:
            return row.name
        if role == Qt.ItemDataRole.DecorationRole:
            return self._decoration(row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return _TEXTS[column][1]
        if role == Qt.ItemDataRole.ForegroundRole and column == Column.state and row.state == "stale":
            return QColor(self.palette.prompted)
        return None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Hand an edit to the session; return whether it was one."""
        if self._session is None:
            return False
        row, column = self._rows[index.row()], Column(index.column())
        if column == Column.title and role == Qt.ItemDataRole.EditRole:
            self._session.rename_object(row.object_id, str(value).strip())
        elif column == Column.visible:
            self._session.set_visible(row.object_id, bool(value))
        elif column == Column.locked:
            self._session.set_locked(row.object_id, bool(value))
        else:
            return False
        self.refresh([row.object_id])
        return True

    def _read(self, object_id: int) -> ObjectRow:
        assert self._session is not None
        info = self._session.document.objects[object_id]
        return ObjectRow(object_id, info.name, info.visible, info.locked, self._session.status(object_id))

    @staticmethod
    def _text(row: ObjectRow, column: Column) -> str | None:
        texts = {
            Column.number: str(row.object_id),
            Column.title: row.name or f"object {row.object_id}",
            Column.frames: f"{row.frames}/{len(row.codes)}",
            Column.state: row.state,
        }
        return texts.get(column)

    def _decoration(self, row: ObjectRow, column: Column) -> Any:
        if column == Column.number:
            return swatch(self._colour_of(row.object_id))
        if column == Column.visible:
            return self._icons[column, row.visible]
        return self._icons[column, row.locked] if column == Column.locked else None
