"""One mask of a log: what its header says of it, and back. A log may come from anybody, so nothing is believed unseen.

A mask is taken if its box has a place in a frame, its pixels come out of what is packed, all of them and no more, and
its words are ones that we write. No more is ever unpacked than its box holds.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from napari_sam2.document.prompt import LARGEST_ID
from napari_sam2.masks.stored_masks import MaskKey, MaskStatus, StoredMask

LARGEST_SIDE = 2**20
"""Rows or columns of a frame, and frames of a movie: more are nowhere."""
_STATUSES = {status.value: status for status in MaskStatus}
_MOST_PACKED = 1032
"""zlib packs no more bytes than these into one."""


def entry_of(key: MaskKey, mask: StoredMask | None) -> dict[str, Any]:
    """Return what the header of a record says of a mask, or that it was removed."""
    entry: dict[str, Any] = {"object": int(key[0]), "frame": int(key[1])}
    if mask is None:
        return entry
    return entry | {
        "y0": int(mask.y0),
        "x0": int(mask.x0),
        "shape": [int(side) for side in mask.shape],
        "status": str(mask.status.value),
        "score": float(mask.score),
        "leg": mask.leg,
        "size": len(mask.packed),
    }


def key_of(entry: Mapping[str, Any]) -> MaskKey:
    """Return of which object on which frame an entry speaks.

    Raises
    ------
    ValueError, KeyError
        If it is none that there can be.
    """
    object_id, frame = entry["object"], entry["frame"]
    if type(object_id) is int is type(frame) and 1 <= object_id <= LARGEST_ID and 0 <= frame <= LARGEST_ID:
        return object_id, frame
    raise ValueError(f"object {object_id!r}, frame {frame!r}")


def mask_of(entry: Mapping[str, Any], packed: bytes) -> StoredMask:
    """Return the mask of an entry, seen to be as it says.

    Raises
    ------
    ValueError, KeyError, TypeError, OverflowError
        If it is not.
    """
    y0, x0, (height, width) = entry["y0"], entry["x0"], entry["shape"]
    for side in (y0, x0, height, width):
        if type(side) is not int or not 0 <= side <= LARGEST_SIDE:
            raise ValueError(f"{side!r} is no whole number from 0 to {LARGEST_SIDE}")
    score, leg = entry["score"], entry["leg"]
    if not isinstance(score, int | float) or not isinstance(leg, str):
        raise ValueError(f"score {score!r}, leg {leg!r}")
    check_packed(packed, height * width)
    return StoredMask(y0, x0, (height, width), packed, _STATUSES[entry["status"]], float(score), leg)


def check_packed(packed: bytes, area: int) -> None:
    """Return nothing if so many pixels come out of what is packed.

    Raises
    ------
    ValueError
        If it is damaged, or has more or fewer.
    """
    if not packed and area == 0:
        return
    if area == 0 or area > len(packed) * _MOST_PACKED:
        raise ValueError(f"{len(packed)} bytes do not hold {area} pixels")
    unpacking = zlib.decompressobj()
    try:
        found = len(unpacking.decompress(packed, area + 1))
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if found != area or not unpacking.eof:
        raise ValueError(f"{area} pixels do not come out")


def whole(value: Any, least: int, most: int) -> int:
    """Return a whole number that lies in a range.

    Raises
    ------
    ValueError
        If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{value!r} is no whole number from {least} to {most}")
    return value
