"""Tracks of places, as trackers without labels make them: of the nodes of a graph, a table, napari's Tracks layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from napari_sam2.io.csv_table import Table
from napari_sam2.io.track_graph import objects_of, onwards, parents_of, places_of
from napari_sam2.io.tracked import TrackedSpots
from sam2_core.errors import PromptError, StackError

Array = np.ndarray[Any, Any]
OBJECT_COLUMNS = ("object_id", "track_id", "tracklet_id", "label", "cell_id", "id")
PARENT_COLUMNS = ("parent", "parent_id", "parent_track_id", "parent_tracklet_id")
FRAME_COLUMNS = ("frame", "t", "time")
_NODE, _BEFORE = "id", "parent_id"


def spots_of_nodes(
    name: str, frames: Array, places_yx: Array, edges: Array, named: Iterable[Array] = ()
) -> TrackedSpots:
    """Return the objects that a graph of tracks comes to; see `track_graph.objects_of` for `named`.

    edges: (E, 2) places of nodes that are linked, in either direction.
    """
    edges = onwards(edges, frames, name)
    ids = objects_of(frames, edges, named)
    return TrackedSpots(name, ids, frames, places_yx, parents_of(ids, edges, name))


def spots_of_tracks(
    data: ArrayLike, graph: Mapping[int, Sequence[int] | int] | None = None, name: str = "tracks"
) -> TrackedSpots:
    """Return the tracks that napari's Tracks layer takes, as btrack, laptrack, Ultrack and Trackastra make them.

    Parameters
    ----------
    data
        (N, 4) of track, frame, y, x, or (N, 5) with z, the same for all, before y; in pixels.
    graph
        Track -> those that it came from, of which the first counts.

    Raises
    ------
    StackError
        If there is none, or they go through several planes.
    PromptError
        If it is of another shape or kind, or a track is twice on a frame.
    """
    rows = np.asarray(data, np.float64)
    if rows.ndim != 2 or rows.shape[1] not in (4, 5) or not np.isfinite(rows).all() or np.any(rows[:, :2] % 1):
        raise PromptError(
            f"{name} of shape {rows.shape} cannot be used; give a row of track, frame, y, x for each place, all "
            "finite, tracks and frames as whole numbers."
        )
    if rows.shape[1] == 5:
        check_one_plane(rows[:, 2], name)
    ids, frames = rows[:, :2].astype(np.int64).T
    shift = max(0, 1 - int(ids.min(initial=1)))  # others count from 0
    parents = {child: _first(parent) for child, parent in (graph or {}).items()}
    known = {child + shift: parent + shift for child, parent in parents.items() if parent is not None}
    return TrackedSpots(name, ids + shift, frames, rows[:, -2:], known)


def spots_of_table(table: Table, name: str) -> TrackedSpots:
    """Return the tracks of a table with a row for each object on each frame, in pixels.

    The object is a column of `OBJECT_COLUMNS`, the frame one of `FRAME_COLUMNS`, beside `y` and `x`; a column of
    `PARENT_COLUMNS` may say who an object came from. Where each row has an `id` of its own and `parent_id` names the
    row before, the rows are nodes of a graph, as Ultrack and napari-track-edit write them.

    Raises
    ------
    StackError
        If it holds nothing, or they go through several planes.
    PromptError
        If a column is missing, a value is no number, or an object is twice on a frame.
    """
    columns = table.columns
    frame, own, parent = (
        next((one for one in known if one in columns), None)
        for known in (FRAME_COLUMNS, OBJECT_COLUMNS, PARENT_COLUMNS)
    )
    if frame is None or own is None or not {"y", "x"} <= set(columns):
        raise PromptError(f"{name} has the columns {', '.join(columns)}; {_advice(columns)}")
    if "z" in columns:
        check_one_plane(np.array([row.number("z") for row in table.rows]), name)
    frames = np.array([row.whole(frame) for row in table.rows], np.int64)
    places = np.array([(row.number("y"), row.number("x")) for row in table.rows], np.float64).reshape(-1, 2)
    ids = np.array([row.whole(own) for row in table.rows], np.int64)
    if {_NODE, _BEFORE} <= set(columns):
        nodes = np.array([row.whole(_NODE) for row in table.rows], np.int64)
        edges = _said(table, _BEFORE, nodes)
        if len(np.unique(nodes)) == len(nodes) and np.isin(edges, nodes).all():
            return spots_of_nodes(name, frames, places, places_of(nodes, edges, name), [] if own == _NODE else [ids])
    graph = {} if parent is None else {int(one): int(before) for before, one in _said(table, parent, ids)}
    return spots_of_tracks(np.column_stack([ids, frames, places]), graph, name)


def _said(table: Table, column: str, ids: Array) -> Array:
    """Return (from, to) of the rows of a table, of these ids, that name where they come from.

    None are nothing, the id itself, -1, and 0 where nothing has that id.
    """
    none = {-1, 0} - set(ids.tolist())
    named = [(row.whole(column), one) for row, one in zip(table.rows, ids.tolist(), strict=True) if row.text(column)]
    return np.array([(before, one) for before, one in named if before not in (none | {one})], np.int64).reshape(-1, 2)


def _advice(columns: Sequence[str]) -> str:
    if "position_x" in columns:
        return "that is a table of TrackMate, without links; give the file that TrackMate saves (.xml)."
    return (
        f"for tracks an object ({', '.join(OBJECT_COLUMNS)}), a frame ({', '.join(FRAME_COLUMNS)}), y and x are "
        f"needed, and perhaps a parent ({', '.join(PARENT_COLUMNS)})."
    )


def check_one_plane(depths: Array, name: str) -> None:
    """Return nothing if all places have one depth.

    Raises
    ------
    StackError
        If tracks go through several planes.
    """
    if len(depths) and np.ptp(depths):
        raise StackError(
            f"{name} goes through several planes, z from {depths.min():g} to {depths.max():g}, and objects are "
            "followed on one; give the tracks of a plane, or of a projection."
        )


def _first(parents: Sequence[int] | int) -> int | None:
    if isinstance(parents, Sequence | np.ndarray):
        return int(parents[0]) if len(parents) else None
    return int(parents)
