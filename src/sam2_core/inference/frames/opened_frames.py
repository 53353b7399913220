"""Frames in, whatever holds them: a file or folder, an array, a list, anything with length and index.

`open_frames` finds out what it was given and returns an `OpenedFrames`: a frame source that reads one frame when it is
asked for it, checks it (shape, type, the size of the first frame), and keeps none. It also knows the contrast limits of
the whole stack: given, or estimated once, on first use, from at most 16 evenly spaced frames.
`OpenedFrames.read_rgb` gives a frame the way the model wants it, with three channels in a fixed range.

Not here: files are read by `stored_images`; axes beyond (T, H, W, C) are chosen by the caller; resizing lives in
`transforms`. No torch is needed.
"""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from sam2_core.errors import StackError
from sam2_core.inference.frames.contrast import (
    MAX_CHANNELS,
    Frame,
    LimitPairs,
    Rgb,
    check_frame,
    estimate_limits,
    frame_to_rgb,
    parse_limits,
    sampled_indices,
    with_colour_channels,
)
from sam2_core.inference.frames.picture_files import picture_as_array
from sam2_core.inference.frames.reading import reading
from sam2_core.inference.frames.stored_images import StoredImages, open_images, read_plane, without_alpha
from sam2_core.inference.frames.video_file import VideoFrames

_log = logging.getLogger(__name__)


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


@dataclass(frozen=True, slots=True)
class _Reader:
    """Unchecked frames of anything, by index; `frame_shape` is there where it is known before a frame is read."""

    read: Callable[[int], object]
    count: int
    frame_shape: tuple[int, ...] | None = None
    may_read_ahead: bool = True


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
        self._limits: LimitPairs | None = None
        self._limits_known = False
        self._lock = threading.RLock()
        if reader.count == 0:
            raise StackError("the stack is empty: it has no frames")
        self._first: tuple[tuple[int, ...], np.dtype[Any]] | None = None
        shape: tuple[int, ...] = reader.frame_shape or self[0].shape
        self.height, self.width = shape[:2]

    def __len__(self) -> int:
        """Return the number of frames."""
        return self._reader.count

    @property
    def may_read_ahead(self) -> bool:
        """Whether a frame may be read before those in front of it were looked at; a source can say that it may not."""
        return self._reader.may_read_ahead

    def __iter__(self) -> Iterator[Frame]:
        """Read the frames one after the other."""
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Frame:
        """Return one frame as it is stored, (H, W) or (H, W, C), C from 2 to 4; a negative index counts from the end.

        Raises
        ------
        StackError
            The frame cannot be read, or differs in size, channels or type from the first one that was read.
        IndexError
            There is no such frame.
        """
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(f"frame {index} does not exist; the stack has {len(self)} frames")
        with self._lock:
            with reading(f"frame {number}"):
                frame = check_frame(as_array(self._reader.read(number)), f"frame {number}")
            frame = frame.astype(frame.dtype.newbyteorder("="), copy=False)
            self._check_like_first(frame, number)
        return frame

    @property
    def contrast_limits(self) -> LimitPairs | None:
        """The (low, high) of each channel for the whole stack; None for uint8 frames shown as they are."""
        with self._lock:
            if not self._limits_known:
                self._limits = self._given_limits or self._estimated_limits()
                self._limits_known = True
        return self._limits

    def read_rgb(self, index: int) -> Rgb:
        """Return one frame as (H, W, 3): uint8 as stored, or float32 in [0, 1] by the stack's contrast limits."""
        return frame_to_rgb(self[index], self.contrast_limits)

    def _estimated_limits(self) -> LimitPairs | None:
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


def open_frames(
    source: object, *, contrast_limits: object = None, axes: str | None = None, scene: int | str | None = None
) -> OpenedFrames:
    """Return the frames of `source`, read when needed and never all held.

    Parameters
    ----------
    source
        The path of a TIFF (also .stk and .lsm), .npy, picture or video file (or the bytes of a video; needs the `video`
        extra), or of a folder of JPEG, PNG, BMP or TIFF images (sorted by number when all names are numbers, else
        naturally); a list or tuple of arrays, tensors, Pillow images or paths; an array (T, H, W) or (T, H, W, C), C
        from 1 to 4, of numpy, torch, dask, zarr or anything else with `shape` and `[i]`; any object with `len` and
        `[i]`, such as `napari_sam2.stacks.open_stack(path).movie()`, which reads zarr stores and chooses axes too.
    contrast_limits
        (low, high), or one pair per channel, for all frames. None: uint8 is shown as it is, other types by the 0.1 and
        99.9 percentiles of up to 16 frames; a source that has an attribute of this name is believed. NaN and infinity
        are black and count for nothing.
    axes
        One letter of TZCYXS per dimension of a file, where it does not say them or says them wrongly; T or Z may be
        longer than 1, not both.
    scene
        Number or name of the image series of a TIFF that holds several.

    Raises
    ------
    StackError
        Nothing there, nothing in it, several series and none chosen, axes or channels that cannot be interpreted, or an
        unreadable file.
    """
    if isinstance(source, str | os.PathLike):
        return OpenedFrames(_open_path(Path(source), scene, axes), contrast_limits)
    if axes is not None or scene is not None:
        raise StackError(
            f"axes and scene say how a file is read; a {type(source).__name__} is indexed before it is given"
        )
    if contrast_limits is None:
        if isinstance(source, OpenedFrames):
            return source
        contrast_limits = _told(source, "contrast_limits", None)
    return OpenedFrames(_reader(source), contrast_limits)


def _told(source: object, name: str, otherwise: object) -> Any:
    """Return what an object that a caller brought says about itself, if it says anything."""
    return getattr(source, name, otherwise)


def as_array(item: Any) -> Frame:
    """Return one frame as a numpy array, from an array, tensor, Pillow image, path, or anything numpy understands.

    Raises
    ------
    StackError
        The item is none of these, or its file cannot be read.
    """
    if isinstance(item, str | os.PathLike):
        return _read_image_file(Path(item))
    if hasattr(item, "detach"):  # a tensor, on whatever device
        item = item.detach().cpu()
        return np.asarray(item.float() if "bfloat16" in str(item.dtype) else item)
    if isinstance(item, Image.Image):
        name = str(_told(item, "filename", "") or "an image")
        with reading(name):
            return without_alpha(picture_as_array(item))
    try:
        return np.asarray(item)
    except (TypeError, ValueError) as error:
        raise StackError(f"a frame of type {type(item).__name__} cannot be read as an array: {error}") from error


def _open_stored(images: StoredImages, axes: str, path: Path) -> _Reader:
    """Return the frames of a file with named axes: one axis may count them, channels (C) and samples (S) go last."""
    axes = "".join(axis if axes.index(axis) == place else str(place) for place, axis in enumerate(axes))  # one of each
    sizes = list(zip(axes, images.data.shape, strict=True))
    counting = [(axis, size) for axis, size in sizes if axis not in "YXSC" and size > 1]
    if len(counting) > 1:
        text = ", ".join(f"{axis}: {size}" for axis, size in counting)
        raise StackError(f"{path} has several axes besides y and x ({text}); choose a plane of all but one first")
    axis, count = counting[0] if counting else ("", 1)
    held, channels = {other: 0 for other, _ in sizes if other not in "YXS"}, dict(sizes).get("C", 1)
    if count == 1 < channels:
        hint = axes.replace("C", "T")
        _log.warning("%s is one frame of %d channels; if these are frames, say so: axes=%r", path, channels, hint)

    def read(index: int) -> Frame:
        places = (held | {axis: index, "C": channel} for channel in range(channels))
        planes = [read_plane(images.data, axes, place, f"{path}: frame {index}") for place in places]
        return planes[0] if len(planes) == 1 else np.stack(planes, axis=-1)

    return _Reader(read, count)


def _open_array(array: Any) -> _Reader:
    """Return the frames of an array-like (T, H, W[, C]); only `shape`, `[i]` and one frame's conversion are used."""
    shape = tuple(int(side) for side in array.shape)
    if len(shape) not in (3, 4):
        hint = "; choose one position on the other axes first" if len(shape) > 4 else "; add the missing axis"
        raise StackError(f"an array of {len(shape)} axes, shape {shape}, is not (T, H, W) or (T, H, W, C){hint}")
    if len(shape) == 3 and 0 < shape[2] <= MAX_CHANNELS and _told(array, "width", None) != shape[2]:
        raise StackError(
            f"shape {shape} looks like one image with channels; pass array[None] for a stack of one frame, or, for "
            f"frames that are {shape[2]} px wide, array[..., None]"
        )
    if len(shape) == 4 and not 1 <= shape[3] <= MAX_CHANNELS:
        first_is_small = shape[1] <= MAX_CHANNELS
        hint = "move the channels to the end" if first_is_small else "choose one position on the other axis first"
        raise StackError(f"shape {shape} is not (T, H, W, C) with 1 to {MAX_CHANNELS} channels; {hint}")
    return _Reader(array.__getitem__, shape[0], shape[1:], bool(_told(array, "may_read_ahead", True)))


def _open_path(path: Path, scene: int | str | None = None, axes: str | None = None) -> _Reader:
    images = open_images(path.expanduser(), scene, axes)
    if images.tiff is not None and path.is_dir():
        in_a_file = zip(images.tiff.axes, images.tiff.shape, strict=True)
        count = math.prod(size for axis, size in in_a_file if axis not in "YXSC")
        if count > 1:
            raise StackError(f"a file of {path} holds {count} images; pass the file itself to read it as a stack")
    letters = images.axes if axes is None else _checked_axes(axes, images.data.shape, path)
    return _open_array(images.data) if letters is None else _open_stored(images, letters, path)


def _checked_axes(axes: str, shape: tuple[int, ...], path: Path) -> str:
    letters = axes.upper().strip()
    if len(letters) != len(shape) or len(set(letters)) < len(letters) or not set("YX") <= set(letters) <= set("TZCYXS"):
        raise StackError(
            f"axes {axes!r} do not fit {path} of shape {tuple(shape)}; give each of the letters T, Z, C, Y, X, S at "
            "most once, one per dimension, Y and X among them"
        )
    return letters


def _read_image_file(path: Path) -> Frame:
    if not path.is_file():
        raise StackError(f"{path} does not exist or is not a file")
    frames = _open_path(path)
    if frames.count != 1:
        raise StackError(f"{path} holds {frames.count} images; pass the file itself to read it as a stack")
    return np.asarray(frames.read(0))


def _reader(source: Any) -> _Reader:
    if isinstance(source, OpenedFrames):
        return source._reader
    if isinstance(source, bytes):
        video = VideoFrames(source)
        return _Reader(video.__getitem__, len(video))
    if isinstance(source, Image.Image):
        raise StackError("a single image is not a stack; pass a list of images")
    if hasattr(source, "__getitem__") and hasattr(source, "shape"):
        return _open_array(source)
    if hasattr(source, "__getitem__") and hasattr(source, "__len__") and not isinstance(source, dict):
        return _Reader(source.__getitem__, len(source), None, bool(_told(source, "may_read_ahead", True)))
    raise StackError(
        f"{type(source).__name__} cannot be read as frames; pass a folder, a video or TIFF file, an array (T, H, W) or "
        "(T, H, W, C), a list of images, or an object with len() and [i]"
    )
