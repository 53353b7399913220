"""Image layers of equal shape as the channels of what the model sees, as napari opens an image of several channels."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from qtpy.QtWidgets import QCheckBox, QLayoutItem

from napari_sam2._qt.sections import ImageSection

RNG = np.random.default_rng(3)
NUCLEI, MEMBRANE, DEATH = (RNG.integers(0, 200, (8, 40, 60)).astype(np.uint8) for _ in range(3))


def add(desk: Any, name: str, data: Any, high: int = 200, **layer: Any) -> Any:
    return desk.viewer.add_image(data, name=name, contrast_limits=(0, high), **layer)


def begin(desk: Any) -> None:
    """Three channels as layers, beside what is none: another shape, another scale, a colour image."""
    add(desk, "nuclei", NUCLEI)
    desk.until(lambda: desk.session is not None)
    add(desk, "membrane", MEMBRANE, 100)
    add(desk, "death", DEATH, 50)
    add(desk, "short", NUCLEI[:4])
    add(desk, "coarse", NUCLEI, scale=(1, 2, 2))
    desk.viewer.add_image(np.zeros((8, 40, 60, 3), np.uint8), name="colour", rgb=True)
    desk.click(1, 20, 20)
    desk.panel.state.refresh()


def boxes(desk: Any) -> dict[str, QCheckBox]:
    return {box.text(): box for box in desk.panel.image.channel_boxes}


def ticked(desk: Any) -> list[str]:
    return [name for name, box in boxes(desk).items() if box.isChecked()]


def seen(desk: Any) -> np.ndarray[Any, Any]:
    return np.asarray(desk.session.movie.movie[2])


def test_layers_that_lie_on_the_image_are_ticked_as_channels_and_undone(desk: Any) -> None:
    begin(desk)
    assert list(boxes(desk)) == ["nuclei", "membrane", "death"]
    assert ticked(desk) == ["nuclei"]
    session, undo_text = desk.session, desk.session.undo_text
    boxes(desk)["death"].setChecked(True)
    assert desk.session is session
    assert session.status(1)[0] == 4  # stale, until the prompt is answered anew
    desk.idle()
    np.testing.assert_array_equal(seen(desk), np.stack([NUCLEI[2], DEATH[2]], axis=-1))
    assert session.settings.contrast_limits == ((0, 200), (0, 50))
    assert ticked(desk) == ["nuclei", "death"]
    assert list(session.document.prompts) == [(1, 0)]
    assert not desk.panel.image.use_contrast.isEnabled()
    boxes(desk)["membrane"].setChecked(True)
    boxes(desk)["nuclei"].setChecked(False)
    desk.idle()
    np.testing.assert_array_equal(seen(desk), np.stack([DEATH[2], MEMBRANE[2]], axis=-1))
    assert session.settings.contrast_limits == ((0, 50), (0, 100))
    for _ in range(3):
        assert "channels" in session.undo_text
        session.undo()
    assert (ticked(desk), session.undo_text) == (["nuclei"], undo_text)
    np.testing.assert_array_equal(seen(desk), NUCLEI[2])
    session.redo()
    np.testing.assert_array_equal(seen(desk), np.stack([NUCLEI[2], DEATH[2]], axis=-1))


def test_a_channel_is_called_as_its_layer_is_called_now(desk: Any) -> None:
    begin(desk)
    boxes(desk)["death"].setChecked(True)
    desk.idle()
    desk.viewer.layers["death"].name = "annexin"
    desk.viewer.layers["membrane"].name = "actin"
    assert list(boxes(desk)) == ["nuclei", "annexin", "actin"]
    assert ticked(desk) == ["nuclei", "annexin"]


def test_a_settings_step_of_before_is_undone_to_what_was_seen_then(desk: Any) -> None:
    begin(desk)
    desk.session.change_settings(even_out=True)
    boxes(desk)["membrane"].setChecked(True)
    desk.session.undo()
    desk.session.undo()
    assert not desk.session.settings.even_out
    np.testing.assert_array_equal(seen(desk), NUCLEI[2])


@pytest.mark.parametrize("lazy", [False, True])
def test_a_saved_session_finds_its_channels_again(desk: Any, tmp_path: Path, lazy: bool) -> None:
    add(desk, "membrane", da.from_array(MEMBRANE) if lazy else MEMBRANE)
    add(desk, "nuclei", da.from_array(NUCLEI) if lazy else NUCLEI)
    desk.until(lambda: desk.session is not None)
    desk.click(1, 20, 20)
    desk.session.save(tmp_path / "work.sam2")
    boxes(desk)["nuclei"].setChecked(True)
    desk.idle()
    desk.panel.bench.open_folder(tmp_path / "work.sam2")
    desk.until(lambda: desk.session is not None)
    desk.idle()
    np.testing.assert_array_equal(seen(desk), np.stack([MEMBRANE[2], NUCLEI[2]], axis=-1))
    assert desk.panel.bench.image.name == "membrane"
    assert ticked(desk) == ["membrane", "nuclei"]
    assert list(desk.session.document.prompts) == [(1, 0)]


def test_nothing_is_kept_of_layout_items_that_qt_deletes(qtbot: Any) -> None:
    section = ImageSection()
    qtbot.addWidget(section)
    for _ in range(2):
        section.show_channels(("first", "second"), (0,))
    items = [one for one in gc.get_objects() if issubclass(type(one), QLayoutItem)]
    kept = [one for one in items if any(holder is section.channels for holder in gc.get_referrers(one))]
    assert not kept  # PySide takes the next object at the place of a deleted one for it, and ends the process


def with_slider(desk: Any) -> Any:
    """A movie (T, C, Y, X) whose C has a slider, at channel 1."""
    image = desk.viewer.add_image(
        np.stack([NUCLEI, MEMBRANE, DEATH], axis=1), name="movie", axis_labels=("t", "c", "y", "x")
    )
    desk.viewer.dims.set_point(1, 1)
    desk.until(lambda: desk.session is not None)
    desk.viewer.dims.set_point(1, 1)
    desk.viewer.dims.set_point(0, 0)
    return image


def click_in_view(desk: Any, channel: int) -> None:
    desk.binding.current.choose(1, "in")
    desk.binding.prompts.points.add([0, channel, 20, 20])
    desk.idle()


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_the_model_sees_the_channel_that_is_in_view_at_the_first_click(desk: Any, channel: int) -> None:
    with_slider(desk)
    desk.viewer.dims.set_point(1, channel)
    click_in_view(desk, channel)
    assert desk.session.movie.movie.channels == (channel,)
    np.testing.assert_array_equal(seen(desk), np.stack([NUCLEI, MEMBRANE, DEATH])[channel, 2])
    assert ticked(desk) == [str(channel)]
    assert "this is C" not in desk.panel.hint.text()


def test_a_channel_that_a_person_ticked_stays_whatever_is_in_view(desk: Any) -> None:
    with_slider(desk)
    boxes(desk)["2"].setChecked(True)
    boxes(desk)[ticked(desk)[0]].setChecked(False)
    assert desk.session.movie.movie.channels == (2,)
    desk.viewer.dims.set_point(1, 0)
    click_in_view(desk, 0)
    assert desk.session.movie.movie.channels == (2,)


def test_another_channel_in_view_is_said_and_offered_once_something_is_made(desk: Any) -> None:
    with_slider(desk)
    click_in_view(desk, 1)
    seen_first = desk.session.movie.movie.channels[0]
    other = 2 - seen_first if seen_first != 1 else 0
    desk.viewer.dims.set_point(1, other)
    desk.panel.state.refresh()
    assert desk.panel.hint.text() == f"The work is at C = {seen_first}; this is C = {other}."
    assert desk.panel.hint.button.text() == f"Work at C = {other}"
    desk.press(desk.panel.hint.button)
    desk.idle()
    assert desk.session.movie.movie.channels == (other,)
    assert desk.session.can_undo
    assert "this is C" not in desk.panel.hint.text()
