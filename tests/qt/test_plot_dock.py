"""The plot in a real window: it follows what is chosen, a click goes there, numbers and picture go out."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.layers._source import layer_source
from qtpy.QtCore import QItemSelectionModel, QPoint, Qt
from qtpy.QtGui import QColor, QImage
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_sam2._qt.plot_dock import MISSING, PlotDock
from napari_sam2.io.track_files import TrackedLabels
from napari_sam2.stacks import open_stack

RED = QColor("red")
AREAS = {1: [4, 8, 12, 16], 2: [20, 20, 20, 24, 24, 24, 28, 28]}


@pytest.fixture
def plot(desk: Any) -> PlotDock:
    """The plot of a movie with two objects, the second one on all frames; only that is chosen."""
    desk.open_movie()
    labels = np.zeros((8, 40, 60), np.uint16)
    for one, areas in AREAS.items():
        for frame, area in enumerate(areas):
            labels[frame, one * 10 : one * 10 + 4, : area // 4] = one
    desk.session.import_tracks(TrackedLabels(open_stack(labels, "TYX").movie(), {}))
    desk.panel.state.refresh()
    desk.panel.objects.table.select_object(2)
    desk.panel.objects.bar.plot.click()
    plot = desk.panel.docks.show_plot()
    desk.until(lambda: set(plot.series) == {2})
    return plot


def choose(desk: Any, *object_ids: int) -> None:
    table = desk.panel.objects.table
    table.clearSelection()
    how = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
    for one in object_ids:
        table.selectionModel().select(table.objects.index(table.objects.row_of(one), 0), how)


def numbers(plot: PlotDock) -> dict[int, list[float]]:
    assert plot.curves is not None
    return {one: curve[1].tolist() for one, curve in plot.curves.curves.items()}


def test_it_follows_what_is_chosen_and_what_changes(desk: Any, plot: PlotDock) -> None:
    assert numbers(plot) == {2: AREAS[2]}
    choose(desk, 1, 2)
    desk.until(lambda: numbers(plot) == AREAS)
    desk.session.edit_masks(1, {1: np.ones((40, 60), bool)})
    desk.until(lambda: numbers(plot)[1][1] > 1000)
    plot.measure.setCurrentIndex(plot.measure.findData("speed"))
    desk.until(lambda: set(plot.series[1].values) == {"speed"})
    choose(desk, 2)
    desk.until(lambda: set(numbers(plot)) == {2})
    desk.panel.bench.close_session()
    assert plot.series == {}
    assert plot.measure.count() == 0


def test_a_click_tells_the_frame_and_whose_curve_it_is_next_to(qtbot: Any) -> None:
    pytest.importorskip("pyqtgraph")
    from napari_sam2._qt.plot_curves import Curves

    curves = Curves()
    qtbot.addWidget(curves)
    curves.resize(600, 300)
    frames = np.arange(8)
    curves.show_curves({1: (frames[:4], frames[:4] * 1.0, RED), 2: (frames, frames * 0 + 9.0, RED)}, "area")
    curves.show()
    qtbot.waitExposed(curves)
    qtbot.wait(100)  # the view fits the curves
    for frame, number, told in ((2, 2, (2, 1)), (6, 9, (6, 2)), (5, 4, (5, None))):
        place = curves.mapFromScene(curves.place_of(frame, number)) + QPoint(3, 2)
        with qtbot.waitSignal(curves.picked) as picked:
            qtbot.mouseClick(curves.viewport(), Qt.MouseButton.LeftButton, pos=place)
        assert tuple(picked.args) == told


def test_what_was_picked_is_shown(desk: Any, plot: PlotDock) -> None:
    assert plot.curves is not None
    plot.curves.picked.emit(2, 1)
    assert (desk.binding.current.object_id, desk.binding.frame) == (1, 2)
    plot.curves.picked.emit(70, None)
    assert (desk.binding.current.object_id, desk.binding.frame) == (1, 7)


def test_numbers_and_picture_are_written(desk: Any, plot: PlotDock, tmp_path: Path) -> None:
    choose(desk, 1, 2)
    desk.until(lambda: set(numbers(plot)) == {1, 2})
    plot.write_table(tmp_path / "areas.csv")
    rows = list(csv.DictReader((tmp_path / "areas.csv").read_text().splitlines()))
    assert [(row["object_id"], row["frame"], row["area"]) for row in rows[:2]] == [("1", "0", "4"), ("1", "1", "8")]
    assert len(rows) == sum(map(len, AREAS.values()))
    assert plot.curves is not None
    plot.curves.save_picture(tmp_path / "areas.png")
    picture = QImage(str(tmp_path / "areas.png"))
    assert picture.width() == 1600
    assert picture.pixelColor(2, 2).lightness() == 255


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What a person types in the dialog for a file, as the last of a list."""
    named: list[Path] = []
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(named[-1]), ""))
    return named


def test_neither_numbers_nor_picture_are_written_over_the_movie(
    desk: Any, plot: PlotDock, named: list[Path], tmp_path: Path
) -> None:
    movie = tmp_path / "movie.tif"
    tifffile.imwrite(movie, np.zeros((8, 40, 60), np.uint8))
    before = movie.read_bytes()
    desk.panel.bench.close_session()
    with layer_source(path=str(movie), reader_plugin="napari"):
        desk.viewer.add_image(np.zeros((8, 40, 60), np.uint8), name="raw")
    desk.panel.image.layers.setCurrentText("raw")
    desk.until(lambda: desk.session is not None and desk.session.stack.path is not None)
    failed: list[str] = []
    desk.panel.bench.failed.connect(lambda error: failed.append(str(error)))
    named.append(movie)
    for button in (plot.table, plot.picture):
        button.setEnabled(True)
        desk.press(button)
        assert "raw data is never overwritten" in failed.pop()
    assert movie.read_bytes() == before


@pytest.mark.parametrize("button", ["table", "picture"])
def test_what_is_said_to_be_written_is_there(
    desk: Any, plot: PlotDock, named: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, button: str
) -> None:
    said: list[str] = []
    desk.panel.bench.said.connect(said.append)
    desk.panel.bench.failed.connect(lambda error: said.append(f"!{error}"))
    ending = ".csv" if button == "table" else ".png"
    named.append(tmp_path / "area.v2")
    desk.press(getattr(plot, button))
    written = tmp_path / f"area.v2{ending}"
    assert str(written) in said.pop()
    assert written.stat().st_size > 0
    written.write_text("years")
    answers = [QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers.pop())
    desk.press(getattr(plot, button))
    assert (written.read_text(), said) == ("years", [])
    desk.press(getattr(plot, button))
    assert written.stat().st_size > 5
    said.clear()
    named.append(tmp_path / "nowhere" / f"area{ending}")
    desk.press(getattr(plot, button))
    assert said.pop().startswith(f"!{named[-1]} cannot be written")


def test_a_picture_is_not_written_under_an_ending_of_something_else(
    desk: Any, plot: PlotDock, named: list[Path], tmp_path: Path
) -> None:
    failed: list[str] = []
    desk.panel.bench.failed.connect(lambda error: failed.append(str(error)))
    named.append(tmp_path / "plot.pdf")
    desk.press(plot.picture)
    assert "choose a name that ends with .png" in failed.pop()
    assert not named[-1].exists()
    named.append(tmp_path / "plot.JPG")
    desk.press(plot.picture)
    assert QImage(str(named[-1])).width() == 1600


def test_without_pyqtgraph_it_says_what_to_install(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyqtgraph", None)
    monkeypatch.delitem(sys.modules, "napari_sam2._qt.plot_curves", raising=False)
    desk.open_movie()
    plot = desk.panel.docks.show_plot()
    plot.look()
    assert plot.message.text() == MISSING
    assert "napari-sam2[plots]" in MISSING
    assert not plot.table.isEnabled()
