"""Whether what somebody shows of a file is all that it holds; other readers take the first of several series."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from napari_sam2.stacks.sources import scenes_of
from napari_sam2.stacks.stack import Stack, open_stack
from sam2_core.errors import StackError
from sam2_core.inference.frames.stored_images import is_zarr
from sam2_core.inference.frames.tiff_file import TIFF_SUFFIXES


def left_out(path: Path, shape: Sequence[int], axes: str) -> str:
    """Return what a TIFF or zarr holds beside an image that was read from it, one sentence; "" where that is all.

    Parameters
    ----------
    shape, axes
        Of the image, one letter of TZCYXS per dimension; it may be one of several channels.
    """
    if not (is_zarr(path) or (path.is_file() and path.name.lower().endswith(TIFF_SUFFIXES))):
        return ""
    try:
        scenes = scenes_of(path)
        if len(scenes) > 1:
            return f"{path.name} holds {len(scenes)} series of images, and this layer shows one of them."
        stack = _opened(path, axes)
    except StackError as error:
        return f"This layer may not be all of its file: {error}"
    held, shown = _planes(stack.shape, stack.axes), _planes(tuple(shape), axes)
    if held in (shown, shown * stack.size("C")):
        return ""
    return f"{path.name} holds {held} planes, and this layer shows {shown} of them."


def _opened(path: Path, axes: str) -> Stack:
    """Return the stack in a file; with the axes of the image where the file itself leaves open what they are."""
    try:
        return open_stack(path)
    except StackError as error:
        try:
            return open_stack(path, axes)
        except StackError:
            raise error from None


def _planes(shape: Sequence[int], axes: str) -> int:
    return math.prod(size for size, axis in zip(shape, axes, strict=True) if axis not in "YXS")
