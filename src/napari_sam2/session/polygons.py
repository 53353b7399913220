"""A polygon or a lasso as the mask that it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sam2_core.errors import PromptError


def mask_of_polygon(
    vertices_yx: Sequence[Sequence[float]] | np.ndarray[Any, Any], size: tuple[int, int]
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return the mask (H, W) of the pixels whose centre lies in a polygon; what lies outside the frame is cut off.

    The centre of pixel (y, x) is (y, x), as in napari. The polygon closes by itself; where it crosses itself, what is
    surrounded twice is outside.

    Parameters
    ----------
    vertices_yx
        (N, 2), N >= 3, in pixels.
    size
        (height, width) of the frame.

    Raises
    ------
    PromptError
        There are fewer than three vertices, they are not finite pairs, or no pixel lies inside.
    """
    from skimage.draw import polygon

    vertices = np.asarray(vertices_yx, dtype=float)
    if vertices.ndim != 2 or vertices.shape[1] != 2 or len(vertices) < 3 or not np.isfinite(vertices).all():
        raise PromptError(
            f"a polygon of shape {vertices.shape} cannot be drawn; give three or more vertices (y, x), all finite."
        )
    mask = np.zeros(size, dtype=bool)
    mask[polygon(vertices[:, 0], vertices[:, 1], size)] = True  # type: ignore[no-untyped-call]
    if not mask.any():
        low, high = vertices.min(axis=0).round(1).tolist(), vertices.max(axis=0).round(1).tolist()
        raise PromptError(
            f"the polygon from (y, x) = {low} to {high} holds no pixel of a frame {size[0]} high and {size[1]} wide; "
            "draw it larger and inside the image."
        )
    return mask
