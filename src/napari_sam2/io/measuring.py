"""Objects measured over time: area, axes, place, speed, and mean intensity of every channel, as numbers.

What is measured is what the labels show: a pixel that another object won counts for that one, unless masks may overlap.
`Measurable` holds the masks of a moment, so that measuring can go on in another thread while they change. Only what is
asked for is measured; images are read for intensities alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_sam2.document.document import Document
from napari_sam2.io.found_table import channels_of
from napari_sam2.masks.mask_store import MaskStore, Overlaps, StoredMask
from napari_sam2.masks.overlaps import Layered, label_dtype, painted
from napari_sam2.stacks import Movie

Array = np.ndarray[Any, Any]
AREA, SPEED, MAJOR, MINOR, Y, X = "area", "speed", "major axis", "minor axis", "y", "x"
SHAPES = (AREA, SPEED, MAJOR, MINOR, Y, X)
"""What needs no image; all of them in pixels, speed in pixels per frame."""
INTENSITY = "mean "
"""Before the name of a channel: its mean intensity, as stored."""
_NOWHERE = StoredMask.empty()


@dataclass(frozen=True, slots=True)
class Series:
    """What was measured of an object: frames on which it is seen, ascending, (N,), and numbers by name, (N,) each.

    Speed is since the frame before on which it is seen, and not a number on the first one.
    """

    object_id: int
    frames: Array
    values: Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Measurable:
    """The masks of a moment, by object and frame, with what decides which pixels of them are seen."""

    document: Document
    movie: Movie
    overlaps: Overlaps
    size: tuple[int, int]
    masks: Mapping[int, Mapping[int, StoredMask]] = field(repr=False)

    @classmethod
    def of(cls, document: Document, store: MaskStore, movie: Movie, overlaps: Overlaps) -> Measurable:
        """Return what a store holds now; later changes leave it alone."""
        order = dict.fromkeys((*document.objects, *store.object_ids()))
        return cls(document, movie, overlaps, store.size, {one: store.held(one) for one in order})

    def shown(self, object_id: int, frame: int) -> Array:
        """Return which pixels of a mask are seen, (h, w) bool in its box."""
        mask = self.masks[object_id][frame]
        if self.overlaps is Overlaps.allowed:
            return mask.mask()
        near = [one for one in self.masks if (other := self.masks[one].get(frame)) is not None and _meet(mask, other)]
        if near == [object_id]:
            return mask.mask()
        locked = self.document.locked
        layers = [Layered(one, self.masks[one][frame], place, one in locked) for place, one in enumerate(near)]
        return np.asarray(painted(layers, mask.box_yx, self.overlaps, label_dtype(near)) == object_id)


def measures_of(movie: Movie) -> tuple[str, ...]:
    """Return the names of all that can be measured in a movie."""
    return (*SHAPES, *(INTENSITY + name for name in channels_of(movie, 0)))


def unit_of(name: str) -> str:
    """Return the unit of a measure in brackets, with a space before; nothing for intensities."""
    if _is_intensity(name):
        return ""
    return " (px per frame)" if name == SPEED else " (px²)" if name == AREA else " (px)"


def series_of(
    measurable: Measurable,
    object_ids: Iterable[int],
    wanted: Iterable[str],
    is_stopped: Callable[[], bool] = lambda: False,
) -> dict[int, Series]:
    """Return what was measured of objects, by id, frame by frame; nothing where it was stopped.

    Parameters
    ----------
    wanted
        Names out of `measures_of`.
    """
    names, ids = frozenset(wanted), [*object_ids]
    rows: dict[int, list[tuple[int, dict[str, float]]]] = {object_id: [] for object_id in ids}
    for frame in sorted({frame for one in ids for frame in measurable.masks.get(one, ())}):
        if is_stopped():
            return {}
        here = [one for one in ids if not measurable.masks.get(one, {}).get(frame, _NOWHERE).is_empty]
        planes = channels_of(measurable.movie, frame) if here and any(map(_is_intensity, names)) else {}
        for object_id in here:
            shown = measurable.shown(object_id, frame)
            if shown.any():
                mask = measurable.masks[object_id][frame]
                rows[object_id].append((frame, measured(mask, shown, planes, names)))
    return {object_id: _series(object_id, found, names) for object_id, found in rows.items()}


def _series(object_id: int, rows: list[tuple[int, dict[str, float]]], names: frozenset[str]) -> Series:
    """Return what was measured frame by frame as arrays, with the speed."""
    frames = np.array([frame for frame, _ in rows], int)
    values = {name: np.array([row[name] for _, row in rows], float) for name in (rows[0][1] if rows else names)}
    if SPEED in names and rows:
        steps = np.hypot(np.diff(values[Y]), np.diff(values[X])) / np.diff(frames)
        values[SPEED] = np.concatenate([[np.nan], steps])
    return Series(object_id, frames, {name: values[name] for name in values if name in names})


def measured(mask: StoredMask, shown: Array, planes: Mapping[str, Array], names: frozenset[str]) -> dict[str, float]:
    """Return what is wanted of a mask, of which (h, w) is seen in its box, on planes (H, W)."""
    row = {AREA: float(np.count_nonzero(shown))} if AREA in names else {}
    if names & {SPEED, MAJOR, MINOR, Y, X}:
        rows, columns = np.nonzero(shown)
        row |= {Y: float(rows.mean()) + mask.y0, X: float(columns.mean()) + mask.x0}
        if names & {MAJOR, MINOR}:
            row[MINOR], row[MAJOR] = axes_of(rows, columns)
    return row | {
        INTENSITY + name: float(plane[mask.rows, mask.columns][shown].mean()) for name, plane in planes.items()
    }


def axes_of(rows: Array, columns: Array) -> tuple[float, float]:
    """Return the shorter and the longer axis of the ellipse with the second moments of pixels (N,), (N,)."""
    spread = np.cov(np.stack([rows, columns]), bias=True)
    minor, major = 4 * np.sqrt(np.maximum(np.linalg.eigvalsh(spread), 0.0))
    return float(minor), float(major)


def _meet(first: StoredMask, second: StoredMask) -> bool:
    """Return whether the boxes of two masks have a pixel in common."""
    return (
        first.y0 < second.y0 + second.shape[0]
        and second.y0 < first.y0 + first.shape[0]
        and first.x0 < second.x0 + second.shape[1]
        and second.x0 < first.x0 + first.shape[1]
    )


def _is_intensity(name: str) -> bool:
    return name.startswith(INTENSITY)
