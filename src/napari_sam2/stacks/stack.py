"""A stack with named axes, and the movie that a person tracks in it.

`open_stack` opens a source, settles its axes and returns a `Stack`. `Stack.movie` chooses the tracked axis, holds the
other axes fixed, picks channels, and returns a `Movie`: `len` and `[i]`, one plane at a time, read when asked for.
Intensities stay as they are in the file (see `intensity` for what the model gets).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from napari_sam2.stacks.axes import fix_axes, pick_track_axis, resolve_axes
from napari_sam2.stacks.metadata import Calibration
from napari_sam2.stacks.sources import open_source
from sam2_core.errors import StackError
from sam2_core.inference.frames.reading import reading
from sam2_core.inference.frames.stored_images import LazyArray, read_plane
from sam2_core.inference.frames.tiff_file import Index
from sam2_core.whole_numbers import whole_number

MOST_CHANNELS = 3
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stack:
    """An image stack of any source, with one letter per axis.

    Attributes
    ----------
    data
        The lazy array; indexing it reads.
    axes
        One letter of TZCYXS per dimension.
    name
        Name for people, usually that of the file.
    calibration
        Pixel size, units and channel names, where the file has them.
    path
        From where it can be opened again, None if it is in no file.
    scene
        Which image of that file it is, None if nothing had to be said.
    """

    data: LazyArray
    axes: str
    name: str
    calibration: Calibration = field(default_factory=Calibration)
    path: str | None = None
    scene: int | str | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes, in the order of `axes`."""
        return tuple(int(size) for size in self.data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of one pixel as stored."""
        return np.dtype(self.data.dtype)

    def read(self, index: Index) -> np.ndarray:
        """Return a part of the images: numbers on axes that count planes, numbers or slices on Y, X and S.

        Raises
        ------
        StackError
            If it cannot be read.
        """
        with reading(self.name):
            return np.asarray(self.data[index])

    def size(self, axis: str) -> int:
        """Return the number of positions along an axis, 1 if the stack does not have it."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    def movie(
        self,
        track_axis: str | None = None,
        channel: int | str | Sequence[int | str] | None = None,
        fixed: Mapping[str, int] | None = None,
    ) -> Movie:
        """Return the frames along one axis.

        Parameters
        ----------
        track_axis
            "T" or "Z"; by default T, or Z where there is no time.
        channel
            Index or name of a channel, or up to three of them; by default all where there are at most three.
        fixed
            Index of every other axis, for example {"Z": 3}; axes of size 1 need none.

        Raises
        ------
        StackError
            If an axis is left open, or an index, axis or channel does not exist.
        """
        tracked = pick_track_axis(self.axes, self.shape, track_axis)
        channels = self._channels(channel)
        held = fix_axes(self.axes, self.shape, "YXSC" + (tracked or ""), fixed or {})
        return Movie(self, tracked, channels, held)

    def _channels(self, wanted: int | str | Sequence[int | str] | None) -> tuple[int, ...]:
        """Return the channel indices to read; empty where the stack has no channel axis."""
        listed = None if wanted is None else _listed(wanted)
        if "C" not in self.axes:
            if listed not in (None, [], [0]):
                raise StackError(
                    f"{self.name} has no channel axis (axes {self.axes}), so channel {wanted} cannot be chosen."
                )
            return ()
        chosen = self._wanted_channels(listed)
        if "S" in self.axes and len(chosen) > 1:
            raise StackError(
                f"{self.name} has colour samples and {self.size('C')} channels; choose one, e.g. --channel 0."
            )
        if wanted is None and len(chosen) > 1:
            _log.info("%s: %d channels are mixed; choose with --channel 0%s.", self.name, len(chosen), self._or_axes())
        return chosen

    def _or_axes(self) -> str:
        """Return how channels are made frames, where nothing else could be the frames."""
        has_frames = self.size("T") > 1 or self.size("Z") > 1
        return "" if has_frames else f", or, if these are frames, say so with --axes {self.axes.replace('C', 'T')}"

    def _wanted_channels(self, listed: list[int | str] | None) -> tuple[int, ...]:
        count = self.size("C")
        if listed is None:
            listed = list(range(count))
        if not 1 <= len(listed) <= MOST_CHANNELS:
            raise StackError(
                f"{self.name} has {count} channels and {len(listed)} are chosen; choose 1 to {MOST_CHANNELS}, "
                f"for example --channel 0. If this axis is time, say so with --axes {self.axes.replace('C', 'T')}."
            )
        return tuple(self._channel_index(entry, count) for entry in listed)

    def _channel_index(self, wanted: int | str, count: int) -> int:
        names = self.calibration.channel_names
        index = names.index(wanted) if wanted in names else int(wanted) if str(wanted).isdigit() else -1
        if not 0 <= index < count:
            known = f" ({', '.join(names)})" if names else ""
            raise StackError(f"{self.name} has no channel {wanted!r}; its channels are 0 to {count - 1}{known}.")
        return index


class Movie:
    """Frames along one axis of a stack: `len(movie)` and `movie[i]` -> (H, W) or (H, W, C), as stored.

    An alpha sample is dropped. Each `[i]` reads from the source; nothing is kept.
    """

    def __init__(
        self, stack: Stack, track_axis: str | None, channels: tuple[int, ...], held: Mapping[str, int]
    ) -> None:
        self.stack = stack
        self.track_axis = track_axis
        self.channels = channels
        self.held = dict(held)
        self.height = stack.size("Y")
        self.width = stack.size("X")
        self.samples = stack.size("S") - (stack.size("S") in (2, 4))
        self._length = stack.size(track_axis) if track_axis else 1

    def __len__(self) -> int:
        return self._length

    @property
    def channel_count(self) -> int:
        """Number of channels of one frame: chosen channels, or colour samples."""
        return max(len(self.channels), self.samples)

    @property
    def is_colour(self) -> bool:
        """Whether the channels are the samples of one RGB image, to be scaled together."""
        return "S" in self.stack.axes and self.samples == 3

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W), or (T, H, W, C) where a frame has more than one channel."""
        tail = (self.channel_count,) if self.channel_count > 1 else ()
        return (len(self), self.height, self.width, *tail)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of one pixel as stored."""
        return self.stack.dtype

    def __getitem__(self, frame_index: int) -> np.ndarray:
        """Return frame `frame_index` as (H, W) or (H, W, C).

        Raises
        ------
        IndexError
            If there is no such frame.
        StackError
            If it cannot be decoded, or the index is no whole number.
        """
        number = whole_number(frame_index, f"frame of {self.stack.name}", StackError)
        position = number + (len(self) if number < 0 else 0)
        if not 0 <= position < len(self):
            raise IndexError(f"frame {frame_index} of {self.stack.name}, which has {len(self)}")
        planes = [self._read(position, channel) for channel in self.channels or (None,)]
        return planes[0] if len(planes) == 1 else np.stack(planes, axis=-1)  # (H, W) or (H, W, C)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))

    def _read(self, position: int, channel: int | None) -> np.ndarray:
        """Return one plane (H, W), or (H, W, samples) of a colour image."""
        place = self.held | {self.track_axis or "": position, "C": channel or 0}
        return read_plane(self.stack.data, self.stack.axes, place, f"Frame {position} of {self.stack.name}")


def _listed(wanted: int | str | Sequence[int | str]) -> list[int | str]:
    """Return channels as a list, of one or of several."""
    is_one = isinstance(wanted, str) or not isinstance(wanted, Iterable) or getattr(wanted, "ndim", 1) == 0
    return [cast("int | str", wanted)] if is_one else list(cast("Sequence[int | str]", wanted))


def open_stack(
    path_or_array: Any, axes: str | None = None, scene: int | str | None = None, indexed: bool = False
) -> Stack:
    """Return the stack behind a path or an array, opened lazily, with its axes settled.

    Parameters
    ----------
    path_or_array
        TIFF (also OME, ImageJ, .lsm, .stk), zarr, OME-Zarr, .npy, image or video file (with the `video` extra); a
        folder of images; numpy, dask or zarr array. But for zarr these are the files that `open_frames` reads.
    axes
        One letter of TZCYXS per dimension; wins over the metadata of the file.
    scene
        Which image series of a file that holds several: number or name, or the place inside a zarr store ("A/1/0").
    indexed
        Whether these are labels: pictures with a palette are read as their indices, and no planes as colours.

    Raises
    ------
    StackError
        If it cannot be read, is empty, is not an image type, its axes cannot be told, or it holds several series and
        none is chosen.
    """
    if axes is not None and not isinstance(axes, str):
        raise StackError(f"axes {axes!r:.200} cannot be used; give one letter per dimension in one word, as 'TYX'.")
    source = open_source(path_or_array, scene, axes, indexed)
    if any(size != size for size in source.data.shape):  # NaN, where dask does not know
        raise StackError(
            f"{source.name} does not know how many frames or rows it has (shape {source.data.shape}); call its "
            "compute_chunk_sizes() first."
        )
    shape = tuple(int(size) for size in source.data.shape)
    if len(shape) < 2 or min(shape) == 0:
        raise StackError(f"{source.name} is empty or not an image: its shape is {shape}; at least Y and X are needed.")
    dtype = np.dtype(source.data.dtype)
    if dtype.kind not in "buif":
        raise StackError(f"{source.name} has pixels of type {dtype}; whole or real numbers are needed.")
    if dtype.itemsize > 8:
        raise StackError(f"{source.name} has pixels of type {dtype}, which no image file holds; give float64 or less.")
    path = str(path_or_array) if isinstance(path_or_array, str | Path) else None
    letters = resolve_axes(shape, axes, source.axes, source.name)
    return Stack(source.data, letters, source.name, source.calibration, path, None if path is None else scene)
