"""The frames around a place as small pictures: the image as the model sees it, cells outlined as who they are.

`film_of` is called on the main thread and takes what the pictures need; what it returns makes them, on any thread.
Every picture shows the same part of the image, so that what moves is seen to move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam2.document.prompt_parts import BoxYX
from napari_sam2.masks.stored_masks import StoredMask
from napari_sam2.session.session import Session
from napari_sam2.viewer.cell_edges import edge_of
from napari_sam2.viewer.roles import COLORS, Role, Roles

BEFORE_AND_AFTER = 3
AROUND = 2.2
"""How many times as large as the place the part of the image is that is shown."""
LEAST_PX = 24
"""The part of the image is at least as large."""
OTHERS = (128, 128, 128)
_LINE = {Role.chief: 2}

Picture = NDArray[np.uint8]
Window = tuple[float, float, float]
"""Top, left and side of a square part of the image, in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """A frame of the film: its number, and the picture (S, S, 3); None beyond the ends of the movie."""

    frame: int
    picture: Picture | None


def film_of(session: Session, frame: int, box_yx: BoxYX, roles: Roles, side: int) -> Callable[[], tuple[Still, ...]]:
    """Return what makes the pictures, `side` pixels wide and high, of the frames around a place; on any thread.

    Parameters
    ----------
    box_yx
        Of the place, (y0, x0, y1, x1).
    roles
        Who is outlined in which colour; all other cells are grey.
    """
    window, movie, count = window_around(box_yx), session.movie, session.frame_count
    frames = range(frame - BEFORE_AND_AFTER, frame + BEFORE_AND_AFTER + 1)
    cells = {one: _cells_in(session, one, window) for one in frames if 0 <= one < count}

    def made() -> tuple[Still, ...]:
        stills = []
        for one in frames:
            picture = None if one not in cells else pictured(np.asarray(movie[one]), window, side)
            if picture is not None:
                outlined(picture, window, cells[one], roles)
            stills.append(Still(one, picture))
        return tuple(stills)

    return made


def window_around(box_yx: BoxYX) -> Window:
    """Return the part of the image that is shown of a place."""
    y0, x0, y1, x1 = box_yx
    side = max(AROUND * max(y1 - y0, x1 - x0), LEAST_PX)
    return (y0 + y1 - side) / 2, (x0 + x1 - side) / 2, side


def pictured(plane: NDArray[Any], window: Window, side: int) -> Picture:
    """Return a part of an image, uint8 (H, W) or (H, W, 3), as a picture (side, side, 3); black beyond the image."""
    rows, columns = _places(window, side)
    channels = [plane] if plane.ndim == 2 else [plane[..., channel] for channel in range(3)]
    grid = np.meshgrid(rows, columns, indexing="ij")
    drawn = [ndimage.map_coordinates(one, grid, order=1, output=np.uint8) for one in channels]
    return np.ascontiguousarray(np.stack(drawn * (3 // len(drawn)), axis=-1))


def outlined(picture: Picture, window: Window, cells: Mapping[int, StoredMask], roles: Roles) -> None:
    """Draw the outlines of cells into a picture of a part of the image, the cell in question on top."""
    rows, columns = (np.rint(places).astype(int) for places in _places(window, len(picture)))
    for object_id, mask in sorted(cells.items(), key=lambda one: _depth(one[0], roles)):
        y = np.flatnonzero((rows >= mask.rows.start) & (rows < mask.rows.stop))
        x = np.flatnonzero((columns >= mask.columns.start) & (columns < mask.columns.stop))
        if not len(y) or not len(x):
            continue
        role = roles.get(object_id)
        inside = mask.mask()[np.ix_(rows[y] - mask.y0, columns[x] - mask.x0)]
        edge = edge_of(inside, 1 if role is None else _LINE.get(role, 1))
        part = picture[y[0] : y[-1] + 1, x[0] : x[-1] + 1]
        part[edge] = OTHERS if role is None else _rgb(COLORS[role])


def _depth(object_id: int, roles: Roles) -> int:
    """Return when a cell is drawn: others first, the one in question last."""
    role = roles.get(object_id)
    return -len(Role) - 1 if role is None else -role


def _cells_in(session: Session, frame: int, window: Window) -> dict[int, StoredMask]:
    """Return the cells of a frame that reach into a part of the image, by object id."""
    y0, x0, side = window
    found = {}
    for object_id in session.masks.objects_on(frame):
        mask = session.masks.get((object_id, frame))
        if mask is None or mask.is_empty:
            continue
        across = mask.rows.start < y0 + side and mask.rows.stop > y0
        if across and mask.columns.start < x0 + side and mask.columns.stop > x0:
            found[object_id] = mask
    return found


def _places(window: Window, side: int) -> Sequence[NDArray[np.float64]]:
    """Return the rows and the columns of the image that are the rows and columns of a picture."""
    y0, x0, width = window
    steps = (np.arange(side) + 0.5) * width / side - 0.5
    return y0 + steps, x0 + steps


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
