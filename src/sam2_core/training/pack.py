"""Training images and labels in one compact file.

A pack holds stills and short movies as uint8 images with integer labels, brought to a common scale ahead of time:
objects larger than `MAX_DIAMETER_PX` are shrunk to it, smaller ones keep their resolution. Contrast is stretched once
per record (0.1 to 99.9 percentile), as the stacks are when they are tracked.

Order: images and labels -> `pack_record` -> `save_pack` -> `TrainingPack`.

It does not augment, cut windows or decide what is validation: see `clip_windows`, `clips` and the command line entry.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sam2_core.errors import StackError
from sam2_core.scoring.ground_truth import median_diameter

MAX_DIAMETER_PX = 48.0
CONTRAST_PERCENTILES = (0.1, 99.9)
GRAY_WEIGHTS = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class RecordInfo:
    """What a record is: its group, name, shape (T, H, W) and the median object diameter in px.

    source_size: (H, W) of the images before they were shrunk; those of one microscope have the same.
    """

    group: str
    name: str
    shape: tuple[int, int, int]
    diameter_px: float
    source_size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Record:
    """One still (T = 1) or movie: images (T, H, W) uint8, labels (T, H, W) uint16 with 0 as background."""

    info: RecordInfo
    images: NDArray[np.uint8]
    labels: NDArray[np.uint16]


class TrainingPack:
    """Records in memory, found by group."""

    def __init__(self, records: Sequence[Record]) -> None:
        if not records:
            raise StackError("a training pack needs at least one record, got none; build it from images with labels")
        self.records = tuple(records)
        self.groups = tuple(sorted({record.info.group for record in records}))

    def of_group(self, group: str) -> tuple[Record, ...]:
        """Records of one group, in the order in which they were packed."""
        return tuple(record for record in self.records if record.info.group == group)


def to_gray_u8(images: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Gray images (..., H, W) uint8, contrast stretched once between two percentiles of all pixels.

    images: (..., H, W) or (..., H, W, 3 or 4) colour, recognised by a last axis of 3 or 4.
    """
    values = np.asarray(images, dtype=np.float32)
    if values.shape[-1] in (3, 4):
        values = values[..., :3] @ GRAY_WEIGHTS  # (..., H, W)
    return stretched(values, *np.percentile(values, CONTRAST_PERCENTILES))


def stretched(values: NDArray[np.float32], bottom: float, top: float) -> NDArray[np.uint8]:
    """Values as uint8: 0 from `bottom` down, 255 from `top` up."""
    scaled = (values - bottom) / max(float(top - bottom), 1e-6)
    whole: NDArray[np.uint8] = np.round(np.clip(scaled, 0.0, 1.0) * 255.0).astype(np.uint8)
    return whole


def pack_record(group: str, name: str, images: NDArray[np.generic], labels: NDArray[np.integer]) -> Record | None:
    """A record at the common scale, or None when it holds no object of at least 40 px.

    images: (H, W), (T, H, W) or with a colour axis; labels: (H, W) or (T, H, W).
    """
    stacked = labels if labels.ndim == 3 else labels[None]
    gray = to_gray_u8(images).reshape(stacked.shape)
    diameter = median_diameter(stacked)
    if diameter == 0.0:
        return None
    factor = min(1.0, MAX_DIAMETER_PX / diameter)
    shrunk = np.stack([_resized(frame, factor, order=1) for frame in gray])
    relabelled = np.stack([_resized(frame, factor, order=0) for frame in stacked]).astype(np.uint16)
    shape = (shrunk.shape[0], shrunk.shape[1], shrunk.shape[2])
    info = RecordInfo(group, name, shape, diameter * factor, (stacked.shape[1], stacked.shape[2]))
    return Record(info, shrunk, relabelled)


def _resized(plane: NDArray[np.generic], factor: float, order: int) -> NDArray[np.generic]:
    if factor == 1.0:
        return plane
    smooth = ndimage.gaussian_filter(plane, 0.4 / factor) if order else plane
    resized: NDArray[np.generic] = ndimage.zoom(smooth, factor, order=order, grid_mode=True, mode="nearest")
    return resized


def save_pack(records: Sequence[Record], path: Path) -> None:
    """Writes records as one compressed npz: flat images, flat labels and an index."""
    index = json.dumps([asdict(record.info) for record in records])
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        images=np.concatenate([record.images.ravel() for record in records]),
        labels=np.concatenate([record.labels.ravel() for record in records]),
        index=np.array(index),
    )


def load_pack(*paths: Path) -> TrainingPack:
    """The records of one or more pack files together, all in memory."""
    return TrainingPack([record for path in paths for record in _read_records(path)])


def _read_records(path: Path) -> list[Record]:
    with np.load(path) as stored:
        images, labels, index = stored["images"], stored["labels"], json.loads(str(stored["index"]))
    records, start = [], 0
    for entry in index:
        shape = (entry["shape"][0], entry["shape"][1], entry["shape"][2])
        stop = start + int(np.prod(shape))
        source = entry.get("source_size", entry["shape"][1:])  # packs of before it was kept
        info = RecordInfo(entry["group"], entry["name"], shape, entry["diameter_px"], (source[0], source[1]))
        records.append(Record(info, images[start:stop].reshape(shape), labels[start:stop].reshape(shape)))
        start = stop
    return records
