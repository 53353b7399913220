"""Label stacks to disk, one frame at a time: a compressed OME-TIFF or an OME-Zarr, with the axes and pixel size of the
input.

A file is written under a temporary name beside its own and put in place when it is whole, so a label stack that
exists is complete. Where frames come from is the caller's business.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.io.atomic import check_has_folder, part_beside, remove_parts, remove_path, writing
from napari_sam2.io.text_files import encoded
from napari_sam2.stacks import Calibration, Movie, Stack
from sam2_core.errors import StackError

LABEL_SUFFIXES = (".tif", ".tiff", ".zarr")
_BIGTIFF_BYTES = 2**32 - 2**25
_ZARR_UNITS = {"µm": "micrometer", "nm": "nanometer", "mm": "millimeter", "s": "second", "min": "minute", "h": "hour"}


@dataclass(frozen=True, slots=True)
class LabelSpec:
    """What a label stack looks like.

    Attributes
    ----------
    shape
        (frames, height, width).
    dtype
        uint16 or uint32.
    track_axis
        "T" or "Z": what the first axis is.
    scale, units
        Axis letter -> size of one step and its unit, for the axes that are known.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    track_axis: str = "T"
    scale: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    name: str = "labels"

    @classmethod
    def like(cls, movie: Movie, dtype: np.dtype[Any]) -> LabelSpec:
        """Return the labels that belong to a movie: as many frames, the same axes and pixel size."""
        about = movie.stack.calibration
        axis = movie.track_axis or "T"
        scale = {letter: size for letter, size in about.scale.items() if letter in f"{axis}YX"}
        units = {letter: unit for letter, unit in about.units.items() if letter in scale}
        name = encoded(movie.stack.name).decode()
        return cls((len(movie), movie.height, movie.width), dtype, axis, scale, units, f"{name} labels")


def check_label_path(path: Path) -> None:
    """Return nothing if a label stack can be written there.

    Raises
    ------
    StackError
        If the suffix is not known or the folder does not exist.
    """
    if path.suffix.lower() not in LABEL_SUFFIXES:
        raise StackError(f"Labels cannot be written to {path.name}; choose a name that ends in .tif or .zarr.")
    check_has_folder(path)
    if path.is_dir() and (path.suffix.lower() != ".zarr" or (any(path.iterdir()) and not _is_store(path))):
        raise StackError(f"{path} is a folder and no label stack, and is not replaced; choose another name.")


def _is_store(path: Path) -> bool:
    return any((path / name).exists() for name in (".zgroup", ".zarray", "zarr.json"))


def write_labels(path: str | Path, frames: Iterable[np.ndarray[Any, Any]], spec: LabelSpec) -> None:
    """Write a label stack from its frames (H, W) in order; an existing one is replaced when the new one is whole.

    Raises
    ------
    StackError
        If the suffix is not known, the folder does not exist, or the disk is full.
    """
    path = Path(path)
    check_label_path(path)
    part = part_beside(path)
    try:
        with writing(path):
            remove_parts(path.parent, path.name)
            if path.suffix.lower() == ".zarr":
                _write_zarr(part, frames, spec)
            else:
                _write_tiff(part, frames, spec)
            put_in_place(part, path)
    finally:
        with suppress(OSError):  # of a disk that may only be read; what went wrong is said above
            remove_path(part)


def _write_tiff(path: Path, frames: Iterable[np.ndarray[Any, Any]], spec: LabelSpec) -> None:
    import tifffile

    metadata: dict[str, Any] = {"axes": f"{spec.track_axis}YX", "Name": spec.name}
    keys = {"X": "PhysicalSizeX", "Y": "PhysicalSizeY", "Z": "PhysicalSizeZ", "T": "TimeIncrement"}
    for letter, size in spec.scale.items():
        metadata[keys[letter]] = size
        if letter in spec.units:
            metadata[f"{keys[letter]}Unit"] = spec.units[letter]
    size_bytes = int(np.prod(spec.shape)) * spec.dtype.itemsize
    with tifffile.TiffWriter(path, ome=True, bigtiff=size_bytes > _BIGTIFF_BYTES) as writer:
        writer.write(
            iter(_typed(frames, spec)),
            shape=spec.shape,
            dtype=spec.dtype,
            photometric="minisblack",
            compression="zlib",
            metadata=metadata,
        )


def _write_zarr(path: Path, frames: Iterable[np.ndarray[Any, Any]], spec: LabelSpec) -> None:
    about = Calibration(spec.scale, {axis: _ZARR_UNITS.get(unit, unit) for axis, unit in spec.units.items()})
    more = {"image-label": {"version": "0.5"}}
    array = new_ome_zarr(path, f"{spec.track_axis}YX", spec, about, more)
    for index, labels in enumerate(_typed(frames, spec)):
        array[index] = labels


def new_ome_zarr(path: Path, axes: str, like: LabelSpec | Stack, about: Calibration, more: Mapping[str, Any]) -> Any:
    """Return the array of a new OME-Zarr, a chunk per plane, to be filled; `more` stands beside its multiscales."""
    import zarr

    group = zarr.open_group(path, mode="w", zarr_format=3)
    chunks = tuple(size if axis in "YXS" else 1 for axis, size in zip(axes, like.shape, strict=True))
    names, dtype = [axis.lower() for axis in axes], like.dtype.newbyteorder("=")
    array = group.create_array("0", shape=like.shape, chunks=chunks, dtype=dtype, dimension_names=names)
    scale = {"type": "scale", "scale": [float(about.scale.get(axis, 1.0)) for axis in axes]}
    level: Any = {"path": "0", "coordinateTransformations": [scale]}
    described = {"name": like.name, "axes": [_axis(axis, about.units.get(axis)) for axis in axes], "datasets": [level]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [described], **more}
    return array


def _axis(letter: str, unit: str | None) -> dict[str, str]:
    kind = {"T": "time", "C": "channel", "S": "channel"}.get(letter, "space")
    return {"name": letter.lower(), "type": kind} | ({"unit": unit} if unit else {})


def _typed(frames: Iterable[np.ndarray[Any, Any]], spec: LabelSpec) -> Iterable[np.ndarray[Any, Any]]:
    return (labels.astype(spec.dtype, copy=False) for labels in frames)


def put_in_place(part: Path, path: Path) -> None:
    """Give a finished file or folder its name; a folder cannot be replaced in one step, so the old one steps aside."""
    if not path.is_dir() or path.is_symlink():
        os.replace(part, path)
        return
    aside = part_beside(path)
    path.rename(aside)
    try:
        os.replace(part, path)
    except OSError:
        aside.rename(path)
        raise
    remove_path(aside)
