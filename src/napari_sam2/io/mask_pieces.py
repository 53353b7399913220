"""The pieces that a mask of labels lies in, and the objects that are in several of them for long."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_sam2.masks.mask_store import MaskStatus, MaskStore
from napari_sam2.masks.stored_masks import DRAWN_LOGIT, Array, StoredMask

SPECK = 1 / 4
"""A piece of less than this part of the largest one is none of its own."""
LONG = 3
"""On so many frames in a row several pieces are more than an accident."""


def imported_mask(rows: Array, columns: Array) -> StoredMask:
    """Return the mask of the pixels at rows and columns of a frame, of which there is one at least."""
    y0, x0 = rows.min(), columns.min()
    logits = np.zeros((rows.max() - y0 + 1, columns.max() - x0 + 1), np.float32)
    logits[rows - y0, columns - x0] = DRAWN_LOGIT
    return StoredMask.of_logits(int(y0), int(x0), logits, MaskStatus.imported)


def in_pieces(masks: MaskStore) -> dict[int, int]:
    """Return the objects that are in several pieces on `LONG` frames in a row -> the first frame of these."""
    found: dict[int, int] = {}
    for object_id in masks.object_ids():
        row: list[int] = []
        for frame, mask in sorted(masks.frames(object_id).items()):
            row = [*row, frame] if len(_large(mask.mask())[1]) > 1 else []
            if len(row) == LONG:
                found[object_id] = row[0]
                break
    return found


def pieces_of(mask: StoredMask, width: int) -> list[Array]:
    """Return the pixels of each piece, as places in the frame; what is a speck belongs to the piece next to it."""
    inside = mask.mask()
    named, large = _large(inside)
    if named.max(initial=0) > 1:
        nearest = ndimage.distance_transform_edt(~np.isin(named, large), return_distances=False, return_indices=True)
        named = named[tuple(nearest)] * inside
    rows, columns = np.nonzero(named)
    values, places = named[rows, columns], (rows + mask.y0) * width + columns + mask.x0
    return [places[values == value] for value in np.unique(values)]


def _large(inside: Array) -> tuple[Array, Array]:
    """Return the number of the piece that each pixel is in, 0 outside, and the numbers of those that are no specks."""
    named, found = ndimage.label(inside, np.ones((3, 3)))
    areas = np.bincount(named.ravel(), minlength=found + 1)[1:]
    return named, np.flatnonzero(areas >= areas.max(initial=0) * SPECK) + 1
