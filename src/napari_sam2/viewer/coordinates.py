"""The one door between positions in a viewer and (frame, y, x) of the movie that is tracked.

A `Grid` knows what each axis of the image layer is: the tracked one gives the frame, Y and X the place, axes that are
held must stand where the session works, any other (channels) does not matter. Layers with another scale or position
than the image go through the world. Numbers only: nothing here listens to a viewer or changes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from napari.layers import Layer

Array = np.ndarray[Any, Any]
AFFINE_NAMES = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""What of a layer says where it lies in the world."""


def places_at(
    layer: Layer, axes: str, shape: Sequence[int], point: Sequence[float] | None, letters: Iterable[str]
) -> dict[str, int]:
    """Return where a position in the world (the first one of all for None) is on axes of a layer, within it, by letter.

    axes, shape: a letter and a size for each dimension of the layer.
    """
    here = np.zeros(layer.ndim) if point is None else layer.world_to_data(point)
    places = {letter: axes.index(letter) for letter in letters}
    return {letter: min(max(int(np.rint(here[at])), 0), shape[at] - 1) for letter, at in places.items()}


@dataclass(frozen=True, slots=True)
class Located:
    """Where points of a layer are in the movie.

    Attributes
    ----------
    frames
        One per point, 0-based.
    places_yx
        (N, 2) in pixels of the image, 0 in the middle of the first pixel.
    problems
        One per point: why it lies nowhere in the movie, or "".
    """

    frames: list[int]
    places_yx: Array
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """What the axes of an image layer are.

    Attributes
    ----------
    axes
        One letter of TZCYX per dimension of the layer, colour samples not among them.
    shape
        Sizes, in the same order.
    tracked
        Letter of the tracked axis; None for a single image.
    held
        Index at which the session holds other axes, by letter.
    """

    axes: str
    shape: tuple[int, ...]
    tracked: str | None
    held: Mapping[str, int] = field(default_factory=dict)

    @property
    def ndim(self) -> int:
        """Dimensions of the layer."""
        return len(self.axes)

    @property
    def frame_count(self) -> int:
        """Positions on the tracked axis."""
        return 1 if self.tracked is None else self.shape[self.axes.index(self.tracked)]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of a frame."""
        y, x = self.plane_axes
        return self.shape[y], self.shape[x]

    @property
    def plane_axes(self) -> tuple[int, int]:
        """Positions of Y and X among the dimensions."""
        return self.axes.index("Y"), self.axes.index("X")

    @property
    def frame_axis(self) -> int | None:
        """Position of the tracked axis among the dimensions; None for a single image."""
        return None if self.tracked is None else self.axes.index(self.tracked)

    def locate(self, coordinates: Any) -> Located:
        """Return where data coordinates (N, ndim) of the image layer are in the movie."""
        given = np.asarray(coordinates, dtype=float).reshape(-1, self.ndim)
        frames = np.zeros(len(given), dtype=int)
        if self.frame_axis is not None:
            frames = np.rint(given[:, self.frame_axis]).astype(int)
        return Located(frames.tolist(), given[:, self.plane_axes], self._problems(given))

    def place(self, frame: int, places_yx: Any) -> Array:
        """Return data coordinates (N, ndim) in the image layer of places (N, 2) on a frame."""
        places = np.asarray(places_yx, dtype=float).reshape(-1, 2)
        whole = np.tile([float(self.held.get(letter, 0)) for letter in self.axes], (len(places), 1))
        if self.frame_axis is not None:
            whole[:, self.frame_axis] = frame
        whole[:, self.plane_axes] = places
        return whole

    def _problems(self, points: Array) -> tuple[str, ...]:
        problems = [""] * len(points)
        indices = np.rint(points)
        for column, (letter, size) in enumerate(zip(self.axes, self.shape, strict=True)):
            here = indices[:, column]
            if letter in self.held:
                for row in np.flatnonzero(here != self.held[letter]):
                    problems[row] = (
                        f"it lies at {letter}={here[row]:g}, but the session works at {letter}={self.held[letter]}"
                    )
            elif letter == self.tracked:
                for row in np.flatnonzero((here < 0) | (here >= size)):
                    problems[row] = f"it lies on frame {here[row]:g}, but there are frames 0 to {size - 1}"
        return tuple(problems)


def lies_alike(first: Layer, second: Layer) -> bool:
    """Return whether data coordinates mean the same place in both layers."""
    if first.ndim != second.ndim:
        return False
    origin, steps = _between(first, second)
    return np.allclose(origin, 0) and np.allclose(steps, np.eye(first.ndim))


def moved(source: Layer, target: Layer, coordinates: Any) -> Array:
    """Return data coordinates (N, D) of one layer as data coordinates of another, through the world."""
    given = np.asarray(coordinates, dtype=float).reshape(-1, source.ndim)
    if lies_alike(source, target):
        return given
    origin, steps = _between(source, target)
    return origin + given @ steps


def _between(source: Layer, target: Layer) -> tuple[Array, Array]:
    """Return where the origin (D,) and a step along each axis (D, D) of one layer go in the other; all is affine."""
    corners = [np.zeros(source.ndim), *np.eye(source.ndim)]
    origin, *ends = (np.asarray(target.world_to_data(source.data_to_world(corner))) for corner in corners)
    return origin, np.array(ends) - origin


def placement(image: Layer) -> dict[str, Any]:
    """Return the keyword arguments that put a new layer where the image is."""
    return {name: getattr(image, name) for name in AFFINE_NAMES}
