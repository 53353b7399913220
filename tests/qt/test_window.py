"""The window of `napari-sam2 view`: a movie, labels or a session in a viewer with the panel beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels

from napari_sam2._qt.window import fill
from napari_sam2.napari_reader import read_image_layers, read_label_layers
from napari_sam2.session import Session

MOVIE = np.random.default_rng(3).integers(0, 4000, (5, 2, 40, 60)).astype(np.uint16)


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    path = tmp_path / "movie.tif"
    scale = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "µm"}
    tifffile.imwrite(path, MOVIE, ome=True, metadata={"axes": "TCYX", **scale})
    return path


def opened(desk: Any, layers: Any, session: Path | None = None) -> Any:
    """The panel of the desk's own window, which has one already, once it has a session."""
    panel = fill(desk.viewer, layers, session)
    panel.wait()
    desk.until(lambda: panel.session is not None)
    return panel


def test_a_movie_is_worked_on_with_labels_on_top(desk: Any, movie: Path, tmp_path: Path) -> None:
    labels = np.zeros((5, 40, 60), np.uint16)
    labels[:, 5:15, 5:15] = 3
    tifffile.imwrite(tmp_path / "labels.tif", labels, imagej=True, metadata={"axes": "TYX"})
    panel = opened(desk, read_image_layers(movie) + read_label_layers(tmp_path / "labels.tif"))
    image = next(layer for layer in desk.viewer.layers if isinstance(layer, Image))
    np.testing.assert_array_equal(np.asarray(image.data), MOVIE)
    assert list(image.scale) == [1, 1, 0.5, 0.5]
    shown = next(layer for layer in desk.viewer.layers if isinstance(layer, Labels) and layer.name.startswith("labels"))
    np.testing.assert_array_equal(np.asarray(shown.data), labels)
    assert (panel.session.stack.axes, panel.session.stack.path) == ("TCYX", str(movie))
    assert panel.bench.image is image
    assert desk.viewer.dims.current_step[0] == 0


def test_what_is_saved_there_opens_again_from_its_folder_alone(desk: Any, movie: Path, tmp_path: Path) -> None:
    panel = opened(desk, read_image_layers(movie, axes="TZYX"))
    panel.session.add_points(1, 0, [(10, 10)])
    panel.session.save(tmp_path / "work.sam2")
    desk.idle()
    panel.close_work()
    with Session.open(tmp_path / "work.sam2") as again:
        assert again.stack.axes == "TZYX"
        assert list(again.document.prompts) == [(1, 0)]


def test_a_session_folder_is_opened_to_be_worked_on(desk: Any, movie: Path, tmp_path: Path) -> None:
    with Session.open(movie) as session:
        session.add_points(4, 1, [(20, 20)])
        session.save(tmp_path / "movie.sam2")
    panel = opened(desk, [], tmp_path / "movie.sam2")
    assert panel.session.folder == tmp_path / "movie.sam2"
    assert list(panel.session.document.prompts) == [(4, 1)]
    assert any(isinstance(layer, Image) for layer in desk.viewer.layers)
