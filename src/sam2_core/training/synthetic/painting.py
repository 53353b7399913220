"""From cells to pixels: which cell owns a pixel, how deep inside it lies, and the texture that moves with the cell.

Every cell is drawn in its bounding box only. Where cells would overlap, the one in which the pixel lies relatively
deeper gets it, so that cells touch and never overlap. It does not know light.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .motion import CellStates
from .shapes import ANGLES

Image = NDArray[np.float32]
_TILE = 256


@dataclass(frozen=True, slots=True)
class Skin:
    """What the cells of a movie are made of; each cell sees the shared periodic tiles at its own offset."""

    coarse: Image  # (256, 256) zero mean, unit variance
    fine: Image  # (256, 256)
    offset: NDArray[np.int64]  # (N, 2) into the tiles
    nucleus_yx: NDArray[np.float64]  # (N, 2) centre of the nucleus in semi-axes
    nucleus_radius: NDArray[np.float64]  # (N,) in semi-axes


@dataclass(frozen=True, slots=True)
class Fields:
    """One painted frame, every array (H, W)."""

    owner: NDArray[np.int32]  # cell number + 1, 0 for background
    depth: Image  # 0 at any outline .. 1 in the middle
    coarse: Image  # textures, 0 outside
    fine: Image
    nucleus: Image  # 1 inside the nucleus, 0 outside


@dataclass(frozen=True, slots=True)
class CellPatch:
    """One cell in its bounding box."""

    rows: slice
    columns: slice
    level: Image  # 0 in the middle, 1 on the outline
    along: Image  # body coordinates in pixels
    across: Image
    long: float
    short: float


def paint(
    snapshot: CellStates,
    radii: NDArray[np.float64],
    bend: NDArray[np.float64],
    skin: Skin,
    size: tuple[int, int],
    reach: float,
) -> Fields:
    """Return the painted frame.

    `radii` (N, ANGLES) and `bend` (N,) are those of the cells in the snapshot; `reach` is how far cells spread where
    they have room, in their radii.
    """
    fields = Fields(np.zeros(size, np.int32), *(np.zeros(size, np.float32) for _ in range(4)))
    first, second = np.full(size, reach, np.float32), np.full(size, reach, np.float32)
    drawn: list[tuple[CellPatch, int]] = []
    for i in range(len(snapshot.cell)):
        patch = _patch(snapshot, i, radii[i], float(bend[i]), size, reach)
        if patch is not None:
            _claim(fields, first, second, patch, int(snapshot.cell[i]), skin)
            drawn.append((patch, int(snapshot.cell[i]) + 1))
    for patch, value in drawn:  # neighbours, thin tips and rounding can cut a piece off
        _keep_largest(fields.owner[patch.rows, patch.columns], value)
    inside = fields.owner > 0
    np.multiply(np.clip(second - first, 0, 1), inside, out=fields.depth)
    for texture in (fields.coarse, fields.fine, fields.nucleus):
        texture *= inside
    return fields


def outlined(owner: NDArray[np.int32], margin_px: float) -> NDArray[np.int32]:
    """Return the owners (H, W) as somebody draws them who keeps that far inside every visible edge: 0 between them."""
    if margin_px < 1.0:
        return owner
    is_edge = ndimage.maximum_filter(owner, 3) != ndimage.minimum_filter(owner, 3)
    inner: NDArray[np.int32] = np.where(ndimage.distance_transform_edt(~is_edge) >= margin_px, owner, 0)
    for value in np.unique(inner)[1:]:
        _keep_largest(inner, int(value))
    return inner


def _patch(
    snapshot: CellStates, i: int, radii: NDArray[np.float64], bend: float, size: tuple[int, int], reach: float
) -> CellPatch | None:
    """Return the body coordinates of cell i in its bounding box, or None if it lies outside the image."""
    (cy, cx), (long, short) = snapshot.centre_yx[i], snapshot.semi_axes[i]
    pinch = 1 - 0.5 * snapshot.pinch[i] * np.abs(_SIN) ** 4
    table = (radii ** (1 - snapshot.mitosis[i]) * pinch).astype(np.float32)  # dividing cells round up
    cos, sin = float(np.cos(snapshot.angle[i])), float(np.sin(snapshot.angle[i]))
    u, v = reach * table * _COS, reach * table * _SIN
    across = short * (v + bend * u * u)
    x, y = cos * long * u - sin * across, sin * long * u + cos * across
    top, left = max(0, int(cy + y.min()) - 1), max(0, int(cx + x.min()) - 1)
    bottom, right = min(size[0], int(cy + y.max()) + 3), min(size[1], int(cx + x.max()) + 3)
    if top >= bottom or left >= right:
        return None
    dy = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(cy)
    dx = np.arange(left, right, dtype=np.float32)[None] - np.float32(cx)
    along, sideways = cos * dx + sin * dy, cos * dy - sin * dx
    un = along / np.float32(long)
    vn = sideways / np.float32(short) - np.float32(bend) * un * un
    where = (np.arctan2(vn, un) * np.float32(ANGLES / (2 * np.pi))) % ANGLES
    low = where.astype(np.int32) % ANGLES
    step = np.append(table[1:], table[0]) - table
    level = np.sqrt(un * un + vn * vn) / (table[low] + step[low] * (where - np.floor(where)))
    return CellPatch(slice(top, bottom), slice(left, right), level, along, sideways, float(long), float(short))


_COS = np.cos(np.arange(ANGLES) * (2 * np.pi / ANGLES))
_SIN = np.sin(np.arange(ANGLES) * (2 * np.pi / ANGLES))


def _claim(fields: Fields, first: Image, second: Image, patch: CellPatch, cell: int, skin: Skin) -> None:
    """Give the cell the pixels in which it is deeper than the owners so far."""
    box = (patch.rows, patch.columns)
    best, level = first[box], patch.level
    wins = level < best
    second[box] = np.where(wins, np.minimum(best, second[box]), np.minimum(second[box], level))
    best[wins] = level[wins]
    fields.owner[box][wins] = cell + 1
    row = (patch.across[wins].astype(np.int32) + skin.offset[cell, 0]) % _TILE
    column = (patch.along[wins].astype(np.int32) + skin.offset[cell, 1]) % _TILE
    fields.coarse[box][wins] = skin.coarse[row, column]
    fields.fine[box][wins] = skin.fine[row, column]
    ny, nx = skin.nucleus_yx[cell]
    away = np.hypot(patch.across[wins] / patch.short - ny, patch.along[wins] / patch.long - nx)
    fields.nucleus[box][wins] = np.clip((skin.nucleus_radius[cell] - away) * 8 + 0.5, 0, 1)


def _keep_largest(owner: NDArray[np.int32], value: int) -> None:
    """Clear all but the largest connected piece of one cell, in place."""
    pieces, count = ndimage.label(owner == value)
    if count > 1:
        largest = int(np.argmax(np.bincount(pieces.ravel())[1:])) + 1
        owner[(pieces > 0) & (pieces != largest)] = 0
