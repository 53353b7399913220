"""Going on: with an interrupted run, with masks that look wrong, with other channels, with a session read from disk."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from disc_predictor import DiscPredictor
from npe2 import PluginManifest
from qtpy.QtWidgets import QDialog, QFileDialog, QLabel, QMessageBox, QStyle, QStyleOptionComboBox

from napari_sam2._qt import workbench
from napari_sam2._qt.timeline import PROMPTED, STALE, TRACKED
from napari_sam2.masks.mask_store import MaskStatus, StoredMask
from napari_sam2.napari_reader import read_session_layers
from napari_sam2.session.session import Session
from napari_sam2.viewer import KEYS


def stopped_run(desk: Any) -> None:
    """A run that was stopped after a few frames."""
    desk.open_movie()
    desk.click(1, 20, 20)
    desk.gate = threading.Semaphore(2)
    desk.press(desk.panel.propagate.go)
    desk.until(lambda: desk.binding.work.done >= 1)
    desk.press(desk.panel.propagate.stop)
    desk.gate.release(1000)
    desk.idle()


def test_a_run_that_was_stopped_is_resumed(desk: Any) -> None:
    resume = desk.panel.propagate.resume
    assert resume.isHidden()
    stopped_run(desk)
    found = np.count_nonzero(desk.session.status(1) == TRACKED)
    assert found < 7
    assert not resume.isHidden()
    assert "resume" in desk.panel.hint.text()
    desk.press(resume)
    assert resume.isHidden() or desk.binding.work.busy
    desk.idle()
    assert desk.binding.work.total < 8
    assert np.all(desk.session.status(1)[1:] == TRACKED)
    assert resume.isHidden()


def test_an_edit_of_a_prompt_leaves_the_offer_to_go_on(desk: Any) -> None:
    stopped_run(desk)
    desk.click(1, 10, 10)
    assert not desk.panel.propagate.resume.isHidden()
    desk.press(desk.panel.propagate.resume)
    desk.idle()
    assert np.all(desk.session.status(1)[1:] == TRACKED)
    assert desk.panel.propagate.resume.isHidden()


def test_a_run_that_was_interrupted_before_it_was_saved_is_resumed_after_opening(
    desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_run(desk)
    before, folder = desk.session, tmp_path / "work.sam2"
    desk.session.save(folder)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    desk.press(desk.panel.saving.open)
    desk.until(lambda: desk.session not in (None, before))
    monkeypatch.setattr(desk.session._loader, "_given", DiscPredictor())
    desk.panel.state.refresh()
    desk.press(desk.panel.propagate.resume)
    desk.idle()
    assert np.all(desk.session.status(1)[1:] == TRACKED)


@pytest.mark.parametrize("button", ["go", "resume"])
def test_a_run_that_a_click_stopped_is_gone_on_with(desk: Any, button: str) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    desk.gate = threading.Semaphore(2)
    desk.press(desk.panel.propagate.go)
    desk.until(lambda: desk.binding.work.done >= 1)
    desk.binding.current.choose(2, "in")
    desk.binding.prompts.points.add([0, 10, 40])
    desk.gate.release(1000)
    desk.idle()
    assert "The run was interrupted: resume it" in desk.panel.hint.text()
    desk.press({"go": desk.panel.propagate.go, "resume": desk.panel.propagate.resume}[button])
    desk.idle()
    assert all(np.all(desk.session.status(one)[1:] == TRACKED) for one in (1, 2))
    assert "Step through" in desk.panel.hint.text()


def test_the_keys_are_shown_as_they_are_bound(desk: Any) -> None:
    desk.press(desk.panel.prompts.keys)
    (window,) = desk.panel.findChildren(QDialog)
    shown = {label.text() for label in window.findChildren(QLabel)}
    assert {key.text for key in KEYS} <= shown
    assert {f"<b>{key.label}</b>" for key in KEYS} <= shown
    window.close()


def test_what_the_model_looks_at_is_told(desk: Any) -> None:
    desk.open_movie()
    looks = desk.panel.model_section.looks
    assert looks.isHidden()
    desk.click(1, 20, 20)
    assert looks.text() == desk.session.view_sentence
    assert looks.text().startswith("View: full frame")
    assert not looks.isHidden()


def test_the_next_doubtful_mask_is_looked_for_in_a_worker(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    assert not desk.panel.objects.doubtful.isEnabled()
    desk.press(desk.panel.propagate.go)
    desk.idle()
    desk.session.masks.put((1, 5), StoredMask.of_logits(30, 50, np.ones((2, 2), np.float32), MaskStatus.tracked))
    threads: list[threading.Thread] = []
    prepared = desk.session.review.prepared

    def watched() -> Any:
        look = prepared()

        def look_here() -> Any:
            threads.append(threading.current_thread())
            return look()

        return look_here

    monkeypatch.setattr(desk.session.review, "prepared", watched)
    desk.press(desk.panel.objects.doubtful)
    desk.until(lambda: desk.binding.frame == 5)
    assert "Object 1 on frame 5" in desk.panel.message.text()
    assert desk.panel.objects.table.doubtful == (1, 5)
    desk.binding.show_frame(4)
    assert desk.panel.objects.table.doubtful is None
    assert threads
    assert threading.main_thread() not in threads


def open_channels(desk: Any, count: int) -> None:
    desk.viewer.add_image(
        np.zeros((8, count, 40, 60), np.uint8), name="movie", axis_labels=("t", "c", "y", "x"), contrast_limits=(0, 200)
    )
    desk.until(lambda: desk.session is not None)
    desk.viewer.dims.set_point(0, 0)
    desk.binding.current.choose(1, "in")
    desk.binding.prompts.points.add([0, 0, 20, 20])
    desk.idle()


def test_the_channel_in_view_is_seen_and_another_choice_counts_at_once_and_loses_nothing(desk: Any) -> None:
    open_channels(desk, 2)
    desk.press(desk.panel.propagate.go)
    desk.idle()
    session, prompts, layers = desk.session, dict(desk.session.document.prompts), list(desk.viewer.layers)
    (seen,) = session.settings.channels
    assert seen == desk.viewer.dims.current_step[1]
    boxes = desk.panel.image.channel_boxes
    assert [box.isChecked() for box in boxes] == [seen == 0, seen == 1]
    assert session.movie[0].shape == (40, 60)
    boxes[1 - seen].click()
    assert session.settings.channels == (0, 1)
    assert np.all(session.status(1)[1:] == STALE)
    desk.idle()
    assert desk.session is session
    assert session.movie[0].shape == (40, 60, 3)
    assert session.document.prompts == prompts
    assert list(desk.viewer.layers) == layers
    assert session.status(1)[0] == PROMPTED
    desk.press(desk.panel.prompts.undo)
    desk.idle()
    assert np.all(session.status(1)[1:] == TRACKED)
    assert [box.isChecked() for box in desk.panel.image.channel_boxes] == [seen == 0, seen == 1]


def test_no_channel_and_more_than_three_are_refused(desk: Any) -> None:
    open_channels(desk, 4)
    boxes = desk.panel.image.channel_boxes
    (seen,) = desk.session.settings.channels
    boxes[seen].click()
    assert "tick another one" in desk.panel.message.text()
    assert boxes[seen].isChecked()
    others = [box for place, box in enumerate(boxes) if place != seen]
    for box in others:
        box.click()
    assert "untick one" in desk.panel.message.text()
    assert not others[-1].isChecked()
    assert len(desk.session.settings.channels) == 3
    desk.idle()


def test_limits_of_each_channel_go_with_the_channels(desk: Any) -> None:
    open_channels(desk, 2)
    (seen,) = desk.session.settings.channels
    desk.panel.image.channel_boxes[1 - seen].click()
    desk.session.change_settings(contrast_limits=((0, 10), (5, 50)))
    desk.panel.image.channel_boxes[0].click()
    assert desk.session.settings.channels == (1,)
    assert desk.session.settings.contrast_limits == ((5.0, 50.0),)
    desk.idle()


@pytest.mark.parametrize("points", [9, 11])
def test_the_words_of_every_choice_can_be_read(desk: Any, points: int) -> None:
    section = desk.panel.propagate
    desk.panel.setFixedWidth(320)
    for box in (section.direction, section.objects, section.reach):
        font = box.font()
        font.setPointSize(points)
        box.setFont(font)
        desk.qtbot.wait(1)
        option = QStyleOptionComboBox()
        box.initStyleOption(option)
        part = QStyle.SubControl.SC_ComboBoxEditField
        room = box.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, box).width()
        assert max(box.fontMetrics().horizontalAdvance(box.itemText(place)) for place in range(box.count())) < room


def saved_session(folder: Path, frames: Any = 0) -> Path:
    path = folder / "movie.tif"
    tifffile.imwrite(path, np.zeros((8, 40, 60), np.uint8) + np.uint8(frames), metadata={"axes": "TYX"})
    with Session.open(path, axes="TYX", predictor=DiscPredictor()) as session:
        session.add_points(object_id=1, frame=0, points_yx=[(20, 20)])
        for _ in session.propagate():
            pass
        return session.save(folder / "work.sam2")


def test_layers_read_from_a_session_offer_to_open_it(desk: Any, tmp_path: Path) -> None:
    folder = saved_session(tmp_path)
    for data, meta, kind in read_session_layers(folder):
        (desk.viewer.add_image if kind == "image" else desk.viewer.add_labels)(data, **meta)
    desk.until(lambda: desk.session is not None)
    fresh = desk.session
    desk.panel.state.refresh()
    assert "work.sam2" in desk.panel.hint.text()
    assert desk.panel.hint.button.text() == "Open session"
    image, labels = (layer for layer in desk.viewer.layers if "napari_sam2_session" in layer.metadata)
    desk.press(desk.panel.hint.button)
    desk.until(lambda: desk.session not in (None, fresh))
    desk.panel.state.refresh()
    assert desk.session.folder == folder
    assert list(desk.session.document.prompts) == [(1, 0)]
    assert desk.panel.bench.image is image
    assert labels in desk.viewer.layers
    assert not labels.visible
    assert desk.panel.hint.button.isHidden()


def test_a_session_that_other_weights_made_says_so_and_keeps_its_masks(
    desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved_session(tmp_path)
    saved = json.loads((folder / "session.json").read_text())
    made = {"name": "cells-nano", "version": "0.9", "sha256": "0" * 64}
    (folder / "session.json").write_text(json.dumps(saved | {"weights": [made]}))
    said: list[str] = []
    desk.panel.bench.said.connect(said.append)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    desk.press(desk.panel.saving.open)
    desk.until(lambda: desk.session is not None)
    desk.until(lambda: bool(said))
    assert any("made with cells-nano 0.9" in text and "Nothing was computed again" in text for text in said)
    assert list(desk.session.status(1)) == [PROMPTED, *[TRACKED] * 7]


def test_a_session_whose_images_are_gone_says_to_open_the_image_first(
    desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved_session(tmp_path)
    (tmp_path / "movie.tif").unlink()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    monkeypatch.setattr("napari.utils.notifications.show_error", lambda text: None)
    desk.press(desk.panel.saving.open)
    desk.until(lambda: "Open the image first, then open the session" in desk.panel.message.text())
    desk.panel.state.refresh()
    assert desk.panel.hint.text() == "The images of work.sam2 were not found. Where are they?"
    desk.viewer.add_image(np.zeros((8, 40, 60), np.uint8), contrast_limits=(0, 200))
    desk.until(lambda: desk.session is not None)
    fresh = desk.session
    desk.panel.state.refresh()
    desk.press(desk.panel.saving.open)
    desk.until(lambda: desk.session not in (None, fresh))
    assert list(desk.session.document.prompts) == [(1, 0)]


def test_a_person_is_asked_where_images_are_that_are_gone(
    desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved_session(tmp_path, frames=7)
    desk.open_movie()  # of the same shape and type
    other = desk.session
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "movie.tif").rename(tmp_path / "elsewhere" / "movie.tif")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    monkeypatch.setattr("napari.utils.notifications.show_error", lambda text: None)
    desk.press(desk.panel.saving.open)
    desk.until(lambda: desk.panel.bench.sought is not None and desk.session not in (None, other))
    desk.panel.state.refresh()
    assert desk.panel.hint.button.text() == "Choose …"
    fresh = desk.session
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / "elsewhere" / "movie.tif"), ""))
    desk.press(desk.panel.hint.button)
    desk.until(lambda: desk.session not in (None, fresh))
    assert list(desk.session.document.prompts) == [(1, 0)]
    assert np.all(np.asarray(desk.panel.bench.image.data[0]) == 7)
    desk.panel.state.refresh()
    assert "not where" not in desk.panel.hint.text()


def test_a_session_binds_to_the_image_it_was_made_on_among_those_of_its_shape(
    desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = np.zeros((8, 40, 60), np.uint8)
    frames[4, 3, 3] = 1
    folder = saved_session(tmp_path, frames)
    desk.open_movie()
    other = desk.session
    right = desk.viewer.add_image(frames.copy(), name="the right one", contrast_limits=(0, 200))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    desk.press(desk.panel.saving.open)
    desk.until(lambda: desk.session not in (None, other))
    assert desk.panel.bench.image is right
    assert desk.panel.image.layers.currentText() == "the right one"


def test_opening_a_folder_asks_before_work_is_lost(desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved_session(tmp_path)
    desk.open_movie()
    desk.click(1, 20, 20)
    before = desk.session
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Cancel)
    desk.press(desk.panel.saving.open)
    assert desk.session is before


def test_an_image_that_goes_while_its_layers_come_leaves_none_of_them(desk: Any) -> None:
    image = desk.viewer.add_image(np.zeros((8, 40, 60), np.uint8), name="movie", contrast_limits=(0, 200))
    arriving = desk.panel.bench
    desk.until(lambda: arriving._arriving is not None or arriving.session is not None)
    arriving.close_session()
    assert arriving.session is arriving.binding is arriving.runner is None
    assert not arriving._turns
    assert [layer for layer in desk.viewer.layers if layer is not image] == []


def test_what_goes_wrong_while_layers_come_is_told_and_ends_the_opening(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("no layer today")

    told: list[str] = []
    monkeypatch.setattr("napari_sam2.viewer.bind", fail)
    monkeypatch.setattr(
        "napari.utils.notifications.notification_manager.receive_error",
        lambda kind, error, trace: told.append(str(error)),
    )
    desk.viewer.add_image(np.zeros((8, 40, 60), np.uint8), contrast_limits=(0, 200))
    with pytest.raises(ValueError, match="no layer today"):
        desk.panel.wait()
    monkeypatch.undo()
    assert told == ["no layer today"]
    assert not desk.panel.bench._turn.isActive()


def test_closing_the_viewer_ends_a_panel_that_napari_docked(
    make_napari_viewer: Callable[..., Any], qtbot: Any, npe2pm: Any, plugin_settings: Any, monkeypatch: Any
) -> None:
    npe2pm.register(PluginManifest.from_distribution("napari-sam2"))
    made: list[Session] = []

    def opened(stack: Any, settings: Any) -> Session:
        made.append(Session.open(stack, settings=settings, predictor=DiscPredictor()))
        return made[-1]

    monkeypatch.setattr(workbench, "open_session", opened)
    threads = set(threading.enumerate())
    viewer = make_napari_viewer()
    _, panel = viewer.window.add_plugin_dock_widget("napari-sam2", "Segment and track")
    viewer.add_image(np.zeros((8, 40, 60), np.uint8), contrast_limits=(0, 200))
    qtbot.waitUntil(lambda: panel.bench.session is not None, timeout=20000)
    panel.bench.binding.prompts.points.add([0, 20, 20])
    qtbot.waitUntil(lambda: not panel.bench.session.needs_preview, timeout=20000)
    closed: list[Session] = []
    monkeypatch.setattr(Session, "close", lambda self, close=Session.close: (closed.append(self), close(self)))
    viewer.close()
    assert closed == made
    assert panel.bench.session is None
    began = set(threading.enumerate()) - threads
    qtbot.waitUntil(lambda: not [one for one in began if "lane" in one.name and one.is_alive()], timeout=20000)
