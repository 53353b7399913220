"""The colours of labels: strong ones, so that no mask and no point looks like the grey image below it."""

from __future__ import annotations

import colorsys

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap

COUNT = 48
"""Colours after which they begin again; ids of neighbouring numbers are far apart among the hues."""
_GOLDEN = 0.618034
_FIRST_HUE = 0.02
_TONES = ((0.95, 1.0), (0.6, 1.0), (0.95, 0.75))
"""Saturation and value, in turn."""


def strong_colors() -> CyclicLabelColormap:
    """Return the colormap of labels: 0 is transparent, all others are colours that no grey is like."""
    hues = [(_FIRST_HUE + _GOLDEN * index) % 1 for index in range(COUNT)]
    colors = [colorsys.hsv_to_rgb(hue, *_TONES[index % len(_TONES)]) for index, hue in enumerate(hues)]
    shown = [(0.0, 0.0, 0.0, 0.0), *((*color, 1.0) for color in colors)]
    rounded = np.round(np.array(shown) * 255).astype(np.float32) / 255  # the same on the graphics card and off it
    return CyclicLabelColormap(colors=rounded, name="napari-sam2", display_name="strong colours", background_value=0)
