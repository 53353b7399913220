"""What is linked: one object seen on one frame, and all of a frame as arrays."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sam2_core.errors import PromptError

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Node: TypeAlias = tuple[int, int]
"""(frame, index of a detection on it), both from 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One object as it was seen on one frame.

    Attributes
    ----------
    corner_yx
        (y0, x0) of the upper left pixel of `mask` on the frame.
    mask
        (h, w) bool, what of that box is the object; at least one pixel.
    score
        0 to 1, how likely it is an object.
    intensity
        Mean of the image in the mask, in any unit that is the same for the whole movie and above 0; None where the
        image is not known or says nothing (phase contrast).
    """

    corner_yx: tuple[int, int]
    mask: npt.NDArray[np.bool_]
    score: float = 1.0
    intensity: float | None = None

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or not self.mask.any():
            raise PromptError(
                f"the mask of a detection has the shape {self.mask.shape} and {np.count_nonzero(self.mask)} pixels; "
                "give a plane (h, w) with at least one"
            )
        if not 0 <= self.score <= 1:
            raise PromptError(f"the score of a detection is {self.score}; scores go from 0 to 1")

    @property
    def area(self) -> int:
        """Number of its pixels."""
        return int(np.count_nonzero(self.mask))

    @property
    def diameter(self) -> float:
        """Of a disc with as many pixels."""
        return float(np.sqrt(4 * self.area / np.pi))

    @property
    def centroid_yx(self) -> tuple[float, float]:
        """Mean place of its pixels on the frame."""
        rows, columns = np.nonzero(self.mask)
        return self.corner_yx[0] + float(rows.mean()), self.corner_yx[1] + float(columns.mean())


def sighted(frames: Sequence[Sized]) -> range:
    """Return the frames from the first to the last on which anything was seen: nobody may have looked beyond."""
    there = [frame for frame, each in enumerate(frames) if len(each)]
    return range(there[0], there[-1] + 1) if there else range(0)


def detections_of(labels: npt.NDArray[Any], image: npt.NDArray[Any] | None = None) -> dict[int, Detection]:
    """Return a detection for every label of a frame, by label, ascending.

    Parameters
    ----------
    labels
        (H, W) whole numbers, 0 for the background.
    image
        (H, W), gives the intensities; they are None without it.
    """
    if labels.ndim != 2 or labels.dtype.kind not in "iub":
        raise PromptError(f"labels are {labels.dtype} of the shape {labels.shape}; give whole numbers (H, W)")
    values, dense = np.unique(labels, return_inverse=True)
    boxes = ndimage.find_objects(dense.reshape(labels.shape) + 1)
    found: dict[int, Detection] = {}
    for value, box in zip(values.tolist(), boxes, strict=True):
        if value > 0:
            mask = labels[box] == value
            intensity = None if image is None else float(image[box][mask].mean())
            found[int(value)] = Detection((box[0].start, box[1].start), mask, intensity=intensity)
    return found


class Population:
    """All detections of a frame as arrays, in their order: yx (N, 2), area (N,), score (N,), intensity (N,).

    An intensity that is not known, or not above 0, is NaN. `rows`, `columns` and `owner` hold every pixel (P,).
    """

    def __init__(self, detections: Sequence[Detection]) -> None:
        self.count = len(detections)
        self.detections = tuple(detections)
        self.score = np.array([each.score for each in detections], np.float64)
        known = [np.nan if each.intensity is None else each.intensity for each in detections]
        self.intensity = np.where(np.array(known, np.float64) > 0, known, np.nan)
        inside = [np.nonzero(each.mask) for each in detections]
        self.area = np.array([len(rows) for rows, _ in inside], np.float64)
        corners = np.array([each.corner_yx for each in detections], np.int64).reshape(-1, 2)
        sizes = np.array([each.mask.shape for each in detections], np.int64).reshape(-1, 2)
        self.boxes = np.concatenate([corners, corners + sizes], axis=1)
        self.owner = np.repeat(np.arange(self.count), self.area.astype(np.int64))
        self.rows = _joined([rows for rows, _ in inside]) + corners[self.owner, 0]
        self.columns = _joined([columns for _, columns in inside]) + corners[self.owner, 1]

    @cached_property
    def yx(self) -> Floats:
        """Centroids (N, 2)."""
        sums = [np.bincount(self.owner, place, self.count) for place in (self.rows, self.columns)]
        return np.stack(sums, axis=1) / np.maximum(self.area, 1)[:, None]

    @cached_property
    def elongation(self) -> Floats:
        """Logs of the ratio of long and short axis (N,): of ellipses with the same moments, of 0.5 px at least."""
        rows, columns = self.rows - self.yx[self.owner, 0], self.columns - self.yx[self.owner, 1]
        parts = rows**2, rows * columns, columns**2
        yy, yx, xx = (np.bincount(self.owner, part, self.count) / np.maximum(self.area, 1) for part in parts)
        middle, apart = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
        return np.log((middle + apart + 0.25) / (middle - apart + 0.25)) / 2

    @cached_property
    def diameter(self) -> Floats:
        """Diameters (N,) of discs of the same area."""
        return np.sqrt(4 * self.area / np.pi)


def _joined(parts: list[npt.NDArray[Any]]) -> Ints:
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)
