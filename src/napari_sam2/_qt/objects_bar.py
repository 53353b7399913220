"""What stands above the objects table: a field to find some, and a menu of what is shown, how large, in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from qtpy.QtGui import QAction, QActionGroup
from qtpy.QtWidgets import QHBoxLayout, QLineEdit, QMenu, QWidget

from napari_sam2._qt.objects_cells import RowSize
from napari_sam2._qt.objects_table import ObjectsTable
from napari_sam2._qt.parts import IconButton
from napari_sam2.lineage.arranging import Order, Wanted, found_by

_ORDERS = {
    Order.lineage: "Lineage",
    Order.number: "Id",
    Order.name: "Name",
    Order.begin: "Begin",
    Order.length: "Length, longest first",
    Order.generation: "Generation",
}
_SIZES = {RowSize.roomy: "Text and timeline", RowSize.compact: "One line", RowSize.glance: "Whole colony"}
_LENGTHS = (0, 2, 5, 10, 20, 50, 100, 200, 500)


class Colours(Protocol):
    """What colours of objects can stand for."""

    @property
    def by(self) -> str:
        """What they stand for."""
        ...

    def choices(self) -> dict[str, str]:
        """Return all of it, with the words for each."""
        ...

    def choose(self, by: str) -> None:
        """Let them stand for something else."""
        ...


class ObjectsBar(QWidget):
    """Search field and menu of a table; what they say goes to its model as `Wanted`, and to `colours` if there are."""

    def __init__(self, table: ObjectsTable) -> None:
        super().__init__()
        self._table = table
        self._model = table.objects
        self.colours: Colours | None = None
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find ids or a name")
        self.search.setToolTip("12, or 3-7 20, or a part of a name; Enter goes to the first. Relatives are shown too")
        self.search.setAccessibleName("Find objects by id or name")
        self.search.setClearButtonEnabled(True)
        self.show_button = IconButton("Show", "visibility", "Order, size and colours of the rows, and which are shown")
        self.menu = QMenu(self)
        self.menu.aboutToShow.connect(self._fill)
        self.show_button.setMenu(self.menu)
        self.large = IconButton("", "pop_out", "Show the tree below the image, as wide as the window")
        self.plot = IconButton("", "path", "Plot area, speed, intensity ... of the chosen objects over time")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.search, 1)
        for button in (self.show_button, self.large, self.plot):
            row.addWidget(button, 0)
        for button in (self.large, self.plot):
            button.setFixedWidth(button.minimumWidth())
        self.search.textChanged.connect(self._find)
        self.search.returnPressed.connect(self.go_to_found)
        self._model.counted.connect(self._tell)
        self._fill()
        self._tell()

    def go_to_found(self) -> None:
        """Make the first object that was found the current one."""
        text = self.search.text()
        found = found_by(text, self._model.known) if text.strip() else ()
        if found:
            self._table.reveal(found[0])

    def _find(self, text: str) -> None:
        self._model.want(replace(self._model.wanted, text=text))

    def _want(self, **changes: object) -> None:
        self._model.want(replace(self._model.wanted, **changes))  # type: ignore[arg-type]

    def _tell(self) -> None:
        """Say how many of the objects have a row, where some have none."""
        wanted, shown, known = self._model.wanted, len(self._model.shown), len(self._model.known)
        self.show_button.setText("Show" if shown == known else f"{shown} of {known}")
        if self.search.text() != wanted.text:
            self.search.setText(wanted.text)

    def _fill(self) -> None:
        """Make the menu as things are now."""
        menu, wanted, forest = self.menu, self._model.wanted, self._model.forest
        menu.clear()
        order = [(text, value, wanted.order is value) for value, text in _ORDERS.items()]
        sizes = [(text, value, self._table.row_size is value) for value, text in _SIZES.items()]
        self._choices("Order", order, lambda value: self._want(order=value))
        self._choices("Rows", sizes, self._table.show_rows)
        if self.colours is not None:
            by = self.colours.by
            colours = [(text, value, value == by) for value, text in self.colours.choices().items()]
            self._choices("Colours", colours, self.colours.choose)
        menu.addSeparator()
        self._add("Fold all", lambda: self._model.fold(forest.daughters, True), self._model.is_tree)
        self._add("Unfold all", lambda: self._model.fold(forest.daughters, False), bool(wanted.folded))
        menu.addSeparator()
        self._switch("Only complete: born of a division and divided", wanted.complete, "complete", (False, True))
        self._switch("Only those that a person touched", wanted.touched is True, "touched", (None, True))
        self._switch("Only those that nobody touched", wanted.touched is False, "touched", (None, False))
        last = max(forest.generation.values(), default=0)
        generations = [("All", None, wanted.generation is None)]
        generations += [(str(one), one, wanted.generation == one) for one in range(last + 1)]  # type: ignore[misc]
        self._choices("Generation", generations, lambda value: self._want(generation=value))
        lengths = [(str(one) if one else "Any number", one, wanted.shortest == one) for one in _LENGTHS]
        self._choices("On frames, at least", lengths, lambda value: self._want(shortest=value))
        menu.addSeparator()
        plain = Wanted(order=wanted.order)
        self._add("Show all", lambda: self._model.want(plain), len(self._model.shown) < len(self._model.known))

    def _add(self, text: str, do: Callable[[], object], enabled: bool = True) -> QAction:
        action = QAction(text, self.menu)
        action.triggered.connect(lambda checked: do())
        action.setEnabled(enabled)
        self.menu.addAction(action)
        return action

    def _switch(self, text: str, is_on: bool, field: str, values: tuple[object, object]) -> None:
        """Add a line with a tick; `values` are those of the field without and with it."""
        action = self._add(text, lambda: self._want(**{field: values[not is_on]}))
        action.setCheckable(True)
        action.setChecked(is_on)

    def _choices(self, title: str, choices: Iterable[tuple[str, object, bool]], do: Callable[..., object]) -> None:
        """Add a menu of which one is chosen: text, value and whether it is that."""
        menu = self.menu.addMenu(title)
        group = QActionGroup(menu)
        for text, value, is_chosen in choices:
            action = QAction(text, menu)
            action.setCheckable(True)
            action.setChecked(is_chosen)
            action.triggered.connect(lambda checked, value=value: do(value))
            group.addAction(action)
            menu.addAction(action)
