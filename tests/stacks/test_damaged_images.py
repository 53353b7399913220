"""Whatever is wrong with an image file is a StackError that names it: by the core, as a stack, as labels."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_sam2.stacks import open_stack
from napari_sam2.stacks.labels import open_labels
from sam2_core.errors import StackError
from sam2_core.inference.frames import open_frames

PLANE = np.arange(32 * 40, dtype=np.uint16).reshape(32, 40)
Damage = Callable[[Path], Path]


def tiff(path: Path, **how: object) -> Path:
    tifffile.imwrite(path, np.stack([PLANE] * 3), photometric="minisblack", **how)
    return path


def zero_in_a_tag(tag: str, compression: str | None = "zlib") -> Damage:
    def damage(folder: Path) -> Path:
        path = tiff(folder / "zero.tif", compression=compression)
        with tifffile.TiffFile(path) as file:
            place = file.pages.first.tags[tag].valueoffset
        content = bytearray(path.read_bytes())
        content[place : place + 4] = bytes(4)
        path.write_bytes(content)
        return path

    return damage


def garbled(folder: Path) -> Path:
    path = tiff(folder / "garbled.tif", compression="zlib")
    with tifffile.TiffFile(path) as file:
        place = file.pages[1].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[place : place + 20] = b"\xff" * 20
    path.write_bytes(content)
    return path


def first_of_a_folder(folder: Path) -> Path:
    (folder / "frames").mkdir()
    for number in range(3):
        tifffile.imwrite(folder / "frames" / f"t{number}.tif", PLANE, compression="zlib")
    content = bytearray((folder / "frames/t0.tif").read_bytes())
    content[-40:-20] = b"\xff" * 20
    (folder / "frames/t0.tif").write_bytes(content)
    return folder / "frames"


def cut(name: str, share: float = 0.5) -> Damage:
    def damage(folder: Path) -> Path:
        Image.fromarray(PLANE.astype(np.uint8)).save(folder / name)
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * share)])
        return folder / name

    return damage


def content(name: str, raw: bytes) -> Damage:
    def damage(folder: Path) -> Path:
        (folder / name).write_bytes(raw)
        return folder / name

    return damage


def archive(folder: Path) -> Path:
    np.savez(folder / "a.npz", a=PLANE)
    return (folder / "a.npz").rename(folder / "a.npy")


def objects(folder: Path) -> Path:
    np.save(folder / "objects.npy", np.array([[{}, 1], [2, 3]], dtype=object), allow_pickle=True)
    return folder / "objects.npy"


def cut_array(folder: Path) -> Path:
    np.save(folder / "cut.npy", np.stack([PLANE] * 3))
    os.truncate(folder / "cut.npy", 3000)
    return folder / "cut.npy"


def several_under_one_name(folder: Path) -> Path:
    return tiff(folder / "movie.tif").rename(folder / "movie.png")


def empty_folder(folder: Path) -> Path:
    (folder / "folder.tif").mkdir()
    return folder / "folder.tif"


def lost_chunk_of_a_codec(folder: Path) -> Path:
    zarr.create_array(folder / "a.zarr", data=np.stack([PLANE] * 3), chunks=(1, 32, 40))
    for chunk in (folder / "a.zarr/c").rglob("0"):
        if chunk.is_file():
            chunk.write_bytes(b"\xff" * 30)
    return folder / "a.zarr"


DAMAGED: dict[str, Damage] = {
    "width 0": zero_in_a_tag("ImageWidth"),
    "height 0": zero_in_a_tag("ImageLength"),
    "bits 0": zero_in_a_tag("BitsPerSample"),
    "rows 0": zero_in_a_tag("RowsPerStrip"),
    "place 0": zero_in_a_tag("StripOffsets"),
    "place 0, plain": zero_in_a_tag("StripOffsets", None),
    "size 0": zero_in_a_tag("StripByteCounts"),
    "compressed data": garbled,
    "folder": first_of_a_folder,
    "jpeg cut short": cut("a.jpg"),
    "png cut short": cut("a.png"),
    "bmp cut short": cut("a.bmp"),
    "video that is none": content("a.mp4", b"no video at all" * 100),
    "empty file": content("a.tif", b""),
    "another kind": content("a.tif", b"\x89PNG\r\n\x1a\n" + bytes(100)),
    "header alone": content("a.tif", b"II*\0\x08\0\0\0"),
    "archive named npy": archive,
    "npy of objects": objects,
    "npy cut short": cut_array,
    "npy of nothing": content("a.npy", b"\x93NUMPY\x01\x00"),
    "movie named png": several_under_one_name,
    "folder named tif": empty_folder,
    "zarr chunks": lost_chunk_of_a_codec,
    "name too long": lambda folder: folder / f"{'a' * 300}.tif",
}


@pytest.mark.parametrize("read", ["core", "stack", "labels"])
@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_image_is_an_error_that_names_it(tmp_path: Path, kind: str, read: str) -> None:
    path = DAMAGED[kind](tmp_path)
    readers: dict[str, Callable[[], object]] = {
        "core": lambda: list(open_frames(path)),
        "stack": lambda: list(open_stack(path, axes=None if path.suffix != ".zarr" else "TYX").movie()),
        "labels": lambda: list(open_labels(path)),
    }
    with pytest.raises(StackError) as caught:
        readers[read]()
    assert path.name[:100] in str(caught.value) or path.stem in str(caught.value)


def test_a_picture_of_too_many_pixels_is_better_a_tiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", PLANE.size // 3)
    Image.fromarray(PLANE).save(tmp_path / "large.png")
    for read in (open_frames, open_stack):
        with pytest.raises(StackError, match=r"large\.png is too large for a picture file.*save it as a TIFF"):
            read(tmp_path / "large.png")


def test_a_file_that_goes_away_while_it_is_read(tmp_path: Path) -> None:
    shutil.copytree(first_of_a_folder(tmp_path), tmp_path / "copy")
    (tmp_path / "copy/t0.tif").unlink()
    frames = open_frames(tmp_path / "copy")
    (tmp_path / "copy/t2.tif").unlink()
    with pytest.raises(StackError, match=r"t2\.tif"):
        frames[1]


def test_what_an_array_raises_is_told_in_words() -> None:
    class Broken:
        shape, dtype = (3, 8, 8), np.dtype(np.uint8)

        def __getitem__(self, index: object) -> np.ndarray:
            raise RuntimeError("the store is gone")

    with pytest.raises(StackError, match=r"frame 1 cannot be read \(the store is gone"):
        open_frames(Broken())[1]
    with pytest.raises(StackError, match=r"Frame 1 of array cannot be read \(the store is gone"):
        open_stack(Broken()).movie()[1]
