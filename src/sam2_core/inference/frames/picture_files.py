"""Images in files: one picture of any usual kind, a folder of them, or a TIFF with many pages.

Values come out as they are stored, only their layout is settled: (H, W) or (H, W, C), native byte order, no palettes
and no alpha channel of 8-bit pictures. A TIFF is read page by page, and never as a whole. Axes of a TIFF are taken from
its metadata: channels (C) and samples (S) go to the end, one more axis may count the frames; more than that must be
chosen before.
"""

from __future__ import annotations

import logging
import re
import struct
import weakref
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from sam2_core.errors import StackError
from sam2_core.inference.frames.contrast import Frame

logger = logging.getLogger(__name__)

T = TypeVar("T")

JPEG_SUFFIXES = (".jpg", ".jpeg")
TIFF_SUFFIXES = (".tif", ".tiff", ".ome.tif", ".btf", ".tf8", ".lsm", ".stk")
OTHER_IMAGE_SUFFIXES = (".png", ".bmp")

# What damaged image files make Pillow, tifffile and the codecs behind them raise.
READ_ERRORS = (
    OSError,
    ValueError,
    RuntimeError,
    TypeError,
    LookupError,
    SyntaxError,
    EOFError,
    struct.error,
    zlib.error,
)


def read_image_file(path: Path) -> Frame:
    """Return the single image in a file as (H, W) or (H, W, C); RGBA loses its alpha, palettes become RGB.

    Raises
    ------
    StackError
        The file is missing, damaged, or a TIFF with more than one image.
    """
    if not path.is_file():
        raise StackError(f"{path} does not exist or is not a file")
    if not path.name.lower().endswith(TIFF_SUFFIXES):
        return _reading(path, lambda: _pillow_file(path))
    pages = TiffFrames(path)
    if len(pages) != 1:
        raise StackError(f"{path} holds {len(pages)} images; pass the file itself to read it as a stack")
    return pages[0]


def image_paths(folder: Path) -> list[Path]:
    """Return the images of one kind in a folder, sorted by number, or naturally (t2 before t10) where names hold text.

    JPEG comes before PNG and PNG before TIFF where a folder mixes them; a warning says so.

    Raises
    ------
    StackError
        The folder holds no images, or is a zarr store.
    """
    if folder.suffix == ".zarr" or (folder / ".zarray").exists() or (folder / "zarr.json").exists():
        raise StackError(f"{folder} is a zarr store; open it with zarr.open and pass the array")
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    kinds: Iterable[tuple[str, ...]] = (JPEG_SUFFIXES, OTHER_IMAGE_SUFFIXES, TIFF_SUFFIXES)
    found = [images for kind in kinds if (images := [path for path in files if path.name.lower().endswith(kind)])]
    if not found:
        raise StackError(f"{folder} holds no JPEG, PNG or TIFF images ({len(files)} other files)")
    if len(found) > 1:
        logger.warning(
            "%s mixes kinds of images; only its %d %s files are used", folder, len(found[0]), found[0][0].suffix
        )
    return _sorted_by_name(found[0])


def _sorted_by_name(paths: list[Path]) -> list[Path]:
    if all(path.stem.isdecimal() for path in paths):
        return sorted(paths, key=lambda path: (int(path.stem), path.name))
    return sorted(paths, key=_natural_key)


def _natural_key(path: Path) -> list[tuple[int, str]]:
    """Return the name as text and numbers by turns, so that t2 comes before t10."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


class TiffFrames:
    """Frames of a TIFF file, one at a time: mapped where the pixels lie in one piece, else page by page."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _reading(path, lambda: tifffile.TiffFile(path))
        weakref.finalize(self, self._file.close)
        planes, axes, lengths = _reading(path, self._find_planes)
        self._planes: Any = planes
        self._samples_first = axes.startswith("S")
        if sorted(axes) not in (["X", "Y"], ["S", "X", "Y"]):
            raise StackError(
                f"{path}: planes with the axes {axes} cannot be read; convert the file to a plain multi-page TIFF"
            )
        self._table = _plane_table(lengths, path)

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, index: int) -> Frame:
        return _reading(self._path, lambda: self._read(index), f" at frame {index}")

    def _read(self, index: int) -> Frame:
        planes = [self._plane(number) for number in self._table[index]]
        return planes[0] if len(planes) == 1 else np.stack(planes, axis=-1)

    def _plane(self, number: int) -> Frame:
        page = self._planes[number]
        plane = np.array(page) if isinstance(page, np.ndarray) else page.asarray()
        return np.moveaxis(plane, 0, -1) if self._samples_first else plane

    def _find_planes(self) -> tuple[Any, str, list[tuple[str, int]]]:
        """Return the planes by number, the axes of one, and the name and length of each axis that counts them."""
        series = self._file.series
        if not series:
            raise StackError(f"{self._path} holds no images")
        self._check_chain()
        first, page = series[0], series[0].keyframe
        if len(series) > 1 and all(other.shape == first.shape and other.ndim == page.ndim for other in series):
            return [other.keyframe for other in series], page.axes, [("T", len(series))]
        lengths = list(zip(first.axes, first.shape, strict=True))[: first.ndim - page.ndim]
        expected = int(np.prod([length for _, length in lengths], dtype=int))
        if first.dataoffset is not None:
            mapped = tifffile.memmap(self._path, mode="r")
            return mapped.reshape(expected, *page.shape), page.axes, lengths
        if len(first.pages) != expected:
            raise StackError(
                f"{self._path} names {expected} images but holds {len(first.pages)}; the file is incomplete"
            )
        return first.pages, page.axes, lengths

    def _check_chain(self) -> None:
        """Raise where the chain of images breaks off: each names the place of the next one, the last one names 0."""
        pages, layout = self._file.pages, self._file.tiff
        count = len(pages)  # follows the chain to its end
        self._file.filehandle.seek(pages.next_page_offset or 0)
        link = self._file.filehandle.read(layout.offsetsize)
        if len(link) < layout.offsetsize or struct.unpack(layout.offsetformat, link)[0] != 0:
            raise StackError(f"{self._path} breaks off after {count} images; the file is damaged or was cut short")


def _plane_table(lengths: list[tuple[str, int]], path: Path) -> npt.NDArray[np.intp]:
    """Return plane numbers as (frames, channels), from the axes that count the planes in the file."""
    numbers = np.arange(int(np.prod([length for _, length in lengths], dtype=int)))
    counted = [(axis, length) for axis, length in lengths if length > 1]
    numbers = numbers.reshape([length for _, length in counted])
    channel_axes = [position for position, (axis, _) in enumerate(counted) if axis == "C"]
    if len(counted) - len(channel_axes) > 1:
        text = ", ".join(f"{axis}: {length}" for axis, length in counted)
        raise StackError(f"{path} has several axes besides y and x ({text}); choose a plane of all but one first")
    numbers = np.moveaxis(numbers, channel_axes, [numbers.ndim - 1] * len(channel_axes))
    channels = counted[channel_axes[0]][1] if channel_axes else 1
    return numbers.reshape(-1, channels)


def _pillow_file(path: Path) -> Frame:
    with Image.open(path) as image:
        return _pixels(image)


def from_pillow(image: Image.Image) -> Frame:
    """Return a Pillow image as (H, W) or (H, W, 3); what is neither gray nor a plain number type becomes RGB.

    Raises
    ------
    StackError
        The image was opened from a file that is damaged.
    """
    return _reading(getattr(image, "filename", "") or "an image", lambda: _pixels(image))


def _pixels(image: Image.Image) -> Frame:
    if image.mode == "LA":
        image = image.convert("L")
    elif not (image.mode in ("1", "L", "I", "F", "RGB") or image.mode.startswith("I;16")):
        image = image.convert("RGB")
    return np.array(image)


def _reading(path: Path | str, read: Callable[[], T], where: str = "") -> T:
    try:
        return read()
    except StackError:
        raise
    except READ_ERRORS as error:
        raise StackError(f"{path} cannot be read{where}; it is damaged or not what its name says: {error}") from error
