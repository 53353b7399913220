"""The Find section in a real viewer: a search, its filter, decisions by buttons and keys, with a stand-in finder."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from finding_predictor import FindingPredictor
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam2._qt import workbench
from napari_sam2.session.session import Session
from napari_sam2.viewer import KEYS

SPOTS = {250: (5, 5), 200: (5, 30), 100: (25, 5)}


def movie() -> np.ndarray[Any, Any]:
    frames = np.zeros((3, 40, 60), np.uint8)
    for value, (y, x) in SPOTS.items():
        frames[:2, y : y + 9, x : x + 9] = value
    return frames


@pytest.fixture
def gate() -> threading.Semaphore:
    return threading.Semaphore(1000)


@pytest.fixture
def finding(desk: Any, gate: threading.Semaphore, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The desk with a movie of three cells, and a predictor that finds them; each tile waits for the gate."""

    def on_tile(done: int) -> None:
        gate.acquire(timeout=20)

    monkeypatch.setattr(
        workbench,
        "open_session",
        lambda stack, settings: Session.open(stack, settings=settings, predictor=FindingPredictor(on_tile)),
    )
    desk.viewer.add_image(movie(), name="movie", contrast_limits=(0, 255), axis_labels=("t", "y", "x"))
    desk.until(lambda: desk.session is not None)
    desk.viewer.dims.set_point(0, 0)
    return desk


def find(desk: Any) -> None:
    desk.press(desk.panel.finding.go)
    desk.until(lambda: desk.binding.deciding.counts()[0] > 0 and not desk.binding.work.busy)
    settle(desk)


def settle(desk: Any) -> None:
    desk.idle()
    desk.binding.flush()
    desk.panel.state.refresh()


def told(desk: Any) -> str:
    return str(desk.panel.finding.text())


def key(desk: Any, action: str) -> None:
    """Press one of our keys wherever the focus is."""
    (combination,) = (one.combination for one in KEYS if one.action == action)
    desk.panel.verbs._keys._shortcuts[combination].activated.emit()
    settle(desk)


def test_find_filter_accept_and_undo(finding: Any) -> None:
    panel, section = finding.panel, finding.panel.finding
    assert not section.accept.isEnabled()
    find(finding)
    assert told(finding) == "Find: 3 cells, 2 shown"
    assert "Found: 2 cells of about 9 px, and 1 less sure." in panel.message.text()
    assert "Click on a found cell" in panel.hint.text()
    assert panel.prompts.tools["decide"].isChecked()
    assert "accepts a found cell" in panel.objects.current.text()
    section.score.setValue(90)
    assert told(finding) == "Find: 3 cells, 1 shown"
    assert section.score_told.text() == "0.90"
    section.score.setValue(10)
    finding.press(section.accept)
    settle(finding)
    assert len(finding.session.document.objects) == 3
    assert not section.accept.isEnabled()
    finding.press(panel.prompts.undo)
    settle(finding)
    assert told(finding) == "Find: 3 cells, 3 shown"
    finding.press(section.reject)
    settle(finding)
    assert finding.binding.deciding.counts() == (0, 0)
    finding.press(panel.prompts.undo)
    finding.press(panel.prompts.undo)
    settle(finding)
    assert not finding.session.document.proposals


def test_what_is_accepted_is_propagated_by_its_button(finding: Any) -> None:
    find(finding)
    finding.press(finding.panel.finding.accept)
    settle(finding)
    finding.press(finding.panel.propagate.go)
    finding.idle()
    assert np.count_nonzero(finding.session.status(1)) == 3


def test_accepted_cells_are_carried_on_in_one_press_and_the_line_at_the_bottom_says_so(finding: Any) -> None:
    section = finding.panel.finding
    find(finding)
    finding.press(section.accept)
    settle(finding)
    assert section.link.isHidden()
    section.more.frames.setCurrentIndex(1)
    find(finding)
    assert not section.link.isHidden(), "those that were accepted are on another frame"
    finding.press(section.link)
    settle(finding)
    assert sorted(finding.session.document.objects) == [1, 2]
    assert [np.count_nonzero(finding.session.status(one)) for one in (1, 2)] == [2, 2]
    assert "Carried on: 2 objects." in finding.panel.message.text()


def test_cells_of_all_frames_are_linked_in_one_press(finding: Any) -> None:
    section = finding.panel.finding
    find(finding)
    assert section.link.isHidden(), "on one frame there is nothing to link"
    section.more.frames.setCurrentIndex(1)
    find(finding)
    assert not section.link.isHidden()
    assert "link all frames" in finding.panel.hint.text()
    finding.press(section.link)
    settle(finding)
    assert sorted(finding.session.document.objects) == [1, 2], "those below the score are not linked"
    assert np.count_nonzero(finding.session.status(1)) == 2
    assert "Linked to 2 new tracks with 0 divisions." in finding.panel.message.text()
    assert len(finding.session.document.proposals) == 2
    assert told(finding) == "Find: none left but 1 less sure"
    finding.press(finding.panel.prompts.undo)
    settle(finding)
    assert not finding.session.document.objects
    assert len(finding.session.document.proposals) == 6


def test_another_frame_shows_its_own_count(finding: Any) -> None:
    find(finding)
    finding.viewer.dims.set_point(0, 2)
    assert told(finding) == "Find: nothing left on this frame"
    assert not finding.panel.finding.reject.isEnabled()
    finding.until(lambda: finding.panel.hint.text() == "Click on a cell in the image.")
    finding.viewer.dims.set_point(0, 0)
    assert told(finding) == "Find: 3 cells, 2 shown"


def test_another_image_is_another_search(finding: Any) -> None:
    find(finding)
    finding.press(finding.panel.finding.reject)
    settle(finding)
    assert told(finding) == "Find: none left but 1 less sure"
    assert finding.panel.finding.accept.isVisibleTo(finding.panel.finding)
    finding.session.undo()
    finding.session.undo()
    other = finding.viewer.add_image(movie(), name="other", axis_labels=("t", "y", "x"))
    finding.panel.work_on(other)
    finding.until(lambda: finding.panel.bench.image is other and finding.session is not None)
    settle(finding)
    assert told(finding) == "Find"
    for part in (finding.panel.finding.score, finding.panel.finding.accept, finding.panel.finding.reject):
        assert not part.isVisibleTo(finding.panel.finding)
    find(finding)
    assert finding.panel.finding.accept.isVisibleTo(finding.panel.finding)


def test_a_search_shows_how_far_it_is_and_is_cancelled(finding: Any, gate: threading.Semaphore) -> None:
    section = finding.panel.finding
    while gate.acquire(blocking=False):
        pass
    finding.press(section.go)
    gate.release(2)
    finding.until(lambda: section.progress.value() > 0)
    finding.panel.state.refresh()
    assert finding.panel.hint.text().startswith("Looking for cells")
    assert section.cancel.isVisibleTo(section)
    assert not section.go.isVisibleTo(section)
    section.cancel.click()
    gate.release(1000)
    finding.until(lambda: not finding.binding.work.busy)
    assert "stopped" in finding.panel.message.text()
    assert section.go.isVisibleTo(section)
    assert not finding.session.document.proposals


def test_the_size_is_shown_on_the_image_and_asked_for(finding: Any) -> None:
    section, active = finding.panel.finding, finding.viewer.layers.selection.active
    section.diameter.setValue(12)
    assert finding.viewer.layers.selection.active is active
    assert np.any(np.asarray(finding.binding.found.layer.data[0]))
    find(finding)
    assert "of about 12 px" in finding.panel.message.text()


def test_what_more_says_holds_for_the_search_by_button_and_key(finding: Any) -> None:
    section, more = finding.panel.finding, finding.panel.finding.more
    assert not more.isVisibleTo(section)
    section.unfold.click()
    assert more.isVisibleTo(section)
    more.smallest.setValue(3)
    more.largest.setValue(99)
    more.border.setChecked(False)
    more.frames.setCurrentIndex(1)
    asked = finding.binding.deciding.search.request(finding.binding.sight)
    assert (asked.min_diameter_px, asked.max_diameter_px, asked.keep_border, asked.region) == (3, 99, False, None)
    assert asked.frames == (0, 1, 2)
    assert section.go.text() == "Find on all frames"
    key(finding, "find_cells")
    finding.until(lambda: "on 3 of 3 frames" in finding.panel.message.text())
    assert "Found on 3 of 3 frames: 4 cells of about 9 px, and 2 less sure." in finding.panel.message.text()
    assert {one.frame for one in finding.session.document.proposals.values()} == {0, 1}


def test_a_region_is_drawn_and_listed_and_gone_with_its_layer(finding: Any) -> None:
    section, viewer = finding.panel.finding, finding.viewer
    more, before = section.more, list(viewer.layers)
    section.unfold.click()
    finding.press(more.draw)
    (layer,) = [one for one in viewer.layers if one not in before]
    assert viewer.layers.selection.active == layer
    assert more.region.currentText() == layer.name
    finding.press(section.go)
    assert "there is nothing of the image inside" in finding.panel.message.text()
    layer.add_rectangles(np.array([[0, 2, 2], [0, 2, 20], [0, 20, 20], [0, 20, 2]], float))
    asked = finding.binding.deciding.search.request(finding.binding.sight)
    assert asked.region[10, 10]
    assert not asked.region[30, 30]
    viewer.layers.remove(layer)
    assert more.region.currentText() == "Whole frame"
    assert finding.binding.deciding.search.region is None


def test_keys_of_the_window_decide(finding: Any) -> None:
    key(finding, "find_cells")
    finding.until(lambda: finding.binding.deciding.counts()[0] > 0)
    finding.viewer.cursor.position = (0.0, 9.0, 9.0)
    key(finding, "reject_here")
    assert told(finding) == "Find: 2 cells, 1 shown"
    key(finding, "next_proposal")
    key(finding, "accept_here")
    assert [round(one.score, 2) for one in finding.session.document.objects.values()] == [0.78]


def test_enter_and_delete_in_a_control_are_not_about_the_cell_under_the_mouse(finding: Any) -> None:
    panel, canvas = finding.panel, finding.viewer.window._qt_viewer.canvas.native
    finding.viewer.window.show()
    tree = panel.docks.show_tree()
    find(finding)
    finding.viewer.cursor.position = (0.0, 9.0, 9.0)
    size, search, go = panel.finding.diameter, panel.objects.bar.search, panel.finding.go
    lines = size, size.lineEdit(), search, tree.bar.search, panel.image.axes.lineEdit()
    others = panel.finding.more.frames, panel.objects.table, tree.table, go
    for control in (*lines, *others):
        for pressed in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            QTest.keyClick(control, pressed)
            assert finding.binding.deciding.counts() == (3, 2), control
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    assert finding.binding.deciding.counts() == (2, 1)
    assert list(finding.session.document.objects) == [1]


def test_labels_of_somebody_else_are_taken_over_in_one_press(finding: Any) -> None:
    section = finding.panel.finding
    finding.press(section.labels)
    assert "no Labels layer" in finding.panel.message.text()
    labels = np.zeros((3, 40, 60), int)
    labels[0, 20:28, 40:50] = 70
    finding.viewer.add_labels(labels, name="cellpose")
    finding.press(section.labels)
    settle(finding)
    assert told(finding) == "Find: 1 cell, 1 shown"
    finding.press(section.accept)
    settle(finding)
    assert list(finding.session.document.objects) == [70]


def test_labels_of_another_size_are_refused_in_words(finding: Any) -> None:
    finding.viewer.add_labels(np.ones((3, 5, 5), int), name="small")
    finding.press(finding.panel.finding.labels)
    assert "labels of shape (5, 5)" in finding.panel.message.text()


def test_a_predictor_that_finds_nothing_by_itself_says_so(desk: Any) -> None:
    desk.open_movie()
    desk.press(desk.panel.finding.go)
    desk.until(lambda: not desk.binding.work.busy)
    assert "cannot find objects by itself" in desk.panel.message.text()
    assert desk.panel.finding.go.isVisibleTo(desk.panel.finding)
