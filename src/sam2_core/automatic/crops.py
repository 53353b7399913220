"""Where points are asked in an image: crops in layers, and the grid of points in each. Numbers alone, no pixels.

Layer 0 is the whole image; layer n cuts it into 2^n by 2^n crops that overlap. Source: ``sam2/utils/amg.py``
(facebookresearch/sam2, 2b90b9f).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
"""(N, 2) x, y as shares of a crop's width and height."""
Box = tuple[int, int, int, int]
"""x0, y0, x1, y1."""

EDGE_PX = 20
"""A mask whose border is so near to that of its crop is taken as cut off there."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of an image, and the layer that it belongs to.

    Attributes
    ----------
    box
        x0, y0, x1, y1 in pixels of the image, the last two outside.
    layer
        0 for the whole image.
    """

    box: Box
    layer: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        x0, y0, x1, y1 = self.box
        return y1 - y0, x1 - x0

    def cuts(self, box: Box, image_hw: tuple[int, int]) -> bool:
        """Return whether a box in the image comes near to an edge of the crop that is none of the image."""
        edges, ends = self.box, (0, 0, image_hw[1], image_hw[0])
        return any(
            abs(side - edge) <= EDGE_PX and abs(side - end) > EDGE_PX
            for side, edge, end in zip(box, edges, ends, strict=True)
        )


def crops_of(image_hw: tuple[int, int], layers: int, overlap_ratio: float) -> list[Crop]:
    """Return the crops of an image, the whole of it first, then layer by layer, columns from left to right.

    Parameters
    ----------
    layers
        Besides the whole image.
    overlap_ratio
        Of the image's shorter side, by which crops of the first layer overlap; half as much in each further layer.
    """
    height, width = image_hw
    crops = [Crop((0, 0, width, height), 0)]
    for layer in range(1, layers + 1):
        count = 2**layer
        overlap = int(overlap_ratio * min(image_hw) * (2 / count))
        wide, high = _crop_side(width, count, overlap), _crop_side(height, count, overlap)
        corners = product(*([(side - overlap) * i for i in range(count)] for side in (wide, high)))
        boxes = ((x0, y0, min(x0 + wide, width), min(y0 + high, height)) for x0, y0 in corners)
        crops += [Crop(box, layer) for box in boxes if box[0] < box[2] and box[1] < box[3]]
    return crops


def _crop_side(side: int, count: int, overlap: int) -> int:
    return math.ceil((overlap * (count - 1) + side) / count)


def point_grid(per_side: int) -> Points:
    """Return (per_side^2, 2) points in the middle of as many equal cells, row by row."""
    along = np.linspace(1 / (2 * per_side), 1 - 1 / (2 * per_side), per_side)
    x, y = np.meshgrid(along, along)
    return np.stack([x, y], axis=-1).reshape(-1, 2)


def grids_of_layers(per_side: int, layers: int, downscale_factor: int) -> list[Points]:
    """Return the grid of layer 0 and of every further one, which has fewer points per side by that factor.

    Raises
    ------
    ValueError
        No point is left in a layer.
    """
    counts = [int(per_side / downscale_factor**layer) for layer in range(layers + 1)]
    if min(counts) < 1:
        raise ValueError(
            f"{per_side} points per side, divided by {downscale_factor} from layer to layer, leave none in layer "
            f"{counts.index(0)}; ask for more points or for fewer crop layers"
        )
    return [point_grid(count) for count in counts]
