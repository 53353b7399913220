"""A file of which napari shows a part only is told of, and all of it is opened where a person wants it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from napari_sam2.stacks.whole_files import left_out

MOVIE = np.arange(6 * 40 * 60, dtype=np.uint16).reshape(6, 40, 60)


def two_series(path: Path) -> None:
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(MOVIE, metadata={"axes": "TYX"})
        file.write(MOVIE[:3] + 7, metadata={"axes": "TYX"})


def page_by_page(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        for frame in MOVIE:
            file.write(frame, metadata=None, contiguous=False)


def of_channels(path: Path) -> None:
    tifffile.imwrite(path, np.stack([MOVIE, MOVIE], axis=1), ome=True, metadata={"axes": "TCYX"})


def whole(path: Path) -> None:
    tifffile.imwrite(path, MOVIE, ome=True, metadata={"axes": "TYX"})


def three_frames(path: Path) -> None:
    tifffile.imwrite(path, MOVIE[:3], photometric="rgb", planarconfig="separate")


def fields(path: Path) -> None:
    for place in ("0", "1"):
        group = zarr.open_group(path / place, mode="w", zarr_format=2)
        group.create_array("0", data=MOVIE)
        axes = [{"name": "t", "type": "time"}, {"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
        scales = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1]}]}]
        group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": scales}]
    zarr.open_group(path, mode="a", zarr_format=2)


def show(desk: Any, path: Path, data: Any) -> None:
    """A layer of a file, as a reader of napari makes it."""
    from napari.layers._source import layer_source

    with layer_source(path=str(path), reader_plugin="napari"):
        desk.viewer.add_image(data, name=path.stem)
    desk.until(lambda: desk.session is not None)


@pytest.mark.parametrize(
    ("write", "name", "shown", "told", "frames"),
    [
        (two_series, "movie.ome.tif", MOVIE, "movie.ome.tif holds 2 series of images", [6, 3]),
        (page_by_page, "movie.tif", MOVIE[0], "movie.tif holds 6 planes, and this layer shows 1 of them.", [6]),
        (fields, "movie.zarr", MOVIE, "movie.zarr holds 2 series of images", [6, 6]),
    ],
)
def test_what_a_layer_leaves_out_is_told_and_opened(
    desk: Any, tmp_path: Path, write: Callable[[Path], None], name: str, shown: Any, told: str, frames: list[int]
) -> None:
    write(tmp_path / name)
    show(desk, tmp_path / name, shown)
    first, hint = desk.session, desk.panel.hint
    desk.until(lambda: told in hint.text())
    assert hint.button.text() == "Open all"
    desk.press(hint.button)
    desk.until(lambda: desk.session not in (None, first))
    opened = [layer for layer in desk.panel.chooser.images() if "napari_sam2_scene" in layer.metadata]
    assert [len(layer.data) for layer in opened] == frames
    assert desk.panel.bench.image is opened[0]
    desk.panel.state.refresh()
    assert hint.text() == "Click on a cell in the image."


@pytest.mark.parametrize(
    ("write", "shown"), [(whole, MOVIE), (of_channels, MOVIE), (three_frames, MOVIE[:3])], ids=lambda one: str(one)[:20]
)
def test_a_layer_of_all_that_there_is_is_left_alone(
    desk: Any, tmp_path: Path, write: Callable[[Path], None], shown: Any
) -> None:
    write(tmp_path / "movie.tif")
    show(desk, tmp_path / "movie.tif", shown)
    desk.qtbot.wait(500)
    desk.panel.state.refresh()
    assert desk.panel.hint.text() == "Click on a cell in the image."


def test_a_file_that_lost_frames_is_told_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, MOVIE, imagej=True, metadata={"axes": "TYX"})
    path.write_bytes(path.read_bytes().replace(b"frames=6", b"frames=9").replace(b"images=6", b"images=9"))
    told = left_out(path, MOVIE.shape, "TYX")
    assert told.startswith("This layer may not be all of its file:")
    assert "copy it again" in told
    assert left_out(tmp_path / "picture.png", MOVIE.shape, "TYX") == ""
