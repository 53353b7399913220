"""Movies of discs that move, divide and are tracked badly, from a seed: labels and parents of truth and result."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Tracked = tuple[list[np.ndarray], dict[int, int]]


def drawn_truth(rng: np.random.Generator, frames: int = 8, cells: int = 6, size: int = 60) -> Tracked:
    yy, xx = np.mgrid[:size, :size]
    places = {number: rng.uniform(5, size - 5, 2) for number in range(1, cells + 1)}
    parents: dict[int, int] = {}
    fresh, drawn = cells + 1, []
    for _ in range(frames):
        labels = np.zeros((size, size), np.int32)
        for one, (y, x) in places.items():
            labels[(yy - y) ** 2 + (xx - x) ** 2 < 12 + one % 7 + 5 * rng.random()] = one
        drawn.append(labels)
        moved = {}
        for one, place in places.items():
            if rng.random() < 0.12:
                for shift in (-3, 3):
                    moved[fresh] = place + rng.normal(0, 1, 2) + shift
                    parents[fresh] = one
                    fresh += 1
            else:
                moved[one] = place + rng.normal(0, 1.5, 2)
        places = moved
    seen = set(np.unique(drawn).tolist())
    return drawn, {child: parent for child, parent in parents.items() if {child, parent} <= seen}


def spoilt(rng: np.random.Generator, truth: list[np.ndarray], true_parents: Mapping[int, int]) -> Tracked:
    """Objects are missed, made up, merged, go on under other ids, and get wrong parents or none."""
    frames, parents = [labels.copy() for labels in truth], dict(true_parents)
    top = int(max(labels.max() for labels in truth))
    for index, labels in enumerate(frames):
        ids = [int(one) for one in np.unique(labels) if one]
        for one in ids:
            chance, other = rng.random(), int(rng.choice(ids))
            if chance < 0.06:
                labels[labels == one] = 0
            elif chance < 0.13:
                top += chance < 0.1
                into = top if chance < 0.1 else other
                for later in frames[index:]:
                    later[later == one] = into
                parents |= {child: into for child, parent in parents.items() if parent == one and chance < 0.1}
                if into == top and rng.random() < 0.5:
                    parents[into] = one
            elif chance < 0.16:
                labels[labels == other] = one
            elif chance < 0.2:
                top += 1
                y, x = rng.integers(0, 55, 2)
                labels[y : y + 4, x : x + 4] = top
                parents[top] = other
    kept = {child: parent for child, parent in parents.items() if rng.random() > 0.1 and child != parent}
    return frames, kept
