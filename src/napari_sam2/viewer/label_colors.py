"""The colours of labels: strong ones, so that no mask and no point looks like the grey image below it.

Each object has its own, or that of its lineage, or one that stands for a number.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from typing import Any

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap, ensure_colormap

RGBA = np.ndarray[Any, Any]
"""(4,) float, 0 to 1."""

COUNT = 48
"""Colours after which they begin again; ids of neighbouring numbers are far apart among the hues."""
_GOLDEN = 0.618034
_FIRST_HUE = 0.02
_TONES = ((0.95, 1.0), (0.6, 1.0), (0.95, 0.75))
"""Saturation and value, in turn."""


LARGEST_COLORED = 2**16 - 1
"""Ids up to this one can be given a colour; napari holds no more."""
_SCALE = "viridis"
_DARKEST = 0.8
"""The strongest channel of every colour is at least so strong: it has to be seen over a black image."""
_MIDDLE = 96
"""Per cent of numbers that the scale of colours spans; few large ones do not make all others look the same."""


def strong_colors() -> CyclicLabelColormap:
    """Return the colormap of labels: 0 is transparent, all others are colours that no grey is like."""
    return _colormap(_strong())


def colors_of(colors: Mapping[int, RGBA]) -> CyclicLabelColormap:
    """Return the colormap in which objects have these colours; others, and those of too large an id, have their own."""
    largest = max((one for one in colors if one <= LARGEST_COLORED), default=1)
    strong = _strong()
    shown = np.vstack([strong[:1], strong[1 + np.arange(largest) % COUNT]])
    for object_id, color in colors.items():
        if object_id <= largest:
            shown[object_id] = color
    return _colormap(shown)


def scale_of(values: Mapping[int, float]) -> tuple[dict[int, RGBA], tuple[float, float]]:
    """Return colours for numbers of objects, from violet to yellow, and the numbers of the first and the last."""
    numbers = np.array(list(values.values()), float)  # (N,)
    low, high = np.percentile(numbers, [(100 - _MIDDLE) / 2, (100 + _MIDDLE) / 2]) if len(numbers) else (0.0, 1.0)
    places = np.clip((numbers - low) / max(high - low, 1e-12), 0, 1)
    mapped = np.array(ensure_colormap(_SCALE).map(places), float)  # (N, 4)
    strongest = mapped[:, :3].max(axis=1, keepdims=True)
    mapped[:, :3] *= np.maximum(strongest, _DARKEST) / strongest
    return dict(zip(values, mapped, strict=True)), (float(low), float(high))


def _strong() -> RGBA:
    """Return the strong colours, (1 + COUNT, 4): the first is transparent."""
    hues = [(_FIRST_HUE + _GOLDEN * index) % 1 for index in range(COUNT)]
    colors = [colorsys.hsv_to_rgb(hue, *_TONES[index % len(_TONES)]) for index, hue in enumerate(hues)]
    return np.array([(0.0, 0.0, 0.0, 0.0), *((*color, 1.0) for color in colors)])


def _colormap(colors: RGBA) -> CyclicLabelColormap:
    """Return the colormap of colours (1 + N, 4)."""
    rounded = np.round(colors * 255).astype(np.float32) / 255  # the same on the graphics card and off it
    return CyclicLabelColormap(colors=rounded, name="napari-sam2", display_name="strong colours", background_value=0)
