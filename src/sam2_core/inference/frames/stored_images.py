"""What reads a file, for all who open one: TIFF, .npy, a picture, a folder of images, a video; zarr is not read here.

`open_images` picks the reader by what the path is, and gives an array of which a plane is read when it is asked for,
and the axes that the file names. What the axes mean, and how pixel sizes are said, is decided by those who ask
(`opened_frames`, `napari_sam2.stacks`). No torch is needed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sam2_core.errors import StackError
from sam2_core.inference.frames.contrast import Frame
from sam2_core.inference.frames.picture_files import (
    JPEG_SUFFIXES,
    OTHER_PICTURE_SUFFIXES,
    files_of_one_kind,
    missing_numbers,
    read_picture,
    series_by_name,
)
from sam2_core.inference.frames.reading import reading
from sam2_core.inference.frames.scenes import scene_index
from sam2_core.inference.frames.tiff_file import TIFF_SUFFIXES, Index, TiffImages
from sam2_core.inference.frames.video_file import VideoFrames

logger = logging.getLogger(__name__)
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".gif")
FOLDER_KINDS = (JPEG_SUFFIXES, OTHER_PICTURE_SUFFIXES, TIFF_SUFFIXES)
KNOWN_KINDS = "TIFF, OME-TIFF, .stk, .lsm, zarr, OME-Zarr, .npy, PNG, JPEG, BMP, a video, or a folder of images"
MOST_NAMED = 10
"""Missing numbers that a warning names."""
_ZARR_FILES = ("zarr.json", ".zarray", ".zgroup")


class LazyArray(Protocol):
    """Whatever has a shape and a dtype and gives numpy (or something numpy can take) when indexed."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dimensions."""

    @property
    def dtype(self) -> Any:
        """Type of one element, something numpy understands."""

    def __getitem__(self, index: Index, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class StoredImages:
    """What a file or a folder holds, as a lazy array.

    Attributes
    ----------
    data
        Indexing it reads: whole numbers on the axes that count planes, anything on those of a plane.
    name
        For people: that of the file.
    axes
        One letter per dimension, None if the file does not say.
    tiff
        The TIFF file behind it, or the first one of a folder, for what else it says; None for another kind.
    """

    data: LazyArray
    name: str
    axes: str | None = None
    tiff: TiffImages | None = None


class ImagesByNumber:
    """Images of one size as one array, each read when the first axis is indexed, by one thread at a time."""

    def __init__(self, read: Callable[[int], Frame], count: int) -> None:
        first = read(0)
        self._read, self._lock = read, threading.Lock()
        self.shape = (count, *first.shape)
        self.dtype = first.dtype

    def __getitem__(self, index: tuple[Any, ...]) -> Frame:
        with self._lock:
            return self._read(int(index[0]))[index[1:]]


def read_plane(data: LazyArray, axes: str, held: Mapping[str, int], what: str) -> Frame:
    """Return one plane (H, W), or (H, W, samples) of a colour image, without its alpha sample.

    All dimensions (a letter each in `axes`) but Y, X and S are held somewhere; `what` opens the text of an error.
    """
    key = tuple(slice(None) if axis in "YXS" else held[axis] for axis in axes)
    with reading(what):
        plane = np.asarray(data[key])
    order = [axis for axis in axes if axis in "YXS"]
    return without_alpha(plane.transpose([order.index(axis) for axis in "YXS" if axis in order]))


def without_alpha(picture: Frame) -> Frame:
    """Return a picture (H, W) or (H, W, samples) without its alpha sample, which comes after one or three others."""
    if picture.ndim == 3 and picture.shape[2] in (2, 4):
        picture = picture[:, :, :-1]
    return picture[:, :, 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture


def is_zarr(path: Path) -> bool:
    """Return whether a path is a zarr store, or is meant to be one."""
    return path.is_dir() and (path.suffix == ".zarr" or any((path / name).exists() for name in _ZARR_FILES))


def open_images(
    path: Path, scene: int | str | None = None, axes: str | None = None, indexed: bool = False
) -> StoredImages:
    """Return the images of a file or folder, of which nothing but the first one is read.

    Parameters
    ----------
    path
        A TIFF, .npy, picture or video file (needs the `video` extra), or a folder of pictures or TIFFs of one kind.
    scene
        Which image of a TIFF that holds several (index or name); see `tiff_series`.
    axes
        What the caller says that the axes are, one letter per dimension; what a file says of its own is in the answer.
    indexed
        Whether these are labels: pictures with a palette are read as their indices, and no planes as colours.

    Raises
    ------
    StackError
        There is nothing at the path, nothing that can be read, or several images and none is chosen.
    """
    with reading(path):
        return (_open_folder if path.is_dir() else _open_file)(path, scene, axes, indexed)


def _open_file(path: Path, scene: int | str | None, axes: str | None, indexed: bool) -> StoredImages:
    name = path.name.lower()
    if not path.exists():
        raise StackError(f"There is no file or folder {path}; check the path ({path} does not exist).")
    if path.stat().st_size == 0:
        raise StackError(f"{path} cannot be read: it is empty (0 bytes); copy it again.")
    if name.endswith(TIFF_SUFFIXES):
        tiff = TiffImages(path, scene, axes, indexed)
        return StoredImages(tiff, path.name.removesuffix(path.suffix).removesuffix(".ome"), tiff.axes, tiff)
    if scene not in (None, 0, "0"):
        raise StackError(f"{path} holds one series of images; leave out the scene ({scene!r}).")
    if name.endswith(VIDEO_SUFFIXES):
        video = VideoFrames(path)
        return StoredImages(ImagesByNumber(video.__getitem__, len(video)), path.stem, "TYXS")
    if name.endswith(JPEG_SUFFIXES + OTHER_PICTURE_SUFFIXES):
        picture = read_picture(path, indexed)
        return StoredImages(picture, path.stem, "YX" if picture.ndim == 2 else "YXS")
    if name.endswith(".npy"):
        return StoredImages(_open_npy(path), path.stem)
    if ".zarr" in path.suffixes:
        raise StackError(f"{path} is one file, and a zarr store is read as a folder; unpack it, and give the folder.")
    raise StackError(f"{path} is of no known kind ({path.suffix or 'no suffix'}); use {KNOWN_KINDS}.")


def _open_npy(path: Path) -> Frame:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if isinstance(array, np.ndarray):
        return array
    array.close()
    raise StackError(f"{path} is an .npz archive of several arrays; save the one that is meant with numpy.save.")


def _files_of(folder: Path, scene: int | str | None) -> tuple[list[Path], int | str | None]:
    """Return the images of a folder, or of the one of its series that is meant; and what is left for each to choose."""
    paths = files_of_one_kind(folder, FOLDER_KINDS)
    series = series_by_name(paths)
    if len(series) == 1:
        return paths, scene
    if scene is not None:
        return series[list(series)[scene_index(list(series), scene, folder)]], None
    logger.warning(
        "%s holds %d series by the names of its files (%s); all %d images are taken for one, in the order of their "
        "names. If only one series is meant, choose it by number or name: --scene %s",
        *(folder, len(series), ", ".join(series), len(paths), next(iter(series))),
    )
    return paths, None


def _warn_of_gaps(folder: Path, paths: Sequence[Path]) -> None:
    """Warn where numbers are missing in the names of files, for frames are counted without them."""
    missing = missing_numbers(paths)
    if missing:
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        logger.warning(
            "%s has gaps in the numbers of its files: no %s%s. The %d images that are there are taken for frames in a "
            "row; where times count, add what is missing, an empty image where nothing was taken.",
            *(folder, ", ".join(map(str, missing[:MOST_NAMED])), more, len(paths)),
        )


def _open_folder(folder: Path, scene: int | str | None, axes: str | None, indexed: bool) -> StoredImages:
    if is_zarr(folder):
        raise StackError(
            f"{folder} is a zarr store; open it with zarr.open and pass the array, or pass "
            "napari_sam2.stacks.open_stack(path).movie()"
        )
    paths, scene = _files_of(folder, scene)
    _warn_of_gaps(folder, paths)
    axes_of_one = None if axes is None else axes[1:]
    if _are_one_set(paths, scene):
        return replace(open_images(paths[0], scene, axes, indexed), name=folder.name)
    first = open_images(paths[0], scene, axes_of_one, indexed)
    shape, dtype = tuple(first.data.shape), np.dtype(first.data.dtype).newbyteorder("=")

    def read(number: int) -> Frame:
        path = paths[number]
        with reading(path):
            image = np.asarray(open_images(path, scene, axes_of_one, indexed).data[()])
        if image.shape != shape:
            raise StackError(
                f"{path.name} has shape {image.shape}, but the first image of the folder has {shape}; all images of "
                "a stack need one size. Stills of several sizes go one by one (napari-sam2 segment: --out a folder)."
            )
        if not indexed and image.dtype.newbyteorder("=") != dtype:  # labels mean the same in any type
            raise StackError(
                f"{path.name} has pixels of type {image.dtype}, but the first image of the folder has {dtype}; their "
                "brightness cannot be compared, so save all images of a stack in one type."
            )
        return image

    named = None if first.axes is None or "T" in first.axes else "T" + first.axes
    return replace(first, data=ImagesByNumber(read, len(paths)), name=folder.name, axes=named)


def _are_one_set(paths: Sequence[Path], scene: int | str | None) -> bool:
    """Return whether files are the members of one set, of which each names all and is read as all of them.

    Raises
    ------
    StackError
        If they are some of its members, or there are other files among them.
    """
    data = open_images(paths[0], scene).data
    together = data.file_names if isinstance(data, TiffImages) else set()
    if len(together) > 1 and together != {path.name for path in paths}:
        raise StackError(f"{paths[0]} is one of a set of {len(together)} files; open it alone, and they come along.")
    return len(together) > 1
