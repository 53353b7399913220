"""What ends, and what stays, when a window or a panel closes: the work ends with the window, and no sooner."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.settings import get_settings
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEvent
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QApplication, QDialog, QFileDialog, QMessageBox

from napari_sam2._qt.panel import SegmentAndTrackPanel
from napari_sam2._qt.workbench import Workbench
from napari_sam2.document.prompt_parts import Mask
from napari_sam2.document.proposals import Proposal
from napari_sam2.session.session import Session


class CloseByHand(QCloseEvent):
    """What the window system sends when a person closes a window."""

    def spontaneous(self) -> bool:
        return True


def close_by_hand(viewer: Any) -> bool:
    """Whether the window accepts to be closed."""
    event = CloseByHand()
    QApplication.sendEvent(viewer.window._qt_window, event)
    return event.isAccepted()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What our question and napari's get as answers, and what they said."""
    answers: dict[str, Any] = {"ours": "Discard", "napari": True, "asked": [], "named": ""}

    def ours(parent: Any, title: str, text: str, *_: Any) -> Any:
        answers["asked"].append(text)
        return QMessageBox.StandardButton[answers["ours"]]

    def dialog(self: Any, parent: Any, close_app: bool = False, extra_info: str = "", **_: Any) -> None:
        answers["named"] += extra_info
        QDialog.__init__(self, parent)

    shown = "napari._qt.qt_main_window.ConfirmCloseDialog"
    monkeypatch.setattr(f"{shown}.__init__", dialog)
    for run in ("exec", "exec_"):  # the one or the other, by the version of napari
        monkeypatch.setattr(f"{shown}.{run}", lambda self: QDialog.DialogCode(int(answers["napari"])))
    monkeypatch.setattr(QMessageBox, "question", ours)
    get_settings().application.confirm_close_window = True
    return answers


def begin_run(desk: Any) -> None:
    """A run that waits after its first frames."""
    desk.open_movie()
    desk.click(1, 20, 20)
    desk.gate = threading.Semaphore(2)
    desk.press(desk.panel.propagate.go)
    desk.until(lambda: desk.binding.work.done >= 2)


def test_closing_the_viewer_in_the_middle_of_a_run_waits_and_leaves_nothing(desk: Any) -> None:
    begin_run(desk)
    session, runner = desk.session, desk.panel.bench.runner
    threading.Timer(0.2, desk.gate.release, (1000,)).start()
    desk.viewer.close()
    assert not session.is_running
    assert not runner.busy
    desk.until(lambda: not desk.lanes())


def remove_dock(desk: Any) -> None:
    desk.viewer.window.remove_dock_widget(desk.panel)


def delete_panel(desk: Any) -> None:
    desk.panel.deleteLater()
    QApplication.sendPostedEvents(desk.panel, QEvent.Type.DeferredDelete)


@pytest.mark.parametrize("end", [remove_dock, delete_panel])
def test_the_work_outlives_the_panel_and_another_panel_shows_it(desk: Any, end: Callable[[Any], None]) -> None:
    begin_run(desk)
    session, binding, layers = desk.session, desk.binding, list(desk.viewer.layers)
    end(desk)
    desk.gate.release(1000)
    desk.panel = panel = SegmentAndTrackPanel(desk.viewer)
    desk.viewer.window.add_dock_widget(panel)
    assert (panel.session, panel.binding) == (session, binding)
    assert list(desk.viewer.layers) == layers
    desk.idle()
    assert panel.model.at(0).state == "done"
    assert panel.image.layers.currentText() == "movie"
    assert panel.prompts.undo.isEnabled()
    desk.click(2, 10, 40)
    assert sorted(panel.model.known) == [1, 2]


@pytest.mark.parametrize("cancelled", ["ours", "napari"])
def test_a_closing_that_is_cancelled_changes_nothing(desk: Any, answers: dict[str, Any], cancelled: str) -> None:
    begin_run(desk)
    session = desk.session
    answers.update({"ours": "Cancel"} if cancelled == "ours" else {"napari": False})
    assert not close_by_hand(desk.viewer)
    assert answers["asked"] == [
        "The work on movie is not saved: 1 object, 1 prompt on 1 frame, masks on 2 frames.\n\nSave it as a session?"
    ]
    assert desk.session is session
    assert desk.binding.work.is_propagating
    desk.gate.release(1000)
    desk.idle()
    assert desk.panel.model.at(0).state == "done"
    desk.click(2, 10, 40)
    assert sorted(desk.panel.model.known) == [1, 2]


def test_work_is_called_as_its_layer_is_called_now(
    desk: Any, answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = desk.open_movie()
    desk.click(1, 20, 20)
    image.name = "colony"
    answers["ours"] = "Save"
    offered: list[str] = []
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda parent, title, name, kinds: (offered.append(name), ""))
    assert not close_by_hand(desk.viewer)
    assert answers["asked"][0].startswith("The work on colony is not saved")
    desk.press(desk.panel.saving.save)
    desk.press(desk.panel.saving.export)
    assert offered == ["colony.sam2", "colony.sam2", "colony_labels.tif"]


def test_unsaved_work_is_saved_when_a_person_says_so_and_the_window_then_closes(
    desk: Any, answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    answers["ours"] = "Save"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: ("", ""))
    assert not close_by_hand(desk.viewer)
    taken = tmp_path / "taken.sam2"
    taken.write_text("a file, where a folder cannot be made")
    told: list[str] = []
    monkeypatch.setattr(QMessageBox, "critical", lambda parent, title, text: told.append(text))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(taken), ""))
    assert not close_by_hand(desk.viewer)
    assert "taken" in told[0]
    assert desk.session is not None
    folder = tmp_path / "work.sam2"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(folder), ""))
    assert close_by_hand(desk.viewer)
    assert desk.session is None
    with Session.open(folder) as session:
        assert list(session.document.prompts) == [(1, 0)]


def test_saved_work_and_none_at_all_are_not_asked_about(desk: Any, answers: dict[str, Any], tmp_path: Path) -> None:
    desk.open_movie()
    answers["napari"] = False
    assert not close_by_hand(desk.viewer)
    desk.click(1, 20, 20)
    desk.session.save(tmp_path / "work.sam2")
    assert not close_by_hand(desk.viewer)
    assert answers["asked"] == []


def test_napari_names_the_run_when_it_asks_about_closing(desk: Any, answers: dict[str, Any]) -> None:
    begin_run(desk)
    answers["napari"] = False
    close_by_hand(desk.viewer)
    assert answers["named"].strip() == "napari-sam2: Tracking 1 object in movie"
    answers["named"] = ""
    desk.gate.release(1000)
    desk.idle()
    desk.until(lambda: not desk.viewer.window._task_status_manager.is_busy())
    close_by_hand(desk.viewer)
    assert answers["named"] == ""


def test_the_binding_and_the_session_are_freed_when_another_image_is_opened(desk: Any) -> None:
    image = desk.open_movie()
    desk.click(1, 20, 20)
    session, binding = weakref.ref(desk.session), weakref.ref(desk.binding)
    desk.panel.bench.close_session()
    desk.until(lambda: desk.session is not None)
    assert desk.panel.bench.image is image
    desk.qtbot.wait(50)
    gc.collect()
    assert session() is None
    assert binding() is None


def test_two_viewers_do_not_disturb_each_other(desk: Any, make_napari_viewer: Callable[..., Any]) -> None:
    from napari_sam2._qt.panel import SegmentAndTrackPanel

    desk.open_movie()
    other = make_napari_viewer()
    second = SegmentAndTrackPanel(other)
    other.window.add_dock_widget(second)
    other.add_image(desk.panel.bench.image.data, name="second", contrast_limits=(0, 200))
    desk.until(lambda: second.bench.session is not None)
    desk.click(1, 20, 20)
    assert not second.bench.session.document.prompts
    assert "second" not in [layer.name for layer in desk.viewer.layers]
    other.close()
    assert second.bench.session is None
    assert desk.session is not None


def test_closing_another_viewer_stops_no_run(desk: Any, make_napari_viewer: Callable[..., Any]) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    other = make_napari_viewer()
    desk.gate = threading.Semaphore(2)
    desk.press(desk.panel.propagate.go)  # while the other viewer is the last that was made
    desk.until(lambda: desk.binding.work.done >= 1)
    other.close()
    desk.gate.release(1000)
    desk.idle()
    assert desk.panel.model.at(0).state == "done"


def test_no_image_is_kept_by_napari_once_it_was_closed(desk: Any) -> None:
    data = np.zeros((8, 40, 60), np.uint8)
    image = weakref.ref(data)
    desk.viewer.add_image(data, name="movie", contrast_limits=(0, 200))
    del data
    desk.until(lambda: desk.session is not None)
    desk.click(1, 20, 20)
    desk.press(desk.panel.propagate.go)
    desk.idle()
    desk.viewer.layers.clear()
    desk.panel.bench.close_session()
    desk.qtbot.wait(50)
    gc.collect()
    assert image() is None


def test_a_window_has_one_workbench(desk: Any, make_napari_viewer: Callable[..., Any]) -> None:
    assert Workbench.of(desk.viewer) is desk.panel.bench
    other = Workbench.of(make_napari_viewer())
    assert other is not desk.panel.bench
    other.close()


def propose(desk: Any) -> None:
    proposal = Proposal(0, Mask(np.ones((40, 60), bool)), 0.9, "threshold")
    document = desk.session.document
    desk.session._state.document = replace(document, proposals={1: proposal})
    desk.session.saving.edited([])


def test_work_without_prompts_is_asked_about_and_nothing_closes_it(desk: Any, answers: dict[str, Any]) -> None:
    desk.open_movie()
    propose(desk)
    answers["ours"] = "Cancel"
    assert not close_by_hand(desk.viewer)
    assert "Save it as a session?" in answers["asked"][0]
    desk.panel.state.refresh()
    assert not desk.panel.image.axes.isEnabled()
    assert desk.panel.saving.export.isEnabled()


def test_a_session_that_cannot_be_shown_is_closed_and_the_error_told(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a fault of ours")

    told: list[Exception] = []
    monkeypatch.setattr(notification_manager, "receive_error", lambda kind, error, trace: told.append(error))
    with monkeypatch.context() as broken_bind:
        broken_bind.setattr("napari_sam2.viewer.bind", broken)
        image = desk.viewer.add_image(np.zeros((3, 40, 60), np.uint8), name="movie", contrast_limits=(0, 200))
        desk.until(lambda: bool(told))
    assert [type(error) for error in told] == [ZeroDivisionError]
    assert desk.session is None
    assert desk.panel.message.text() == "a fault of ours"
    desk.panel.work_on(image)
    desk.until(lambda: desk.session is not None)
