"""How well two detections of different frames agree, as numbers without a unit: what links are judged by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from napari_sam2.linking.detections import Floats, Ints, Population

LINK_FEATURES = ("distance", "distance squared", "apart", "jump", "size", "size squared", "intensity", "one")
LEAST_MOTION = 0.06
"""Diameters that an object moves at least between frames, as far as judging goes: outlines jitter."""
LEAST_FLICKER = 0.05
MOST_SPREADS = 4.0
"""Numbers that are more spreads away than that say no more than that."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Detections of two frames that may be the same object: K pairs.

    Attributes
    ----------
    first, second
        (K,) index on the earlier and on the later frame; sorted by first, then second.
    distance
        (K,) from where the drift carries the first to the second, in mean diameters of the two.
    overlap
        (K,) IoU of the drifted first and the second.
    size, intensity
        (K,) log of the ratio of areas and of intensities, second to first; intensity less what the whole frame changes.
    motion, flicker
        Typical distance and spread of intensity of pairs that are each other's nearest.
    """

    first: Ints
    second: Ints
    distance: Floats
    overlap: Floats
    size: Floats
    intensity: Floats
    motion: float
    flicker: float

    def features(self) -> Floats:
        """Return (K, len(LINK_FEATURES))."""
        distance = np.minimum(self.distance, 2.0)
        size = np.minimum(np.abs(self.size), 2.0)
        return np.stack(
            [
                distance,
                distance**2,
                1 - self.overlap,
                np.minimum(self.distance / self.motion, MOST_SPREADS),
                size,
                size**2,
                np.minimum(np.abs(self.intensity) / self.flicker, MOST_SPREADS),
                np.ones_like(size),
            ],
            axis=1,
        )


def pairs_between(before: Population, after: Population, drift: Floats, reach: float) -> Pairs:
    """Return the pairs of detections of two frames that are near by; reach in pixels, drift (N, 2) of those before."""
    carried = before.yx + drift
    near = cKDTree(carried).sparse_distance_matrix(cKDTree(after.yx), reach, output_type="ndarray")
    near = near[np.lexsort((near["j"], near["i"]))]
    first, second = near["i"].astype(np.int64), near["j"].astype(np.int64)
    both = (before.diameter[first] + after.diameter[second]) / 2
    distance = near["v"] / both
    light = np.log(after.intensity[second] / before.intensity[first])
    nearest = _mutual(first, second, distance)
    common = _median(light[nearest], 0.0)
    light = np.nan_to_num(light - common)
    return Pairs(
        first=first,
        second=second,
        distance=distance,
        overlap=overlaps(before, after, drift, (first, second)),
        size=np.log(after.area[second] / before.area[first]),
        intensity=light,
        motion=max(_median(distance[nearest], 0.0), LEAST_MOTION),
        flicker=max(1.5 * _median(np.abs(light[nearest]), 0.0), LEAST_FLICKER),
    )


def overlaps(before: Population, after: Population, drift: Floats, pairs: tuple[Ints, Ints]) -> Floats:
    """Return the IoU of every pair of detections (first, second), those before carried by the drift (N, 2).

    Pairs are sorted by first, then second.
    """
    first, second = pairs
    if not len(first):
        return np.zeros(0)
    moved = np.rint(drift).astype(np.int64)[before.owner]
    rows = np.concatenate([before.rows + moved[:, 0], after.rows])
    columns = np.concatenate([before.columns + moved[:, 1], after.columns])
    columns -= columns.min()
    places = (rows - rows.min()) * (columns.max() + 1) + columns
    common = np.zeros(len(first))
    keys = first * after.count + second
    here, there = places[: len(moved)], places[len(moved) :]
    waiting = np.arange(len(there))
    while len(waiting):  # once where detections of the later frame share no pixel
        shown = np.full(int(places.max()) + 1, -1)
        shown[there[waiting]] = waiting
        on = shown[here]
        shared = before.owner[on >= 0] * after.count + after.owner[on[on >= 0]]
        at = np.searchsorted(keys, shared)
        known = keys[np.minimum(at, len(keys) - 1)] == shared
        common += np.bincount(at[known], minlength=len(keys))
        waiting = waiting[shown[there[waiting]] != waiting]
    return common / (before.area[first] + after.area[second] - common)


def _mutual(first: Ints, second: Ints, distance: Floats) -> Ints:
    """Return which pairs are of detections that are each other's nearest."""
    by_distance = np.argsort(distance, kind="stable")
    _, of_first = np.unique(first[by_distance], return_index=True)
    _, of_second = np.unique(second[by_distance], return_index=True)
    return by_distance[np.intersect1d(of_first, of_second)]


def _median(values: Floats, otherwise: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else otherwise
