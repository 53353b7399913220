"""Arrays whose planes are read when they are asked for: TIFF, zarr, a folder of images, .npy, or an array in memory.

`open_source` picks the reader by what the path is (or takes an array as it comes) and returns a `Source`: something
with `shape`, `dtype` and `[index]`, and what its metadata says about axes and pixel size. No reader here decides what
an axis means (see `axes`), maps intensities (see `intensity`), or keeps a decoded plane.
"""

from __future__ import annotations

import re
import weakref
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_sam2.stacks.axes import letters_from_names
from napari_sam2.stacks.metadata import Calibration, multiscales_calibration, omero_names, tiff_calibration
from sam2_core.errors import StackError

if TYPE_CHECKING:
    import tifffile

TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".lsm")
IMAGE_SUFFIXES = (*TIFF_SUFFIXES, ".png", ".jpg", ".jpeg")
_ZARR_FILES = ("zarr.json", ".zarray", ".zgroup")


class LazyArray(Protocol):
    """Whatever has a shape and a dtype and gives numpy (or something numpy can take) when indexed."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dimensions."""

    @property
    def dtype(self) -> Any:
        """Type of one element, something numpy understands."""

    def __getitem__(self, index: Any, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Source:
    """A lazy array with what its file says about it; `axes` is None or has one character per dimension."""

    data: LazyArray
    name: str
    axes: str | None = None
    calibration: Calibration = field(default_factory=Calibration)


def open_source(path_or_array: Any, scene: int | str | None = None) -> Source:
    """Return the lazily read array behind a path, or the array itself.

    Parameters
    ----------
    path_or_array
        A TIFF, zarr, .npy or image file, a folder of images, or anything with `shape`, `dtype` and `[index]`.
    scene
        Which image of a file that holds several (index or name); the first if None.

    Raises
    ------
    StackError
        If there is nothing at the path or it cannot be read.
    """
    if not isinstance(path_or_array, str | Path):
        return _from_array(path_or_array)
    path = Path(path_or_array).expanduser()
    if not path.exists():
        raise StackError(f"There is no file or folder {path}; check the path.")
    if path.is_dir():
        return _open_zarr(path) if any((path / name).exists() for name in _ZARR_FILES) else _open_folder(path)
    if path.suffix.lower() in TIFF_SUFFIXES:
        return _open_tiff(path, scene)
    if path.suffix.lower() == ".npy":
        return _open_npy(path)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        image = read_image(path)
        return Source(image, path.stem, "YX" if image.ndim == 2 else "YXS")
    raise StackError(
        f"{path.name} is not a kind of stack that can be read ({path.suffix or 'no suffix'}); "
        "use TIFF, OME-TIFF, zarr, OME-Zarr, .npy, PNG, or a folder of TIFF or PNG images."
    )


def read_image(path: Path) -> np.ndarray:
    """Return one image file as an array (H, W) or (H, W, samples); a TIFF may have more dimensions."""
    if path.suffix.lower() in TIFF_SUFFIXES:
        source = _open_tiff(path, None)
        return np.asarray(source.data[...])
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB") if image.mode in ("P", "CMYK", "YCbCr") else image)
    except (UnidentifiedImageError, OSError) as error:
        raise StackError(
            f"{path} cannot be read as an image ({error}); open it in an image viewer to check it."
        ) from error


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Return a sort key under which "frame2" comes before "frame10"."""
    parts = re.split(r"(\d+)", name.lower())
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


class ImageFolder:
    """The images of a folder as one array, one file per step of the first axis, each read when it is asked for."""

    def __init__(self, paths: list[Path], first: np.ndarray) -> None:
        self._paths = paths
        self.shape = (len(paths), *first.shape)
        self.dtype = first.dtype

    def __getitem__(self, index: Any) -> np.ndarray:
        key = index if isinstance(index, tuple) else (index,)
        number, rest = int(key[0]), key[1:]
        image = read_image(self._paths[number])
        if image.shape != self.shape[1:]:
            raise StackError(
                f"{self._paths[number].name} has shape {image.shape}, but the first image of the folder has "
                f"{self.shape[1:]}; all images of a stack need one size."
            )
        return image[rest]


class TiffPlanes:
    """One image series of a TIFF; planes are decoded when indexed, and the file is closed with the last reference."""

    def __init__(self, tif: tifffile.TiffFile, series_index: int) -> None:
        import zarr

        series = tif.series[series_index]
        self.shape = tuple(int(size) for size in series.shape)
        self.dtype = np.dtype(series.dtype)
        self._array: Any = zarr.open(series.aszarr(level=0), mode="r")
        weakref.finalize(self, tif.close)

    def __getitem__(self, index: Any) -> np.ndarray:
        return np.asarray(self._array[index])


class TiffPages:
    """The single planes of a TIFF that was written page by page, as one array with the page number first."""

    def __init__(self, tif: tifffile.TiffFile) -> None:
        self._series = tif.series
        self.shape = (len(self._series), *self._series[0].shape)
        self.dtype = np.dtype(self._series[0].dtype)
        weakref.finalize(self, tif.close)

    def __getitem__(self, index: Any) -> np.ndarray:
        key = index if isinstance(index, tuple) else (index,)
        return np.asarray(self._series[int(key[0])].asarray()[key[1:]])


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


def _open_tiff(path: Path, scene: int | str | None) -> Source:
    import tifffile

    tif = None
    data: LazyArray | None = None
    try:
        tif = tifffile.TiffFile(path)
        if scene is None and _is_page_by_page(tif):
            data = TiffPages(tif)
            return Source(data, _plain_name(path), "T" + tif.series[0].axes)
        index = _scene_index(tif, scene, path)
        data = TiffPlanes(tif, index)
        return Source(data, _plain_name(path), tif.series[index].axes, tiff_calibration(tif, index))
    except StackError:
        raise
    except Exception as error:  # tifffile raises many types on damaged files (struct, index, value, its own)
        raise StackError(
            f"{path} cannot be read as a TIFF ({error}); the file may be damaged or still being written."
        ) from error
    finally:
        if tif is not None and data is None:
            tif.close()


def _is_page_by_page(tif: tifffile.TiffFile) -> bool:
    """Whether a TIFF is a run of alike single planes, as a loop of writes makes it, and not several scenes."""
    kinds = {(series.shape, series.dtype, series.axes) for series in tif.series}
    return len(tif.series) > 1 and len(kinds) == 1 and tif.series[0].axes in ("YX", "YXS") and not tif.is_ome


def _scene_index(tif: Any, scene: int | str | None, path: Path) -> int:
    names = [str(series.name) for series in tif.series]
    if not names:
        raise StackError(f"{path} holds no image.")
    if scene is None:
        return 0
    index = names.index(scene) if scene in names else int(scene) if str(scene).isdigit() else -1
    if not 0 <= index < len(names):
        raise StackError(f"{path} has no scene {scene!r}; it holds {len(names)}: {', '.join(names)}.")
    return index


def _plain_name(path: Path) -> str:
    return path.name.removesuffix(path.suffix).removesuffix(".ome")


def _open_npy(path: Path) -> Source:
    try:
        return Source(np.load(path, mmap_mode="r", allow_pickle=False), path.stem)
    except (ValueError, EOFError, OSError) as error:
        raise StackError(f"{path} cannot be read as a .npy array ({error}).") from error


def _open_folder(folder: Path) -> Source:
    files = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != "."]
    if not files:
        raise StackError(f"The folder {folder} holds no TIFF, PNG or JPEG images.")
    kinds = Counter(path.suffix.lower() for path in files)
    if len(kinds) > 1:
        found = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common())
        raise StackError(f"The folder {folder} mixes kinds of images ({found}); keep one kind in a folder.")
    files.sort(key=lambda path: natural_key(path.name))
    first = open_source(files[0])
    axes = None if first.axes is None or "T" in first.axes else "T" + first.axes
    data = ImageFolder(files, np.asarray(first.data[...]))
    return replace(first, data=data, name=folder.name, axes=axes)


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
