"""Small movies drawn as discs: what a detection is, without an image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from napari_sam2.linking import Detection, Linked, Node

Disc = tuple[float, float, float]
"""y, x, radius."""


def disc(y: float, x: float, radius: float = 8.0, intensity: float | None = None) -> Detection:
    """A detection whose centroid is at (y, x), to the pixel grid."""
    y0, x0 = int(np.floor(y - radius)), int(np.floor(x - radius))
    side = int(np.ceil(2 * radius)) + 2
    rows, columns = np.mgrid[y0 : y0 + side, x0 : x0 + side]
    inside = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    return Detection((y0, x0), inside, intensity=intensity)


def movie(*frames: Iterable[Disc | tuple[float, float]]) -> list[list[Detection]]:
    return [[disc(*each) for each in frame] for frame in frames]


def paths(linked: Linked) -> set[tuple[Node, ...]]:
    return {track.nodes for track in linked.tracks}


def grid(
    count: int, spacing: float, shift: Sequence[float] = (0.0, 0.0), jitter: float = 0.0, seed: int = 0
) -> list[Disc]:
    """count x count discs, a little out of line so that no two places look the same."""
    rng = np.random.default_rng(seed)
    places = spacing * (1 + np.stack(np.mgrid[:count, :count], axis=-1).reshape(-1, 2))
    places = places + rng.uniform(-jitter, jitter, places.shape) + np.asarray(shift)
    return [
        (float(y), float(x), float(radius))
        for (y, x), radius in zip(places, rng.uniform(7, 9, len(places)), strict=True)
    ]
