"""A person's images and labels, split into what is trained on and what is held out.

Frames without any label count as not annotated and are left out. What remains is a *movie* (objects keep their label
value from frame to frame) of which the last share of frames is held out, or *stills* of which every n-th is held out:
which of them follows from the labels unless it is said. Contrast is stretched once for all, and objects larger than
`MAX_DIAMETER_PX` are shrunk to it, as in every training pack.

Order: check shapes -> read the labels -> keep the labelled frames -> movie or stills -> hold out -> read and shrink
the images. Images and labels may be arrays or anything with `len` and `[i]`; each frame is read once or twice.
Nothing here draws windows or changes intensities over time: see `clip_windows` and `augment`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from sam2_core.errors import StackError
from sam2_core.scoring.ground_truth import LEAST_AREA_PX, evenly, median_diameter
from sam2_core.training.pack import (
    CONTRAST_PERCENTILES,
    GRAY_WEIGHTS,
    MAX_DIAMETER_PX,
    Record,
    RecordInfo,
    TrainingPack,
    stretched,
)

logger = logging.getLogger(__name__)

Kind = Literal["auto", "movie", "stills"]
SAME_OBJECT_SHARE = 0.5  # of the pixels labelled on two frames in a row: with more of equal value it is a movie
_SAMPLED_FRAMES, _SAMPLED_PIXELS = 16, 250_000
_MOST_IDS = 65_535


class StackFrames(Protocol):
    """Frames one after another: (H, W) or (H, W, C)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """How frames are held out.

    kind: `movie`, `stills`, or `auto` to tell from the labels. share: of a movie's labelled frames, the last ones (of a
    short movie up to a third).
    every: of stills, each n-th from the last one backward.
    """

    kind: Kind = "auto"
    share: float = 0.2
    every: int = 5


@dataclass(frozen=True, slots=True)
class LabelledStack:
    """What is trained on and what is held out.

    training: the pack. held_out: one record of the frames that are never trained on. is_movie: whether objects keep
    their label value. training_frames, held_out_frames: indices in the source. source_shape: (T, H, W) of it.
    objects: labelled objects of all frames together.
    """

    training: TrainingPack
    held_out: Record
    is_movie: bool
    training_frames: tuple[int, ...]
    held_out_frames: tuple[int, ...]
    source_shape: tuple[int, int, int]
    objects: int


def split_stack(images: StackFrames, labels: StackFrames, settings: SplitSettings | None = None) -> LabelledStack:
    """Images (T, H, W[, C]) and labels (T, H, W) as a training pack and held-out frames.

    Raises
    ------
    StackError
        If shapes differ, labels are no whole numbers, all objects share one value, fewer than two frames are
        labelled, or no object is large enough.
    """
    chosen = settings or SplitSettings()
    height, width = _checked_sizes(images, labels)
    frames, planes = _labelled_planes(labels)
    _refuse_semantic_labels(planes)
    is_movie = chosen.kind == "movie" or (chosen.kind == "auto" and _keeps_ids(planes))
    if chosen.kind == "auto":
        logger.info("%d labelled frames are taken as %s", len(frames), "a movie" if is_movie else "stills")
    record = _record(images, frames, planes)
    held = _held_out(len(frames), is_movie, chosen)
    kept = [index for index in range(len(frames)) if index not in set(held)]
    parts = [_part(record, kept)] if is_movie else [_part(record, [index]) for index in kept]
    return LabelledStack(
        training=TrainingPack(_with_objects(parts)),
        held_out=_with_objects([_part(record, held)])[0],
        is_movie=is_movie,
        training_frames=tuple(frames[index] for index in kept),
        held_out_frames=tuple(frames[index] for index in held),
        source_shape=(len(labels), height, width),
        objects=sum(int(np.unique(plane).size) - int((plane == 0).any()) for plane in planes),
    )


def _checked_sizes(images: StackFrames, labels: StackFrames) -> tuple[int, int]:
    if len(images) != len(labels) or len(labels) == 0:
        raise StackError(
            f"there are {len(images)} image frames and {len(labels)} label frames; give as many of each, at least two "
            "(if an axis was misread, name the axes)"
        )
    image, label = np.shape(images[0]), np.shape(labels[0])
    if len(image) not in (2, 3) or len(label) != 2 or image[:2] != label:
        raise StackError(
            f"an image frame is {_by(image)} and a label frame {_by(label)}; labels must have the height and width of "
            "the images, one whole number per pixel"
        )
    return int(label[0]), int(label[1])


def _by(shape: Sequence[int]) -> str:
    return " x ".join(str(size) for size in shape)


def _labelled_planes(labels: StackFrames) -> tuple[list[int], list[NDArray[np.uint16]]]:
    """Indices and labels (H, W) of the frames that have any, numbered anew where a value exceeds 16 bit."""
    frames, planes = [], []
    for index in range(len(labels)):
        plane = np.asarray(labels[index])
        if plane.any():
            frames.append(index)
            planes.append(_whole_numbers(plane, index))
    if len(frames) < 2:
        raise StackError(
            f"{len(frames)} of {len(labels)} label frames hold objects; at least two are needed, one of them to "
            "validate on"
        )
    if max(int(plane.max()) for plane in planes) <= _MOST_IDS:
        return frames, [plane.astype(np.uint16) for plane in planes]
    ids = np.unique(np.concatenate([np.unique(plane) for plane in planes] + [np.zeros(1, np.int64)]))
    if ids.size > _MOST_IDS + 1:
        raise StackError(f"the labels hold {ids.size - 1} different values, more than {_MOST_IDS}; give fewer frames")
    return frames, [np.searchsorted(ids, plane).astype(np.uint16) for plane in planes]


def _whole_numbers(plane: NDArray[Any], frame: int) -> NDArray[np.int64]:
    whole = plane.astype(np.int64)
    if plane.dtype.kind == "f" and not np.array_equal(whole, plane):
        raise StackError(f"label frame {frame} holds fractions; labels are whole numbers, 0 outside. Is it an image?")
    if whole.min() < 0:
        raise StackError(f"label frame {frame} holds {whole.min()}; labels are whole numbers from 0, 0 outside")
    return whole


def _refuse_semantic_labels(planes: Sequence[NDArray[np.uint16]]) -> None:
    """One value for everything, on several separate regions, is a foreground mask and not objects."""
    values = {int(value) for plane in planes for value in np.unique(plane)} - {0}
    regions = float(np.median([_large_regions(plane) for plane in planes])) if len(values) == 1 else 0.0
    if regions >= 2:
        raise StackError(
            f"all objects have the label {values.pop()}, on {regions:g} separate regions a frame; give each object "
            "a number of its own, for example with scipy.ndimage.label on each frame"
        )


def _large_regions(plane: NDArray[np.uint16]) -> int:
    regions, _ = ndimage.label(plane)
    return int((np.bincount(regions.ravel())[1:] >= LEAST_AREA_PX).sum())


def _keeps_ids(planes: Sequence[NDArray[np.uint16]]) -> bool:
    both = same = 0
    for before, after in pairwise(planes):
        inside = (before > 0) & (after > 0)
        both += int(inside.sum())
        same += int((inside & (before == after)).sum())
    return both > 0 and same / both > SAME_OBJECT_SHARE


def _held_out(count: int, is_movie: bool, settings: SplitSettings) -> list[int]:
    """Positions among the labelled frames; of a short movie more than the share, so that objects can be followed."""
    if is_movie:
        wanted = max(round(count * settings.share), min(count // 3, 4), 2 if count >= 4 else 1)
        return list(range(max(count - wanted, 1), count))
    return sorted(range(count - 1, 0, -settings.every))


def _record(images: StackFrames, frames: Sequence[int], planes: Sequence[NDArray[np.uint16]]) -> Record:
    """All labelled frames at the common scale."""
    sizes = [median_diameter([plane]) for plane in planes]
    diameter = float(np.median([size for size in sizes if size > 0])) if any(sizes) else 0.0
    if diameter == 0.0:
        raise StackError(
            f"no labelled object has {LEAST_AREA_PX} px or more; enlarge images and labels, for example by a "
            "factor of 2"
        )
    factor = min(1.0, MAX_DIAMETER_PX / diameter)
    low, high = _contrast(images, frames)
    size = (max(round(planes[0].shape[1] * factor), 1), max(round(planes[0].shape[0] * factor), 1))
    shrunk = [_resized(stretched(gray(images[frame]), low, high), size, Image.Resampling.BOX) for frame in frames]
    labels = [_resized(plane.astype(np.int32), size, Image.Resampling.NEAREST).astype(np.uint16) for plane in planes]
    shape, source = (len(frames), size[1], size[0]), (planes[0].shape[0], planes[0].shape[1])
    info = RecordInfo("labelled", "stack", shape, diameter * factor, source)
    return Record(info, np.stack(shrunk), np.stack(labels))


def gray(frame: NDArray[Any]) -> NDArray[np.float32]:
    """A frame (H, W) or (H, W, C) as (H, W): colours by their brightness, two channels by their mean."""
    values = np.asarray(frame, dtype=np.float32)
    if values.ndim == 2:
        return values
    return values[..., :3] @ GRAY_WEIGHTS if values.shape[-1] in (3, 4) else values.mean(axis=-1)


def _contrast(images: StackFrames, frames: Sequence[int]) -> tuple[float, float]:
    samples = []
    for frame in evenly(frames, _SAMPLED_FRAMES):
        plane = gray(images[frame])
        step = max(1, int((plane.size / _SAMPLED_PIXELS) ** 0.5))
        samples.append(plane[::step, ::step].ravel())
    low, high = np.percentile(np.concatenate(samples), CONTRAST_PERCENTILES)
    return float(low), float(high)


def _resized(plane: NDArray[Any], size: tuple[int, int], resampling: Image.Resampling) -> NDArray[Any]:
    if (plane.shape[1], plane.shape[0]) == size:
        return plane
    return np.asarray(Image.fromarray(plane).resize(size, resampling))


def _part(record: Record, picks: Sequence[int]) -> Record:
    shape = (len(picks), record.info.shape[1], record.info.shape[2])
    frames = f"{picks[0]} to {picks[-1]}" if len(picks) > 1 else f"{picks[0]}"
    group = "movie" if len(picks) > 1 else "stills"
    info = RecordInfo(group, frames, shape, record.info.diameter_px, record.info.source_size)
    return Record(info, record.images[list(picks)], record.labels[list(picks)])


def _with_objects(records: Sequence[Record]) -> list[Record]:
    """Records that hold an object of a size that can be learned; at least one."""
    usable = [record for record in records if median_diameter(record.labels) > 0]
    if not usable:
        raise StackError(
            f"one side of the split has no object of {LEAST_AREA_PX} px or more at the scale of training; "
            "label more frames, or larger objects"
        )
    return usable
