"""Arrays whose planes are read when they are asked for: of any file that the core reads, of zarr, or in memory.

`open_source` opens what it is given and returns a `Source`: something with `shape`, `dtype` and `[index]`, and what its
metadata says about axes and pixel size. Files are read by `sam2_core.inference.frames.stored_images`, zarr stores by
`zarr_stores`. Nothing here decides what an axis means (see `axes`), maps intensities (see `intensity`), or keeps a
decoded plane.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.stacks.axes import letters_from_names
from napari_sam2.stacks.metadata import Calibration, Source, tiff_calibration
from napari_sam2.stacks.zarr_stores import array_axes, from_group, images_to_choose, open_zarr
from sam2_core.errors import StackError
from sam2_core.inference.frames.reading import reading
from sam2_core.inference.frames.stored_images import StoredImages, is_zarr, open_images
from sam2_core.inference.frames.tiff_file import TIFF_SUFFIXES
from sam2_core.inference.frames.tiff_series import scenes_to_choose

_log = logging.getLogger(__name__)


class ArraysAsChannels:
    """Arrays of one shape as one, with the channel as its first axis; a channel is read when it is indexed."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        self.arrays = tuple(arrays)
        self.shape = (len(arrays), *(int(size) for size in arrays[0].shape))
        self.dtype = np.result_type(*(np.dtype(array.dtype) for array in arrays))

    def __getitem__(self, index: Any) -> np.ndarray:
        channel, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(channel, int | np.integer):
            return np.asarray(self.arrays[int(channel)][tuple(rest)])
        return np.stack([np.asarray(array[tuple(rest)]) for array in self.arrays[channel]])


def open_source(
    path_or_array: Any, scene: int | str | None = None, axes: str | None = None, indexed: bool = False
) -> Source:
    """Return the lazily read array behind a path, or the array itself.

    Parameters
    ----------
    path_or_array
        A TIFF, zarr, .npy, image or video file, a folder of images, or anything with `shape`, `dtype` and `[index]`.
    scene
        Which image of a file that holds several: number, name, or place inside a zarr store ("A/1/0").
    axes
        What the caller says that the axes are; what the file says of its own is in the answer.
    indexed
        Whether pictures with a palette are read as their indices.

    Raises
    ------
    StackError
        If there is nothing at the path, it cannot be read, or it holds several images and none is chosen.
    """
    if not isinstance(path_or_array, str | Path):
        with reading("The array"):
            return _from_array(path_or_array, scene)
    path = Path(path_or_array).expanduser()
    with reading(path):
        if is_zarr(path):
            return open_zarr(path, scene)
        images = open_images(path, scene, axes, indexed)
    return Source(images.data, images.name, images.axes, _tiff_calibration(images))


def scenes_of(path: Path) -> tuple[int | str, ...]:
    """Return what may be given as `scene` for a file of several image series; empty where there is only one.

    Raises
    ------
    StackError
        If it cannot be read.
    """
    with reading(path):
        if is_zarr(path):
            return images_to_choose(path)
        return scenes_to_choose(path) if path.is_file() and path.name.lower().endswith(TIFF_SUFFIXES) else ()


def _tiff_calibration(images: StoredImages) -> Calibration:
    if images.tiff is None:
        return Calibration()
    try:
        with reading(f"The pixel size of {images.name}"):
            return tiff_calibration(images.tiff)
    except StackError as error:  # no reason to refuse the pixels
        _log.warning("%s", error)
        return Calibration()


def _from_array(array: Any, scene: int | str | None) -> Source:
    if isinstance(array, list | tuple):
        array = np.asarray(array)
    if not (hasattr(array, "shape") and hasattr(array, "dtype") and hasattr(array, "__getitem__")):
        return _from_group(array, scene)
    if scene is not None:
        raise StackError(f"An array has no scenes; leave out the scene ({scene!r}).")
    dims = getattr(array, "dims", None)
    axes = letters_from_names(dims) if isinstance(dims, tuple) else array_axes(array)
    return Source(array, str(getattr(array, "name", None) or "array").strip("/") or "array", axes)


def _from_group(group: Any, scene: int | str | None) -> Source:
    import zarr

    if isinstance(group, zarr.Group):
        return from_group(group, group.name.strip("/") or "zarr group", scene)
    raise StackError(
        f"A {type(group).__name__} is not a stack; give a path, or an array (numpy, dask, zarr) with shape and dtype."
    )
