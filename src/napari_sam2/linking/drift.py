"""How the objects of a frame move together to the next: a displacement for each of them.

The histogram of displacements between all detections of two frames that are near and alike has its peak where most go;
then every detection takes the median displacement of its neighbours, twice, which follows a sheet that turns or
stretches. Each step is kept only where it brings the two frames closer, so a movie without drift is left as it is.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_sam2.linking.detections import Floats, Ints, Population

NEIGHBOURS = 6
REACH = 3.0
"""How far the population may move from frame to frame, in diameters."""
BINS_A_DIAMETER = 5
LEAST_GAIN = 1.15
"""How much higher than at no drift the histogram must be for a drift to be believed."""
LEAST_SUPPORT = 1.5
"""How many more pairs of a kind must go with it than stay: one alone moves by itself."""
SMOOTHING = BINS_A_DIAMETER / 4
"""Of the histogram, in bins."""


def drift_between(before: Population, after: Population, diameter: float) -> Floats:
    """Return the drift (N, 2) in pixels of each detection of `before` on its way to `after`."""
    still = np.zeros((before.count, 2))
    if min(before.count, after.count) < 2:
        return still
    common = np.tile(_common(before, after, diameter), (before.count, 1))
    field = common
    for _ in range(2):
        field = _of_neighbours(before, after, field, diameter)
    return field


def _common(before: Population, after: Population, diameter: float) -> Floats:
    """Return the displacement (2,) at the peak of the histogram."""
    reach = REACH * diameter
    pairs = cKDTree(before.yx).sparse_distance_matrix(cKDTree(after.yx), reach, output_type="ndarray")
    first, second = pairs["i"], pairs["j"]
    moved = after.yx[second] - before.yx[first]
    weights = likeness(before, after, first, second)
    bins = int(np.ceil(reach / diameter * BINS_A_DIAMETER))
    edges = (np.arange(-bins, bins + 2) - 0.5) * diameter / BINS_A_DIAMETER
    counts, _, _ = np.histogram2d(moved[:, 0], moved[:, 1], bins=(edges, edges), weights=weights)
    together = 2 * np.pi * SMOOTHING**2 * ndimage.gaussian_filter(counts, SMOOTHING, mode="constant")
    peak = np.unravel_index(np.argmax(together), together.shape)
    at_rest = together[bins, bins]
    if together[peak] < max(LEAST_GAIN * at_rest, at_rest + LEAST_SUPPORT):
        return np.zeros(2)
    return (np.array(peak, np.float64) - bins) * diameter / BINS_A_DIAMETER


def likeness(before: Population, after: Population, first: Ints, second: Ints) -> Floats:
    """Return 0 to 1 for each pair of detections: how alike they are in size and, where known, intensity."""
    size = np.log(after.area[second] / before.area[first])
    light = np.nan_to_num(np.log(after.intensity[second] / before.intensity[first]))
    return np.exp(-((size / 0.35) ** 2) / 2 - ((light / 0.35) ** 2) / 2)


def _of_neighbours(before: Population, after: Population, field: Floats, diameter: float) -> Floats:
    """Return the median displacement of the neighbours of each detection that have a nearest partner under a field."""
    there = cKDTree(before.yx + field)
    distance, partner = cKDTree(after.yx).query(there.data, distance_upper_bound=diameter)
    _, back = there.query(after.yx)
    sure = np.flatnonzero(np.isfinite(distance))
    sure = sure[back[partner[sure]] == sure]
    if len(sure) <= NEIGHBOURS:
        return field
    moved = after.yx[partner[sure]] - before.yx[sure]
    _, near = cKDTree(before.yx[sure]).query(before.yx, k=NEIGHBOURS + 1)
    itself = sure[near] == np.arange(before.count)[:, None]
    itself[~itself.any(axis=1), -1] = True
    others = near[~itself].reshape(before.count, NEIGHBOURS)
    local = np.median(moved[others], axis=1)
    closer = np.median(np.hypot(*(moved - local[sure]).T)) < np.median(np.hypot(*(moved - field[sure]).T))
    return local if closer else field
