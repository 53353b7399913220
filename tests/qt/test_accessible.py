"""Whoever hears the window, or has no mouse: every control of our docks has a name, and the keyboard comes to it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QAccessible
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QGraphicsView,
    QHeaderView,
    QLineEdit,
    QProgressBar,
    QScrollBar,
    QTabBar,
    QTableView,
    QTextEdit,
    QWidget,
)

from napari_sam2._qt.add_model_dialog import AddModelDialog
from napari_sam2._qt.film_view import FilmView
from napari_sam2._qt.review_list import ReviewList, ReviewModel
from napari_sam2._qt.review_panel import open_review
from napari_sam2._qt.texts import InfoLine
from napari_sam2.viewer.film_strip import Still

CONTROLS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    FilmView,
    QGraphicsView,
    QLineEdit,
    QTabBar,
)
READ = (QProgressBar, QTextEdit)
"""What is read and not worked with: it needs a name, and no place in the tab order."""


@pytest.fixture
def docks(desk: Any) -> Iterator[dict[str, QWidget]]:
    """All our docks and windows, with a movie of channels and depth open and everything unfolded."""
    desk.viewer.window.show()
    desk.open_movie()
    desk.click(1, 20, 20)
    panel = desk.panel
    panel.image.show_channels(["red", "green"], [0])
    panel.image.show_held({"Z": 1}, {"Z": 3})
    for section in panel.sections():
        section.expand()
    panel.finding.unfold.setChecked(True)
    dialog = AddModelDialog(Path("mine.pt"), ("configs/cells/cells_nano.yaml",), panel)
    _, models = desk.viewer.window.add_plugin_dock_widget("napari-sam2", "Models")
    made = {"panel": panel, "review": open_review(desk.viewer), "models": models, "dialog": dialog}
    made |= {"tree": panel.docks.show_tree(), "plot": panel.docks.show_plot()}
    yield made
    made.clear()
    dialog.close()


def parts(dock: QWidget, kinds: tuple[type[QWidget], ...]) -> Iterator[QWidget]:
    """The parts of a dock of some kinds; the inside of a box or a table, which Qt speaks for, is not among them."""
    inside = (QComboBox, QAbstractSpinBox, QLineEdit, QTableView)
    for widget in dock.findChildren(QWidget):
        if not isinstance(widget, kinds) or isinstance(widget, QHeaderView | QScrollBar):
            continue
        above = widget.parentWidget()
        while above is not None and above is not dock and not isinstance(above, inside):
            above = above.parentWidget()
        above_it = widget.parentWidget()
        is_empty = isinstance(above_it, InfoLine) and (widget.isHidden() or not above_it.text())  # nothing is said
        if not isinstance(above, inside) and widget.window() is dock.window() and not is_empty:
            yield widget


def told(widget: QWidget) -> str:
    """The name that a screen reader is given, without the marks of keys and signs that nobody reads aloud."""
    name = QAccessible.queryAccessibleInterface(widget).text(QAccessible.Text.Name)
    return "".join(letter for letter in name if letter.isalnum())


def named(widget: QWidget) -> str:
    """A control as a failing test shows it."""
    return f"{type(widget).__name__} in {type(widget.parentWidget()).__name__}, tip {widget.toolTip()!r}"


def test_every_control_has_a_name(docks: dict[str, QWidget]) -> None:
    seen = {name: list(parts(dock, CONTROLS + READ)) for name, dock in docks.items()}
    assert {name: len(widgets) > 0 for name, widgets in seen.items()} == dict.fromkeys(docks, True)
    assert len(seen["panel"]) > 60
    nameless = [f"{name}: {named(one)}" for name, widgets in seen.items() for one in widgets if not told(one)]
    assert nameless == []


def test_the_keyboard_comes_to_every_control(docks: dict[str, QWidget]) -> None:
    beyond = [
        f"{name}: {named(one)}"
        for name, dock in docks.items()
        for one in parts(dock, CONTROLS)
        if not one.focusPolicy() & Qt.FocusPolicy.TabFocus and one.focusProxy() is None
    ]
    assert beyond == []


@pytest.mark.parametrize("name", ["panel", "review", "models", "tree", "plot", "dialog"])
def test_tab_goes_from_top_to_bottom(docks: dict[str, QWidget], name: str) -> None:
    dock = docks[name]
    controls = set(parts(dock, CONTROLS))
    chain, here = [], dock.nextInFocusChain()
    while dock.isAncestorOf(here) and here not in chain:
        chain.append(here)
        here = here.nextInFocusChain()
    assert {named(one) for one in controls - set(chain)} == set()
    shown = [one for one in chain if one in controls and one.isVisibleTo(dock)]
    assert len(shown) > 1
    places = [one.mapTo(dock, one.rect().center()) for one in shown]
    back = [
        f"{named(shown[place + 1])} comes behind {named(shown[place])}"
        for place, (before, after) in enumerate(pairwise(places))
        if after.y() < before.y() - shown[place].height() / 2 and after.x() <= before.x()
    ]
    assert back == []


@pytest.mark.parametrize("name", ["panel", "review", "models", "tree"])
def test_tab_leaves_a_table_both_ways(desk: Any, docks: dict[str, QWidget], name: str) -> None:
    desk.click(2, 30, 40)
    dock = docks[name]
    dock.parentWidget().raise_()
    table = dock.findChild(QTableView)
    desk.until(lambda: table.isVisible() and (name == "review" or table.model().rowCount() > 1))
    desk.viewer.window._qt_window.activateWindow()
    for key in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab):
        table.setFocus()
        desk.until(table.hasFocus)
        table.setCurrentIndex(table.model().index(0, 1))
        QTest.keyClick(table, key)
        assert not table.hasFocus()


def test_rows_are_shown_hidden_and_locked_by_keys(desk: Any) -> None:
    desk.open_movie()
    for object_id, x in ((1, 10), (2, 30), (3, 50)):
        desk.click(object_id, 20, x)
    table = desk.panel.objects.table
    desk.until(lambda: len(table.objects.shown) == 3)
    table.setCurrentIndex(table.objects.index(1, 1))
    table.selectAll()
    assert table.currentIndex().isValid()
    assert table.selected_ids() == (1, 2, 3)
    QTest.keyClick(table, Qt.Key.Key_Space)
    assert [info.visible for info in desk.session.document.objects.values()] == [False] * 3
    QTest.keyClick(table, Qt.Key.Key_Space)
    assert [info.visible for info in desk.session.document.objects.values()] == [True] * 3
    table.selectRow(0)
    QTest.keyClick(table, Qt.Key.Key_Space, Qt.KeyboardModifier.ShiftModifier)
    assert [info.locked for info in desk.session.document.objects.values()] == [True, False, False]
    QTest.keyClick(table, Qt.Key.Key_F2)
    editor = table.findChild(QLineEdit)
    QTest.keyClicks(editor, "mother")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    desk.until(lambda: desk.session.document.objects[1].name == "mother")


def test_the_film_strip_is_walked_by_arrows(qtbot: Any) -> None:
    film = FilmView("dark")
    qtbot.addWidget(film)
    picture = np.zeros((8, 8, 3), np.uint8)
    film.show_stills(tuple(Still(frame, picture if frame >= 0 else None) for frame in range(-1, 6)))
    film.show_frame(0)
    asked: list[int] = []
    film.frame_chosen.connect(asked.append)
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Left, Qt.Key.Key_Up):
        QTest.keyClick(film, key)
    assert asked == [1]


def test_the_list_of_places_is_opened_and_sorted_by_keys(qtbot: Any) -> None:
    places = ReviewList(ReviewModel("dark"))
    qtbot.addWidget(places)
    sorted_by: list[str] = []
    places.order_chosen.connect(sorted_by.append)
    for key in (Qt.Key.Key_1, Qt.Key.Key_3, Qt.Key.Key_6, Qt.Key.Key_9):
        QTest.keyClick(places, key, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(places, Qt.Key.Key_2)
    assert sorted_by == ["kind", "frame"]
