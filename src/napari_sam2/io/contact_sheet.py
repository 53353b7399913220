"""A picture of a tracking result: a few frames side by side, every object outlined in its colour.

Colours follow the object id, so that an object keeps its colour from frame to frame. Drawn with Pillow; knows no model.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

_GAP = 4
_LEAST_SIDE = 320
_GOLDEN_ANGLE = 0.618033988749895


def object_colour(object_id: int) -> tuple[int, int, int]:
    """Return the RGB colour of an object, 0 to 255: neighbouring ids are far apart in hue."""
    red, green, blue = colorsys.hsv_to_rgb((object_id * _GOLDEN_ANGLE) % 1.0, 0.75, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def outlined(frame: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> Image.Image:
    """Return a frame, uint8 (H, W) or (H, W, 3), with the outline of every label (H, W); small frames are enlarged."""
    from skimage.segmentation import find_boundaries

    factor = max(1, -(-_LEAST_SIDE // max(labels.shape)))
    large = np.kron(labels, np.ones((factor, factor), labels.dtype))
    image = Image.fromarray(frame).convert("RGB").resize(large.shape[::-1], Image.Resampling.BICUBIC)
    pixels = np.array(image)  # (H, W, 3)
    edges = find_boundaries(large, mode="inner")  # type: ignore[no-untyped-call]
    for object_id in np.unique(large[edges]).tolist():
        if object_id:
            pixels[edges & (large == object_id)] = object_colour(object_id)
    return Image.fromarray(pixels)


def contact_sheet(panels: Sequence[tuple[str, Image.Image]], columns: int = 3) -> Image.Image:
    """Return panels (caption, image of one size) as a grid."""
    width, height = panels[0][1].size
    rows = -(-len(panels) // columns)
    sheet = Image.new("RGB", (columns * (width + _GAP) - _GAP, rows * (height + _GAP) - _GAP), (24, 24, 24))
    draw = ImageDraw.Draw(sheet)
    for number, (caption, image) in enumerate(panels):
        corner = (number % columns * (width + _GAP), number // columns * (height + _GAP))
        sheet.paste(image, corner)
        draw.text((corner[0] + 6, corner[1] + 4), caption, fill=(255, 255, 255))
    return sheet
