"""Frames in, whatever holds them: a folder, a video or TIFF file, an array, a list, or anything with a length and an index.

`open_frames` finds out what it was given and returns an `OpenedFrames`: a frame source that reads one frame when it is asked for
it, checks it (shape, type, finite values, the size of the first frame), and keeps none. It also knows the contrast limits of the
whole stack: given, or estimated once, on first use, from at most 16 evenly spaced frames. `read_rgb` gives a frame the way the
model wants it, with three channels in a fixed range.

Not here: axes beyond (T, H, W, C) are chosen by the caller; resizing lives in `transforms`.
"""

from __future__ import annotations

import logging
import os
import re
import struct
import threading
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import tifffile
from PIL import Image
from torch import Tensor, bfloat16

from sam2_core.errors import StackError
from sam2_core.inference.intensity import (
    MAX_CHANNELS,
    ContrastLimits,
    Frame,
    check_frame,
    estimate_limits,
    frame_to_rgb,
    parse_limits,
    sampled_indices,
    with_colour_channels,
)
from sam2_core.inference.transforms import Rgb
from sam2_core.inference.video_file import VideoFrames

__all__ = ["FrameSource", "OpenedFrames", "frame_to_rgb", "open_frames", "read_image_file", "read_rgb"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

JPEG_SUFFIXES = (".jpg", ".jpeg")
TIFF_SUFFIXES = (".tif", ".tiff", ".ome.tif", ".btf", ".tf8", ".lsm", ".stk")
OTHER_IMAGE_SUFFIXES = (".png", ".bmp")
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".gif")

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


@runtime_checkable
class FrameSource(Protocol):
    """Frames of one size by index, read when needed."""

    height: int
    width: int

    def __len__(self) -> int:
        """Return the number of frames."""
        ...

    def __getitem__(self, index: int, /) -> Frame:
        """Return one frame, (H, W) or (H, W, C)."""
        ...


class _Reader(Protocol):
    """What `OpenedFrames` reads from: unchecked frames of any kind by index."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...


class OpenedFrames:
    """Checked frames of one size, one at a time, with the contrast limits of the whole stack.

    Attributes
    ----------
    height, width
        Size of every frame in pixels.
    """

    def __init__(self, reader: _Reader, contrast_limits: object = None) -> None:
        self._reader = reader
        self._given_limits = parse_limits(contrast_limits)
        self._limits: ContrastLimits | None = None
        self._limits_known = False
        self._lock = threading.RLock()
        if len(reader) == 0:
            raise StackError("the stack is empty: it has no frames")
        shape = getattr(reader, "frame_shape", None)
        self._first: tuple[tuple[int, ...], np.dtype[Any]] | None = None
        self.height, self.width = (shape if shape is not None else self[0].shape)[:2]

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._reader)

    def __iter__(self) -> Iterator[Frame]:
        """Read the frames one after the other."""
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Frame:
        """Return one frame as it is stored, (H, W) or (H, W, C) with C from 2 to 4; negative indices count from the end.

        Raises
        ------
        StackError
            The frame cannot be read, holds NaN, or differs in size, channels or type from the first one that was read.
        IndexError
            There is no such frame.
        """
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(f"frame {index} does not exist; the stack has {len(self)} frames")
        with self._lock:
            frame = check_frame(as_array(self._reader[number]), f"frame {number}")
            frame = frame.astype(frame.dtype.newbyteorder("="), copy=False)
            self._check_like_first(frame, number)
        return frame

    @property
    def contrast_limits(self) -> ContrastLimits | None:
        """The (low, high) of each channel for the whole stack; None for uint8 frames shown as they are."""
        with self._lock:
            if not self._limits_known:
                self._limits = self._given_limits or self._estimated_limits()
                self._limits_known = True
        return self._limits

    def read_rgb(self, index: int) -> Rgb:
        """Return one frame as (H, W, 3): uint8 as stored, or float32 in [0, 1] by the stack's contrast limits."""
        return frame_to_rgb(self[index], self.contrast_limits)

    def _estimated_limits(self) -> ContrastLimits | None:
        if self[0].dtype == np.uint8:
            return None
        return estimate_limits(with_colour_channels(self[index]) for index in sampled_indices(len(self)))

    def _check_like_first(self, frame: Frame, number: int) -> None:
        if self._first is None:
            self._first = frame.shape, frame.dtype
        shape, dtype = self._first
        if frame.shape != shape:
            raise StackError(
                f"frame {number} has the shape {frame.shape}, others {shape}; all frames must have the same size"
            )
        if frame.dtype != dtype:
            raise StackError(
                f"frame {number} has the type {frame.dtype}, others {dtype}; convert the stack to one type"
            )


def open_frames(source: object, *, contrast_limits: object = None) -> OpenedFrames:
    """Return the frames of `source`, read when needed and never all held.

    Parameters
    ----------
    source
        A folder of JPEG, PNG or TIFF images (sorted by number when all names are numbers, else naturally); a video file (or its
        bytes; needs the `video` extra); a TIFF file of many pages; a list or tuple of arrays, tensors, Pillow images or paths; an
        array (T, H, W) or (T, H, W, C), C from 1 to 4, of numpy, torch, dask, zarr or anything else with `shape` and `[i]`; any
        object with `len` and `[i]`.
    contrast_limits
        (low, high), or one pair per channel, for all frames. None: uint8 is shown as it is, other types by the 0.1 and 99.9
        percentiles of up to 16 frames.

    Raises
    ------
    StackError
        Nothing there, nothing in it, axes or channels that cannot be interpreted, or an unreadable file.
    """
    if isinstance(source, OpenedFrames):
        return source if contrast_limits is None else OpenedFrames(source._reader, contrast_limits)
    if isinstance(source, str | os.PathLike):
        return OpenedFrames(_open_path(Path(source)), contrast_limits)
    if isinstance(source, bytes):
        return OpenedFrames(VideoFrames(source), contrast_limits)
    if isinstance(source, Image.Image):
        raise StackError("a single image is not a stack; pass a list of images")
    if hasattr(source, "shape") and hasattr(source, "__getitem__"):
        return OpenedFrames(_ArrayFrames(source), contrast_limits)
    if hasattr(source, "__len__") and hasattr(source, "__getitem__") and not isinstance(source, dict):
        return OpenedFrames(source, contrast_limits)
    raise StackError(
        f"{type(source).__name__} cannot be read as frames; pass a folder, a video or TIFF file, an array (T, H, W[, C]), a list of "
        "images, or an object with len() and [i]"
    )


def read_rgb(frames: FrameSource, index: int) -> Rgb:
    """Return one frame of any source as (H, W, 3), uint8 or float32 in [0, 1], by the source's contrast limits if it has any."""
    return frame_to_rgb(frames[index], getattr(frames, "contrast_limits", None))


def as_array(item: Any) -> Frame:
    """Return one frame as a numpy array, from an array, tensor, Pillow image, path, or anything numpy can turn into one.

    Raises
    ------
    StackError
        The item is none of these, or its file cannot be read.
    """
    if isinstance(item, str | os.PathLike):
        return read_image_file(Path(item))
    if isinstance(item, Tensor):
        item = item.detach().cpu()
        return np.asarray(item.float() if item.dtype == bfloat16 else item)
    if isinstance(item, Image.Image):
        return _from_pillow(item)
    try:
        return np.asarray(item)
    except (TypeError, ValueError) as error:
        raise StackError(f"a frame of type {type(item).__name__} cannot be read as an array: {error}") from error


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
    pages = _TiffFrames(path)
    if len(pages) != 1:
        raise StackError(f"{path} holds {len(pages)} images; pass the file itself to read it as a stack")
    return pages[0]


class _ArrayFrames:
    """Frames of an array-like (T, H, W[, C]): only `shape`, `[i]` and one frame's conversion are used."""

    def __init__(self, array: Any) -> None:
        shape = tuple(int(side) for side in array.shape)
        if len(shape) not in (3, 4):
            hint = "; choose one position on the other axes first" if len(shape) > 4 else "; add the missing axis"
            raise StackError(f"an array of {len(shape)} axes, shape {shape}, is not (T, H, W) or (T, H, W, C){hint}")
        if len(shape) == 3 and 0 < shape[2] <= MAX_CHANNELS:
            raise StackError(
                f"shape {shape} looks like one image with channels; pass array[None] for a stack of one frame"
            )
        if len(shape) == 4 and not 1 <= shape[3] <= MAX_CHANNELS:
            hint = (
                "move the channels to the end"
                if shape[1] <= MAX_CHANNELS
                else "choose one position on the other axis first"
            )
            raise StackError(f"shape {shape} is not (T, H, W, C) with 1 to {MAX_CHANNELS} channels; {hint}")
        self._array = array
        self._length = shape[0]
        self.frame_shape = shape[1:]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Any:
        return self._array[index]


class _TiffFrames:
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


def _plane_table(lengths: list[tuple[str, int]], path: Path) -> np.ndarray[Any, np.dtype[np.intp]]:
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


def _open_path(path: Path) -> _Reader:
    name = path.name.lower()
    if path.is_dir():
        return _folder(path)
    if not path.exists():
        raise StackError(f"{path} does not exist")
    if name.endswith(TIFF_SUFFIXES):
        return _TiffFrames(path)
    if name.endswith(VIDEO_SUFFIXES):
        return VideoFrames(path)
    if name.endswith(JPEG_SUFFIXES + OTHER_IMAGE_SUFFIXES):
        return [path]
    known = " ".join(TIFF_SUFFIXES + VIDEO_SUFFIXES)
    raise StackError(f"{path} is of no known kind; pass a folder of images, one of {known}, or an array")


def _folder(folder: Path) -> list[Path]:
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


def _pillow_file(path: Path) -> Frame:
    with Image.open(path) as image:
        return _from_pillow(image)


def _from_pillow(image: Image.Image) -> Frame:
    """Return a Pillow image as (H, W) or (H, W, 3); what is neither gray nor a plain number type becomes RGB."""
    if image.mode == "LA":
        image = image.convert("L")
    elif not (image.mode in ("1", "L", "I", "F", "RGB") or image.mode.startswith("I;16")):
        image = image.convert("RGB")
    return np.array(image)


def _reading(path: Path, read: Callable[[], T], where: str = "") -> T:
    try:
        return read()
    except StackError:
        raise
    except READ_ERRORS as error:
        raise StackError(f"{path} cannot be read{where}; it is damaged or not what its name says: {error}") from error
