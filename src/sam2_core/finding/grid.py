"""Seeds where nothing says where objects are: a grid of points over a tile."""

from __future__ import annotations

import numpy as np

from sam2_core.finding.tile_plan import CELL_PX, object_span
from sam2_core.windowed.window import PointXY

SPACING_PX = 24
"""Between neighbouring points where a typical object is `CELL_PX` wide: closer ones found no more (measured)."""


def grid_points(image_size: int) -> list[PointXY]:
    """Return points that cover a model input of that side evenly, row by row."""
    spacing = object_span(image_size) * image_size * SPACING_PX / CELL_PX
    count = max(1, round(image_size / spacing))
    places = (np.arange(count) + 0.5) * image_size / count - 0.5
    return [(float(x), float(y)) for y in places for x in places]
