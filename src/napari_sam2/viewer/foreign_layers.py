"""What lies in layers of others over the image, as a session takes it: labels of a frame, tracks of all frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image, Labels, Tracks
from numpy.typing import NDArray

from napari_sam2.io.spot_tracks import spots_of_tracks
from napari_sam2.io.tracked import TrackedLabels, TrackedSpots
from napari_sam2.stacks import open_labels
from napari_sam2.viewer.coordinates import Grid, lies_alike, moved
from sam2_core.errors import PromptError


def labels_of(layer: Labels, grid: Grid, frame: int) -> NDArray[Any]:
    """Return the plane (H, W) of a Labels layer for a frame: of a stack like the image, or of one plane.

    Raises
    ------
    PromptError
        If the axes of the layer are others, or it does not reach to that frame.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    needed = "".join(letter for letter in grid.axes if letter in {"Y", "X", grid.tracked, *grid.held})
    plane_only = "".join(letter for letter in grid.axes if letter in "YX")
    axes = next((axes for axes in (grid.axes, needed, plane_only) if len(axes) == data.ndim), None)
    if axes is None:
        raise PromptError(
            f"{layer.name} has {data.ndim} dimensions and cannot be taken over; use labels with the axes {needed}."
        )
    where = {**dict.fromkeys(axes, 0), **grid.held, "Y": slice(None), "X": slice(None)}
    if grid.tracked is not None:
        where[grid.tracked] = frame
    try:
        plane = np.asarray(data[tuple(where[letter] for letter in axes)])
    except IndexError:
        raise PromptError(
            f"{layer.name} of shape {data.shape} has nothing for frame {frame}; use labels that reach to it."
        ) from None
    return plane if plane_only == "YX" else plane.T


class LayerPlanes:
    """The labels of a layer on every frame (T, H, W), as labels are opened; read when a frame is asked for."""

    ndim = 3

    def __init__(self, layer: Labels, grid: Grid) -> None:
        self._layer, self._grid = layer, grid
        self.shape = (grid.frame_count, *grid.size)
        self.dtype = np.dtype((layer.data[0] if layer.multiscale else layer.data).dtype)
        self.name = layer.name

    def __getitem__(self, index: Any) -> NDArray[Any]:
        frame, *within = index if isinstance(index, tuple) else (index,)
        plane: NDArray[Any] = labels_of(self._layer, self._grid, int(frame))[tuple(within)]
        return plane


def tracks_of_layer(layer: Labels | Tracks, image: Image, grid: Grid) -> TrackedLabels | TrackedSpots:
    """Return what a layer over the image says of objects over time: labels that keep their value, or tracks of places.

    Raises
    ------
    StackError
        If it holds no track.
    PromptError
        If its axes are others than those of the image, labels lie otherwise, or a place lies where the session does not
        work.
    """
    axes = _axes_of(layer, grid)
    if isinstance(layer, Labels):
        _check_alike(layer, image, grid, axes)
        return TrackedLabels(open_labels(LayerPlanes(layer, grid), "TYX"), {})
    data = np.asarray(layer.data, np.float64)
    if axes == grid.axes:
        located = grid.locate(moved(layer, image, data[:, 1:]))
        problem = next(filter(None, located.problems), "")
        if problem:
            raise PromptError(f"{layer.name}: {problem}; hide or delete those tracks, or work where they are.")
        frames, places = np.array(located.frames, np.int64), located.places_yx
    else:  # over a stack with channels or planes besides
        columns = {letter: _along(layer, image, grid, axes, letter, data[:, 1:]) for letter in axes}
        frames = np.rint(columns.get(grid.tracked or "", np.zeros(len(data)))).astype(np.int64)
        places = np.stack([columns["Y"], columns["X"]], axis=1)
    rows = np.column_stack([data[:, 0], frames, places])
    return spots_of_tracks(rows, {int(child): parents for child, parents in layer.graph.items()}, layer.name)


def _axes_of(layer: Labels | Tracks, grid: Grid) -> str:
    """Return what the dimensions of a layer are: those of the image, or those followed (of labels, or held)."""
    followed = "".join(letter for letter in grid.axes if letter in {"Y", "X", grid.tracked})
    needed = "".join(letter for letter in grid.axes if letter in {*followed, *grid.held})
    for axes in (grid.axes, needed, followed) if isinstance(layer, Labels) else (grid.axes, followed):
        if len(axes) == layer.ndim:
            return axes
    kind = "labels" if isinstance(layer, Labels) else "tracks"
    raise PromptError(
        f"{layer.name} has {layer.ndim} dimensions and cannot be taken over; use {kind} with the axes {followed}."
    )


def _check_alike(layer: Labels, image: Image, grid: Grid, axes: str) -> None:
    """Say no to labels of another size than the image, or that lie elsewhere than it."""
    shape = (layer.data[0] if layer.multiscale else layer.data).shape
    told = {letter: (size, grid.shape[grid.axes.index(letter)]) for letter, size in zip(axes, shape, strict=True)}
    lies = lies_alike(layer, image) if axes == grid.axes else _lies_alike_along(layer, image, grid, axes)
    if lies and all(own == others for letter, (own, others) in told.items() if letter != "C"):
        return
    sizes = " x ".join(str(own) for own, _ in told.values())
    raise PromptError(
        f"{layer.name} ({axes}: {sizes}) has another size or place than {image.name}, so its pixels are none of that; "
        "use labels of the same images."
    )


def _lies_alike_along(layer: Labels, image: Image, grid: Grid, axes: str) -> bool:
    places = [grid.axes.index(letter) for letter in axes]
    alike = (np.allclose(layer.scale, image.scale[places]), np.allclose(layer.translate, image.translate[places]))
    return (
        all(alike) and np.allclose(layer.rotate, np.eye(layer.ndim)) and np.allclose(image.rotate, np.eye(image.ndim))
    )


def _along(
    layer: Tracks, image: Image, grid: Grid, axes: str, letter: str, data: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return where places (N, D) of a layer are along an axis of the image, by scale and translation."""
    own, its = axes.index(letter), grid.axes.index(letter)
    in_world = data[:, own] * layer.scale[own] + layer.translate[own]
    found: NDArray[np.float64] = (in_world - image.translate[its]) / image.scale[its]
    return found
