"""What objects are on each frame, measured once for all formats that write tracks: place, size, box.

What is measured is what the labels show: a pixel that another object won counts for that one. Units are pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_sam2.io.results import Results
from napari_sam2.lineage.tracks import Track

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Spot:
    """An object on a frame: pixels, centroid, the score that the model said, box (y0, x0, y1, x1), ends left out."""

    object_id: int
    frame: int
    area: int
    y: float
    x: float
    score: float | None
    box_yx: tuple[int, int, int, int]


def spots_of(results: Results, frames: Iterable[Array] | None = None) -> tuple[list[Spot], dict[int, Track]]:
    """Return all spots, by frame and object, and the tracks that they belong to.

    frames: the labels of every frame, for who needs them besides.
    """
    spots: list[Spot] = []

    def measured() -> Iterator[Array]:
        for frame, labels in enumerate(results.frames() if frames is None else frames):
            spots.extend(spots_on(results, frame, labels))
            yield labels

    tracks = results.tracks(measured())
    return spots, tracks


def spots_on(results: Results, frame: int, labels: Array) -> Iterator[Spot]:
    """Yield the spots of a frame with its labels (H, W), by object."""
    from skimage.measure import regionprops

    ids, places = np.unique(np.append(0, labels), return_inverse=True)  # numbered through: an id may be 4294967295
    for region in regionprops(places[1:].reshape(labels.shape)):  # type: ignore[no-untyped-call]
        object_id = int(ids[region.label])
        mask = results.masks.get((object_id, frame))
        y, x = region.centroid
        score = None if mask is None else mask.model_score
        yield Spot(object_id, frame, int(region.area), float(y), float(x), score, region.bbox)


def tracks_layer(results: Results) -> tuple[Array, dict[int, list[int]]]:
    """Return what napari's Tracks layer takes: data (N, 4) of object id, frame, y, x, and its graph, child -> parents.

    Examples
    --------
    >>> data, graph = tracks_layer(open_results("movie.sam2"))
    >>> viewer.add_tracks(data, graph=graph)
    """
    spots, tracks = spots_of(results)
    ordered = sorted(spots, key=lambda spot: (spot.object_id, spot.frame))
    data = np.array([(spot.object_id, spot.frame, spot.y, spot.x) for spot in ordered], np.float64).reshape(-1, 4)
    parents = {one: track.parent for one, track in tracks.items()}
    return data, {one: [parent] for one, parent in parents.items() if parent is not None and parent in tracks}
