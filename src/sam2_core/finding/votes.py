"""From the maps of the dense head to instances: each pixel inside an object votes for the centre of its object.

Votes are counted on the map and smoothed a little; where they pile up there is a centre. A pixel belongs to the centre
nearest to where it voted. numpy only, in map pixels, (x, y).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

Map = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

SMOOTHING = 1.0
"""Of the map of votes, in map pixels."""
LEAST_VOTES = 4.0
"""Pixels that must have voted for a centre."""
APART = 5
"""Side in map pixels of the square in which a centre has the most votes."""
FARTHEST = 6.0
"""In map pixels, how far from a centre a vote for it may lie."""


@dataclass(frozen=True, slots=True, eq=False)
class DenseInstance:
    """An object as the dense head alone sees it, on a map (h, w).

    Attributes
    ----------
    mask
        Its pixels.
    centre_xy
        The mean of their votes.
    inside_xy
        The one of its pixels that is nearest to the centre.
    """

    mask: Mask
    centre_xy: tuple[float, float]
    inside_xy: tuple[float, float]


def dense_instances(foreground: Map, offsets: Map) -> list[DenseInstance]:
    """Return the instances that pixels vote for.

    Parameters
    ----------
    foreground
        (h, w) logits, above 0 inside any object.
    offsets
        (2, h, w): x and y from a pixel to the centre of its object.
    """
    rows, columns = np.nonzero(foreground > 0)
    if rows.size == 0:
        return []
    voted = np.stack([columns + offsets[0, rows, columns], rows + offsets[1, rows, columns]], axis=1)  # (P, 2)
    centres = _centres(voted, foreground.shape)
    if len(centres) == 0:
        return []
    distance, owner = cKDTree(centres).query(voted, distance_upper_bound=FARTHEST)
    instances = []
    for index in range(len(centres)):
        mine = (owner == index) & np.isfinite(distance)
        if mine.sum() >= LEAST_VOTES:
            instances.append(_instance(rows[mine], columns[mine], voted[mine], foreground.shape))
    return instances


def _centres(voted: npt.NDArray[np.floating], shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Return (N, 2) places at which votes pile up."""
    height, width = shape
    column, row = voted.round().astype(int).T
    kept = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    counts = np.zeros(shape, dtype=np.float64)
    np.add.at(counts, (row[kept], column[kept]), 1.0)
    votes = ndimage.gaussian_filter(counts, SMOOTHING, mode="constant")
    at_top = (votes == ndimage.maximum_filter(votes, APART, mode="constant")) & (votes > 0)
    gathered = ndimage.uniform_filter(counts, APART, mode="constant") * APART**2
    rows, columns = np.nonzero(at_top & (gathered >= LEAST_VOTES))
    return np.stack([columns, rows], axis=1).astype(np.float64)


def _instance(
    rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], voted: Map, shape: tuple[int, ...]
) -> DenseInstance:
    mask = np.zeros(shape, dtype=bool)
    mask[rows, columns] = True
    x, y = voted.mean(axis=0)
    nearest = int(np.argmin((columns - x) ** 2 + (rows - y) ** 2))
    return DenseInstance(mask, (float(x), float(y)), (float(columns[nearest]), float(rows[nearest])))
