"""A whole movie with its truth: images, labels with stable ids, and who came from whom.

In order: simulate the cells, give them outlines and looks, paint and render each frame, then number the cells that
were ever seen from 1 in the order of their first frame. It does not save anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import motion, rendering, shapes
from .movie_settings import MovieSettings, Style
from .painting import outlined, paint

_SMALLEST_PX = 12  # a sliver at the border below this area is not labelled


class LineageRow(NamedTuple):
    """One object: the frames on which it is first and last seen, and its parent (0 for none)."""

    object_id: int
    first_frame: int
    last_frame: int
    parent: int


@dataclass(frozen=True, slots=True)
class SyntheticMovie:
    """Images, exact labels and lineage of one synthetic movie.

    `images` is (T, H, W) uint8 or uint16; `labels` is (T, H, W) uint16, 0 for background, else an object id >= 1 that
    stays the same over time. An object can be absent between its first and last frame when it left and came back.
    """

    images: NDArray[np.uint8 | np.uint16]
    labels: NDArray[np.uint16]
    lineage: tuple[LineageRow, ...]
    style: Style
    seed: int
    settings: MovieSettings
    pixel_size_um: float = 0.5


def make_movie(settings: MovieSettings, seed: int) -> SyntheticMovie:
    """Return the movie that the settings and the seed decide; the same two give the same movie, bit for bit."""
    rng = np.random.default_rng(seed)
    record, parents = motion.simulate(settings, rng)
    cells = len(parents)
    radii, bend = shapes.outlines(settings, rng, cells), shapes.bends(settings, rng, cells)
    skin, look = rendering.make_skin(settings, rng, cells), rendering.make_look(settings, rng, cells)
    drift = settings.drift_px * np.cumsum(rng.normal(0.3, 1.0, (settings.frames, 2)), 0)
    size = (settings.height, settings.width)
    images, owners = [], []
    for frame, snapshot in enumerate(record):
        snapshot.centre_yx[:] += drift[frame] - drift[0]
        shown = snapshot.cell
        fields = paint(snapshot, radii[frame, shown], bend[frame, shown], skin, size, settings.reach)
        images.append(rendering.expose(rendering.render(fields, snapshot, look, settings), frame, settings, rng))
        owners.append(outlined(fields.owner, settings.margin * settings.diameter_px))
    labels, lineage = _number(np.stack(owners), parents)
    return SyntheticMovie(np.stack(images), labels, lineage, settings.style, seed, settings)


def _number(owners: NDArray[np.int32], parents: NDArray[np.int64]) -> tuple[NDArray[np.uint16], tuple[LineageRow, ...]]:
    """Return labels (T, H, W) with ids from 1 in order of appearance, and the lineage of those ids."""
    areas = np.stack([np.bincount(frame.ravel(), minlength=len(parents) + 1) for frame in owners])  # (T, cells + 1)
    seen = areas >= _SMALLEST_PX
    seen[:, 0] = False
    present = np.flatnonzero(seen.any(0))
    first = seen.argmax(0)
    order = present[np.argsort(first[present], kind="stable")]
    ids = np.zeros(len(parents) + 1, np.uint16)
    ids[order] = np.arange(1, len(order) + 1)
    labels = np.stack([np.where(seen[t], ids, 0)[frame] for t, frame in enumerate(owners)]).astype(np.uint16)
    last = len(owners) - 1 - seen[::-1].argmax(0)
    lineage = tuple(
        LineageRow(int(ids[value]), int(first[value]), int(last[value]), int(ids[parents[value - 1] + 1]))
        for value in order
    )
    return labels, lineage
