"""The objects of a session as rows of a table, ordered by lineage: read from the session, edited through it.

Every edit goes to the session (one undo step each); the row changes when the session says so. The status codes of an
object's frames are kept here only until the session reports that its masks changed. Which objects have a row and in
which order is decided by `lineage.arranging`; rows keep their places while a run changes masks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal
from qtpy.QtGui import QColor, QIcon

from napari_sam2._qt.theme import Palette, swatch, themed_icon
from napari_sam2._qt.timeline import ABSENT, EDITED, FOUND, IMPORTED, NOTHING, PROMPTED, STALE, TRACKED
from napari_sam2.document.objects import LinkStatus, ObjectInfo
from napari_sam2.lineage.arranging import Order, Wanted, arranged, title_of
from napari_sam2.lineage.forest import Forest

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


_COLUMNS = tuple(Column)
_CHOSEN = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
_EDITED = _CHOSEN | Qt.ItemFlag.ItemIsEditable
_ROLES = frozenset(
    int(role)
    for role in (
        Qt.ItemDataRole.DisplayRole,
        Qt.ItemDataRole.EditRole,
        Qt.ItemDataRole.DecorationRole,
        Qt.ItemDataRole.ToolTipRole,
        Qt.ItemDataRole.ForegroundRole,
    )
)
STATES = ("new", "prompted", "found", "partly", "done", "stale")
"""Words for what is done of an object."""


_CODES = 8
_IS_THERE = np.isin(np.arange(_CODES), (NOTHING, ABSENT), invert=True)


@dataclass(frozen=True, eq=False)
class ObjectRow:
    """One object: what the table shows of it, with the codes of `Session.status` (T,); the rest is counted when asked.

    `revision` is that of its masks when they were read.
    """

    info: ObjectInfo
    revision: int
    codes: NDArray[np.uint8]

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Code -> on how many frames it stands (8,)."""
        return tuple(np.bincount(self.codes, minlength=_CODES).tolist())

    @cached_property
    def begin(self) -> int | None:
        """First frame with a mask; None without any."""
        there = _IS_THERE[self.codes]  # (T,)
        return int(there.argmax()) if self.frames else None

    @property
    def object_id(self) -> int:
        """Label value."""
        return self.info.object_id

    @property
    def name(self) -> str:
        """As a person named it, or empty."""
        return self.info.name

    @property
    def frames(self) -> int:
        """Number of frames with a mask."""
        return len(self.codes) - self.counts[NOTHING] - self.counts[ABSENT]

    @property
    def is_touched(self) -> bool:
        """Whether a person prompted, painted, locked or looked at it."""
        by_hand = self.counts[PROMPTED] or self.counts[EDITED]
        return bool(by_hand) or self.info.locked or self.info.links is LinkStatus.looked_at

    @property
    def state(self) -> str:
        """One word for what is done; what a program found alone is never done."""
        counts = self.counts
        if counts[NOTHING] == len(self.codes):
            return "new"
        if counts[STALE]:
            return "stale"
        if (counts[FOUND] or counts[IMPORTED]) and not (counts[PROMPTED] or counts[EDITED]):
            return "found"
        if not counts[NOTHING]:
            return "done"
        if counts[TRACKED] or counts[ABSENT]:
            return "partly"
        return "prompted"


class ObjectsModel(QAbstractTableModel):
    """The rows that are shown; `colour_of` gives the colour that an object's label has in the viewer.

    Signal: `counted()` when there may be more objects than before, or fewer, with a row or without.

    Attributes
    ----------
    forest
        Who comes from whom.
    wanted
        What is shown, and in which order; see `want`.
    colours_lanes
        Whether timelines have the colours of their objects.
    """

    counted = Signal()

    def __init__(self, colour_of: Callable[[int], QColor], theme_id: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._colour_of = colour_of
        self._session: Session | None = None
        self._known: dict[int, ObjectRow] = {}
        self._shown: tuple[int, ...] = ()
        self._places: dict[int, int] = {}
        self._swatches: dict[int, QIcon] = {}
        self.forest = Forest.of({})
        self.wanted = Wanted()
        self.colours_lanes = False
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
        self.recolour()

    def set_session(self, session: Session | None) -> None:
        """Show the objects of a session, or none: all of them, unfolded."""
        self._session = session
        self._known = {}
        self.wanted = Wanted(order=self.wanted.order)
        self.reload()

    def recolour(self) -> None:
        """Ask for the colours of all rows anew."""
        if self._shown:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._shown) - 1, len(Column) - 1))

    def reload(self) -> None:
        """Read all objects again that have changed, and give each its place; a row that stays, stays selected."""
        objects = {} if self._session is None else self._session.document.objects
        before, self._known = self._known, {one: self._current(one) for one in sorted(objects)}
        self.forest = Forest.of({one: row.info.parent for one, row in self._known.items()})
        self._arrange([one for one, row in self._known.items() if before.get(one) is not row])

    def refresh(self, object_ids: Iterable[int]) -> None:
        """Read some objects again, in their places; those that the session does not have are left out."""
        objects = {} if self._session is None else self._session.document.objects
        read = [one for one in object_ids if one in self._known and one in objects]
        self._known.update((one, self._current(one)) for one in read)
        self._tell(read)

    def want(self, wanted: Wanted) -> None:
        """Show other objects, or in another order."""
        if wanted != self.wanted:
            self.wanted = wanted
            self._arrange([])

    def fold(self, object_ids: Iterable[int], folded: bool) -> None:
        """Hide what comes of some objects, or show it."""
        before = self.wanted.folded
        changed = frozenset(one for one in object_ids if one in self.forest.daughters)
        self.want(replace(self.wanted, folded=before | changed if folded else before - changed))

    def reveal(self, object_id: int) -> int | None:
        """Return the row of an object, unfolded and without filters where it had none; None if there is no such."""
        if object_id not in self._known:
            return None
        above, one = [], object_id
        while one in self.forest.parent:
            one = self.forest.parent[one]
            above.append(one)
        self.fold(above, False)
        if object_id not in self._places:
            self.want(Wanted(order=self.wanted.order, folded=self.wanted.folded))
        return self._places[object_id]

    def row_of(self, object_id: int) -> int | None:
        """Return the row of an object, None if it has none."""
        return self._places.get(object_id)

    def at(self, row: int) -> ObjectRow:
        """Return what a row shows."""
        return self._known[self._shown[row]]

    @property
    def known(self) -> Mapping[int, ObjectRow]:
        """All objects by id, those without a row among them."""
        return self._known

    @property
    def shown(self) -> tuple[int, ...]:
        """The objects that have a row, from top to bottom."""
        return self._shown

    @property
    def is_tree(self) -> bool:
        """Whether rows stand by lineage, and there is a mother among the objects."""
        return self.wanted.order is Order.lineage and bool(self.forest.daughters)

    def lane_colour(self, row: ObjectRow) -> QColor | None:
        """Return the colour of an object's timeline; None for those of what stands on its frames."""
        return self._colour_of(row.object_id) if self.colours_lanes else None

    def count(self, code: int) -> int:
        """Return on how many frames of all objects a status code stands."""
        return sum(row.counts[code] for row in self._known.values())

    def rowCount(self, parent: Index = _NO_INDEX) -> int:
        """Return the number of objects."""
        return 0 if parent.isValid() else len(self._shown)

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
        return _EDITED if index.column() == Column.title else _CHOSEN

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows in a role."""
        if role not in _ROLES:  # most of what a cell asks for when it is drawn
            return None
        row, column = self.at(index.row()), _COLUMNS[index.column()]
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
        row, column = self.at(index.row()), Column(index.column())
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

    def _current(self, object_id: int) -> ObjectRow:
        """Return the row of an object, the one that there is unless something has changed."""
        assert self._session is not None
        info, revision = self._session.document.objects[object_id], self._session.masks.revision(object_id)
        row = self._known.get(object_id)
        if row is not None and row.revision == revision:
            return row if row.info is info else replace(row, info=info)
        return ObjectRow(info, revision, self._session.status(object_id))

    def _arrange(self, changed: list[int]) -> None:
        """Give rows to what is wanted."""
        self._change_rows(arranged(self._known, self.forest, self.wanted), changed)
        self.counted.emit()

    def _change_rows(self, shown: tuple[int, ...], changed: list[int]) -> None:
        """Show other rows; where these are the same as before, or some more, only that is told."""
        if shown == self._shown:
            self._tell(changed)
            return
        first, gone, come = _difference(self._shown, shown)
        if self._shown and come and not gone:
            self.beginInsertRows(_NO_INDEX, first, first + come - 1)
            self._show(shown)
            self.endInsertRows()
            self._tell(changed)
            return
        self.beginResetModel()
        self._show(shown)
        self.endResetModel()

    def _show(self, shown: tuple[int, ...]) -> None:
        self._shown = shown
        self._places = {one: place for place, one in enumerate(shown)}

    def _tell(self, object_ids: Iterable[int]) -> None:
        """Tell that some rows have changed, as one stretch."""
        places = [self._places[one] for one in object_ids if one in self._places]
        if places:
            self.dataChanged.emit(self.index(min(places), 0), self.index(max(places), len(Column) - 1))

    def _text(self, row: ObjectRow, column: Column) -> str | None:
        if column == Column.number:
            return str(row.object_id)
        if column == Column.title:
            folded = self.is_tree and row.object_id in self.wanted.folded
            hidden = f" (+{len(self.forest.descendants(row.object_id))})" if folded else ""
            return title_of(row) + hidden
        if column == Column.frames:
            return f"{row.frames}/{len(row.codes)}"
        return row.state if column == Column.state else None

    def _decoration(self, row: ObjectRow, column: Column) -> Any:
        if column == Column.number:
            return self._swatch(self._colour_of(row.object_id))
        if column == Column.visible:
            return self._icons[column, row.info.visible]
        return self._icons[column, row.info.locked] if column == Column.locked else None

    def _swatch(self, colour: QColor) -> QIcon:
        if colour.rgb() not in self._swatches:
            self._swatches[colour.rgb()] = swatch(colour)
        return self._swatches[colour.rgb()]


def _difference(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, int, int]:
    """Return from which place on two orders differ, and how many are there in the one and in the other instead."""
    shorter = min(len(before), len(after))
    first = next((at for at in range(shorter) if before[at] != after[at]), shorter)
    last = next((at for at in range(shorter - first) if before[-1 - at] != after[-1 - at]), shorter - first)
    return first, len(before) - first - last, len(after) - first - last
