"""Square training windows cut from packed images: random place, scale, turn and flip in one resampling.

A window is described by a `ClipView`, an affine map from the window's normalised coordinates ([-1, 1], x then y) to
pixels of the record. `random_view` draws one around an object; `cut_window` resamples image and labels through it,
optionally bent by a displacement field, so that clips use the same door.

It does not change intensities (see `augment`) and does not choose which objects are trained (see `clips`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sam2_core.training.pack import Record


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """How windows are drawn.

    size: side of the model window in px. span: range of typical object diameter / window side. off_centre: how far, as
    a share of the window side, the chosen object may lie from the middle. max_side_ratio: window side / longest image
    side.
    """

    size: int = 128
    span: tuple[float, float] = (0.15, 0.55)
    off_centre: float = 0.3
    max_side_ratio: float = 1.2


@dataclass(frozen=True, slots=True)
class ClipView:
    """Affine map: record px (x, y) = centre_xy + matrix @ window coordinates in [-1, 1]."""

    centre_xy: NDArray[np.float64]
    matrix: NDArray[np.float64]

    @property
    def side_px(self) -> float:
        """Side of the window in px of the record."""
        return 2.0 * float(np.sqrt(abs(np.linalg.det(self.matrix))))


def random_view(
    record: Record, frame: int, settings: WindowSettings, rng: np.random.Generator, gone_by: int | None = None
) -> ClipView:
    """A view near a random object of a frame, at a random scale, turn and flip.

    gone_by: a later frame; the object is one that is no longer there by then, where there is such a one.
    """
    low, high = np.log(settings.span[0]), np.log(settings.span[1])
    side = record.info.diameter_px / float(np.exp(rng.uniform(low, high)))
    side = min(side, settings.max_side_ratio * max(record.info.shape[1:]))
    angle = rng.integers(4) * np.pi / 2 + rng.normal(0.0, 0.25)
    flip = np.diag([rng.choice([-1.0, 1.0]), 1.0])
    stretch = np.diag(np.exp(rng.normal(0.0, 0.15, 2)))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    offset = rng.uniform(-settings.off_centre, settings.off_centre, 2) * side
    later = None if gone_by is None else record.labels[gone_by]
    return ClipView(_random_object_xy(record.labels[frame], later, rng) + offset, side / 2 * turn @ flip @ stretch)


def _random_object_xy(
    labels: NDArray[np.uint16], later: NDArray[np.uint16] | None, rng: np.random.Generator
) -> NDArray[np.float64]:
    ids = np.unique(labels[::2, ::2])
    ids = ids[ids > 0]
    gone = ids[:0] if later is None else np.setdiff1d(ids, later)
    ids = gone if gone.size else ids
    if ids.size == 0:
        return rng.uniform([0.0, 0.0], [labels.shape[1], labels.shape[0]])
    rows, columns = np.nonzero(labels[::2, ::2] == rng.choice(ids))
    return np.array([columns.mean(), rows.mean()]) * 2.0


def window_grid(size: int) -> Tensor:
    """Normalised pixel centres of a window, (size, size, 2), x then y, in [-1, 1]."""
    steps = (torch.arange(size, dtype=torch.float32) + 0.5) * (2.0 / size) - 1.0
    return torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)  # (size, size, 2)


def cut_window(
    record: Record, frame: int, view: ClipView, size: int, shift: Tensor | None = None, padding: str = "border"
) -> tuple[Tensor, Tensor]:
    """Image (size, size) float in [0, 1] and labels (size, size) int64 seen through a view.

    shift: (size, size, 2) displacement in window coordinates, added before the affine map. Labels outside the record
    are 0; the image there repeats its edge (`border`) or is black (`zeros`).
    """
    grid = window_grid(size) if shift is None else window_grid(size) + shift
    matrix = torch.from_numpy(view.matrix.astype(np.float32))
    points_xy = grid @ matrix.T + torch.from_numpy(view.centre_xy.astype(np.float32))  # (size, size, 2), record px
    left_top, image, labels = _part_seen(record, frame, points_xy)
    height, width = labels.shape
    normalised = (points_xy - left_top + 0.5) * torch.tensor([2.0 / width, 2.0 / height]) - 1.0
    planes = torch.from_numpy(image.astype(np.float32) / 255.0)[None, None]
    ids = torch.from_numpy(labels.astype(np.float32))[None, None]
    seen = functional.grid_sample(planes, normalised[None], padding_mode=padding, align_corners=False)
    named = functional.grid_sample(ids, normalised[None], mode="nearest", padding_mode="zeros", align_corners=False)
    return seen[0, 0], named[0, 0].round().long()


def _part_seen(record: Record, frame: int, points_xy: Tensor) -> tuple[Tensor, NDArray[np.uint8], NDArray[np.uint16]]:
    size_xy = torch.tensor(record.info.shape[:0:-1])
    low = torch.floor(points_xy.amin(dim=(0, 1))).long() - 2
    high = torch.ceil(points_xy.amax(dim=(0, 1))).long() + 3
    start = torch.minimum(low.clamp(min=0), size_xy - 1)
    stop = torch.maximum(torch.minimum(high, size_xy), start + 1)
    (x0, y0), (x1, y1) = start.tolist(), stop.tolist()
    return start.float(), record.images[frame, y0:y1, x0:x1], record.labels[frame, y0:y1, x0:x1]
