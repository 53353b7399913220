"""An object is one piece without holes."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from sam2_core.finding.found import Mask


def largest_piece(mask: Mask) -> Mask:
    """Return the largest of the pieces of a mask, its holes filled; pixels that share a side are one piece."""
    pieces, count = ndimage.label(mask)
    piece = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1 if count > 1 else mask
    filled: Mask = ndimage.binary_fill_holes(piece)
    return filled
