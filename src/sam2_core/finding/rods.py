"""Rods: objects that are long, and smooth in outline; the model sees them best when their width has the usual size.

Seen so that a disc of their area has the usual size, two of them that touch side by side are too thin to be told apart.
Cells that spread are long too, but with arms and hollows: what they take up of an ellipse of their moments is less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sam2_core.finding.found import FoundObject, Mask

LONG = 1.75
"""Times its width that a rod is long at least."""
ROUGH = 0.075
"""What a rod of length / width 1 may lack of the ellipse of its moments, 1 / share ** 2 - 1; longer ones may lack in
proportion, as the same bend makes more of them. Cells with arms lack more."""
FEW = 8
"""Objects at most that may be clumps of rods, if they are `CLUMP` times as long as wide: of more, some lie alone."""
CLUMP = 1.25
LEAST_AREA = 20
"""Pixels; smaller ones have no shape."""


def typical_size(objects: Sequence[FoundObject]) -> float:
    """Return the diameter of a disc of the area of a typical object, in pixels; 0 without objects.

    Typical is, as for all here, the median, each object as heavy as it is large and sure.
    """
    sizes = [math.sqrt(4 / math.pi * each.area) for each in objects]
    return _typical(sizes, objects) if sizes else 0.0


def rod_width(objects: Sequence[FoundObject]) -> float | None:
    """Return the width of typical objects, in pixels; None where they are no rods."""
    length, lack, width = _typical_shape(objects)
    return width if length >= LONG and lack <= ROUGH * length else None


def clump_width(objects: Sequence[FoundObject]) -> float | None:
    """Return the width of the few objects that there are, in pixels; None where they are many, or round."""
    length, _, width = _typical_shape(objects)
    return width if length >= CLUMP and len(objects) <= FEW else None


def covered(objects: Sequence[FoundObject], frame_hw: tuple[int, int]) -> Mask:
    """Return (H, W), True where objects are."""
    whole = np.zeros(frame_hw, dtype=bool)
    for each in objects:
        whole[each.region] |= each.mask
    return whole


def _typical_shape(objects: Sequence[FoundObject]) -> tuple[float, float, float]:
    """Return what `_shape` says of typical objects, all 0 where none is large enough to have one."""
    large = [each for each in objects if each.area >= LEAST_AREA]
    if not large:
        return 0.0, 0.0, 0.0
    length, lack, width = (_typical(values, large) for values in zip(*(_shape(o.mask) for o in large), strict=True))
    return length, lack, width


def _shape(mask: Mask) -> tuple[float, float, float]:
    """Return of a mask length over width, what it lacks of the ellipse of its moments (see `ROUGH`), and its width."""
    rows, columns = np.nonzero(mask)
    shorter, longer = np.sqrt(np.linalg.eigvalsh(np.cov(np.stack([columns, rows])) + np.eye(2) / 12))
    long, area = float(longer / shorter), len(rows)
    return long, float((4 * np.pi * shorter * longer / area) ** 2 - 1), math.sqrt(4 / math.pi * area / long)


def _typical(values: Sequence[float], objects: Sequence[FoundObject]) -> float:
    order = np.argsort(values)
    gathered = np.cumsum([objects[place].score * objects[place].area for place in order])
    return float(values[order[int(np.searchsorted(gathered, gathered[-1] / 2))]])
