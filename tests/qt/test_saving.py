"""Saving from the panel: it is said when it is done, and why it is not; what is open stays until another is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from disc_predictor import DiscPredictor
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_sam2.io.session_files import load_session
from napari_sam2.session.session import Session


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the dialogs answer, and how often a place to save was asked for."""
    chosen: dict[str, Any] = {"save": "", "open": "", "asked": 0}

    def save(*_: Any) -> tuple[str, str]:
        chosen["asked"] += 1
        return str(chosen["save"]), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", save)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(chosen["open"]))
    return chosen


def save_into(desk: Any, told: list[str]) -> str:
    """Press Save, and return what is said of it."""
    before = len(told)
    desk.press(desk.panel.saving.save)
    desk.until(lambda: len(told) > before)
    return told[before]


def test_saved_is_said_when_it_is_written(desk: Any, told: list[str], chosen: dict[str, Any], tmp_path: Path) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    chosen["save"] = tmp_path / "work.sam2"
    assert save_into(desk, told).startswith(f"Saved in {tmp_path / 'work.sam2'}")
    assert (tmp_path / "work.sam2" / "session.json").is_file()
    assert not desk.session.is_dirty


@pytest.mark.parametrize("kind", ["a folder with other files", "a file", "no parent"])
def test_what_cannot_be_written_is_an_error_and_is_asked_for_again(
    desk: Any, told: list[str], chosen: dict[str, Any], tmp_path: Path, kind: str
) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    wrong = tmp_path / "wrong.sam2"
    if kind == "a folder with other files":
        wrong.mkdir()
        (wrong / "thesis.txt").write_text("years")
    elif kind == "a file":
        wrong.write_text("years")
    else:
        wrong = tmp_path / "nowhere" / "wrong.sam2"
    chosen["save"] = wrong
    said = save_into(desk, told)
    assert said.startswith("!")
    assert desk.session.is_dirty
    desk.panel.state.refresh()
    assert desk.panel.saving.place.toolTip().startswith("Not saved: ")
    chosen["save"] = tmp_path / "right.sam2"
    assert save_into(desk, told).startswith("Saved in ")
    assert chosen["asked"] == 2
    assert not desk.session.is_dirty
    assert len(load_session(tmp_path / "right.sam2").document.objects) == 1


def test_a_folder_that_is_gone_is_an_error_and_another_is_asked_for(
    desk: Any, told: list[str], chosen: dict[str, Any], tmp_path: Path
) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    chosen["save"] = tmp_path / "work.sam2"
    save_into(desk, told)
    (tmp_path / "work.sam2").rename(tmp_path / "moved.sam2")
    assert "not there any more" in save_into(desk, told)
    chosen["save"] = tmp_path / "again.sam2"
    assert save_into(desk, told).startswith(f"Saved in {tmp_path / 'again.sam2'}")
    assert chosen["asked"] == 2
    assert not desk.session.is_dirty


def test_a_folder_without_a_session_leaves_the_open_one_as_it_is(
    desk: Any, told: list[str], chosen: dict[str, Any], tmp_path: Path
) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    desk.session.save(tmp_path / "work.sam2")
    before, chosen["open"] = desk.session, tmp_path
    desk.press(desk.panel.saving.open)
    assert desk.session is before
    assert desk.binding.layers()
    assert told == [f"!{tmp_path} holds no session; choose a folder that one was saved in."]


def test_a_session_that_is_open_elsewhere_is_said_to_be(
    desk: Any, told: list[str], chosen: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "work.sam2"
    image = desk.open_movie()
    elsewhere = Session.open(np.ones_like(image.data), predictor=DiscPredictor())
    elsewhere.save(folder)
    try:
        chosen["open"] = folder
        desk.press(desk.panel.saving.open)
        desk.until(lambda: bool(told))
        assert "is open elsewhere" in told[0]
        assert desk.panel.bench.sought is None
    finally:
        elsewhere.close()


def test_a_session_that_the_dialog_did_not_name_is_not_replaced_without_a_question(
    desk: Any, told: list[str], chosen: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    (tmp_path / "work.sam2").mkdir()
    chosen["save"] = tmp_path / "work"
    answers = [QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers.pop())
    desk.press(desk.panel.saving.save)
    assert (told, list((tmp_path / "work.sam2").iterdir())) == ([], [])
    assert save_into(desk, told).startswith(f"Saved in {tmp_path / 'work.sam2'}")
