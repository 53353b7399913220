"""New arrangements of known cells: objects of some images are cut out, turned, and pasted into others.

A handful of outlined images shows a network few neighbourhoods. `pasted_record` makes another one of a still: objects
of any donors, turned, flipped and scaled, lie where they cover little of what is there, with the rim of light around
them, at the brightness of the image's own ground (Ghiasi et al. 2021, "Simple Copy-Paste is a Strong Data Augmentation
Method for Instance Segmentation", told that for natural images; nothing of its code is used).

Order per object: choose and cut -> turn -> find a place -> blend image and labels. It draws no windows and changes no
intensity but the ground level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sam2_core.errors import StackError
from sam2_core.scoring.ground_truth import LEAST_AREA_PX, judged_ids
from sam2_core.training.pack import Record

RIM_PX, FADE_PX = 3.0, 4.0  # around an object: as far it comes along whole, and as far again it fades
COVERED = 0.25  # of an object that is there or of one that is pasted: more is not covered
_TRIES = 12

Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Cutting:
    """An object cut out: grey values above its ground, how opaque it is, and its mask; all (h, w)."""

    light: Image
    opacity: Image
    mask: NDArray[np.bool_]


def pasted_record(base: Record, donors: Sequence[Record], count: int, rng: np.random.Generator, group: str) -> Record:
    """The still `base` with about `count` objects of the donors pasted in, as a record of another group.

    Raises
    ------
    StackError
        The donors hold no object that lies whole in its image.
    """
    image, labels = base.images[0].astype(np.float32), base.labels[0].copy()
    ground = _ground(base)
    whole = [(donor, ids) for donor in donors if (ids := judged_ids(donor.labels[0]))]
    if not whole:
        raise StackError("objects that lie whole in their image expected to paste, found none; give other donors")
    for _ in range(count):
        donor, ids = whole[rng.integers(len(whole))]
        cutting = _turned(_cut(donor, int(rng.choice(ids))), rng)
        place = _free_place(labels, cutting.mask, rng)
        if place is not None:
            _blend(image, labels, cutting, place, ground)
    seen = np.round(np.clip(image, 0.0, 255.0)).astype(np.uint8)
    return Record(replace(base.info, group=group), seen[None], labels[None])


def _ground(record: Record) -> float:
    outside = record.images[0][record.labels[0] == 0]
    return float(np.median(outside)) if outside.size else 0.0


def _cut(record: Record, object_id: int) -> Cutting:
    labels = record.labels[0]
    room = int(np.ceil(RIM_PX + FADE_PX)) + 1
    rows, columns = (np.flatnonzero((labels == object_id).any(axis)) for axis in (1, 0))
    box = (
        slice(max(rows[0] - room, 0), rows[-1] + room + 1),
        slice(max(columns[0] - room, 0), columns[-1] + room + 1),
    )
    mask = labels[box] == object_id
    away = ndimage.distance_transform_edt(~mask)
    opacity = np.clip(1.0 + (RIM_PX - away) / FADE_PX, 0.0, 1.0) * ((labels[box] == 0) | mask)
    light = record.images[0][box].astype(np.float32) - np.float32(_ground(record))
    return Cutting(light, opacity.astype(np.float32), mask)


def _turned(cutting: Cutting, rng: np.random.Generator) -> Cutting:
    angle, flip = rng.uniform(0.0, 2.0 * np.pi), rng.choice([-1.0, 1.0])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.diag([1.0, flip]) * np.exp(rng.normal(0.0, 0.15))  # from the new place to the old one
    size = np.array(cutting.mask.shape)
    reach = np.ceil(np.abs(np.linalg.inv(matrix)) @ size).astype(int) + 1
    offset = (size - 1) / 2 - matrix @ ((reach - 1) / 2)

    def moved(plane: Image) -> Image:
        values: Image = ndimage.affine_transform(plane, matrix, offset, output_shape=tuple(reach), order=1)
        return values

    mask = moved(cutting.mask.astype(np.float32)) > 0.5
    return Cutting(moved(cutting.light), moved(cutting.opacity), mask)


def _free_place(
    labels: NDArray[np.uint16], mask: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[slice, slice] | None:
    """Where a mask covers little and lies whole in the image; None where no try finds such a place."""
    room = np.array(labels.shape) - mask.shape
    if (room < 1).any() or mask.sum() < LEAST_AREA_PX:
        return None
    areas = np.bincount(labels.ravel())
    for _ in range(_TRIES):
        row, column = rng.integers(room)
        place = (slice(row, row + mask.shape[0]), slice(column, column + mask.shape[1]))
        covered = np.bincount(labels[place][mask], minlength=areas.size)
        covered[0] = 0
        if covered.sum() <= COVERED * mask.sum() and (covered <= COVERED * areas).all():
            return place
    return None


def _blend(
    image: Image, labels: NDArray[np.uint16], cutting: Cutting, place: tuple[slice, slice], ground: float
) -> None:
    blended = image[place] + cutting.opacity * (cutting.light + np.float32(ground) - image[place])
    lit = image[place] + cutting.opacity * np.maximum(cutting.light, 0.0)
    others = (labels[place] > 0) & ~cutting.mask  # its halo shines on them too, but its ground covers nothing
    image[place] = np.where(others, lit, blended)
    labels[place][cutting.mask] = labels.max() + 1
