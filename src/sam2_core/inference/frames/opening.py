"""Frames in, whatever holds them: a folder, a video or TIFF file, an array, a list, anything with length and index.

`open_frames` finds out what it was given and returns an `OpenedFrames`: a frame source that reads one frame when it is
asked for it, checks it (shape, type, finite values, the size of the first frame), and keeps none. It also knows the
contrast limits of the whole stack: given, or estimated once, on first use, from at most 16 evenly spaced frames.
`read_rgb` gives a frame the way the model wants it, with three channels in a fixed range.

Not here: axes beyond (T, H, W, C) are chosen by the caller; resizing lives in `transforms`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from PIL import Image
from torch import Tensor, bfloat16

from sam2_core.errors import StackError
from sam2_core.inference.frames.contrast import (
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
from sam2_core.inference.frames.picture_files import (
    JPEG_SUFFIXES,
    OTHER_IMAGE_SUFFIXES,
    TIFF_SUFFIXES,
    TiffFrames,
    from_pillow,
    image_paths,
    read_image_file,
)
from sam2_core.inference.frames.video_file import VideoFrames
from sam2_core.inference.transforms import Rgb

__all__ = ["FrameSource", "OpenedFrames", "frame_to_rgb", "open_frames", "read_image_file", "read_rgb"]

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".gif")


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

    @property
    def may_read_ahead(self) -> bool:
        """Whether a frame may be read before those in front of it were looked at; a source can say that it may not."""
        return bool(getattr(self._reader, "may_read_ahead", True))

    def __iter__(self) -> Iterator[Frame]:
        """Read the frames one after the other."""
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Frame:
        """Return one frame as it is stored, (H, W) or (H, W, C), C from 2 to 4; a negative index counts from the end.

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
        A folder of JPEG, PNG or TIFF images (sorted by number when all names are numbers, else naturally); a video file
        (or its bytes; needs the `video` extra); a TIFF file of many pages; a list or tuple of arrays, tensors, Pillow
        images or paths; an array (T, H, W) or (T, H, W, C), C from 1 to 4, of numpy, torch, dask, zarr or anything else
        with `shape` and `[i]`; any object with `len` and `[i]`.
    contrast_limits
        (low, high), or one pair per channel, for all frames. None: uint8 is shown as it is, other types by the 0.1 and
        99.9 percentiles of up to 16 frames; a source that has an attribute of this name is believed.

    Raises
    ------
    StackError
        Nothing there, nothing in it, axes or channels that cannot be interpreted, or an unreadable file.
    """
    if contrast_limits is None:
        if isinstance(source, OpenedFrames):
            return source
        contrast_limits = getattr(source, "contrast_limits", None)
    return OpenedFrames(_reader(source), contrast_limits)


def read_rgb(frames: FrameSource, index: int) -> Rgb:
    """Return one frame of any source as (H, W, 3), uint8 or float32 in [0, 1], by the contrast limits that it knows."""
    return frame_to_rgb(frames[index], getattr(frames, "contrast_limits", None))


def as_array(item: Any) -> Frame:
    """Return one frame as a numpy array, from an array, tensor, Pillow image, path, or anything numpy understands.

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
        return from_pillow(item)
    try:
        return np.asarray(item)
    except (TypeError, ValueError) as error:
        raise StackError(f"a frame of type {type(item).__name__} cannot be read as an array: {error}") from error


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
        self.may_read_ahead = getattr(array, "may_read_ahead", True)
        self.frame_shape = shape[1:]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Any:
        return self._array[index]


def _open_path(path: Path) -> _Reader:
    name = path.name.lower()
    if path.is_dir():
        return image_paths(path)
    if not path.exists():
        raise StackError(f"{path} does not exist")
    if name.endswith(TIFF_SUFFIXES):
        return TiffFrames(path)
    if name.endswith(VIDEO_SUFFIXES):
        return VideoFrames(path)
    if name.endswith(JPEG_SUFFIXES + OTHER_IMAGE_SUFFIXES):
        return [path]
    known = " ".join(TIFF_SUFFIXES + VIDEO_SUFFIXES)
    raise StackError(f"{path} is of no known kind; pass a folder of images, one of {known}, or an array")


def _reader(source: Any) -> _Reader:
    if isinstance(source, OpenedFrames):
        return source._reader
    if isinstance(source, str | os.PathLike):
        return _open_path(Path(source))
    if isinstance(source, bytes):
        return VideoFrames(source)
    if isinstance(source, Image.Image):
        raise StackError("a single image is not a stack; pass a list of images")
    if hasattr(source, "shape") and hasattr(source, "__getitem__"):
        return _ArrayFrames(source)
    if hasattr(source, "__len__") and hasattr(source, "__getitem__") and not isinstance(source, dict):
        return source
    raise StackError(
        f"{type(source).__name__} cannot be read as frames; pass a folder, a video or TIFF file, an array (T, H, W) or "
        "(T, H, W, C), a list of images, or an object with len() and [i]"
    )
