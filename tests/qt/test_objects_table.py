from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QSizePolicy
from stand_in_session import StandInSession

from napari_sam2._qt.objects_model import Column, ObjectsModel
from napari_sam2._qt.objects_table import ObjectsTable
from napari_sam2._qt.timeline import ABSENT, EDITED, FOUND, NOTHING, PROMPTED, STALE, TRACKED
from napari_sam2.document.objects import ObjectInfo


@pytest.fixture
def session() -> StandInSession:
    return StandInSession(frames=10, objects=3)


@pytest.fixture
def model(session: StandInSession, qapp: object, qtmodeltester: Any) -> ObjectsModel:
    model = ObjectsModel(lambda object_id: QColor(object_id * 20, 0, 0), "dark")
    model.set_session(session)
    qtmodeltester.check(model)
    return model


@pytest.fixture
def table(model: ObjectsModel, qtbot: QtBot) -> ObjectsTable:
    table = ObjectsTable(model)
    qtbot.addWidget(table)
    table.resize(310, 200)
    table.show()
    qtbot.waitExposed(table)
    return table


def text(model: ObjectsModel, row: int, column: Column) -> Any:
    return model.index(row, column).data()


def test_rows_follow_the_objects(model: ObjectsModel, session: StandInSession) -> None:
    assert [text(model, row, Column.number) for row in range(model.rowCount())] == ["1", "2", "3"]
    session.document = session.document.without_object(2)
    model.reload()
    assert [text(model, row, Column.number) for row in range(model.rowCount())] == ["1", "3"]
    model.set_session(None)
    assert model.rowCount() == 0


def test_a_new_object_is_a_new_row_and_the_others_stay_chosen_where_they_are(
    table: ObjectsTable, model: ObjectsModel, session: StandInSession
) -> None:
    told: list[str] = []
    model.modelReset.connect(lambda: told.append("reset"))
    model.rowsInserted.connect(lambda _, first, last: told.append(f"{first} to {last}"))
    table.selectRow(1)
    session.codes |= {number: np.zeros(10, np.uint8) for number in (5, 70, 71)}
    session.document = session.document.with_object(ObjectInfo(70)).with_object(ObjectInfo(71))
    model.reload()
    assert told == ["3 to 4"]
    assert [text(model, row, Column.number) for row in range(model.rowCount())] == ["1", "2", "3", "70", "71"]
    assert (table.selected_ids(), model.row_of(71)) == ((2,), 4)
    session.document = session.document.without_object(70).with_object(ObjectInfo(5))
    model.reload()
    assert told[1:] == ["reset"], "some went and some came"
    assert [text(model, row, Column.number) for row in range(model.rowCount())] == ["1", "2", "3", "5", "71"]
    assert table.selected_ids() == (2,)


@pytest.mark.parametrize(
    ("codes", "state", "frames"),
    [
        ([NOTHING] * 4, "new", "0/4"),
        ([PROMPTED, NOTHING, NOTHING, NOTHING], "prompted", "1/4"),
        ([PROMPTED, TRACKED, NOTHING, NOTHING], "partly", "2/4"),
        ([PROMPTED, TRACKED, EDITED, ABSENT], "done", "3/4"),
        ([PROMPTED, STALE, EDITED, ABSENT], "stale", "3/4"),
        ([NOTHING, FOUND, FOUND, NOTHING], "found", "2/4"),
        ([FOUND, TRACKED, FOUND, ABSENT], "found", "3/4"),
        ([FOUND, PROMPTED, FOUND, FOUND], "done", "4/4"),
    ],
)
def test_state_and_frames_say_what_is_done(
    model: ObjectsModel, session: StandInSession, codes: list[int], state: str, frames: str
) -> None:
    session.codes[2] = np.array(codes, np.uint8)
    model.refresh([2])
    assert (text(model, 1, Column.state), text(model, 1, Column.frames)) == (state, frames)


def test_a_name_is_edited_in_its_cell(model: ObjectsModel, session: StandInSession) -> None:
    assert text(model, 0, Column.title) == "object 1"
    assert model.setData(model.index(0, Column.title), "  mother ")
    assert session.document.objects[1].name == "mother"
    assert text(model, 0, Column.title) == "mother"
    assert not model.flags(model.index(0, Column.state)) & Qt.ItemFlag.ItemIsEditable


def test_a_click_on_the_eye_hides_and_on_the_lock_locks(
    table: ObjectsTable, session: StandInSession, qtbot: QtBot
) -> None:
    for column in (Column.visible, Column.locked):
        cell = table.visualRect(table.model().index(1, column))
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(cell.center().x(), cell.top() + 8))
    assert not session.document.objects[2].visible
    assert session.document.objects[2].locked
    assert session.document.objects[1].visible


def test_a_click_in_the_timeline_asks_for_its_frame_and_selects_the_row(table: ObjectsTable, qtbot: QtBot) -> None:
    lane = table.lane_rect(2)
    place = QPoint(lane.x() + round(lane.width() * 0.75), lane.center().y())
    with qtbot.waitSignal(table.frame_chosen) as chosen:
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert chosen.args == [7]
    assert table.selected_ids() == (3,)


def test_a_click_on_the_text_asks_for_no_frame(table: ObjectsTable, qtbot: QtBot) -> None:
    cell = table.visualRect(table.model().index(0, Column.title))
    with qtbot.assertNotEmitted(table.frame_chosen), qtbot.waitSignal(table.object_chosen) as chosen:
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(cell.center().x(), cell.top() + 6))
    assert chosen.args == [1]


def test_no_column_is_cut_off_at_the_width_of_a_laptop_panel(table: ObjectsTable) -> None:
    assert sum(table.columnWidth(column) for column in Column) <= table.viewport().width()
    assert table.columnWidth(Column.title) >= 60


def test_a_selection_survives_a_refresh(table: ObjectsTable, model: ObjectsModel) -> None:
    table.select_object(2)
    model.reload()
    model.refresh([1, 2, 3])
    assert table.selected_ids() == (2,)


def test_a_row_that_becomes_current_comes_into_view_and_so_does_a_doubtful_one(qtbot: QtBot) -> None:
    session = StandInSession(frames=10, objects=30)
    model = ObjectsModel(lambda object_id: QColor("red"), "dark")
    model.set_session(session)
    table = ObjectsTable(model)
    qtbot.addWidget(table)
    table.resize(310, 200)
    table.show()
    qtbot.waitExposed(table)

    def is_seen(row: int) -> bool:
        return bool(table.viewport().rect().contains(table.visualRect(model.index(row, 0))))

    assert is_seen(0)
    assert not is_seen(29)
    table.select_object(30)
    assert is_seen(29)
    table.mark_doubtful(3, 7)
    assert is_seen(2)
    assert table.selected_ids() == (3,)
    table.mark_doubtful(3, 7)
    table.verticalScrollBar().setValue(table.verticalScrollBar().maximum())
    table.mark_doubtful(3, 7)
    assert is_seen(2)


def test_it_takes_the_height_that_is_there_and_asks_for_no_more_with_more_rows(
    table: ObjectsTable, model: ObjectsModel
) -> None:
    before = table.sizeHint()
    model.set_session(StandInSession(frames=10, objects=30))
    assert table.sizeHint() == table.minimumSizeHint() == before
    assert table.sizePolicy().verticalPolicy() is QSizePolicy.Policy.Expanding
