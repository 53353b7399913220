"""A TIFF is read as all that it holds, or as what the caller chooses of it; else there is an error that says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_sam2.stacks import open_stack
from napari_sam2.stacks.labels import open_labels
from sam2_core.errors import StackError
from sam2_core.inference.frames import open_frames

Write = Callable[[Path, np.ndarray], None]
HALF = (slice(None, None, 2), slice(None, None, 2))


@pytest.fixture
def movie(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 4000, (6, 40, 56)).astype(np.uint16)


def read(path: Path, **choice: Any) -> np.ndarray:
    """Return the frames, which are the same for the core and for a stack."""
    frames = np.stack(list(open_frames(path, **choice)))
    np.testing.assert_array_equal(np.stack(list(open_stack(path, **choice).movie())), frames)
    return frames


def refused(path: Path, match: str, **choice: Any) -> None:
    for opened in (open_frames, open_stack):
        with pytest.raises(StackError, match=match):
            opened(path, **choice)


def write_pages(path: Path, pages: Iterable[np.ndarray], **how: Any) -> None:
    with tifffile.TiffWriter(path) as writer:
        for page in pages:
            writer.write(page, contiguous=False, metadata=None, photometric="minisblack", **how)


def appended(path: Path, movie: np.ndarray) -> None:
    tifffile.imwrite(path, movie[:4], photometric="minisblack")
    tifffile.imwrite(path, movie[4:], photometric="minisblack", append=True)


def positions(path: Path, movie: np.ndarray) -> None:
    with tifffile.TiffWriter(path, ome=True) as writer:
        for name, frames in (("left", movie[::-1]), ("right", movie)):
            writer.write(frames, metadata={"axes": "TYX", "Name": name}, photometric="minisblack")


SEVERAL: dict[str, tuple[Write, int | str, Callable[[np.ndarray], np.ndarray]]] = {
    "preview first": (lambda path, m: write_pages(path, [m[0][HALF], *m]), 1, lambda m: m),
    "preview last": (lambda path, m: write_pages(path, [*m, m[0][:9]]), 0, lambda m: m),
    "another type": (lambda path, m: write_pages(path, [*m[:3], m[3].astype(np.uint8), *m[4:]]), 1, lambda m: m[3:4]),
    "another size": (lambda path, m: write_pages(path, [*m[:3], m[3, :30], *m[4:]]), 1, lambda m: m[3:4, :30]),
    "appended": (appended, "1", lambda m: m[4:]),
    "a movie and its half": (lambda path, m: write_pages(path, [*m, *m[:, ::2, ::2]]), 1, lambda m: m[:, ::2, ::2]),
    "positions": (positions, "right", lambda m: m),
}


@pytest.mark.parametrize("kind", SEVERAL)
def test_one_of_several_series_is_chosen_or_asked_for(tmp_path: Path, movie: np.ndarray, kind: str) -> None:
    write, scene, meant = SEVERAL[kind]
    path = tmp_path / "several.tif"
    write(path, movie)
    refused(path, r"holds 2 series.*scene=0.*--scene 0")
    expected = meant(movie).astype(np.uint8) if kind == "another type" else meant(movie)
    np.testing.assert_array_equal(read(path, scene=scene), expected)
    refused(path, "has no scene 'third'; it holds 2", scene="third")


def one_by_one(path: Path, movie: np.ndarray) -> None:
    for frame in movie:
        tifffile.imwrite(path, frame, append=True)


def thumbnails_between(path: Path, movie: np.ndarray) -> None:
    with tifffile.TiffWriter(path) as writer:
        for frame in movie:
            writer.write(frame, contiguous=False, metadata=None)
            writer.write(frame[HALF], contiguous=False, metadata=None, subfiletype=1)


def pyramid(path: Path, movie: np.ndarray) -> None:
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(movie, subifds=1, tile=(16, 16), metadata={"axes": "TYX"}, photometric="minisblack")
        writer.write(movie[:, ::2, ::2], subfiletype=1, tile=(16, 16), photometric="minisblack")


def written(**how: Any) -> Write:
    return lambda path, movie: tifffile.imwrite(path, movie, photometric="minisblack", **how)


WHOLE: dict[str, Write] = {
    "plane by plane": one_by_one,
    "thumbnails between": thumbnails_between,
    "pyramid": pyramid,
    "big-endian": written(byteorder=">", compression="zlib"),
    "tiles": written(tile=(16, 16), compression="lzw"),
    "ome": written(ome=True, metadata={"axes": "TYX"}),
    "imagej": written(imagej=True, metadata={"axes": "TYX"}),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_nothing_is_asked_where_one_movie_can_be_meant(tmp_path: Path, movie: np.ndarray, kind: str) -> None:
    WHOLE[kind](tmp_path / "whole.tif", movie)
    np.testing.assert_array_equal(read(tmp_path / "whole.tif"), movie)


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("share", [0.1, 0.4, 0.7, 0.9])
def test_a_file_cut_short_is_no_shorter_movie(tmp_path: Path, movie: np.ndarray, kind: str, share: float) -> None:
    path = tmp_path / "cut.tif"
    WHOLE[kind](path, movie)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refused(path, r"cut\.tif")


@pytest.mark.parametrize("named", [4, 8])
def test_a_description_that_names_another_number_of_images(tmp_path: Path, movie: np.ndarray, named: int) -> None:
    told = np.zeros((named, *movie.shape[1:]), np.uint16)
    tifffile.imwrite(tmp_path / "told.ome.tif", told, metadata={"axes": "TYX"})
    path = tmp_path / "other.ome.tif"
    with tifffile.TiffWriter(path) as writer:
        for index, page in enumerate(movie):
            about = tifffile.tiffcomment(tmp_path / "told.ome.tif") if index == 0 else None
            writer.write(page, description=about, metadata=None, contiguous=False)
    if named > len(movie):
        refused(path, "names image 6 of 8 but does not hold it")
    else:
        refused(path, "holds 6 images, of which its description names only 4")
        np.testing.assert_array_equal(read(path, scene=0), movie[:4])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_three_or_four_frames_are_not_taken_for_colours(
    tmp_path: Path, movie: np.ndarray, count: int, dtype: type
) -> None:
    frames, path = movie[:count].astype(dtype), tmp_path / "short.tif"
    tifffile.imwrite(path, frames, photometric="rgb" if count in (3, 4) else "minisblack", planarconfig="separate")
    if count in (3, 4):
        refused(path, "--axes TYX .*if they are frames, --axes SYX if they are colours")
        colours = read(path, axes="SYX")[0]
        np.testing.assert_array_equal(colours, np.moveaxis(frames[:3], 0, -1))
    np.testing.assert_array_equal(read(path, axes="TYX"), frames)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((1, 40, 56), "TYX"),
        ((40, 56), "TYX"),
        ((40, 56), "TZYX"),
        ((1, 6, 40, 56), "TYX"),
        ((1, 6, 40, 56), "ZTYX"),
        ((6, 1, 40, 56), "TYX"),
        ((6, 1, 40, 56), "TCYX"),
    ],
)
def test_axes_of_one_step_may_be_named_or_left_out(
    tmp_path: Path, movie: np.ndarray, shape: tuple[int, ...], axes: str
) -> None:
    frames = movie.reshape(-1)[: np.prod(shape)].reshape(shape)
    tifffile.imwrite(tmp_path / "steps.tif", frames, photometric="minisblack")
    np.testing.assert_array_equal(read(tmp_path / "steps.tif", axes=axes), frames.reshape(-1, 40, 56))


def test_a_channel_axis_that_may_be_time_is_said(
    tmp_path: Path, movie: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "three.tif"
    tifffile.imwrite(path, movie[:3], imagej=True)  # which makes channels of them
    with caplog.at_level("INFO"):
        assert read(path).shape == (1, 40, 56, 3)
    assert "--axes TYX" in caplog.text
    assert "axes='TYX'" in caplog.text
    np.testing.assert_array_equal(read(path, axes="TYX"), movie[:3])


@pytest.mark.parametrize("count", [3, 4])
def test_labels_are_no_colours(tmp_path: Path, movie: np.ndarray, count: int) -> None:
    path = tmp_path / "labels.tif"
    tifffile.imwrite(path, movie[:count], photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(np.stack(list(open_labels(path))), movie[:count])
