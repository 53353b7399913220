"""The objects table as a tree: connectors, folding, filters, search and sizes, with mouse and keys."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from drawn_colonies import document_of, masks_of
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QColor, QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_sam2._qt.lineage_lines import Connector, connectors
from napari_sam2._qt.objects_bar import ObjectsBar
from napari_sam2._qt.objects_cells import RowSize
from napari_sam2._qt.objects_model import Column, ObjectsModel
from napari_sam2._qt.objects_table import ObjectsTable
from napari_sam2._qt.timeline import frame_x

FRAMES = 20
SPANS = {
    1: (None, 0, 6),
    2: (None, 3, 19),
    3: (1, 7, 12),
    4: (1, 7, 19),
    5: (3, 13, 19),
    6: (3, 13, 15),
}
TREE = (1, 3, 5, 6, 4, 2)


def session_of(spans: Any) -> Any:
    masks = masks_of(spans, (40, 40), FRAMES)
    return SimpleNamespace(document=document_of(spans), masks=masks, status=masks.statuses)


@pytest.fixture
def table(qtbot: QtBot) -> ObjectsTable:
    model = ObjectsModel(lambda object_id: QColor(object_id * 20, 0, 0), "dark")
    table = ObjectsTable(model)
    model.setParent(table)
    model.set_session(session_of(SPANS))
    qtbot.addWidget(table)
    table.resize(420, 300)
    table.show()
    qtbot.waitExposed(table)
    return table


@pytest.fixture
def bar(table: ObjectsTable, qtbot: QtBot) -> ObjectsBar:
    bar = ObjectsBar(table)
    qtbot.addWidget(bar)
    return bar


def choose(bar: ObjectsBar, *path: str) -> None:
    """Press a line of the menu, through its submenus."""
    bar.menu.aboutToShow.emit()
    menu = bar.menu
    for text in path[:-1]:
        menu = next(action.menu() for action in menu.actions() if action.text() == text)
    next(action for action in menu.actions() if action.text() == path[-1]).trigger()


def press_mark(table: ObjectsTable, qtbot: QtBot, object_id: int) -> None:
    """Click on the triangle before a mother's number."""
    row = table.objects.row_of(object_id)
    cell = table.visualRect(table.objects.index(row, Column.number))
    indent = 7 * table.objects.forest.generation[object_id]
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(cell.x() + indent + 5, cell.y() + 8))


def test_rows_are_a_tree_and_each_daughter_hangs_on_her_mother_where_she_begins(table: ObjectsTable) -> None:
    model = table.objects
    assert model.shown == TREE
    assert sorted(connectors(model, 0, 5), key=lambda one: one.daughter_row) == [
        Connector(0, 1, 7),
        Connector(1, 2, 13),
        Connector(1, 3, 13),
        Connector(0, 4, 7),
    ]
    assert list(connectors(model, 2, 2)) == [Connector(1, 2, 13), Connector(1, 3, 13), Connector(0, 4, 7)]
    assert list(connectors(model, 5, 5)) == []


def test_connectors_and_bars_are_drawn_where_the_frames_are(table: ObjectsTable) -> None:
    picture = table.viewport().grab().toImage()
    ratio = picture.devicePixelRatio()

    def colour(x: int, y: int) -> QColor:
        return picture.pixelColor(round(x * ratio), round(y * ratio))

    above, below = table.lane_rect(0), table.lane_rect(4)
    x = frame_x(7, below, FRAMES) - 1
    between = (above.bottom() + below.top()) // 2
    assert colour(x, between).lightness() > colour(x - 3, between).lightness() + 40
    lane, tracked = table.lane_rect(4), QColor(table.objects.palette.tracked)
    assert colour(frame_x(10, lane, FRAMES), lane.bottom()) == tracked
    assert colour(frame_x(5, lane, FRAMES), lane.bottom()) != tracked


def test_the_mark_of_a_mother_folds_and_so_do_the_arrow_keys(table: ObjectsTable, qtbot: QtBot) -> None:
    model = table.objects
    press_mark(table, qtbot, 3)
    assert model.shown == (1, 3, 4, 2)
    assert model.index(1, Column.title).data() == "object 3 (+2)"
    table.select_object(1)
    qtbot.keyClick(table, Qt.Key.Key_Left)
    assert model.shown == (1, 2)
    qtbot.keyClick(table, Qt.Key.Key_Right)
    assert model.shown == (1, 3, 4, 2)
    press_mark(table, qtbot, 3)
    assert model.shown == TREE
    press_mark(table, qtbot, 4)  # she has no daughters: a click on her row
    assert model.shown == TREE
    assert table.selected_ids() == (4,)


def test_what_is_chosen_stays_chosen_while_rows_come_and_go(table: ObjectsTable, qtbot: QtBot) -> None:
    model = table.objects
    table.select_object(2)
    with qtbot.assertNotEmitted(table.object_chosen):
        model.fold([1], True)
        assert (table.selected_ids(), table.currentIndex().row()) == ((2,), 1)
        model.fold([1], False)
    assert (table.selected_ids(), table.currentIndex().row()) == ((2,), 5)
    table.select_object(5)
    model.fold([1], True)
    table.select_object(5)  # what nobody sees is not chosen
    assert table.selected_ids() == ()


def test_typing_shows_the_relatives_and_enter_goes_to_the_one(
    table: ObjectsTable, bar: ObjectsBar, qtbot: QtBot
) -> None:
    table.objects.fold([1], True)
    qtbot.keyClicks(bar.search, "5")
    assert table.objects.shown == (1,)
    assert bar.show_button.text() == "1 of 6"
    qtbot.keyClick(bar.search, Qt.Key.Key_Return)
    assert table.objects.shown == (1, 3, 5, 6, 4)
    assert table.selected_ids() == (5,)
    bar.search.clear()
    assert table.objects.shown == TREE
    assert table.selected_ids() == (5,)


def test_an_object_that_a_filter_leaves_out_is_shown_when_it_is_asked_for(table: ObjectsTable, bar: ObjectsBar) -> None:
    choose(bar, "Generation", "2")
    assert table.objects.shown == (5, 6)
    table.reveal(2)
    assert table.objects.shown == TREE
    assert table.selected_ids() == (2,)


def test_a_filter_ends_with_the_session_and_the_order_of_the_rows_stays(table: ObjectsTable, bar: ObjectsBar) -> None:
    choose(bar, "Order", "Begin")
    choose(bar, "Generation", "2")
    bar.search.setText("5")
    table.objects.set_session(session_of({1: (None, 0, 3)}))
    assert (table.objects.shown, bar.search.text(), bar.show_button.text()) == ((1,), "", "Show")
    table.objects.set_session(session_of(SPANS))
    assert table.objects.shown == (1, 2, 3, 4, 5, 6)


def test_objects_that_come_and_go_behind_a_filter_are_counted(table: ObjectsTable, bar: ObjectsBar) -> None:
    session = session_of(SPANS)
    table.objects.set_session(session)
    choose(bar, "Generation", "2")
    few, more = session.document.objects, document_of({**SPANS, 7: (None, 0, 3)}).objects
    for objects, told in ((few, "2 of 6"), ({**few, 7: more[7]}, "2 of 7"), (few, "2 of 6")):
        session.document = SimpleNamespace(objects=objects)
        table.objects.reload()
        assert (table.objects.shown, bar.show_button.text()) == ((5, 6), told)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("Order", "Length, longest first"), (2, 4, 1, 5, 3, 6)),
        (("Fold all",), (1, 2)),
        (("Only complete: born of a division and divided",), (3,)),
        (("Only those that a person touched",), ()),
        (("Generation", "1"), (3, 4)),
        (("On frames, at least", "10"), (4, 2)),
    ],
)
def test_the_menu_says_what_is_shown(
    table: ObjectsTable, bar: ObjectsBar, path: tuple[str, ...], expected: tuple[int, ...]
) -> None:
    choose(bar, *path)
    assert table.objects.shown == expected
    if len(expected) < len(TREE):
        choose(bar, "Show all")
        assert table.objects.shown == TREE


def test_ctrl_and_the_wheel_show_more_rows_and_a_click_still_finds_its_frame(table: ObjectsTable, qtbot: QtBot) -> None:
    def turn(steps: int) -> None:
        middle = QPointF(table.viewport().rect().center())
        wheel = QWheelEvent(
            middle,
            table.viewport().mapToGlobal(middle),
            QPoint(),
            QPoint(0, steps * 120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.ControlModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(table.viewport(), wheel)

    heights = []
    for size in (RowSize.roomy, RowSize.compact, RowSize.glance):
        assert table.row_size is size
        heights.append(table.rowHeight(0))
        lane = table.lane_rect(1)
        place = QPoint(frame_x(10.5, lane, FRAMES), lane.center().y())
        with qtbot.waitSignal(table.frame_chosen) as chosen:
            qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        assert chosen.args == [10]
        assert table.selected_ids() == (3,)
        turn(-1)
    assert heights == sorted(heights, reverse=True)
    turn(1)
    assert table.row_size is RowSize.compact


def test_a_change_of_masks_moves_no_row_and_a_new_daughter_gets_hers(table: ObjectsTable) -> None:
    model = table.objects
    session: Any = session_of({**SPANS, 7: (2, 15, 19)})
    model.set_session(session)
    assert model.shown == (*TREE, 7)
    before = model.at(1)
    session.masks.remove((3, 7))
    model.refresh([3])
    assert (before.begin, model.at(1).begin) == (7, 8)
    assert model.at(0) is model.known[1]
