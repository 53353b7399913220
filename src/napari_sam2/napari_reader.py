"""What napari's manifest names for files: a reader of session folders and a writer of label layers.

The reader also takes files of several image series, each as a layer; the manifest does not offer it for them, or napari
would ask at each TIFF which reader to take. `napari-sam2 view` reads images and labels here too.

napari is not imported: layers go in and out as tuples. What is read is for looking; the panel opens the folder itself
to work on it, and finds it in the layers' metadata under "napari_sam2_session". Images say there which file and series
they are ("napari_sam2_path", "napari_sam2_scene").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.io.label_array import ResultLabels
from napari_sam2.io.label_files import LabelSpec, write_labels
from napari_sam2.io.results import Results
from napari_sam2.io.session_files import is_session_folder
from napari_sam2.session.saved_results import open_results
from napari_sam2.stacks import Movie, Stack, open_labels, open_stack
from napari_sam2.stacks.sources import scenes_of
from sam2_core.errors import StackError

LayerData = tuple[Any, dict[str, Any], str]
MOST_BYTES = 2**28
"""Labels up to this size are made at once, so that they can be painted on; larger ones frame by frame."""
_UNIT_NAMES = {"micrometer": "µm", "micron": "µm", "nanometer": "nm", "millimeter": "mm", "second": "s"}
_UNIT_NAMES |= {"minute": "min", "hour": "h", "um": "µm"}


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return the function that reads a session folder, or a file of several image series; None for another path."""
    if not isinstance(path, str | Path):
        return None
    if is_session_folder(path):
        return read_session_layers
    try:
        return read_series_layers if scenes_of(Path(path)) else None
    except StackError:  # whoever can read it may try
        return None


def read_series_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Return each image series of a file as layer data, read when it is shown: positions, runs, fields of a plate.

    Raises
    ------
    StackError
        If one of them cannot be read, or its axes cannot be told.
    """
    file = Path(path if isinstance(path, str | Path) else path[0])
    scenes: tuple[int | str | None, ...] = scenes_of(file) or (None,)
    stacks = [open_stack(file, scene=scene) for scene in scenes]
    named = [replace(one, name=f"{one.name} {one.scene}") if isinstance(one.scene, int) else one for one in stacks]
    return [_image_layer(stack, _whence(stack)) for stack in named]


def read_image_layers(path: str | Path, axes: str | None = None, scene: int | str | None = None) -> list[LayerData]:
    """Return images as one layer in all their axes, read when they are shown; see `stacks.open_stack`.

    Channels stay an axis of it, so that a session on the layer is one on the file.

    Raises
    ------
    StackError
        If they cannot be read, or their axes cannot be told.
    """
    stack = open_stack(path, axes, scene)
    order = [stack.axes.index(axis) for axis in _spatial_first(stack.axes)]
    placed = _placed(stack, stack.axes.replace("S", "")) | {"rgb": stack.size("S") in (3, 4)}
    return [(shown_array(stack).transpose(order), {"name": stack.name} | placed | _whence(stack), "image")]


def read_label_layers(path: str | Path) -> list[LayerData]:
    """Return a label stack as layer data; see `stacks.open_labels`.

    Raises
    ------
    StackError
        If it cannot be read, or holds no labels.
    """
    stack = open_labels(path).stack
    lazy = shown_array(stack)
    is_small = int(np.prod(lazy.shape)) * lazy.dtype.itemsize <= MOST_BYTES
    return [(np.asarray(lazy) if is_small else lazy, {"name": stack.name} | _placed(stack, stack.axes), "labels")]


def read_session_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Return the image and the labels of a session folder as layer data, in the axes of the stack.

    Raises
    ------
    StackError
        If it cannot be read, or its stack is not where it was.
    """
    folder = Path(path if isinstance(path, str | Path) else path[0])
    results = open_results(folder)
    metadata = {"metadata": {"napari_sam2_session": str(folder.absolute())}}
    return [_image_layer(results.movie.stack, metadata), _labels_layer(results, metadata)]


def write_labels_layer(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Return the path of the label stack that a Labels layer was written to, .tif or .zarr.

    Raises
    ------
    StackError
        If the layer has more than three axes that matter, or the path cannot be used.
    """
    shape = tuple(int(size) for size in data.shape)
    kept = [axis for axis, size in enumerate(shape) if size > 1 or axis >= len(shape) - 2]
    if len(kept) > 3:
        raise StackError(
            f"A labels layer of shape {shape} cannot be written as one stack; choose a smaller part of it."
        )
    frames = _planes(data, shape, kept[:-2])
    write_labels(path, frames, _layer_spec(data, attributes, kept))
    return [str(path)]


def shown_array(stack: Stack) -> Any:
    """Return the images of a stack as a layer can show them, in its axes: as they are in memory, or read when shown."""
    if isinstance(stack.data, np.ndarray):
        return stack.data
    chunks = tuple(size if axis in "YXS" else 1 for axis, size in zip(stack.axes, stack.shape, strict=True))
    return _dask(_PlaneByPlane(stack), chunks)


def _whence(stack: Stack) -> dict[str, Any]:
    """Return what the panel is to know of the file that a layer shows."""
    path = None if stack.path is None else str(Path(stack.path).absolute())
    return {"metadata": {"napari_sam2_scene": stack.scene, "napari_sam2_path": path}}


def _image_layer(stack: Stack, metadata: dict[str, Any]) -> LayerData:
    """Return the stack, read when it is shown; channels are layers of their own, colour samples one image."""
    axes = stack.axes
    order = [axes.index(axis) for axis in _spatial_first(axes)]
    lazy = shown_array(stack)
    meta = {"name": stack.name} | _placed(stack, axes.replace("C", "").replace("S", "")) | metadata
    if "S" in axes:
        meta["rgb"] = stack.size("S") in (3, 4)
    if "C" in axes:
        meta["channel_axis"] = _spatial_first(axes).index("C")
        names = list(stack.calibration.channel_names)
        meta["name"] = names if len(names) == stack.size("C") else f"{stack.name} channel"
    return lazy.transpose(order), meta, "image"


def _labels_layer(results: Results, metadata: dict[str, Any]) -> LayerData:
    """Return the labels, with an axis of one step for every axis that is held, there where it is held."""
    movie = results.movie
    lazy = ResultLabels(results)
    axes = [axis for axis in _spatial_first(movie.stack.axes) if axis not in "CS"]
    is_small = int(np.prod(lazy.shape)) * lazy.dtype.itemsize <= MOST_BYTES
    data: Any = lazy[:] if is_small else _dask(lazy, (1, *lazy.shape[1:]))
    data = data.reshape([_label_size(movie, axis) for axis in axes])
    meta: dict[str, Any] = {"name": lazy.name} | _placed(movie.stack, "".join(axes)) | metadata
    steps = [movie.held.get(axis, 0) for axis in axes]
    meta["translate"] = [step * size for step, size in zip(steps, meta["scale"], strict=True)]
    return data, meta, "labels"


class _PlaneByPlane:
    """A stack as dask reads it: plane by plane, since not every source takes slices of its other axes."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.shape, self.dtype, self.ndim = stack.shape, stack.dtype, len(stack.shape)

    def __getitem__(self, index: tuple[slice | int, ...]) -> np.ndarray[Any, Any]:
        found = [range(size)[step] for size, step in zip(self.shape, index, strict=True)]
        firsts = [place if isinstance(place, int) else place[0] for place in found]
        places = zip(self._stack.axes, firsts, index, strict=True)
        plane = self._stack.read(tuple(step if axis in "YXS" else first for axis, first, step in places))
        return plane.reshape([len(place) for place in found if not isinstance(place, int)])


def _dask(array: Any, chunks: tuple[int, ...]) -> Any:
    """Return a lazy array as a dask array that reads one chunk at a time."""
    import dask.array as da

    meta = np.empty(0, array.dtype)
    return da.from_array(array, chunks=chunks, name=False, asarray=True, lock=True, meta=meta)  # type: ignore[no-untyped-call]


def _label_size(movie: Movie, axis: str) -> int:
    """Return the size of an axis of the labels: 1 where it is held."""
    return {"Y": movie.height, "X": movie.width, movie.track_axis: len(movie)}.get(axis, 1)


def _spatial_first(axes: str) -> str:
    """Return the axes in the order in which they are shown: Y and X last, behind them only colour samples."""
    return "".join(axis for axis in axes if axis not in "YXS") + "YX" + ("S" if "S" in axes else "")


def _placed(stack: Stack, axes: str) -> dict[str, Any]:
    """Return scale, units and labels of axes as layers have them."""
    shown = [axis for axis in _spatial_first(axes) if axis != "S"]
    about = stack.calibration
    return {
        "scale": [about.scale.get(axis, 1.0) for axis in shown],
        "units": [about.units.get(axis, "pixel") for axis in shown],
        "axis_labels": [axis.lower() for axis in shown],
    }


def _planes(data: Any, shape: tuple[int, ...], tracked: Sequence[int]) -> Iterable[np.ndarray[Any, Any]]:
    """Yield the planes (H, W) of a layer's data, along its one axis that is longer than 1."""
    count = shape[tracked[0]] if tracked else 1
    for step in range(count):
        index = tuple(step if axis in tracked else 0 for axis in range(len(shape) - 2))
        yield np.asarray(data[index])


def _layer_spec(data: Any, attributes: Mapping[str, Any], kept: Sequence[int]) -> LabelSpec:
    names = [str(name).upper()[:1] for name in attributes.get("axis_labels") or ()]
    tracked = "Z" if len(kept) == 3 and len(names) == data.ndim and names[kept[0]] == "Z" else "T"
    letters = [tracked, "Y", "X"][-len(kept) :]
    scale, units = attributes.get("scale"), attributes.get("units")
    sizes: dict[str, float] = {}
    words: dict[str, str] = {}
    for letter, axis in zip(letters, kept, strict=True):
        unit = _unit_name(units[axis]) if units is not None and len(units) == data.ndim else ""
        if unit and scale is not None:
            sizes[letter], words[letter] = float(scale[axis]), unit
    count = data.shape[kept[0]] if len(kept) == 3 else 1
    shape = (int(count), int(data.shape[-2]), int(data.shape[-1]))
    return LabelSpec(shape, _written_type(data), tracked, sizes, words, str(attributes.get("name") or "labels"))


def _unit_name(unit: Any) -> str:
    """Return the short name of a unit of napari's, empty for pixels."""
    name = str(unit)
    return "" if name in ("pixel", "") else _UNIT_NAMES.get(name, name)


def _written_type(data: Any) -> np.dtype[Any]:
    """Return uint16, or uint32 where the labels need it."""
    if np.dtype(data.dtype).itemsize <= 2 and np.dtype(data.dtype) != np.int16:
        return np.dtype(np.uint16)
    largest = max((int(np.asarray(data[index]).max()) for index in range(len(data))), default=0)
    return np.dtype(np.uint16 if largest < 2**16 else np.uint32)
