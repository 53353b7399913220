"""Two objects that touch and got the votes of one: where the dense head itself hints at two, they are split.

An instance is cut where two means of its pixels part. It is two where three things agree: the cut is a waist, votes of
either half gather apart from those of the other (though not far enough for two centres), and the border is likelier
along the cut than in the middle of the halves. Each half is then a seed like any other, clicked with its own rough
mask; the whole is no candidate any more. Only what is large enough for two of the size that the model knows is looked
at. The limits were chosen on the data that docs/find.md lists, and look at the head only: answers of the decoder for
halves of one object are as sure of themselves as those for two.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.special import expit

from sam2_core.finding.votes import DenseInstance, Map, Numbers

PIXELS = (85, 250)
"""Of a map, that two objects have together; one of the size that the model knows has about 64."""
LEAST_PRESENCE = 0.8
"""Of an instance: what the head is less sure of is not cut as well."""
WAIST = (0.55, 0.8)
"""Length of the cut in diameters of a disc of that area: less has arms, more is one."""
LEAST_SEPARATION = 0.25
"""Distance between the mean votes of the halves, as a share of that between their middles: 0 for one, 1 for two."""
LEAST_RIDGE = 0.25
"""By how much, in logits, the border is likelier along the cut than in the middle of the halves."""
CUT, MIDDLE, RIM = 1.0, 1.5, 1.5
"""Map pixels beside the cut, beside the middle of a half, and from the outline within which the border is not read."""
STEPS = 20


def split(instance: DenseInstance, foreground: Map, boundary: Map, offsets: Map) -> tuple[DenseInstance, ...]:
    """Return the two halves of an instance that is two touching objects, or the instance alone.

    Parameters
    ----------
    instance
        As `votes.dense_instances` gave it for these maps.
    foreground, boundary
        (h, w) logits.
    offsets
        (2, h, w): x and y from a pixel to the centre of its object, in map pixels.
    """
    rows, columns = np.nonzero(instance.mask)
    if not PIXELS[0] <= len(rows) <= PIXELS[1] or instance.presence < LEAST_PRESENCE:
        return (instance,)
    pixels = np.stack([columns, rows], axis=1)
    middles, second = _two_means(pixels)
    if not _are_two(instance.mask, boundary, pixels + offsets[:, rows, columns].T, middles):
        return (instance,)
    return tuple(_part(instance, foreground, pixels[half]) for half in (~second, second))


def _two_means(pixels: npt.NDArray[np.intp]) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """Return the middles (2, 2) of two groups of pixels (P, 2), parted across the longer axis, and who is second."""
    spreads, axes = np.linalg.eigh(np.cov(pixels.T))
    along = axes[:, 1] * np.sqrt(spreads[1])
    middles = np.stack([pixels.mean(axis=0) - along, pixels.mean(axis=0) + along])
    for _ in range(STEPS):
        second = (pixels - middles.mean(axis=0)) @ (middles[1] - middles[0]) > 0
        middles = np.stack([pixels[~second].mean(axis=0), pixels[second].mean(axis=0)])
    return middles, second


def _are_two(mask: npt.NDArray[np.bool_], boundary: Map, votes: Numbers, middles: Numbers) -> bool:
    """Return whether waist, votes (P, 2) of the pixels and border agree that the halves of a mask are two objects."""
    rows, columns = np.nonzero(mask)
    apart = float(np.hypot(*(middles[1] - middles[0])))
    axis = (middles[1] - middles[0]) / apart
    place, vote = ((each - middles.mean(axis=0)) @ axis for each in (np.stack([columns, rows], axis=1), votes))
    waist = np.count_nonzero(np.abs(place) < CUT) / (2 * CUT) / np.sqrt(4 / np.pi * len(rows))
    separation = (vote[place > 0].mean() - vote[place <= 0].mean()) / apart
    inside = ndimage.distance_transform_edt(np.pad(mask, 1))[rows + 1, columns + 1] > RIM
    cut = inside & (np.abs(place) < CUT)
    middle = inside & (np.abs(np.abs(place) - apart / 2) < MIDDLE)
    if not (WAIST[0] <= waist <= WAIST[1] and separation >= LEAST_SEPARATION and cut.any() and middle.any()):
        return False
    border = boundary[rows, columns]
    return bool(border[cut].mean() - border[middle].mean() >= LEAST_RIDGE)


def _part(whole: DenseInstance, foreground: Map, pixels: npt.NDArray[np.intp]) -> DenseInstance:
    """Return the part of an instance that has those pixels (P, 2)."""
    mask = np.zeros_like(whole.mask)
    mask[pixels[:, 1], pixels[:, 0]] = True
    centre = pixels.mean(axis=0)
    inside = pixels[np.argmin(((pixels - centre) ** 2).sum(axis=1))]
    return replace(
        whole,
        mask=mask,
        logits=np.where(mask, whole.logits, -np.abs(whole.logits)),
        centre_xy=(float(centre[0]), float(centre[1])),
        inside_xy=(float(inside[0]), float(inside[1])),
        diameter=float(np.sqrt(4 / np.pi * len(pixels))),
        presence=float(expit(foreground[mask]).mean()),
    )
