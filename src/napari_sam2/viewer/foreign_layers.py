"""What lies in layers of others over the image, as a session takes it: labels of a frame, tracks of all frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image, Labels, Tracks
from numpy.typing import NDArray

from napari_sam2.io.spot_tracks import spots_of_tracks
from napari_sam2.io.tracked import TrackedLabels, TrackedSpots
from napari_sam2.stacks import open_labels
from napari_sam2.viewer.coordinates import Grid, moved
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
        If its axes are others than those of the image, or a place lies where the session does not work.
    """
    if isinstance(layer, Labels):
        return TrackedLabels(open_labels(LayerPlanes(layer, grid), "TYX"), {})
    data = np.asarray(layer.data, np.float64)
    followed = [letter for letter in grid.axes if letter in {"Y", "X", grid.tracked}]
    if layer.ndim == grid.ndim:
        located = grid.locate(moved(layer, image, data[:, 1:]))
        problem = next(filter(None, located.problems), "")
        if problem:
            raise PromptError(f"{layer.name}: {problem}; hide or delete those tracks, or work where they are.")
        frames, places = np.array(located.frames, np.int64), located.places_yx
    elif layer.ndim == len(followed):  # a stack with channels or planes besides, over which napari shows no such layer
        columns = {letter: data[:, column] for column, letter in enumerate(followed, start=1)}
        frames = columns.get(grid.tracked or "", np.zeros(len(data))).astype(np.int64)
        places = np.stack([columns["Y"], columns["X"]], axis=1)
    else:
        raise PromptError(
            f"{layer.name} has {layer.ndim} dimensions and cannot be taken over; use tracks with the axes "
            f"{''.join(followed)}."
        )
    rows = np.column_stack([data[:, 0], frames, places])
    return spots_of_tracks(rows, {int(child): parents for child, parents in layer.graph.items()}, layer.name)
