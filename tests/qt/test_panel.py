"""The main panel in a real viewer: what each button does, with a predictor that draws discs."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QFileDialog, QMessageBox, QStyle, QStyleOptionComboBox, QWidget

from napari_sam2._qt import model_actions, panel_actions
from napari_sam2._qt.panel import MIN_WIDTH
from napari_sam2._qt.panel_actions import label_path
from napari_sam2._qt.timeline import PROMPTED, STALE, TRACKED
from sam2_core.errors import CheckpointError


def test_without_an_image_it_offers_the_sample_and_opens_it_at_its_first_frame(desk: Any) -> None:
    assert "sample" in desk.panel.hint.text()
    desk.press(desk.panel.hint.button)
    desk.until(lambda: desk.session is not None)
    desk.panel.state.refresh()
    assert [layer.name for layer in desk.panel.chooser.images()] == ["cells (synthetic)"]
    assert desk.session.frame_count == 30
    assert desk.binding.frame == 0
    assert desk.panel.hint.text() == "Click on a cell in the image."
    assert desk.panel.hint.button.isHidden()


def test_an_image_that_is_added_is_picked_with_its_axes_and_contrast(desk: Any) -> None:
    desk.open_movie(axis_labels=("z", "y", "x"), contrast_limits=(3, 99))
    assert desk.panel.image.layers.currentText() == "movie"
    assert desk.panel.image.axes.currentText() == "ZYX"
    assert desk.session.settings.track_axis == "Z"
    assert desk.session.settings.contrast_limits == ((3.0, 99.0),)


def test_other_axes_open_the_session_anew_until_there_is_a_prompt(desk: Any) -> None:
    desk.open_movie()
    first = desk.session
    desk.panel.image.axes.setCurrentText("ZYX")
    desk.until(lambda: desk.session is not None and desk.session is not first)
    assert desk.session.settings.track_axis == "Z"
    assert len([layer for layer in desk.viewer.layers if "masks" in layer.name]) == 1
    desk.click(1, 20, 20)
    assert not desk.panel.image.axes.isEnabled()


def test_axes_that_do_not_fit_are_explained_in_the_panel(desk: Any) -> None:
    desk.open_movie()
    with pytest.MonkeyPatch.context() as patch:
        told: list[str] = []
        patch.setattr("napari.utils.notifications.show_error", told.append)
        desk.panel.image.axes.setCurrentText("TTT")
        assert "do not fit" in desk.panel.message.text()
        assert told == [desk.panel.message.text()]


def test_a_last_axis_of_one_is_explained_in_the_panel_and_can_be_named(desk: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        told: list[str] = []
        patch.setattr("napari.utils.notifications.show_error", told.append)
        desk.viewer.add_image(np.zeros((5, 40, 60, 1), np.uint8), name="with a channel")
        desk.until(lambda: "most likely a channel" in desk.panel.message.text())
        assert told == [desk.panel.message.text()]
    assert desk.session is None


def test_a_click_makes_a_mask_a_row_and_a_timeline(desk: Any) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    row = desk.panel.model.at(0)
    assert (row.object_id, row.state, row.frames) == (1, "prompted", 1)
    assert row.codes[0] == PROMPTED
    assert "propagate" in desk.panel.hint.text()


def test_propagate_fills_the_timeline_and_the_hint_says_what_is_next(desk: Any) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    desk.press(desk.panel.propagate.go)
    desk.idle()
    row = desk.panel.model.at(0)
    assert row.state == "done"
    assert np.all(row.codes[1:] == TRACKED)
    assert "Step through" in desk.panel.hint.text()
    assert desk.panel.propagate.progress.parentWidget().isHidden()


def test_propagate_keeps_to_direction_objects_and_range(desk: Any) -> None:
    desk.open_movie()
    desk.click(1, 20, 20, frame=3)
    desk.click(2, 10, 40, frame=3)
    section = desk.panel.propagate
    section.direction.setCurrentIndex(section.direction.findData("forward"))
    section.objects.setCurrentIndex(section.objects.findData("selected"))
    section.reach.setCurrentIndex(section.reach.findData("range"))
    section.first.setValue(4)
    section.last.setValue(5)
    desk.panel.objects.table.select_object(2)
    desk.press(section.go)
    desk.idle()
    assert np.flatnonzero(desk.session.status(2)).tolist() == [3, 4, 5]
    assert np.flatnonzero(desk.session.status(1)).tolist() == [3]


def test_stop_ends_the_run_within_a_frame_and_keeps_what_was_found(desk: Any) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    desk.gate = threading.Semaphore(2)
    desk.press(desk.panel.propagate.go)
    desk.until(lambda: desk.binding.work.done >= 1)
    desk.panel.state.refresh()
    assert "Tracking" in desk.panel.hint.text()
    assert not desk.panel.propagate.progress.parentWidget().isHidden()
    before = desk.binding.work.done
    desk.press(desk.panel.propagate.stop)
    desk.gate.release(1)
    desk.until(lambda: not desk.binding.work.busy)
    assert desk.binding.work.done <= before + 2
    assert 0 < np.count_nonzero(desk.session.status(1) == TRACKED) < 7
    assert "Stopped" in desk.panel.message.text()


def test_a_correction_makes_later_masks_stale_and_only_they_are_found_again(desk: Any) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    desk.press(desk.panel.propagate.go)
    desk.idle()
    desk.click(1, 25, 30, frame=4)
    assert "propagate again" in desk.panel.hint.text()
    assert np.any(desk.panel.model.at(0).codes == STALE)
    before = {frame: desk.session.masks.get((1, frame)) for frame in range(4)}
    section = desk.panel.propagate
    desk.press(section.go)
    desk.idle()
    assert desk.panel.model.at(0).state == "done"
    assert all(desk.session.masks.get((1, frame)) is mask for frame, mask in before.items())
    desk.press(section.go)
    desk.panel.state.refresh()
    assert "Nothing is stale" in desk.panel.message.text()
    assert section.resume.isHidden()
    section.again.trigger()
    assert desk.binding.work.busy
    desk.idle()
    assert "Propagated" in desk.panel.message.text()
    assert desk.session.masks.get((1, 1)) is not before[1]


def test_new_begins_an_object_with_the_next_click(desk: Any) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    desk.press(desk.panel.objects.new)
    desk.panel.state.refresh()
    assert "new object (2)" in desk.panel.objects.current.text()
    assert desk.viewer.layers.selection.active is desk.binding.prompts.points
    desk.binding.prompts.points.add([0, 10, 40])
    desk.idle()
    assert sorted(desk.session.document.objects) == [1, 2]


def select(desk: Any, *object_ids: int) -> None:
    table = desk.panel.objects.table
    selection = table.selectionModel()
    selection.clearSelection()
    for object_id in object_ids:
        row = desk.panel.model.row_of(object_id)
        flags = selection.SelectionFlag
        selection.select(desk.panel.model.index(row, 0), flags.Select | flags.Rows)
    desk.panel.objects.show_selection(table.selected_ids())


def test_merge_swap_and_delete_work_on_the_chosen_objects(desk: Any) -> None:
    desk.open_movie()
    for object_id, x in ((1, 10), (2, 30), (3, 50)):
        desk.click(object_id, 20, x)
    left, right = desk.session.masks.mask(1, 0), desk.session.masks.mask(3, 0)
    select(desk, 1, 3)
    desk.press(desk.panel.objects.swap)
    desk.idle()
    assert np.array_equal(desk.session.masks.mask(1, 0), right)
    assert np.array_equal(desk.session.masks.mask(3, 0), left)
    select(desk, 1, 2)
    desk.press(desk.panel.objects.merge)
    desk.idle()
    assert sorted(desk.session.document.objects) == [1, 3]
    select(desk, 3)
    desk.press(desk.panel.objects.remove)
    desk.idle()
    assert sorted(desk.session.document.objects) == [1]


def test_undo_and_redo_follow_the_history(desk: Any) -> None:
    desk.open_movie()
    assert not desk.panel.prompts.undo.isEnabled()
    desk.click(1, 20, 20)
    desk.press(desk.panel.prompts.undo)
    desk.idle()
    assert not desk.session.document.prompts
    desk.press(desk.panel.prompts.redo)
    desk.idle()
    assert list(desk.session.document.prompts) == [(1, 0)]


def test_clear_frame_removes_the_prompts_of_the_current_object_there(desk: Any) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    desk.click(2, 20, 40)
    desk.panel.objects.table.select_object(2)
    desk.press(desk.panel.prompts.clear)
    desk.idle()
    assert list(desk.session.document.prompts) == [(1, 0)]


@pytest.mark.parametrize(
    ("tool", "kind", "mode", "polarity"),
    [
        ("inside", "Points", "add", "in"),
        ("outside", "Points", "add", "out"),
        ("box", "Shapes", "add_rectangle", "in"),
        ("lasso", "Shapes", "add_polygon_lasso", "in"),
        ("paint", "Labels", "paint", "in"),
    ],
)
def test_each_tool_puts_its_layer_in_hand(desk: Any, tool: str, kind: str, mode: str, polarity: str) -> None:
    desk.open_movie()
    desk.press(desk.panel.prompts.tools[tool])
    desk.panel.state.refresh()
    active = desk.viewer.layers.selection.active
    assert (type(active).__name__, str(active.mode)) == (kind, mode)
    assert desk.binding.current.polarity == polarity
    assert [name for name, button in desk.panel.prompts.tools.items() if button.isChecked()] == [tool]


def test_a_deleted_layer_comes_back_by_the_button(desk: Any) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    desk.viewer.layers.remove(desk.binding.prompts.points)
    desk.panel.state.refresh()
    assert "made again" in desk.panel.message.text()
    desk.press(desk.panel.message.button)
    assert len(desk.binding.prompts.points.data) == 1
    desk.panel.state.refresh()
    assert desk.panel.message.isHidden()


def test_what_was_said_of_a_deleted_layer_goes_with_the_session(desk: Any) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    desk.viewer.layers.remove(desk.binding.prompts.points)
    desk.panel.state.refresh()
    desk.panel.bench.close_session()
    desk.viewer.layers.clear()
    desk.panel.state.refresh()
    assert desk.panel.message.isHidden()


def test_a_click_in_the_timeline_moves_the_slider_and_the_slider_moves_the_mark(desk: Any) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    desk.panel.objects.table.frame_chosen.emit(5)
    assert desk.viewer.dims.current_step[0] == 5
    assert desk.panel.objects.table.frame == 5


def test_settings_reach_the_session_and_its_masks_turn_stale(desk: Any) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    section = desk.panel.model_section
    section.view.setCurrentIndex(section.view.findData("full"))
    section.overlaps.setCurrentIndex(section.overlaps.findData("keep"))
    section.device.setCurrentIndex(section.device.findData("cpu"))
    section.even_out.setChecked(True)
    section.diameter.setValue(12)
    settings = desk.session.settings
    assert (settings.view, settings.overlaps, settings.device) == ("full", "keep", "cpu")
    assert settings.even_out
    assert settings.object_diameter_px == 12
    section.diameter.setValue(0)
    assert desk.session.settings.object_diameter_px is None
    desk.idle()


def test_the_panel_at_its_narrowest_shows_all_that_stands_in_it(desk: Any) -> None:
    panel, window = desk.panel, desk.viewer.window._qt_window
    desk.viewer.window.show()
    desk.open_movie()
    desk.click(1, 20, 20)
    panel.image.expand()
    panel.model_section.expand()
    panel.finding.unfold.click()
    panel.finding.show_counts(3, 2)
    panel.finding.show_linkable(True)
    panel.propagate.reach.setCurrentIndex(panel.propagate.reach.findData("range"))
    window.resizeDocks([panel.parentWidget()], [MIN_WIDTH], Qt.Orientation.Horizontal)
    desk.until(lambda: panel.width() == MIN_WIDTH and panel.area.verticalScrollBar().isVisible())
    assert panel.area.horizontalScrollBar().maximum() == 0
    assert panel.area.widget().width() == panel.area.viewport().width()
    for box in (panel.propagate.direction, panel.propagate.objects, panel.propagate.reach):
        widest = max(box.fontMetrics().horizontalAdvance(box.itemText(place)) for place in range(box.count()))
        assert widest <= _room(box), (box.itemText(0), widest, _room(box), box.width())


def _room(box: QComboBox) -> int:
    """How much of its text a box shows."""
    option = QStyleOptionComboBox()
    box.initStyleOption(option)
    part = QStyle.SubControl.SC_ComboBoxEditField
    return int(box.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, box).width())


def test_measure_takes_the_length_of_a_line_and_its_layer_goes(desk: Any) -> None:
    desk.open_movie(scale=(1, 0.5, 0.5))
    before = list(desk.viewer.layers)
    desk.press(desk.panel.model_section.measure)
    layer = desk.viewer.layers.selection.active
    assert str(layer.mode) == "add_line"
    layer.add([[0, 10, 10], [0, 13, 14]], shape_type="line")
    desk.until(lambda: desk.panel.model_section.diameter.value() == 5)
    assert list(desk.viewer.layers) == before
    assert desk.session.settings.object_diameter_px == 5
    assert desk.panel.message.text() == "Measured: 5 px across."


def test_measure_pressed_again_gives_up(desk: Any) -> None:
    desk.open_movie()
    before = list(desk.viewer.layers)
    desk.press(desk.panel.model_section.measure)
    assert desk.panel.message.text().startswith("Drag a line across one cell")
    desk.press(desk.panel.model_section.measure)
    assert desk.panel.message.text() == "Nothing was measured."
    assert list(desk.viewer.layers) == before
    assert desk.panel.model_section.diameter.value() == 0


def test_a_line_to_measure_with_that_is_taken_away_is_given_up_and_may_be_drawn_anew(desk: Any) -> None:
    desk.open_movie()
    before = list(desk.viewer.layers)
    for again in range(2):
        desk.press(desk.panel.finding.measure)
        (line,) = [layer for layer in desk.viewer.layers if layer not in before]
        assert desk.panel.message.text().startswith("Drag a line"), again
        desk.viewer.layers.remove(line)
        assert desk.panel.message.text() == "Nothing was measured."


def test_what_could_not_be_opened_is_said_until_something_is_opened(desk: Any) -> None:
    desk.viewer.add_image(np.zeros((2, 2, 2, 2, 8, 8), np.uint8), name="many")
    desk.until(lambda: "two to five can be worked on" in desk.panel.message.text())
    desk.panel.state.refresh()
    assert desk.panel.hint.text() == "No work on this image as it is: say its axes, or choose another layer."
    assert desk.panel.message.isVisibleTo(desk.panel)
    image = desk.viewer.add_image(np.zeros((8, 3, 40, 60), np.uint8), name="movie", axis_labels=("t", "z", "y", "x"))
    desk.qtbot.wait(10)  # what a person does comes in a turn of its own
    desk.panel.work_on(image)
    desk.until(lambda: desk.session is not None)
    assert not desk.panel.message.isVisibleTo(desk.panel)
    axes = desk.panel.image.axes
    axes.setEditText("TTYX")
    assert "Axes 'TTYX' do not fit" in desk.panel.message.text()
    desk.qtbot.wait(10)
    axes.setEditText("TCYX")
    desk.until(lambda: desk.session is not None and not desk.panel.bench.is_opening)
    assert not desk.panel.message.isVisibleTo(desk.panel)
    assert not desk.panel.message.text()


def test_the_contrast_follows_the_layer_until_the_first_prompt_and_then_by_the_button(desk: Any) -> None:
    image = desk.open_movie()
    section = desk.panel.image
    assert section.contrast.text() == "0 – 200"
    section.show_contrast(((0.12345, 40112),), differs=False)
    assert section.contrast.text() == "0.1235 – 40112"
    image.contrast_limits = (5, 150)
    desk.until(lambda: desk.session.settings.contrast_limits == ((5.0, 150.0),))
    assert not section.use_contrast.isEnabled()
    desk.click(1, 20, 20)
    image.contrast_limits = (5, 120)
    desk.qtbot.wait(600)
    assert section.contrast.text() == "5 – 150"
    desk.press(section.use_contrast)
    assert desk.session.settings.contrast_limits == ((5.0, 120.0),)
    desk.idle()
    desk.press(desk.panel.prompts.undo)
    assert section.contrast.text() == "5 – 150"
    assert section.use_contrast.isEnabled()
    desk.idle()


def test_preferences_are_what_a_new_session_starts_with(desk: Any) -> None:
    from napari.settings import get_plugin_settings

    get_plugin_settings("napari-sam2").defaults.overlaps = "keep"
    desk.open_movie()
    assert desk.session.settings.overlaps == "keep"
    section = desk.panel.model_section
    assert section.overlaps.currentData() == "keep"


def test_save_reopen_and_export(desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    desk.press(desk.panel.propagate.go)
    desk.idle()
    folder, stack = tmp_path / "work.sam2", tmp_path / "labels.tif"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(folder), ""))
    desk.press(desk.panel.saving.save)
    desk.panel.state.refresh()
    assert str(folder) in desk.panel.saving.place.text()
    assert "Saved" in desk.panel.hint.text()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(stack), ""))
    desk.press(desk.panel.saving.export)
    desk.until(lambda: "Labels are in" in desk.panel.message.text())
    written = tifffile.imread(stack)
    assert written.shape == (8, 40, 60)
    before = desk.session
    desk.viewer.layers.selection.active = desk.panel.bench.image
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    desk.press(desk.panel.saving.open)
    desk.until(lambda: desk.session is not None and desk.session is not before)
    desk.panel.state.refresh()
    assert desk.panel.model.at(0).state == "done"
    assert np.array_equal(np.stack([desk.session.labels(frame) for frame in range(8)]), written)
    assert [layer.name for layer in desk.panel.chooser.images()] == ["movie"]
    assert desk.panel.prompts.tools["inside"].isChecked()


@pytest.mark.parametrize(
    ("chosen", "kind", "written"),
    [
        ("cells", "", "cells.tif"),
        ("cells", "Zarr (*.zarr)", "cells.zarr"),
        ("movie.v2", "Label stack (*.tif)", "movie.v2.tif"),
        ("cells.TIFF", "Zarr (*.zarr)", "cells.TIFF"),
        ("cells.png", "Label stack (*.tif)", "cells.png"),
    ],
)
def test_a_name_without_the_ending_of_a_format_gets_it(chosen: str, kind: str, written: str) -> None:
    assert label_path(f"/folder/{chosen}", kind) == Path(f"/folder/{written}")


def test_another_image_asks_before_work_is_lost(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    desk.viewer.add_image(np.zeros((3, 9, 9), np.uint8), name="other", contrast_limits=(0, 1))
    before, layers = desk.session, desk.panel.image.layers
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Cancel)
    layers.setCurrentIndex(1)
    assert desk.session is before
    assert layers.currentText() == "movie"
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Discard)
    layers.setCurrentIndex(1)
    desk.until(lambda: desk.session is not None and desk.session is not before)
    assert desk.session.frame_count == 3


def test_a_long_error_is_two_lines_high_until_it_is_unfolded_and_the_panel_stays_where_it_is(desk: Any) -> None:
    with desk.qtbot.waitExposed(desk.viewer.window._qt_window):
        desk.viewer.window.show()
    desk.open_movie()
    desk.until(
        lambda: not desk.panel.state._timer.isActive() and desk.panel.hint.text() == "Click on a cell in the image."
    )
    desk.qtbot.wait(300)  # napari 0.10 gives a window that is shown its size a moment later
    go, message = desk.panel.propagate.go, desk.panel.message
    place, height = go.mapTo(desk.panel, go.rect().topLeft()), desk.panel.hint.height()
    text = "cannot write /a/long/path/" + "without_a_blank_" * 20 + "; close what uses it."
    desk.panel.show_error(OSError(text))
    desk.panel.hint.show_text("A hint that is as long as hints may become, so long that it takes a second line.")
    desk.qtbot.wait(50)
    assert message.text() == text
    assert message.height() == height == desk.panel.hint.height()
    assert go.mapTo(desk.panel, go.rect().topLeft()) == place
    assert desk.panel.area.widget().minimumSizeHint().width() <= 320
    message.more.click()
    assert message.label.height() > 2 * height
    message.more.click()
    desk.until(lambda: message.height() == height)
    desk.panel.show_message("Short.")
    assert message.more.isHidden()


def test_a_removed_image_is_told_and_nothing_is_lost(desk: Any) -> None:
    image = desk.open_movie()
    desk.click(1, 20, 20)
    desk.viewer.layers.remove(image)
    desk.viewer.add_image(np.zeros((4, 30, 50), np.uint8), name="other")
    assert "was removed" in desk.panel.message.text()
    desk.idle()
    assert "not in the viewer" in desk.panel.hint.text()
    desk.press(desk.panel.prompts.tools["inside"])
    assert "not in the viewer" in desk.panel.message.text()
    assert list(desk.session.document.prompts) == [(1, 0)]
    desk.press(desk.panel.hint.button)
    desk.idle()
    assert desk.viewer.layers[0] is image
    assert "not in the viewer" not in desk.panel.hint.text()


def test_where_nothing_would_be_lost_another_image_takes_the_place_of_a_removed_one(desk: Any) -> None:
    image = desk.open_movie()
    desk.viewer.layers.remove(image)
    desk.until(lambda: desk.session is None)
    assert not desk.viewer.layers
    assert not desk.panel.message.text()
    other = desk.viewer.add_image(np.zeros((4, 30, 50), np.uint8), name="other")
    desk.until(lambda: desk.session is not None)
    assert desk.panel.bench.image is other


def test_an_image_that_is_removed_while_it_is_opened_leaves_no_session(desk: Any) -> None:
    image = desk.viewer.add_image(np.zeros((4, 30, 50), np.uint8), name="brief")
    desk.until(lambda: desk.panel.bench.is_opening)
    desk.viewer.layers.remove(image)
    desk.until(lambda: not desk.panel.bench.is_opening and desk.session is None)
    assert not desk.viewer.layers
    assert not desk.panel.message.text()


def test_in_3d_display_a_tool_says_that_nothing_is_taken_there(desk: Any) -> None:
    desk.open_movie()
    desk.viewer.dims.ndisplay = 3
    for name in ("inside", "box", "lasso"):
        desk.panel.show_message("")
        desk.press(desk.panel.prompts.tools[name])
        assert "switch to 2-D" in desk.panel.message.text()


def test_a_failing_model_is_told_in_the_panel_and_by_napari(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)

    def fail(*_: Any) -> Any:
        raise RuntimeError("the GPU ran out of memory")

    monkeypatch.setattr(desk.session, "run", fail)
    told: list[Exception] = []
    monkeypatch.setattr(notification_manager, "receive_error", lambda kind, error, trace: told.append(error))
    desk.press(desk.panel.propagate.go)
    desk.until(lambda: not desk.binding.work.busy)
    assert [str(error) for error in told] == ["the GPU ran out of memory"]
    assert desk.panel.message.text() == "the GPU ran out of memory It failed; prompts and masks are kept."
    assert desk.panel.propagate.progress.parentWidget().isHidden()


def asked(desk: Any) -> Any:
    """The question about a download."""
    boxes = [box for box in desk.panel.findChildren(QMessageBox) if box.isVisible()]
    return boxes[0] if boxes else None


def answer(desk: Any, text: str) -> None:
    box = asked(desk)
    next(button for button in box.buttons() if button.text() == text).click()
    desk.until(lambda: asked(desk) is None)


def test_a_model_that_is_not_here_is_asked_about_and_taken_when_it_has_come(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    def fetch(name: str, progress: Any, cancelled: Any) -> Path:
        fetched.append(name)
        progress(1, 2)
        if name == "sam2.1_hiera_l":
            raise CheckpointError("there is no network")
        return Path(name)

    monkeypatch.setattr(model_actions, "download_model", fetch)
    box = desk.panel.model_section.model
    desk.until(lambda: box.count() > 5)
    desk.open_movie()
    desk.click(1, 20, 20)
    desk.press(desk.panel.propagate.go)
    desk.idle()

    box.setCurrentIndex(box.findData("sam2.1_hiera_t"))
    assert "156 MB from dl.fbaipublicfiles.com" in asked(desk).text()
    answer(desk, "Cancel")
    assert fetched == []
    box.setCurrentIndex(box.findData("sam2.1_hiera_l"))
    answer(desk, "Download")
    desk.until(lambda: "no network" in desk.panel.message.text())
    assert desk.session.settings.model == box.currentData() == "cells-nano"
    assert desk.panel.model.at(0).state == "done"

    box.setCurrentIndex(box.findData("sam2.1_hiera_t"))
    answer(desk, "Download")
    desk.until(lambda: desk.session.settings.model == "sam2.1_hiera_t")
    assert "sam2.1_hiera_t" in desk.panel.model_section.text()
    desk.idle()
    assert "model sam2.1_hiera_t" in desk.panel.prompts.undo.toolTip()
    desk.press(desk.panel.prompts.undo)
    desk.idle()
    assert desk.session.settings.model == box.currentData() == "cells-nano"
    assert desk.panel.model.at(0).state == "done"


def test_the_table_of_objects_takes_the_height_that_the_panel_has(desk: Any) -> None:
    desk.viewer.window.show()
    desk.open_movie()
    table, content = desk.panel.objects.table, desk.panel.area.widget()
    desk.viewer.window.resize(1000, 500)
    desk.until(lambda: content.height() > desk.panel.area.viewport().height())
    low = table.height()
    desk.panel.image.collapse()
    desk.panel.finding.collapse()
    desk.panel.propagate.collapse()
    desk.panel.saving.collapse()
    desk.viewer.window.resize(1000, 900)
    desk.until(lambda: table.height() > low + 100)
    desk.panel.objects.collapse()
    title = desk.panel.objects.toggleButton()
    desk.until(lambda: desk.panel.objects.height() < title.height() + 10)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_it_fits_a_laptop_without_horizontal_scrolling_in_both_themes(desk: Any, theme: str) -> None:
    desk.viewer.theme = theme
    desk.open_movie()
    desk.panel.model_section.expand()
    desk.panel.resize(320, 640)
    area = desk.panel.area
    assert desk.panel.minimumSizeHint().width() <= 330
    parts = desk.panel.objects.findChildren(QWidget)
    widths = {type(part).__name__: part.minimumSizeHint().width() for part in (*desk.panel.sections(), *parts)}
    assert area.widget().minimumSizeHint().width() <= 320, widths


def test_the_click_tool_is_in_hand_when_an_image_opens(desk: Any) -> None:
    desk.open_movie()
    desk.until(desk.panel.prompts.tools["inside"].isChecked)
    assert desk.viewer.layers.selection.active is desk.binding.prompts.points
    assert str(desk.binding.prompts.points.mode) == "add"


def test_all_formats_go_into_a_new_folder_and_nothing_there_is_replaced(
    desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    desk.press(desk.panel.propagate.go)
    desk.idle()
    kind = panel_actions.EVERYTHING
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "out"), kind))
    desk.press(desk.panel.saving.export)
    desk.until(lambda: desk.panel.message.text().startswith("All formats are in"))
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written >= {"labels.tif", "cells.csv", "tracks.csv", "01_RES"}
    assert "error_rate.csv" not in written
    assert (tmp_path / "out" / "01_RES" / "res_track.txt").read_text() == "1 0 7 0\n"
    desk.press(desk.panel.saving.export)
    desk.until(lambda: "is not empty" in desk.panel.message.text())
