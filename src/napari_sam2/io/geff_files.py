"""Tracks as GEFF, the Graph Exchange File Format for tracks, written and read by the `geff` library (an extra).

A zarr folder: a node for each object on each frame (t, y, x in frames and pixels, with the sizes of these beside; area,
score, and the object's id), an edge from each node to the ones that come from it. Along Z, t is an axis of space. The
masks are in it too, as related object: `labels`, an array (T, H, W), in which each node has the value of its
`object_id`.

What is read has labels, and nodes that name their values there, or nodes with places alone. Objects are named by the
node property `object_id`, or else by the one that the file calls its tracklets; without any, each path between
divisions is an object.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from napari_sam2.io.atomic import check_has_folder, part_beside, remove_parts, remove_path, writing
from napari_sam2.io.label_files import put_in_place
from napari_sam2.io.raw_data import check_not_raw
from napari_sam2.io.results import Results
from napari_sam2.io.spot_tracks import check_one_plane, spots_of_nodes
from napari_sam2.io.spots import spots_of
from napari_sam2.io.track_graph import objects_of, onwards, parents_of, places_of
from napari_sam2.io.tracked import TrackedLabels, TrackedSpots
from napari_sam2.lineage.tracks import links_of
from napari_sam2.masks.overlaps import label_dtype
from napari_sam2.stacks import Movie, open_labels
from napari_sam2.stacks.metadata import Calibration
from sam2_core.errors import StackError
from sam2_core.inference.frames.reading import reading
from sam2_core.inference.frames.stored_images import is_zarr

Array = np.ndarray[Any, Any]
LABELS = "labels"
_IN_A_GEFF = {"nodes", "edges", LABELS, "zarr.json", ".zattrs", ".zgroup", ".zmetadata"}
UNITS = {"µm": "micrometer", "nm": "nanometer", "mm": "millimeter", "s": "second", "ms": "millisecond"}
UNITS |= {"min": "minute", "h": "hour"}
"""What units of a stack are called in GEFF, and in OME-Zarr."""


def geff_library() -> ModuleType:
    """Return the `geff` library.

    Raises
    ------
    StackError
        If it is not installed.
    """
    try:
        import geff
    except ImportError as error:
        raise StackError(
            f"GEFF files are read and written by the geff library, which is not installed ({error}); install it with "
            'pip install "napari-sam2[tracks]".'
        ) from error
    return geff


def is_geff(path: Path) -> bool:
    """Return whether a folder is a GEFF, or is meant to be one."""
    return path.suffix == ".geff" or (path / "nodes" / "ids").is_dir()


def _is_replaceable(path: Path) -> bool:
    """Return whether nothing is lost but a GEFF where a folder is replaced."""
    names = {one.name for one in path.iterdir()} if path.is_dir() else {path.name}
    is_empty = not names and path.suffix == ".geff"
    return is_empty or ((path / "nodes").is_dir() and names <= _IN_A_GEFF)


def export_geff(path: str | Path, results: Results) -> None:
    """Write tracks and masks as a GEFF; one that is there is replaced when the new one is whole.

    Raises
    ------
    StackError
        If the `geff` library is missing, or the folder cannot be written or is something else.
    """
    path, geff = Path(path), geff_library()
    check_not_raw(path, results.movie.stack, is_replaced=True)
    if path.exists() and not _is_replaceable(path):
        raise StackError(f"{path} is there and no GEFF, or holds more, and is not replaced; choose another name.")
    check_has_folder(path)
    part = part_beside(path)
    remove_parts(path.parent, path.name)
    try:
        with writing(path):
            _write(geff, part, results)
            put_in_place(part, path)
    finally:
        remove_path(part)


def _write(geff: ModuleType, path: Path, results: Results) -> None:
    from geff.core_io import write_arrays
    from zarr.storage import LocalStore

    spots, tracks = spots_of(results, _kept_labels(path, results))
    numbers = {(spot.object_id, spot.frame): number for number, spot in enumerate(spots)}
    links = [(numbers[before], numbers[after]) for before, after in links_of(tracks)]
    columns: dict[str, Array] = {
        "t": np.array([spot.frame for spot in spots], np.int64),
        "y": np.array([spot.y for spot in spots], np.float64),
        "x": np.array([spot.x for spot in spots], np.float64),
        "object_id": np.array([spot.object_id for spot in spots], np.int64),
        "area": np.array([spot.area for spot in spots], np.int64),
        "score": np.array([spot.score for spot in spots], np.float64),  # None becomes nan
    }
    unknown = np.isnan(columns["score"])
    missing = {"score": unknown} if unknown.any() else {}
    write_arrays(
        LocalStore(path),  # a path that exists already would be refused
        node_ids=np.arange(len(spots), dtype=np.uint64),
        node_props={name: {"values": values, "missing": missing.get(name)} for name, values in columns.items()},
        edge_ids=np.array(links, np.uint64).reshape(-1, 2),
        edge_props={},
        metadata=geff.GeffMetadata(
            directed=True,
            axes=[_axis(results.movie, name) for name in "tyx"],
            node_props_metadata={},
            edge_props_metadata={},
            related_objects=[{"type": "labels", "path": LABELS, "node_prop": "object_id"}],
        ),
    )


def _kept_labels(path: Path, results: Results) -> Iterator[Array]:
    """Yield the labels of every frame, and write each into the folder."""
    import zarr

    group = zarr.open_group(path, mode="w", zarr_format=2)
    spec = results.spec
    array = group.create_array(LABELS, shape=spec.shape, chunks=(1, *spec.shape[1:]), dtype=spec.dtype)
    for frame, labels in enumerate(results.frames()):
        array[frame] = labels
        yield labels


def _axis(movie: Movie, name: str) -> dict[str, Any]:
    """Return an axis of the nodes, in frames and pixels, with the size of these where the stack says it."""
    about = movie.stack.calibration
    letter = (movie.track_axis or "T") if name == "t" else name.upper()
    is_time = letter == "T"
    axis: dict[str, Any] = {
        "name": name,
        "type": "time" if is_time else "space",
        "unit": "frame" if is_time else "pixel",
    }
    unit = UNITS.get(about.units.get(letter, ""))
    if letter in about.scale and unit is not None:
        axis |= {"scale": about.scale[letter], "scaled_unit": unit}
    return axis


def read_geff(path: Path, calibration: Calibration | None = None) -> TrackedLabels | TrackedSpots:
    """Return the labels of a GEFF, each object under one value; of one without labels, the places of its nodes.

    calibration: of the images, for places that are in units of length.

    Raises
    ------
    StackError
        If the `geff` library is missing, the file is damaged, or the nodes have neither labels nor places in pixels.
    """
    geff = geff_library()
    with reading(path):
        reader = geff.GeffReader(path)
        reader.read_node_props()
        graph = reader.build()
        nodes = _Nodes(
            path, graph["metadata"], {one: np.asarray(prop["values"]) for one, prop in graph["node_props"].items()}
        )
        edges = onwards(places_of(graph["node_ids"], graph["edge_ids"], path.name), nodes.frames, path.name)
        related = _labels_of(path, nodes.metadata)
        if related is None:
            spots = spots_of_nodes(path.name, nodes.frames, nodes.places_yx(calibration), edges, nodes.ids())
            return replace(spots, notes=(*spots.notes, *nodes.notes))
        return _labelled(nodes, edges, *related)


class _Nodes:
    """The nodes of a GEFF and what is said about them, name -> values (N,)."""

    def __init__(self, path: Path, metadata: Any, named: Mapping[str, Array]) -> None:
        self.path, self.metadata, self._named = path, metadata, named
        self.time = next((axis.name for axis in metadata.axes or () if axis.type == "time"), "t")
        self.frames = self.whole(self.time)
        unit = next((axis.unit for axis in metadata.axes or () if axis.type == "time"), None)
        is_odd = unit not in (None, "frame")
        self.notes = (f"{path.name}: its times, said to be in {unit}, are taken for frames.",) if is_odd else ()

    def whole(self, name: str) -> Array:
        """Return what they say under a name as whole numbers."""
        values = self._said(name)
        try:
            given = values if values.dtype.kind in "bui" else values.astype(np.float64)
        except ValueError as error:
            raise StackError(f"{self.path}: the node property {name!r} holds no numbers ({error}).") from error
        if not np.all(np.isfinite(given)) or np.any(given != np.floor(given)):
            odd = given[~np.isfinite(given) | (given != np.floor(given))][0]
            raise StackError(f"{self.path}: the node property {name!r} holds {odd}, and whole numbers are needed.")
        return given.astype(np.int64)

    def ids(self) -> Iterator[Array]:
        """Yield what may be the objects that they belong to."""
        tracklets: str = (self.metadata.track_node_props or {}).get("tracklet", "")
        for name in ("object_id", tracklets):
            if name in self._named and np.issubdtype(self._named[name].dtype, np.integer):
                yield self._named[name].astype(np.int64)

    def places_yx(self, calibration: Calibration | None) -> Array:
        """Return where they are (N, 2) in pixels."""
        space = {axis.name.lower()[-1:]: axis for axis in self.metadata.axes or () if axis.type == "space"}
        if not {"y", "x"} <= space.keys():
            raise StackError(f"{self.path} has neither labels nor places: it names no axes y and x of its nodes.")
        if "z" in space:
            check_one_plane(self._said(space["z"].name), self.path.name)
        return np.stack([self._pixels(space[name], calibration) for name in "yx"], axis=1)

    def _said(self, name: str) -> Array:
        if name not in self._named:
            raise StackError(f"{self.path} has no node property {name!r}; its nodes have {', '.join(self._named)}.")
        return self._named[name]

    def _pixels(self, axis: Any, calibration: Calibration | None) -> Array:
        """Return the places along an axis of space in pixels: they are already, or in the unit of the images."""
        values, letter = self._said(axis.name).astype(np.float64), axis.name[-1:].upper()
        if axis.unit in (None, "pixel"):
            return values
        about = calibration or Calibration()
        unit = about.units.get(letter, "")
        if UNITS.get(unit, unit) != axis.unit or letter not in about.scale:
            raise StackError(
                f"{self.path} has places in {axis.unit}, and the images do not say how large a pixel is in that unit; "
                "give places in pixels, or images that say it."
            )
        return values / about.scale[letter]


def _labelled(nodes: _Nodes, edges: Array, labels: Movie, value_of: str) -> TrackedLabels:
    """Return labels in which each node has the value of its object."""
    path, frames, values, time = nodes.path, nodes.frames, nodes.whole(value_of), nodes.time
    if len(frames) and not 0 <= frames.min() <= frames.max() < len(labels):
        raise StackError(
            f"{path} has nodes on frames {frames.min()} to {frames.max()}, and its labels have frames 0 to "
            f"{len(labels) - 1}; the node property {time!r} has to count frames."
        )
    ids = objects_of(frames, edges, nodes.ids())
    renamed = open_labels(RenamedLabels(labels, frames, values, ids), "TYX")
    parents, notes = parents_of(ids, edges, path.name)
    return TrackedLabels(renamed, parents, notes=(*notes, *nodes.notes))


class RenamedLabels:
    """Labels (T, H, W) of a GEFF in which each node has the value of its object; made when a frame is asked for."""

    ndim = 3

    def __init__(self, labels: Movie, frames: Array, values: Array, ids: Array) -> None:
        self._labels = labels
        self._nodes = {frame: (values[frames == frame], ids[frames == frame]) for frame in np.unique(frames).tolist()}
        self.shape = (len(labels), labels.height, labels.width)
        self.dtype = label_dtype(ids.tolist())
        self.name = labels.stack.name

    def __getitem__(self, index: Any) -> Array:
        key: tuple[Any, ...] = index if isinstance(index, tuple) else (index,)
        stored = np.asarray(self._labels[int(key[0])])
        present, places = np.unique(stored, return_inverse=True)
        named = np.zeros(len(present), self.dtype)
        values, ids = self._nodes.get(int(key[0]), (np.zeros(0, np.int64),) * 2)
        where = np.searchsorted(present, values)
        known = (where < len(present)) & (present[np.minimum(where, len(present) - 1)] == values) & (values != 0)
        named[where[known]] = ids[known]
        return named[places].reshape(stored.shape)[key[1:]]


def _labels_of(path: Path, metadata: Any) -> tuple[Movie, str] | None:
    """Return the label stack that belongs to a GEFF, and the property of nodes that has their values in it."""
    for related in metadata.related_objects or ():
        said = related.model_dump()
        name = said.get("node_prop") or said.get("label_prop")
        if said["type"] == "labels" and name:
            place = Path(os.path.normpath(path / said["path"]))
            axes = "".join("T" if axis.type == "time" else axis.name[-1:].upper() for axis in metadata.axes or ())
            return open_labels(place, axes if _is_plain(place, len(axes)) else None), name
    return None


def _is_plain(place: Path, dimensions: int) -> bool:
    """Return whether a zarr store is an array of so many dimensions, whose axes then are those of the nodes."""
    import zarr

    if not is_zarr(place):
        return False
    stored = zarr.open(place, mode="r")
    return isinstance(stored, zarr.Array) and stored.ndim == dimensions
