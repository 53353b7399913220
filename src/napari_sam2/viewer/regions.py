"""Where on a frame a person wants something: the outlines of a Shapes layer of theirs as pixels of the image."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image, Shapes
from numpy.typing import NDArray

from napari_sam2.document.polygons import ellipse_outline, mask_of_polygon
from napari_sam2.viewer.coordinates import Grid, moved
from sam2_core.errors import PromptError

_WITH_AN_INSIDE = {"rectangle", "polygon", "ellipse"}


def region_of(layer: Shapes, image: Image, grid: Grid) -> NDArray[np.bool_]:
    """Return the pixels (H, W) inside of the shapes of a layer, on whatever frame each of them was drawn.

    Raises
    ------
    PromptError
        If nothing of the image is inside of any: lines, paths and what lies beside the image have no pixel of it.
    """
    region = np.zeros(grid.size, bool)
    for vertices, kind in zip(layer.data, layer.shape_type, strict=True):
        if str(kind) in _WITH_AN_INSIDE:
            corners = moved(layer, image, vertices)[:, grid.plane_axes]
            region |= _inside(ellipse_outline(corners) if str(kind) == "ellipse" else corners, grid.size)
    if not region.any():
        raise PromptError(
            f"there is nothing of the image inside of what {layer.name} holds; draw a rectangle, a polygon or an "
            "ellipse there, or look at the whole frame."
        )
    return region


def _inside(corners: NDArray[Any], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels of a polygon; none where it lies beside the image."""
    try:
        return mask_of_polygon(corners, size)
    except PromptError:
        return np.zeros(size, bool)
