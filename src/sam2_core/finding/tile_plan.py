"""Which tiles are looked at: as few as show each object whole in one of them, at about the scale that the model knows.

An object is looked for in one tile only, the one whose middle is nearest to its seed; there it lies at least half an
overlap from the border. Where two tiles meet, either may see the seed on the side of the other: what both left out is
found by a spare look (`finder`). So what is found does not depend on where the tiles meet.
"""

from __future__ import annotations

from sam2_core.windowed.tiles import Tiling
from sam2_core.windowed.window import SEEN_PX, SizeHW, usual_span, window_side

CELL_PX = 36
"""Diameter of a typical object in a tile, in pixels of a model input of 256. At the 48 of tracking, with half as many
tiles again, outlines of nuclei gain .005 of IoU, but some nuclei break into pieces (a fifth more extras; measured)."""
LEAST_CELL_PX = 33
"""It may be as small as this where that saves a row of tiles."""
LARGEST_CELL_PX = 54
"""It may be as large as this where the frame is smaller than a tile would be."""
OVERLAP = 0.15
"""Share of their side by which neighbouring tiles overlap at least: an object and a little."""


def object_span(image_size: int, cell_px: float = CELL_PX) -> float:
    """Return the share of a tile's side that a typical object takes for a model input of `image_size` pixels."""
    return usual_span(image_size) * cell_px / SEEN_PX


def tiles_for(frame_hw: SizeHW, diameter_px: float, image_size: int) -> Tiling:
    """Return the tiles in which objects of that diameter are sought on a frame of (height, width) pixels.

    Objects that are larger than the frame are sought like one that fills it.
    """
    longest = max(frame_hw)
    diameter_px = min(diameter_px, longest)
    usual, widest, narrowest = (
        window_side(diameter_px, object_span(image_size, px)) for px in (CELL_PX, LEAST_CELL_PX, LARGEST_CELL_PX)
    )
    if usual >= longest:
        return Tiling(frame_hw, max(longest, narrowest), OVERLAP)
    few = Tiling(frame_hw, widest, OVERLAP)
    needed = max(_least_side(length, count) for length, count in zip(frame_hw, few.rows_and_columns, strict=True))
    return Tiling(frame_hw, min(max(needed, usual), widest), OVERLAP)


def _least_side(length: int, count: int) -> int:
    """Return the smallest side with which so many tiles cover a length and overlap enough."""
    return 0 if count == 1 else -int(-length // (count - (count - 1) * OVERLAP))
