"""The Models panel with a catalogue of its own folder and downloads that the test lets arrive."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_sam2._qt import models_panel
from napari_sam2._qt.add_model_dialog import AddModelDialog, NewModel
from napari_sam2._qt.model_catalogue import list_models
from napari_sam2._qt.models_panel import ModelsPanel
from sam2_core.checkpoints.registry import BUNDLED_NAME, add_model, checkpoints_folder, find_model
from sam2_core.errors import CheckpointError


@pytest.fixture
def panel(qtbot: QtBot, workers_end: None) -> ModelsPanel:
    emitter = SimpleNamespace(connect=lambda slot: None, disconnect=lambda slot: None)
    viewer: Any = SimpleNamespace(theme="dark", events=SimpleNamespace(theme=emitter))
    panel = ModelsPanel(viewer)
    qtbot.addWidget(panel, before_close_func=ModelsPanel.close_work)
    panel.resize(340, 500)
    panel.show()
    qtbot.waitUntil(lambda: panel.table.rowCount() > 0)
    return panel


def cells(panel: ModelsPanel, name: str) -> list[str]:
    rows = range(panel.table.rowCount())
    row = next(row for row in rows if panel.table.item(row, 0).text() == name)
    return [panel.table.item(row, column).text() for column in range(panel.table.columnCount())]


def test_the_list_says_size_speed_licence_and_where(panel: ModelsPanel) -> None:
    assert panel.table.rowCount() == len(list_models()) == 9
    assert cells(panel, BUNDLED_NAME)[2:] == ["fastest", "Apache-2.0", "ships"]
    assert cells(panel, "sam2.1_hiera_l")[1:] == ["898 MB", "slowest", "Apache-2.0", "not here"]
    assert panel.chosen().name == BUNDLED_NAME
    assert not panel.download.isEnabled()
    assert not panel.delete.isEnabled()


def test_nothing_is_cut_off_at_the_width_of_a_laptop_panel(panel: ModelsPanel) -> None:
    table = panel.table
    assert sum(table.columnWidth(column) for column in range(table.columnCount())) <= table.viewport().width()
    assert table.columnWidth(0) >= table.sizeHintForColumn(0)


class Transfer:
    """A download that goes on when the test says so."""

    def __init__(self) -> None:
        self.go = threading.Semaphore(0)

    def __call__(self, name: str, progress: Callable[[int, int], None], cancelled: Callable[[], bool]) -> Path:
        entry = find_model(name)
        total = 4_000_000
        for done in range(0, total + 1, 1_000_000):
            while not self.go.acquire(timeout=0.01):
                if cancelled():
                    raise CheckpointError(f"download cancelled after {done} bytes")
            progress(total if done == total else done, total)
        checkpoints_folder().mkdir(parents=True, exist_ok=True)
        path = checkpoints_folder() / entry.filename
        path.write_bytes(b"weights")
        return path


@pytest.fixture
def transfer(monkeypatch: pytest.MonkeyPatch) -> Transfer:
    transfer = Transfer()
    monkeypatch.setattr(models_panel, "download_model", transfer)
    return transfer


def test_a_download_shows_progress_and_ends_in_the_list(panel: ModelsPanel, transfer: Transfer, qtbot: QtBot) -> None:
    panel.choose("sam2.1_hiera_t")
    panel.download.click()
    assert not panel.download.isEnabled()
    assert panel.cancel.isEnabled()
    transfer.go.release(1)
    qtbot.waitUntil(lambda: panel.progress.format() == "0 of 4 MB")
    with qtbot.waitSignal(panel.models_changed):
        transfer.go.release(10)
    qtbot.waitUntil(lambda: cells(panel, "sam2.1_hiera_t")[-1] == "downloaded")
    assert panel.progress.isHidden()
    assert panel.delete.isEnabled()
    assert "is ready" in panel.message.text() or str(checkpoints_folder()) in panel.message.text()


def test_cancel_stops_a_download_and_says_that_it_can_go_on(
    panel: ModelsPanel, transfer: Transfer, qtbot: QtBot
) -> None:
    panel.choose("sam2.1_hiera_t")
    panel.download.click()
    panel.cancel.click()
    qtbot.waitUntil(panel.progress.isHidden)
    assert "goes on from there" in panel.message.text()
    assert cells(panel, "sam2.1_hiera_t")[-1] == "not here"
    assert panel.download.isEnabled()


def test_a_download_without_a_network_says_what_to_put_where(
    panel: ModelsPanel, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    def refuse(*_: Any) -> Path:
        raise CheckpointError("could not download it. To do it by hand, get the file")

    monkeypatch.setattr(models_panel, "download_model", refuse)
    panel.choose("sam2_hiera_s")
    panel.download.click()
    qtbot.waitUntil(panel.progress.isHidden)
    assert "by hand" in panel.message.text()


def test_delete_asks_and_takes_the_file_away(panel: ModelsPanel, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> None:
    checkpoints_folder().mkdir(parents=True)
    file = checkpoints_folder() / find_model("sam2_hiera_t").filename
    file.write_bytes(b"weights")
    panel.reload()
    qtbot.waitUntil(lambda: cells(panel, "sam2_hiera_t")[-1] == "downloaded")
    panel.choose("sam2_hiera_t")
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.No)
    panel.delete.click()
    assert file.exists()
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    panel.delete.click()
    assert not file.exists()
    qtbot.waitUntil(lambda: cells(panel, "sam2_hiera_t")[-1] == "not here")


def test_a_checkpoint_of_ones_own_is_added_used_and_forgotten(
    panel: ModelsPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    weights = Path(find_model(BUNDLED_NAME).path or "")
    own = tmp_path / "my_cells.safetensors"
    own.write_bytes(weights.read_bytes())
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(own), ""))
    panel.add.click()
    qtbot.waitUntil(lambda: panel.findChild(AddModelDialog) is not None)
    dialog = panel.findChild(AddModelDialog)
    assert dialog.name.text() == "my_cells"
    dialog.name.setText("mine")
    with qtbot.waitSignal(panel.models_changed, timeout=20000):
        dialog.buttons.button(dialog.buttons.StandardButton.Ok).click()
    qtbot.waitUntil(lambda: panel.table.rowCount() == 10)
    assert cells(panel, "mine")[-1] == "added"
    assert Path(find_model("mine").config).name == Path(find_model(BUNDLED_NAME).config).name
    panel.choose("mine")
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    panel.delete.click()
    qtbot.waitUntil(lambda: panel.table.rowCount() == 9)
    assert own.exists()


def test_a_file_that_is_no_checkpoint_is_explained(panel: ModelsPanel, tmp_path: Path, qtbot: QtBot) -> None:
    file = tmp_path / "notes.pt"
    file.write_text("these are notes")
    panel.add_model(NewModel("notes", file, None))
    qtbot.waitUntil(lambda: "notes.pt" in panel.message.text() and "Reading" not in panel.message.text(), timeout=20000)
    assert panel.table.rowCount() == 9


def test_an_added_model_whose_file_is_gone_is_not_offered_as_a_download(
    panel: ModelsPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    own = tmp_path / "mine.safetensors"
    own.write_bytes(b"weights")
    add_model("mine", own, "cells-nano")
    own.unlink()
    panel.reload()
    qtbot.waitUntil(lambda: panel.table.rowCount() == 10)
    assert next(row for row in list_models() if row.name == "mine").label == "mine (missing)"
    panel.choose("mine")
    assert panel.message.text().startswith("The file of mine is gone")
    assert not panel.download.isEnabled()
    asked: list[str] = []
    monkeypatch.setattr(QMessageBox, "question", lambda *told: asked.append(told[-1]))
    panel.delete.click()
    assert asked == ["Forget mine? Its file is gone already."]


@pytest.mark.parametrize(
    ("name", "config", "words"),
    [("other", "configs/sam2.1/sam2.1_hiera_t.yaml", "was not added"), ("Mine", None, "choose another")],
)
def test_weights_that_do_not_fit_and_a_name_that_is_taken_are_refused(
    panel: ModelsPanel, qtbot: QtBot, name: str, config: str | None, words: str
) -> None:
    weights = Path(find_model(BUNDLED_NAME).path or "")
    add_model("mine", weights, "cells-nano")
    panel.add_model(NewModel(name, weights, config))
    qtbot.waitUntil(lambda: words in panel.message.text(), timeout=20000)
    assert [row.name for row in list_models() if row.where == "added"] == ["mine"]
