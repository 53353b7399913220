"""A polygon or a lasso as the mask that it stands for, and an ellipse as a polygon."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sam2.document.prompt_parts import BoolArray
from sam2_core.errors import PromptError

Array = NDArray[np.float64]
LEVEL = 1e-9
"""Pixels: what lies so close to the outline lies on it."""
_ELLIPSE_STEPS = 64


def mask_of_polygon(vertices_yx: ArrayLike, size: tuple[int, int]) -> BoolArray:
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
    vertices = np.asarray(vertices_yx, dtype=float)
    if vertices.ndim != 2 or vertices.shape[1] != 2 or len(vertices) < 3 or not np.isfinite(vertices).all():
        raise PromptError(
            f"a polygon of shape {vertices.shape} cannot be drawn; give three or more vertices (y, x), all finite."
        )
    mask = np.zeros(size, dtype=bool)
    low, high = np.ceil(vertices.min(axis=0)).clip(0, size), np.floor(vertices.max(axis=0)).clip(-1, np.array(size) - 1)
    (y0, x0), (y1, x1) = low.astype(int).tolist(), (high + 1).astype(int).tolist()
    if y0 < y1 and x0 < x1:
        mask[y0:y1, x0:x1] = _filled(vertices - (y0, x0), (y1 - y0, x1 - x0))
    if not mask.any():
        below, above = vertices.min(axis=0).round(1).tolist(), vertices.max(axis=0).round(1).tolist()
        raise PromptError(
            f"the polygon from (y, x) = {below} to {above} holds no pixel of a frame {size[0]} high and {size[1]} "
            "wide; draw it larger and inside the image."
        )
    return mask


def ellipse_outline(corners_yx: NDArray[np.float64]) -> Array:
    """Return the outline of the ellipse in four corners (4, D), which may be turned, as a polygon (64, D)."""
    turn = np.linspace(0, 2 * np.pi, _ELLIPSE_STEPS, endpoint=False)[:, None]
    first, second = (corners_yx[1] - corners_yx[0]) / 2, (corners_yx[3] - corners_yx[0]) / 2
    outline: Array = corners_yx.mean(axis=0) + np.cos(turn) * first + np.sin(turn) * second
    return outline


def _filled(vertices: Array, size: tuple[int, int]) -> BoolArray:
    """Return the pixels (H, W) in a polygon or on its outline, row by row from one crossing of the outline to the next.

    An edge crosses the rows from its upper end on, its lower end not included, so every row is crossed an even number
    of times; what lies level with a row is added by itself.
    """
    rows, columns = _crossings(vertices, size[0])
    order = np.lexsort((columns, rows))
    rows, columns = rows[order], columns[order]
    spans = [(rows[::2], columns[::2], columns[1::2])]
    begin, end = vertices, np.roll(vertices, -1, axis=0)
    level = (begin[:, 0] == end[:, 0]) & (begin[:, 0] == np.rint(begin[:, 0])) & _inside(begin[:, 0], size[0])
    spans.append((begin[level, 0].astype(int), *np.sort([begin[level, 1], end[level, 1]], axis=0)))
    corner = (begin == np.rint(begin)).all(axis=1) & _inside(begin[:, 0], size[0])
    spans.append((begin[corner, 0].astype(int), begin[corner, 1], begin[corner, 1]))
    steps = np.zeros((size[0], size[1] + 1), dtype=np.int32)
    for where, left, right in spans:
        first = np.ceil(left - LEVEL).clip(0, size[1]).astype(int)
        behind = (np.floor(right + LEVEL) + 1).clip(0, size[1]).astype(int)
        held = first < behind
        np.add.at(steps, (where[held], first[held]), 1)
        np.add.at(steps, (where[held], behind[held]), -1)
    return np.asarray(steps[:, :-1].cumsum(axis=1) > 0)


def _crossings(vertices: Array, height: int) -> tuple[NDArray[np.int_], Array]:
    """Return row and column of every crossing of an edge with a row of pixel centres."""
    begin, end = vertices, np.roll(vertices, -1, axis=0)
    down = (begin[:, 0] < end[:, 0])[:, None]
    top, bottom = np.where(down, begin, end), np.where(down, end, begin)
    first = np.ceil(top[:, 0]).clip(0, height).astype(int)
    count = np.ceil(bottom[:, 0]).clip(0, height).astype(int) - first
    edge = np.repeat(np.arange(len(vertices)), count)
    rows = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    share = (rows - top[edge, 0]) / (bottom[edge, 0] - top[edge, 0])
    return rows, top[edge, 1] + share * (bottom[edge, 1] - top[edge, 1])


def _inside(rows: Array, height: int) -> BoolArray:
    return np.asarray((rows >= 0) & (rows < height))
