"""How the objects of a frame move together to the next: a displacement for each of them.

The frames are laid on each other where most of what is seen on one lies on what is seen on the other; then every
detection takes the median displacement of its neighbours, twice, which follows a sheet that turns or stretches. Each
step is kept only where it brings the two frames closer, so a movie without drift is left as it is.
"""

from __future__ import annotations

import numpy as np
from scipy import signal
from scipy.spatial import cKDTree

from napari_sam2.linking.detections import Floats, Ints, Population

NEIGHBOURS = 6
REACH = 4.0
"""How far the population may move from frame to frame, in diameters."""
BINS_A_DIAMETER = 8
MOST_BINS = 1024
"""Along the frame: where objects are tiny bins are coarser, and the neighbours say the rest."""
LEAST_GAIN = 0.05
"""How much better, as an IoU of all that is seen, the frames must lie on each other for a drift to be believed."""
LEAST_SHARED = 1.25
"""How much must lie on each other, in objects of mean size: one alone moves by itself."""


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
    """Return the displacement (2,) with which most of what is seen lies on each other, 0 where none is believed."""
    corner, extent = _extent(before, after)
    side = max(1, int(diameter // BINS_A_DIAMETER), int(-(-extent.max() // MOST_BINS)))
    bins = -(-extent // side)
    there, here = (_filled(each, corner, side, bins) for each in (before, after))
    shared = signal.correlate(here, there, method="fft")
    reach = np.minimum(int(REACH * diameter / side), bins - 1)
    shared = shared[tuple(slice(at - far, at + far + 1) for at, far in zip(bins - 1, reach, strict=True))]
    overlap = shared / (there.sum() + here.sum() - shared)
    peak, rest = np.unravel_index(np.argmax(overlap), overlap.shape), tuple(reach)
    objects = shared[peak] * side**2 / before.area.mean()
    if overlap[peak] < overlap[rest] + LEAST_GAIN or objects < LEAST_SHARED:
        return np.zeros(2)
    return (np.array(peak, np.float64) - reach) * side


def _extent(before: Population, after: Population) -> tuple[Ints, Ints]:
    """Return the upper left corner (2,) of all that is seen on two frames, and its height and width (2,)."""
    boxes = np.concatenate([before.boxes, after.boxes])
    corner = boxes[:, :2].min(axis=0)
    return corner, boxes[:, 2:].max(axis=0) - corner


def _filled(population: Population, corner: Ints, side: int, bins: Ints) -> Floats:
    """Return how much of each bin is taken."""
    rows, columns = population.rows - corner[0], population.columns - corner[1]
    place = np.ravel_multi_index((rows // side, columns // side), tuple(bins))
    return np.bincount(place, minlength=int(bins.prod())).reshape(bins) / side**2


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
    return _closest(before, after, (field, local))


def _closest(before: Population, after: Population, fields: tuple[Floats, ...]) -> Floats:
    """Return the field under which most pixels of `before` lie on something of `after`, of equal ones the first."""
    corner, extent = _extent(after, after)
    taken = np.zeros(extent, bool)
    taken[after.rows - corner[0], after.columns - corner[1]] = True

    def shared(field: Floats) -> int:
        way = np.rint(field).astype(np.int64)[before.owner] - corner
        rows, columns = before.rows + way[:, 0], before.columns + way[:, 1]
        there = (rows >= 0) & (columns >= 0) & (rows < extent[0]) & (columns < extent[1])
        return int(np.count_nonzero(taken[rows[there], columns[there]]))

    return max(fields, key=shared)
