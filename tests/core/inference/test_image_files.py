"""Folders of images, TIFF stacks and single images are read as they were written; damaged ones are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from sam2_core.errors import StackError
from sam2_core.inference.frames.opened_frames import OpenedFrames, open_frames


@pytest.fixture
def movie(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (12, 20, 30, 3), dtype=np.uint8)


# --- folders -----------------------------------------------------------------------------------------------------


def write_images(folder: Path, names: list[str]) -> None:
    for value, name in enumerate(names):
        image = np.full((16, 24), value * 10, np.uint8)
        if name.endswith(".tif"):
            tifffile.imwrite(folder / name, image)
        else:
            Image.fromarray(image).save(folder / name, **({"quality": 100} if name.endswith("jpg") else {}))


def values(frames: OpenedFrames) -> list[int]:
    return [round(float(frame.mean()) / 10) for frame in frames]


@pytest.mark.parametrize(
    "names",
    [
        ["0.jpg", "1.jpg", "2.jpg", "10.jpg", "0011.jpg"],
        ["t1.png", "t2.png", "t10.png", "t10b.png", "t20.png"],
        ["p1_t9.tif", "p1_t10.tif", "p2_t1.tif"],
        ["7.JPEG", "08.jpeg", "9.jpg"],
    ],
)
def test_folders_are_sorted_as_a_person_counts(tmp_path: Path, names: list[str]) -> None:
    write_images(tmp_path, names)
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "._0.jpg").write_bytes(b"hidden")
    frames = open_frames(str(tmp_path))
    assert (frames.height, frames.width) == (16, 24)
    assert values(frames) == list(range(len(names)))


def test_a_folder_of_jpegs_is_read_as_pillow_reads_it(tmp_path: Path, movie: np.ndarray) -> None:
    for index, frame in enumerate(movie):
        Image.fromarray(frame).save(tmp_path / f"{index:05d}.jpg")
    frames = open_frames(tmp_path)
    with Image.open(tmp_path / "00004.jpg") as image:
        np.testing.assert_array_equal(frames.read_rgb(4), np.asarray(image.convert("RGB")))


def test_jpegs_come_first_in_a_mixed_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_images(tmp_path, ["0.jpg", "1.jpg", "mask.png"])
    assert len(open_frames(tmp_path)) == 2
    assert "only its 2 .jpg files are used" in caplog.text


@pytest.mark.parametrize(
    ("mode", "shape", "dtype"),
    [
        ("1", (6, 8), np.bool_),
        ("L", (6, 8), np.uint8),
        ("LA", (6, 8), np.uint8),
        ("P", (6, 8, 3), np.uint8),
        ("RGB", (6, 8, 3), np.uint8),
        ("RGBA", (6, 8, 3), np.uint8),
        ("I;16", (6, 8), np.uint16),
    ],
)
def test_kinds_of_png(tmp_path: Path, mode: str, shape: tuple[int, ...], dtype: type) -> None:
    Image.new(mode, (8, 6)).save(tmp_path / "0.png")
    frame = open_frames(tmp_path)[0]
    assert frame.shape == shape
    assert frame.dtype == dtype
    assert open_frames([Image.new(mode, (8, 6))])[0].shape == shape


def test_sixteen_bit_images_keep_their_values(tmp_path: Path) -> None:
    image = np.array([[0, 300], [40000, 65535]], np.uint16)
    Image.fromarray(image).save(tmp_path / "0.png")
    tifffile.imwrite(tmp_path / "0.tif", image)
    tifffile.imwrite(tmp_path / "1.tif", image, byteorder=">")
    np.testing.assert_array_equal(open_frames([tmp_path / "0.png"])[0], image)
    frames = open_frames([tmp_path / "0.tif", str(tmp_path / "1.tif")])
    np.testing.assert_array_equal(frames[0], image)
    np.testing.assert_array_equal(frames[1], image)


def test_single_image_file_is_a_stack_of_one(tmp_path: Path) -> None:
    write_images(tmp_path, ["only.png"])
    assert len(open_frames(tmp_path / "only.png")) == 1


# --- TIFF stacks -------------------------------------------------------------------------------------------------

TIFF_KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "compressed": {"compression": "zlib"},
    "untagged": {"metadata": None},
    "imagej": {"imagej": True, "metadata": {"axes": "TYX"}},
    "ome": {"ome": True, "metadata": {"axes": "TYX"}},
    "big": {"bigtiff": True, "tile": (16, 16), "compression": "zlib"},
    "big_endian": {"byteorder": ">"},
}


@pytest.mark.parametrize("kind", TIFF_KINDS)
def test_tiff_stacks(tmp_path: Path, rng: np.random.Generator, kind: str) -> None:
    stack = rng.integers(0, 60000, (9, 32, 48)).astype(np.uint16)
    suffix = ".ome.tif" if kind == "ome" else ".tif"
    tifffile.imwrite(tmp_path / f"stack{suffix}", stack, **TIFF_KINDS[kind])
    frames = open_frames(tmp_path / f"stack{suffix}")
    assert (len(frames), frames.height, frames.width) == (9, 32, 48)
    for index in (8, 0, 3):
        np.testing.assert_array_equal(frames[index], stack[index])
        assert type(frames[index]) is np.ndarray


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(("axes", "order"), [("TCYX", (0, 1, 2, 3)), ("CTYX", (1, 0, 2, 3))])
def test_channels_of_a_tiff_come_last(
    tmp_path: Path, rng: np.random.Generator, compression: str | None, axes: str, order: tuple[int, ...]
) -> None:
    stack = rng.integers(0, 255, (5, 2, 16, 24)).astype(np.uint8)  # T, C, Y, X
    path = tmp_path / "two.ome.tif"
    tifffile.imwrite(path, stack.transpose(order), ome=True, metadata={"axes": axes}, compression=compression)
    frames = open_frames(path)
    assert len(frames) == 5
    np.testing.assert_array_equal(frames[3], stack[3].transpose(1, 2, 0))


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colour_tiff(tmp_path: Path, movie: np.ndarray, planar: str) -> None:
    data = movie if planar == "contig" else movie.transpose(0, 3, 1, 2)
    path = tmp_path / "colour.tif"
    tifffile.imwrite(path, data, photometric="rgb", planarconfig=planar)
    frames = open_frames(path)
    assert len(frames) == 12
    np.testing.assert_array_equal(frames[7], movie[7])


def test_tiff_written_page_by_page(tmp_path: Path, movie: np.ndarray) -> None:
    with tifffile.TiffWriter(tmp_path / "pages.tif") as writer:
        for frame in movie[..., 0]:
            writer.write(frame)
    with Image.new("L", (30, 20)) as first:
        first.save(
            tmp_path / "pillow.tif", save_all=True, append_images=[Image.fromarray(f) for f in movie[1:, ..., 0]]
        )
    for name in ("pages.tif", "pillow.tif"):
        frames = open_frames(tmp_path / name)
        assert len(frames) == 12
        np.testing.assert_array_equal(frames[11], movie[11, ..., 0])


def test_tiff_with_two_axes_too_many_names_them(tmp_path: Path) -> None:
    path = tmp_path / "four.ome.tif"
    tifffile.imwrite(path, np.zeros((3, 4, 16, 16), np.uint8), ome=True, metadata={"axes": "TZYX"})
    with pytest.raises(StackError, match=r"T: 3, Z: 4.*choose a plane"):
        open_frames(path)


def test_a_multi_page_tiff_among_images_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "0.tif", np.zeros((3, 16, 16), np.uint16), photometric="minisblack")
    with pytest.raises(StackError, match="holds 3 images; pass the file itself"):
        open_frames(tmp_path)


def test_only_the_asked_pages_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((30, 16, 16), np.uint8), compression="zlib")
    decoded: list[int] = []
    for page_type in (tifffile.TiffPage, tifffile.TiffFrame):
        original = page_type.asarray

        def counted(page: Any, *args: Any, _original: Any = original, **kwargs: Any) -> Any:
            decoded.append(page.index)
            return _original(page, *args, **kwargs)

        monkeypatch.setattr(page_type, "asarray", counted)
    frames = open_frames(tmp_path / "stack.tif")
    frames[21]
    assert set(decoded) <= {0, 21}


def test_empty_folder_and_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="holds no TIFF, PNG or JPEG images"):
        open_frames(tmp_path)
    (tmp_path / "stack.zarr").mkdir()
    with pytest.raises(StackError, match=r"zarr\.open"):
        open_frames(tmp_path / "stack.zarr")
    (tmp_path / "table.csv").write_text("x")
    with pytest.raises(StackError, match="no known kind"):
        open_frames(tmp_path / "table.csv")
    for name in ("packed.zarr", "packed.zarr.zip", "packed.ome.zarr.zip"):
        (tmp_path / name).write_text("x")
        with pytest.raises(StackError, match="read as a folder; unpack it"):
            open_frames(tmp_path / name)


@pytest.mark.parametrize("name", ["0.jpg", "0.png", "0.tif"])
@pytest.mark.parametrize("damage", ["garbage", "cut", "nothing"])
def test_damaged_images_are_named(tmp_path: Path, rng: np.random.Generator, name: str, damage: str) -> None:
    image = rng.integers(0, 256, (64, 64), dtype=np.uint8)
    if name.endswith("tif"):
        tifffile.imwrite(tmp_path / name, image, compression="zlib")
    else:
        Image.fromarray(image).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    content = {"garbage": b"this is no image at all", "cut": whole[: len(whole) // 2], "nothing": b""}[damage]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StackError, match=rf"{name} (cannot be read|holds no)"):
        open_frames(tmp_path)[0]


@pytest.mark.parametrize("kind", ["plain", "compressed", "untagged", "imagej", "ome"])
@pytest.mark.parametrize("part", [0.02, 0.5, 0.9])
def test_damaged_tiff_stacks_never_pass_as_shorter_ones(
    tmp_path: Path, rng: np.random.Generator, kind: str, part: float
) -> None:
    path = tmp_path / ("stack.ome.tif" if kind == "ome" else "stack.tif")
    stack = rng.integers(0, 60000, (9, 32, 48)).astype(np.uint16)
    tifffile.imwrite(path, stack, **TIFF_KINDS[kind])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(StackError, match=r"stack.*tif"):
        list(open_frames(path))
