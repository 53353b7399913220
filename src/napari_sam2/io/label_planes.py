"""One plane of labels from the bytes of a TIFF, unpacked only if it can be what it says it is."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np

from napari_sam2.io.log_entries import LARGEST_SIDE

Array = np.ndarray[Any, Any]


def label_plane(content: bytes) -> Array:
    """Return the one plane (H, W) of a label TIFF.

    Raises
    ------
    ValueError
        If it holds something else, or says that it is larger than it can be.
    """
    import tifffile

    with tifffile.TiffFile(io.BytesIO(content)) as file:
        shape = file.pages[0].shape
        if len(shape) != 2 or len(file.pages) != 1 or max(shape) > LARGEST_SIDE or _is_inflated(shape, len(content)):
            raise ValueError(f"its shape is {shape}")
        plane = np.asarray(file.pages[0].asarray())
    if plane.shape != shape:
        raise ValueError(f"its pixels have the shape {plane.shape}, not {shape}")
    return plane


def _is_inflated(shape: tuple[int, ...], size: int) -> bool:
    """Return whether so many pixels cannot come out of so many bytes (zlib: 1032 of one, 4 bytes a pixel)."""
    return math.prod(shape) > size * 1032
