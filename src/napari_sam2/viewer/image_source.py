"""From Image layers of a viewer to the stack and the settings of a session: what is seen is what the model gets.

`image_source` settles the axes of the layer (its labels, or its shape), which one is tracked, where the others are
held (at the sliders), the channels (a channel axis, several layers, or colour) and the contrast limits. Arrays stay as
lazy as they are: nothing is read, and of a multiscale image the full resolution is taken. Listens to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image

from napari_sam2.session.settings import SessionSettings
from napari_sam2.stacks import Calibration, Stack
from napari_sam2.stacks.axes import letters_from_names, pick_track_axis
from napari_sam2.stacks.sources import ArraysAsChannels
from napari_sam2.stacks.stack import MOST_CHANNELS
from napari_sam2.viewer.coordinates import Grid, lies_alike, places_at
from sam2_core.errors import StackError

SCENE = "napari_sam2_scene"  # in the metadata of a layer: which image series of its file it shows
PATH = "napari_sam2_path"  # and which file, where napari does not know it
MOST_LIKELY_CHANNELS = 4  # more planes than these are rather a z-stack
_BY_NDIM = {2: "YX", 3: "TYX", 4: "TZYX", 5: "TCZYX"}


@dataclass(frozen=True, slots=True)
class ImageSource:
    """What a session is opened with.

    Attributes
    ----------
    image
        The layer that gives place and size; the first of several.
    stack
        Its data with named axes; a channel axis in front where there are several layers.
    grid
        What the axes of the layer are.
    settings
        Tracked axis, fixed axes, channels and contrast limits; the rest as it was.
    """

    image: Image
    stack: Stack
    grid: Grid
    settings: SessionSettings


def image_source(
    layers: Image | Sequence[Image],
    *,
    axes: str | None = None,
    track_axis: str | None = None,
    channels: Sequence[int] | None = None,
    point: Sequence[float] | None = None,
    settings: SessionSettings | None = None,
) -> ImageSource:
    """Return what to open a session with.

    Parameters
    ----------
    layers
        One Image layer, or up to three of one shape and place that are seen as channels, in this order.
    axes
        One letter of TZCYX per dimension of the layer; read off the layer by default.
    track_axis
        "T" or "Z"; T by default, Z where there is no time.
    channels
        Which positions of a channel axis the model sees; the one in view by default.
    point
        World position of the sliders (`viewer.dims.point`), at which other axes are held, and one channel is in view;
        0 by default.
    settings
        What else was set.

    Raises
    ------
    StackError
        If layers do not fit together, or the axes do not fit the layer.
    """
    chosen = (layers,) if isinstance(layers, Image) else tuple(layers)
    _check_together(chosen)
    image = chosen[0]
    letters = checked_axes(image, axes)
    tracked = pick_track_axis(letters, _shape(image), track_axis)
    held = _held(image, letters, tracked, point)
    grid = Grid(letters, _shape(image), tracked, held)
    base = settings or SessionSettings()
    found = base.model_copy(
        update={
            "track_axis": tracked,
            "fixed": dict(held),
            "channels": _channels(chosen, grid, channels, point),
            "contrast_limits": shown_limits(chosen),
        }
    )
    return ImageSource(image, _stack(chosen, letters), grid, found)


def axes_of(layer: Image) -> str:
    """Return one letter per dimension: from the layer's axis labels where they say it, else from their number.

    Of four dimensions the second is taken for channels where it is short enough, else for depth.
    """
    letters = letters_from_names(layer.axis_labels)
    if "?" not in letters and len(set(letters)) == len(letters) and {"Y", "X"} <= set(letters):
        return letters
    if layer.ndim > 2 and _shape(layer)[-1] == 1:
        raise StackError(
            f"The last axis of {layer.name}, shape {_shape(layer)}, has one position: napari shows it as X, and it is "
            "most likely a channel. Add the image without it, as data[..., 0]; or, if it is X, set the layer's axis "
            "labels to letters of T, Z, C, Y and X."
        )
    if layer.ndim not in _BY_NDIM:
        raise StackError(
            f"{layer.name} has {layer.ndim} dimensions; two to five can be worked on: T, Z, C, Y and X. Add a part of "
            "it as an image of its own, for example data[0]."
        )
    if layer.ndim == 4 and _shape(layer)[1] <= MOST_LIKELY_CHANNELS:
        return "TCYX"
    return _BY_NDIM[layer.ndim]


def checked_axes(layer: Image, axes: str | None) -> str:
    """Return the axes that were given, if they fit the layer; those that the layer has by itself for None."""
    if axes is None:
        return axes_of(layer)
    letters = axes.upper().strip()
    if (
        len(letters) != layer.ndim
        or len(set(letters)) != len(letters)
        or not {"Y", "X"} <= set(letters) <= set("TZCYX")
    ):
        raise StackError(
            f"Axes {axes!r} do not fit {layer.name}, which has {layer.ndim} dimensions of {_shape(layer)}; give each "
            f"of the letters T, Z, C, Y, X at most once, for example {_BY_NDIM.get(layer.ndim, 'TYX')}."
        )
    return letters


def full_resolution(layer: Image) -> Any:
    """Return the array of a layer as it is, lazy or not; the largest one of a multiscale image."""
    return layer.data[0] if layer.multiscale else layer.data


def _shape(layer: Image) -> tuple[int, ...]:
    """Return the sizes of the dimensions, colour samples not among them."""
    return tuple(int(size) for size in full_resolution(layer).shape[: layer.ndim])


def _check_together(layers: Sequence[Image]) -> None:
    if not 1 <= len(layers) <= MOST_CHANNELS:
        raise StackError(f"{len(layers)} image layers are chosen; choose 1 to {MOST_CHANNELS}.")
    first = layers[0]
    if len(layers) > 1 and any(layer.rgb for layer in layers):
        raise StackError("A colour image already has three channels; choose it alone, or other layers without it.")
    for layer in layers[1:]:
        if _shape(layer) != _shape(first) or not lies_alike(first, layer):
            raise StackError(
                f"{layer.name} (shape {_shape(layer)}) does not lie on {first.name} (shape {_shape(first)}); channels "
                "need one shape, scale and position."
            )


def _held(image: Image, letters: str, tracked: str | None, point: Sequence[float] | None) -> dict[str, int]:
    """Return where the axes that are neither tracked nor shown nor channels stand."""
    others = [letter for letter in letters if letter not in ("Y", "X", "C", tracked)]
    return places_at(image, letters, _shape(image), point, others)


def _channels(
    layers: Sequence[Image], grid: Grid, wanted: Sequence[int] | None, point: Sequence[float] | None
) -> tuple[int, ...] | None:
    """Return which channels the model sees: what is asked for, all layers, or of an axis the one in view."""
    if len(layers) > 1:
        if "C" in grid.axes:
            raise StackError(f"{layers[0].name} has a channel axis itself; choose that layer alone, or split it.")
        return tuple(range(len(layers)))
    if "C" not in grid.axes:
        return None
    if wanted is not None:
        return tuple(wanted)
    return (places_at(layers[0], grid.axes, grid.shape, point, "C")["C"],)


def shown_limits(layers: Sequence[Image]) -> tuple[tuple[float, float], ...]:
    """Return (black, white) per layer as the viewer shows it; colour images are shown as they are."""
    if not layers[0].rgb:
        return tuple((float(low), float(high)) for low, high in (layer.contrast_limits for layer in layers))
    dtype = np.dtype(full_resolution(layers[0]).dtype)
    return ((0.0, float(np.iinfo(dtype).max) if dtype.kind in "ui" else 1.0),)


def _stack(layers: Sequence[Image], letters: str) -> Stack:
    first = layers[0]
    scale = dict(zip(letters, (float(size) for size in first.scale), strict=True))
    units = dict(zip(letters, (f"{unit:~}" for unit in first.units), strict=True))
    known = {letter: unit for letter, unit in units.items() if unit != "pixel"}
    names = tuple(layer.name for layer in layers) if len(layers) > 1 else ()
    calibration = Calibration({letter: scale[letter] for letter in known}, known, names)
    if len(layers) > 1:
        return Stack(
            ArraysAsChannels([full_resolution(layer) for layer in layers]), "C" + letters, first.name, calibration
        )
    path, scene = first.source.path or first.metadata.get(PATH), first.metadata.get(SCENE)
    return Stack(full_resolution(first), letters + ("S" if first.rgb else ""), first.name, calibration, path, scene)


def grid_of(image: Image, stack: Stack, settings: SessionSettings) -> Grid:
    """Return what the axes of an image layer are in a session on `stack`.

    Raises
    ------
    StackError
        If the layer does not have the shape of the stack.
    """
    letters = stack.axes.replace("S", "")
    sizes = tuple(size for size, axis in zip(stack.shape, stack.axes, strict=True) if axis != "S")
    if len(letters) == image.ndim + 1 and letters[0] == "C":  # several layers seen as channels
        letters, sizes = letters[1:], sizes[1:]
    if sizes != _shape(image):
        raise StackError(
            f"{image.name} has shape {_shape(image)}, but the session works on a stack of {sizes} ({letters}); choose "
            "the image that the session was opened with."
        )
    movie = stack.movie(settings.track_axis, settings.channels, settings.fixed)
    return Grid(letters, sizes, movie.track_axis, movie.held)
