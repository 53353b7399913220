"""A file is the same movie for the core and for stacks with axes: the same kinds, the same pixels, the same errors."""

from __future__ import annotations

import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2.stacks import open_stack
from sam2_core.errors import StackError
from sam2_core.inference.frames import open_frames

Write = Callable[[Path, np.ndarray], Path]


@pytest.fixture
def values(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (5, 32, 48), dtype=np.uint8)


def stk(folder: Path, values: np.ndarray) -> Path:
    """Write a MetaMorph stack: one image in the chain, the planes behind it, and a tag that counts them."""
    count, height, width = values.shape
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 0)]
    tags += [(277, 3, 1, 1), (278, 3, 1, height), (279, 4, 1, height * width), (33628, 4, 1, 0), (33629, 5, count, 0)]
    end = 8 + 2 + 12 * len(tags) + 4
    places = {33628: end, 33629: end + 8, 273: end + 8 + 24 * count}
    raw = b"II*\0" + struct.pack("<IH", 8, len(tags))
    for code, kind, size, value in tags:
        stored = places.get(code, value)
        raw += struct.pack("<HHI", code, kind, size) + struct.pack(
            "<HH" if kind == 3 else "<I", stored, *[0][: kind == 3]
        )
    raw += struct.pack("<III", 0, 0, 1)
    raw += b"".join(struct.pack("<6I", 1, 1, 2451545, 1000 * index, 2451545, 0) for index in range(count))
    path = folder / "movie.stk"
    path.write_bytes(raw + values.tobytes())
    return path


def tiff(folder: Path, values: np.ndarray) -> Path:
    tifffile.imwrite(folder / "movie.tif", values, compression="zlib", photometric="minisblack")
    return folder / "movie.tif"


def npy(folder: Path, values: np.ndarray) -> Path:
    np.save(folder / "movie.npy", values)
    return folder / "movie.npy"


def pictures(suffix: str) -> Write:
    def write(folder: Path, values: np.ndarray) -> Path:
        for index, plane in enumerate(values):
            Image.fromarray(plane).save(folder / f"t{index + 8}{suffix}")
        return folder

    return write


def tiffs_with_a_preview(folder: Path, values: np.ndarray) -> Path:
    Image.fromarray(values[0][:5]).save(folder / "preview.png")
    return pictures(".tif")(folder, values)


def colour(folder: Path, values: np.ndarray) -> Path:
    for index in range(4):
        Image.fromarray(np.stack([values[index]] * 3 + [values[4]], axis=-1)).save(folder / f"{index}.png")
    return folder


KINDS = {
    "stk": stk,
    "tiff": tiff,
    "npy": npy,
    "png": pictures(".png"),
    "bmp": pictures(".bmp"),
    "preview": tiffs_with_a_preview,
    "rgba": colour,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_the_same_movie_for_the_core_and_for_a_stack(tmp_path: Path, values: np.ndarray, kind: str) -> None:
    path = KINDS[kind](tmp_path, values)
    movie = open_stack(path, axes="TYX" if kind in ("stk", "tiff") else None).movie()
    frames = open_frames(path)
    assert len(movie) == len(frames) == (4 if kind == "rgba" else 5)
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(movie[index], frame)
        np.testing.assert_array_equal(frame if frame.ndim == 2 else frame[..., 0], values[index])


def test_a_video_has_colour_and_time_everywhere(tmp_path: Path, values: np.ndarray) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "movie.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=5)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuvj420p"
        for plane in values:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.stack([plane] * 3, axis=-1), format="rgb24")))
        container.mux(stream.encode())
    stack, frames = open_stack(path), open_frames(path)
    assert (stack.axes, stack.shape, stack.dtype) == ("TYXS", (5, 32, 48, 3), np.uint8)
    order, movie = [4, 0, 2, 3, 1] * 8, stack.movie()
    with ThreadPoolExecutor(4) as threads:  # as the lane, the viewer and the writing thread of a session read
        for index, frame in zip(order, threads.map(movie.__getitem__, order), strict=True):
            np.testing.assert_array_equal(frame, frames[index])


def test_what_a_folder_sets_aside_is_said(tmp_path: Path, values: np.ndarray, caplog: pytest.LogCaptureFixture) -> None:
    tiffs_with_a_preview(tmp_path, values)
    assert open_stack(tmp_path).shape == values.shape
    assert "1 x .png, 5 x .tif); only its 5 .tif files are used" in caplog.text


@pytest.mark.parametrize("read", [open_frames, lambda path: open_stack(path).movie()])
def test_an_image_that_is_named_but_missing_is_no_black_frame(
    tmp_path: Path, values: np.ndarray, read: Callable[[Path], np.ndarray]
) -> None:
    tifffile.imwrite(tmp_path / "whole.ome.tif", values, metadata={"axes": "TYX"}, photometric="minisblack")
    about = tifffile.tiffcomment(tmp_path / "whole.ome.tif")
    with tifffile.TiffWriter(tmp_path / "cut.ome.tif") as writer:
        for index in range(3):
            writer.write(values[index], description=about if index == 0 else None, metadata=None, contiguous=False)
    with pytest.raises(StackError, match="incomplete"):
        list(read(tmp_path / "cut.ome.tif"))


def test_several_axes_are_chosen_by_a_movie_that_the_core_takes(tmp_path: Path, values: np.ndarray) -> None:
    path = tmp_path / "four.ome.tif"
    tifffile.imwrite(path, np.stack([values, values // 2], axis=1), metadata={"axes": "TZYX"})
    with pytest.raises(StackError, match="several axes"):
        open_frames(path)
    frames = open_frames(open_stack(path).movie(fixed={"Z": 1}))
    np.testing.assert_array_equal(frames[2], values[2] // 2)


def test_errors_have_one_text(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("x")
    for path in (tmp_path / "nothing.tif", tmp_path / "table.csv", tmp_path):
        texts = []
        for read in (open_frames, open_stack):
            with pytest.raises(StackError) as caught:
                read(path)
            texts.append(str(caught.value))
        assert texts[0] == texts[1]
