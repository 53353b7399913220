"""From the maps of the dense head to instances: each pixel inside an object votes for the centre of its object.

The maps are stretched to half of a map pixel first. A vote weighs one over the area that the head says its object has,
so every object has about one vote in all, whatever its size; it is cast where the offset points, and moved on by the
offset that is found there. Where votes pile up there is a centre, and a pixel belongs to the centre that is nearest to
its vote in diameters of the object there. Places are (x, y) in map pixels, the middle of pixel (0, 0) is 0.

Sources of the idea: Neven et al. 2019 (arXiv:1906.11109), Cheng et al. 2020 (arXiv:1911.10194).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.special import expit

from sam2_core.finding.pieces import largest_piece
from sam2_core.modeling.dense_head import DenseMaps

Map = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]

STRIDE = 4
"""Pixels of the model's input along a map pixel."""
FINER = 2
"""Votes are cast from, and counted on, a grid so many times as fine as the maps."""
SECOND_STEP = 0.8
"""Share of the offset found where a vote was cast, by which it moves on."""
LEAST_OUTSIDE = -1.0
"""Foreground logit below which it does not move on."""
SMOOTHING, SMOOTHING_SHARE = 0.8, 0.06
"""Of the counted votes, in map pixels, or this share of a median diameter where that is more."""
LEAST_VOTES = 0.4
"""Share of an object's votes that a centre needs."""
APART = 0.28
"""Diameters between two centres at least."""
FARTHEST = 0.6
"""Diameters between a pixel's vote and the centre that it belongs to at most."""
DIAMETERS = (2.0, 64.0)
"""In map pixels, between which a diameter is believed."""


@dataclass(frozen=True, slots=True, eq=False)
class DenseInstance:
    """An object as the dense head alone sees it, on a map (h, w).

    Attributes
    ----------
    mask
        (h, w), its pixels.
    logits
        (h, w) float32: how sure the head is that a pixel is in an object, negative where it is not in this one.
    centre_xy
        Where its votes pile up.
    inside_xy
        The one of its pixels that is nearest to the centre.
    diameter
        What the head says of its size, in map pixels.
    presence
        Mean over its pixels of how sure the head is that there is an object, 0.5 to 1.
    """

    mask: Mask
    logits: Map
    centre_xy: tuple[float, float]
    inside_xy: tuple[float, float]
    diameter: float
    presence: float

    @property
    def size(self) -> float:
        """Diameter in map pixels: the mean of what the head says and of a disc of its area."""
        return float(np.sqrt(self.diameter * np.sqrt(4 * np.count_nonzero(self.mask) / np.pi)))


def as_arrays(maps: DenseMaps) -> tuple[Map, Map, Map]:
    """Return foreground, offsets and diameters of the first of B images as `dense_instances` wants them."""
    foreground, offsets, diameters = (
        each[0].float().cpu().numpy() for each in (maps.foreground, maps.offsets, maps.diameters / STRIDE)
    )
    return foreground, offsets, diameters


def dense_instances(foreground: Map, offsets: Map, diameters: Map) -> list[DenseInstance]:
    """Return the instances that pixels vote for.

    Parameters
    ----------
    foreground
        (h, w) logits, above 0 inside any object.
    offsets
        (2, h, w): x and y from a pixel to the centre of its object, in map pixels.
    diameters
        (h, w), of its object, in map pixels.
    """
    h, w = foreground.shape
    fine = np.stack([_finer(each) for each in (foreground, *offsets, np.log2(diameters))])
    rows, columns = np.nonzero(fine[0] > 0)
    if rows.size == 0:
        return []
    said = np.clip(np.exp2(fine[3, rows, columns]), *DIAMETERS)
    pixels = np.stack([columns, rows], axis=1)
    votes = (pixels + 0.5) / FINER - 0.5 + fine[1:3, rows, columns].T  # (P, 2)
    outside = ndimage.map_coordinates(foreground, votes.T[::-1], order=1, mode="nearest") <= LEAST_OUTSIDE
    onward = [ndimage.map_coordinates(offset, votes.T[::-1], order=1, mode="nearest") for offset in offsets]
    votes += np.where(outside, 0.0, SECOND_STEP)[:, None] * np.stack(onward, axis=1)
    weights = 1.0 / (np.pi / 4 * (FINER * said) ** 2)
    centres, sizes = _centres(votes, weights, said, (h, w))
    if len(centres) == 0:
        return []
    owners = _owners(votes, weights, centres, sizes)
    labels = np.zeros(fine.shape[1:], dtype=np.int32)
    labels[rows, columns] = owners + 1
    return _instances(labels, centres, sizes, fine[0])


def _finer(plane: Map) -> Map:
    """Return a map (h, w) stretched bilinearly, (FINER * h, FINER * w)."""
    places = [(np.arange(FINER * length) + 0.5) / FINER - 0.5 for length in plane.shape]
    (y0, y1, dy), (x0, x1, dx) = (
        (np.floor(p).clip(0, length - 1).astype(int), np.ceil(p).clip(0, length - 1).astype(int), p - np.floor(p))
        for p, length in zip(places, plane.shape, strict=True)
    )
    across = plane[:, x0] * (1 - dx) + plane[:, x1] * dx
    stretched: Map = across[y0] * (1 - dy)[:, None] + across[y1] * dy[:, None]
    return stretched


def _centres(votes: Numbers, weights: Numbers, said: Numbers, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    """Return places (N, 2) at which votes pile up, the best first, and the diameters (N,) of their objects."""
    h, w = FINER * shape[0], FINER * shape[1]
    column, row = ((votes + 0.5) * FINER).astype(int).clip(0, (w - 1, h - 1)).T
    counted, sized = (
        np.bincount(row * w + column, weights=each, minlength=h * w).reshape(h, w) for each in (weights, weights * said)
    )
    sigma = FINER * max(SMOOTHING, SMOOTHING_SHARE * float(np.median(said)))
    smooth, sizes = (
        2 * np.pi * sigma**2 * ndimage.gaussian_filter(each, sigma, mode="constant") for each in (counted, sized)
    )
    tops = (smooth == ndimage.maximum_filter(smooth, 2 * FINER + 1)) & (smooth > LEAST_VOTES / 2)
    rows, columns = np.nonzero(tops)
    best = np.argsort(-smooth[rows, columns])
    rows, columns = rows[best], columns[best]
    places = (np.stack([columns, rows], axis=1) + 0.5) / FINER - 0.5
    return _apart(places, (sizes[rows, columns] / smooth[rows, columns]).clip(*DIAMETERS))


def _apart(places: Numbers, sizes: Numbers) -> tuple[Numbers, Numbers]:
    """Return the places (N, 2) without those that lie near to a better one, and their sizes."""
    kept: list[int] = []
    for index in range(len(places)):
        distances = np.hypot(*(places[kept] - places[index]).T)
        if (distances >= APART * np.minimum(sizes[kept], sizes[index])).all():
            kept.append(index)
    return places[kept], sizes[kept]


def _owners(votes: Numbers, weights: Numbers, centres: Numbers, sizes: Numbers) -> npt.NDArray[np.intp]:
    """Return (P,): which centre each pixel belongs to, -1 for none."""
    distance, nearest = cKDTree(centres).query(votes, k=range(1, min(4, len(centres)) + 1))
    share = distance / sizes[nearest]
    every, best = np.arange(len(votes)), share.argmin(axis=1)
    owners = np.where(share[every, best] < FARTHEST, nearest[every, best], -1)
    gathered = np.bincount(owners + 1, weights=weights, minlength=len(centres) + 1)
    gathered[0] = np.inf
    return np.where(gathered[owners + 1] > LEAST_VOTES, owners, -1)


def _instances(labels: npt.NDArray[np.int32], centres: Numbers, sizes: Numbers, foreground: Map) -> list[DenseInstance]:
    """Return the instances of labels (FINER * h, FINER * w): of each the largest piece, without holes.

    foreground: (FINER * h, FINER * w) logits.
    """
    found = []
    shape = labels.shape[0] // FINER, labels.shape[1] // FINER
    sure = np.abs(foreground)
    outside = _coarser(-sure, np.mean).astype(np.float32)
    for index, region in enumerate(ndimage.find_objects(labels)):
        if region is None:
            continue
        box, fine = _whole_pixels(region)
        whole = largest_piece(labels[fine] == index + 1)
        mask = np.zeros(shape, dtype=bool)
        mask[box] = 2 * _coarser(whole, np.sum) >= FINER**2
        rows, columns = np.nonzero(mask)
        if rows.size:
            x, y = centres[index]
            nearest = int(np.argmin((columns - x) ** 2 + (rows - y) ** 2))
            inside = float(columns[nearest]), float(rows[nearest])
            presence = float(expit(foreground[fine][whole]).mean())
            logits = outside.copy()
            logits[box] = _coarser(np.where(whole, sure[fine], -sure[fine]), np.mean)
            found.append(DenseInstance(mask, logits, (float(x), float(y)), inside, float(sizes[index]), presence))
    return found


def _whole_pixels(region: tuple[slice, slice]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the part of a map that a part of the finer grid touches, and that on the finer grid."""
    box = tuple(slice(each.start // FINER, -(-each.stop // FINER)) for each in region)
    return box, tuple(slice(FINER * each.start, FINER * each.stop) for each in box)


def _coarser(plane: npt.NDArray[Any], reduce: Callable[..., npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return a map (h, w) of a plane (FINER * h, FINER * w): what its FINER x FINER pixels are reduced to."""
    h, w = (length // FINER for length in plane.shape)
    return reduce(plane.reshape(h, FINER, w, FINER), axis=(1, 3))
