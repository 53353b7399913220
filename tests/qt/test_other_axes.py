"""Stacks over time: the Z at which a session works is shown and can be changed, and nothing is lost on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog, QMessageBox

Z_OF = {"TZYX": 1, "ZTYX": 0}


@pytest.fixture(params=["TZYX", "ZTYX"])
def axes(request: Any) -> str:
    return request.param


def open_stacks(desk: Any, axes: str) -> None:
    shape = {"T": 5, "Z": 6, "Y": 40, "X": 60}
    desk.viewer.add_image(
        np.zeros([shape[letter] for letter in axes], np.uint8),
        name="movie",
        axis_labels=tuple(axes.lower()),
        contrast_limits=(0, 200),
    )
    desk.until(lambda: desk.session is not None)
    desk.viewer.dims.set_point((0, 1), (0, 0))
    desk.panel.state.refresh()


def point(axes: str, frame: int, z: int) -> list[int]:
    return [{"T": frame, "Z": z, "Y": 20, "X": 20}[letter] for letter in axes]


def box(desk: Any) -> Any:
    return desk.panel.image.held.boxes["Z"]


def test_the_first_click_says_at_which_z_the_session_works(desk: Any, axes: str) -> None:
    open_stacks(desk, axes)
    assert (box(desk).value(), box(desk).text(), box(desk).maximum()) == (0, "Z = 0", 5)
    desk.viewer.dims.set_point(Z_OF[axes], 4)
    desk.panel.state.refresh()
    assert box(desk).value() == 4
    desk.binding.prompts.points.add(point(axes, 2, 4))
    desk.idle()
    assert list(desk.session.document.prompts) == [(1, 2)]
    assert desk.session.settings.fixed["Z"] == 4


def test_the_z_can_be_chosen_in_the_panel_and_the_viewer_goes_there(desk: Any, axes: str) -> None:
    open_stacks(desk, axes)
    box(desk).setValue(3)
    assert desk.viewer.dims.current_step[Z_OF[axes]] == 3
    assert desk.session.settings.fixed["Z"] == 3


def test_another_z_has_a_session_of_its_own_and_the_first_comes_back(
    desk: Any, axes: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    open_stacks(desk, axes)
    desk.binding.prompts.points.add(point(axes, 2, 0))
    desk.idle()
    first = desk.session
    desk.viewer.dims.set_point(Z_OF[axes], 5)
    desk.panel.state.refresh()
    assert desk.panel.hint.text() == "The work is at Z = 0; this is Z = 5."
    assert desk.panel.hint.button.text() == "Work at Z = 5"
    assert box(desk).value() == 0
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Cancel)
    desk.press(desk.panel.hint.button)
    assert desk.session is first
    suggested: list[str] = []

    def save_there(parent: Any, title: str, name: str, kinds: str) -> tuple[str, str]:
        suggested.append(name)
        return str(tmp_path / name), ""

    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Save)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", save_there)
    desk.press(desk.panel.hint.button)
    desk.until(lambda: desk.session not in (None, first))
    assert suggested == ["movie_Z0.sam2"]
    assert desk.session.settings.fixed["Z"] == 5
    assert not desk.session.document.prompts
    second = desk.session
    desk.panel.state.refresh()
    box(desk).setValue(0)
    desk.until(lambda: desk.session not in (None, second))
    assert list(desk.session.document.prompts) == [(1, 2)]
    assert desk.viewer.dims.current_step[Z_OF[axes]] == 0
