"""Arrays whose planes are read when they are asked for: of any file that the core reads, of zarr, or in memory.

`open_source` opens what it is given and returns a `Source`: something with `shape`, `dtype` and `[index]`, and what its
metadata says about axes and pixel size. Files are read by `sam2_core.inference.frames.stored_images`, zarr stores here.
Nothing here decides what an axis means (see `axes`), maps intensities (see `intensity`), or keeps a decoded plane.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.stacks.axes import letters_from_names
from napari_sam2.stacks.metadata import Calibration, multiscales_calibration, omero_names, tiff_calibration
from sam2_core.errors import StackError
from sam2_core.inference.frames.stored_images import LazyArray, is_zarr, open_images


@dataclass(frozen=True, slots=True)
class Source:
    """A lazy array with what its file says about it; `axes` is None or has one character per dimension."""

    data: LazyArray
    name: str
    axes: str | None = None
    calibration: Calibration = field(default_factory=Calibration)


class ArraysAsChannels:
    """Arrays of one shape as one, with the channel as its first axis; a channel is read when it is indexed."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        self._arrays = tuple(arrays)
        self.shape = (len(arrays), *(int(size) for size in arrays[0].shape))
        self.is_in_memory = all(isinstance(array, np.ndarray) for array in arrays)
        self.dtype = np.result_type(*(np.dtype(array.dtype) for array in arrays))

    def __getitem__(self, index: Any) -> np.ndarray:
        channel, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(channel, int | np.integer):
            return np.asarray(self._arrays[int(channel)][tuple(rest)])
        return np.stack([np.asarray(array[tuple(rest)]) for array in self._arrays[channel]])


def open_source(path_or_array: Any, scene: int | str | None = None, indexed: bool = False) -> Source:
    """Return the lazily read array behind a path, or the array itself.

    Parameters
    ----------
    path_or_array
        A TIFF, zarr, .npy, image or video file, a folder of images, or anything with `shape`, `dtype` and `[index]`.
    scene
        Which image of a file that holds several (index or name); the first if None.
    indexed
        Whether pictures with a palette are read as their indices.

    Raises
    ------
    StackError
        If there is nothing at the path or it cannot be read.
    """
    if not isinstance(path_or_array, str | Path):
        return _from_array(path_or_array)
    path = Path(path_or_array).expanduser()
    if is_zarr(path):
        return _open_zarr(path)
    images = open_images(path, scene, indexed)
    calibration = Calibration() if images.tiff is None else tiff_calibration(images.tiff)
    return Source(images.data, images.name, images.axes, calibration)


def _from_array(array: Any) -> Source:
    if isinstance(array, list | tuple):
        array = np.asarray(array)
    if not (hasattr(array, "shape") and hasattr(array, "dtype") and hasattr(array, "__getitem__")):
        return _from_group(array)
    dims = getattr(array, "dims", None)
    axes = letters_from_names(dims) if isinstance(dims, tuple) else _zarr_axes(array)
    return Source(array, str(getattr(array, "name", None) or "array").strip("/") or "array", axes)


def _from_group(group: Any) -> Source:
    import zarr

    if isinstance(group, zarr.Group):
        return _from_zarr_group(group, group.name.strip("/") or "zarr group")
    raise StackError(
        f"A {type(group).__name__} is not a stack; give a path, or an array (numpy, dask, zarr) with shape and dtype."
    )


def _open_zarr(path: Path) -> Source:
    import zarr

    try:
        node = zarr.open(path, mode="r")
    except Exception as error:  # zarr raises ValueError, KeyError, JSON and its own errors on damaged stores
        raise StackError(f"{path} cannot be read as zarr ({error}); the store may be damaged or incomplete.") from error
    if isinstance(node, zarr.Array):
        return Source(node, path.stem, _zarr_axes(node))
    return _from_zarr_group(node, path.stem)


def _from_zarr_group(group: Any, name: str) -> Source:
    attributes = dict(group.attrs)
    ome = attributes.get("ome", attributes)
    multiscales = ome.get("multiscales") if isinstance(ome, Mapping) else None
    if multiscales:
        first = multiscales[0]
        axes = [axis["name"] if isinstance(axis, Mapping) else axis for axis in first.get("axes", [])]
        data = group[first["datasets"][0]["path"]]
        calibration = replace(multiscales_calibration(first), channel_names=omero_names(ome))
        return Source(data, _given_name(first, name), letters_from_names(axes) if axes else None, calibration)
    arrays = dict(group.arrays())
    if len(arrays) != 1:
        raise StackError(
            f"The zarr group {name} has no multiscales and holds {len(arrays)} arrays ({', '.join(sorted(arrays))}); "
            "give the path of one array."
        )
    data = next(iter(arrays.values()))
    return Source(data, name, _zarr_axes(data))


def _given_name(multiscale: Mapping[str, Any], name: str) -> str:
    """Return what an OME-Zarr calls its image, `name` where it is nothing that people would call it."""
    given = multiscale.get("name")
    return given if isinstance(given, str) and given.strip() and "/" not in given else name


def _zarr_axes(array: Any) -> str | None:
    """Return the axes that a zarr array names (v3 dimension names, xarray's attribute, or `axes`), or None."""
    named = getattr(getattr(array, "metadata", None), "dimension_names", None)
    attributes = getattr(array, "attrs", None)
    if not named and isinstance(attributes, Mapping):
        named = attributes.get("_ARRAY_DIMENSIONS") or attributes.get("axes")
    return letters_from_names(list(named)) if named else None
