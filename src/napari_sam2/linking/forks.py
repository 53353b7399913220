"""How well two detections agree with being the daughters of one on a frame before: what divisions are judged by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_sam2.linking.detections import Floats, Ints, Population
from napari_sam2.linking.pairs import Pairs

FORK_FEATURES = (
    "union", "union squared", "asymmetry", "middle", "separation", "separation squared", "straightness",
    "light asymmetry", "daughters small", "daughters small squared", "overlap", "uneven overlap", "inside",
    "long", "long, inside", "long, separation",
    "daughter's rival", "mother's best", "one",
)  # fmt: skip
MOST_DAUGHTERS = 6
"""Of the detections near a mother so many, the nearest, are looked at."""
MOST_ELONGATION = 1.5
"""Of a mother, as `Population.elongation` has it: what is longer than four and a half times its width is long."""
MOST_SEPARATION = 2.5
"""Between the daughters' centres, in their mean diameters."""


@dataclass(frozen=True, slots=True, eq=False)
class Forks:
    """Mothers (K,), daughters (K, 2) and their places in the pairs, and features (K, len(FORK_FEATURES))."""

    mother: Ints
    daughters: Ints
    places: Ints
    features: Floats


def forks_of(before: Population, after: Population, drift: Floats, pairs: Pairs, gains: Floats) -> Forks:
    """Return everything that could be a division between two frames; gains (K,) of the pairs as links."""
    first, second = _two_of_each(pairs)
    one, other = pairs.second[first], pairs.second[second]
    apart = np.hypot(*(after.yx[one] - after.yx[other]).T) / ((after.diameter[one] + after.diameter[other]) / 2)
    near = apart < MOST_SEPARATION
    first, second, one, other, apart = first[near], second[near], one[near], other[near], apart[near]
    mother = pairs.first[first]
    carried = before.yx[mother] + drift[mother]
    middle = (after.yx[one] + after.yx[other]) / 2
    union = np.log((after.area[one] + after.area[other]) / before.area[mother])
    light = np.nan_to_num(np.abs(np.log(after.intensity[one] / after.intensity[other])))
    typical = np.median(before.area)  # of those that have not divided yet, where all do at once
    small = (np.log(after.area[one] / typical) + np.log(after.area[other] / typical)) / 2
    daughters = (first, one), (second, other)
    lying = [_inside(pairs.overlap[pair], before.area[mother], after.area[each]) for pair, each in daughters]
    inside = np.minimum(*lying)
    long = np.minimum(before.elongation[mother], MOST_ELONGATION)
    rival = rivals(pairs, gains, before.count, after.count)
    columns = [
        union,
        union**2,
        np.abs(np.log(after.area[one] / after.area[other])),
        np.hypot(*(middle - carried).T) / before.diameter[mother],
        apart,
        apart**2,
        _straightness(after.yx[one] - carried, after.yx[other] - carried),
        light,
        small,
        small**2,
        pairs.overlap[first] + pairs.overlap[second],
        np.abs(pairs.overlap[first] - pairs.overlap[second]),
        inside,
        long,
        long * inside,
        long * apart,
        np.clip(np.maximum(rival[first], rival[second]), -6, 6),
        np.clip(np.minimum(gains[first], gains[second]), -6, 6),
        np.ones_like(union),
    ]
    places = np.stack([first, second], axis=1)
    return Forks(mother, np.stack([one, other], axis=1), places, np.stack(columns, axis=1))


def rivals(pairs: Pairs, gains: Floats, before: int, after: int) -> Floats:
    """Return for each pair (K,) what the best other source of its second would win by it.

    That is the gain of that link less the best one that the source has without it.
    """
    order, best, runner = _two_best(pairs.first, gains, before)
    without = np.where(order[pairs.first] == np.arange(len(gains)), runner[pairs.first], best[pairs.first])
    net = gains - np.maximum(without, 0)
    order, best, runner = _two_best(pairs.second, net, after)
    return np.where(order[pairs.second] == np.arange(len(gains)), runner[pairs.second], best[pairs.second])


def _inside(overlap: Floats, mother: Floats, daughter: Floats) -> Floats:
    """Return which share of a daughter lies on the drifted mother, for their IoU and areas."""
    return overlap * (mother + daughter) / ((1 + overlap) * daughter)


def _two_best(group: Ints, values: Floats, many: int) -> tuple[Ints, Floats, Floats]:
    """Return of each group (many,) the place of its highest value, that value and the second one; -inf for none."""
    sorting = np.lexsort((-values, group))
    starts = np.searchsorted(group[sorting], np.arange(many + 1))
    sizes = np.diff(starts)
    padded = np.append(sorting, [-1, -1])
    place = np.where(sizes > 0, padded[starts[:-1]], -1)
    second = np.where(sizes > 1, padded[starts[:-1] + 1], -1)
    looked = np.append(values, -np.inf)
    return place, looked[place], looked[second]


def _straightness(one: Floats, other: Floats) -> Floats:
    """Return 1 where the two ways (K, 2) go to opposite sides, 0 where they go to the same."""
    lengths = np.hypot(*one.T) * np.hypot(*other.T)
    return (1 - (one * other).sum(axis=1) / np.maximum(lengths, 1e-9)) / 2


def _two_of_each(pairs: Pairs) -> tuple[Ints, Ints]:
    """Return the places in `pairs` of any two with the same first detection, of the nearest of each."""
    order = np.lexsort((pairs.distance, pairs.first))
    rank = np.arange(len(order)) - np.searchsorted(pairs.first[order], pairs.first[order])
    places = np.sort(order[rank < MOST_DAUGHTERS])
    first = pairs.first[places]
    ahead = [np.flatnonzero(first[step:] == first[:-step]) for step in range(1, MOST_DAUGHTERS)]
    one = np.concatenate(ahead)
    other = np.concatenate([each + step for step, each in enumerate(ahead, start=1)])
    return places[one], places[other]
