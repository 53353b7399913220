"""Tracks of places, as trackers without labels make them: of the nodes of a graph, a table, napari's Tracks layer."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from napari_sam2.io.csv_table import Table
from napari_sam2.io.track_graph import objects_of, onwards, parents_of, places_of, told_merges
from napari_sam2.io.tracked import TrackedSpots, one_parent_each
from sam2_core.errors import PromptError, StackError

Array = np.ndarray[Any, Any]
OBJECT_COLUMNS = ("object_id", "track_id", "tracklet_id", "label", "cell_id", "id")
PARENT_COLUMNS = ("parent", "parent_id", "parent_track_id", "parent_tracklet_id", "parentid", "mother_id", "mother")
FRAME_COLUMNS = ("frame", "t", "time")
Y_COLUMNS, X_COLUMNS = ("y_px", "y"), ("x_px", "x")
"""Of our own tables those in pixels: `y` and `x` beside them are in the units of the images."""
_NODE, _BEFORE = "id", "parent_id"
_NOTHING = {"", "nan", "none", "null", "na"}
ParentsOf = Callable[[Collection[int]], dict[int, int]]
"""Reads a table of parents of objects with these ids."""


def spots_of_nodes(
    name: str, frames: Array, places_yx: Array, edges: Array, named: Iterable[Array] = ()
) -> TrackedSpots:
    """Return the objects that a graph of tracks comes to; see `track_graph.objects_of` for `named`.

    edges: (E, 2) places of nodes that are linked, in either direction.
    """
    edges = onwards(edges, frames, name)
    ids = objects_of(frames, edges, named)
    parents, notes = parents_of(ids, edges, name)
    return TrackedSpots(name, ids, frames, places_yx, parents, notes=notes)


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
    notes: tuple[str, ...] = ()
    if np.any(rows[:, 0] < 0):
        notes = (f"{name}: {int(np.sum(rows[:, 0] < 0))} places of no track, of a number below 0, are left out.",)
        rows = rows[rows[:, 0] >= 0]
    plane = _plane(rows[:, 2], name) if rows.shape[1] == 5 else None
    ids, frames = rows[:, :2].astype(np.int64).T
    shift = max(0, 1 - int(ids.min(initial=1)))  # others count from 0
    said = [(int(child), one) for child, parents in (graph or {}).items() for one in _listed(parents)]
    known = {child + shift: parent + shift for child, parent in reversed(said)}
    notes += told_merges([child + shift for child, _ in said], name)
    return TrackedSpots(name, ids + shift, frames, rows[:, -2:], known, plane=plane, notes=notes)


def spots_of_table(table: Table, name: str, parents_of_objects: ParentsOf | None = None) -> TrackedSpots:
    """Return the tracks of a table with a row for each object on each frame, in pixels.

    The object is a column of `OBJECT_COLUMNS`, the frame one of `FRAME_COLUMNS`, beside y and x; a column of
    `PARENT_COLUMNS` may say who an object came from. Where each row has an `id` of its own and `parent_id` names the
    row before, the rows are nodes of a graph, as Ultrack and napari-track-edit write them. Blanks in the names of
    columns count as `_`.

    Parameters
    ----------
    parents_of_objects
        Reads who came from whom elsewhere, of a table that does not say it.

    Raises
    ------
    StackError
        If it holds nothing, or they go through several planes.
    PromptError
        If a column is missing, a value is no number, an object is twice on a frame or has two parents, or these are
        said twice.
    """
    columns = {re.sub(r"[\s-]+", "_", column): column for column in table.columns}
    frame, own, parent, y, x = (
        next((columns[one] for one in known if one in columns), None)
        for known in (FRAME_COLUMNS, OBJECT_COLUMNS, PARENT_COLUMNS, Y_COLUMNS, X_COLUMNS)
    )
    if frame is None or own is None or y is None or x is None:
        raise PromptError(f"{name} has the columns {', '.join(table.columns)}; {_advice(columns)}")
    if parent is not None and parents_of_objects is not None:
        raise PromptError(f"{name} says in {parent!r} who came from whom; leave the table of parents out.")
    frames, ids = (np.array([row.whole(column) for row in table.rows], np.int64) for column in (frame, own))
    places = [[row.number(columns[one]) for row in table.rows] for one in ("z",) if one in columns]
    places += [[row.number(column) for row in table.rows] for column in (y, x)]
    data = np.column_stack([ids, frames, *places])
    if {_NODE, _BEFORE} <= columns.keys():
        nodes = np.array([row.whole(columns[_NODE]) for row in table.rows], np.int64)
        if len(np.unique(nodes)) == len(nodes):
            links = _links_of(table, columns[_BEFORE], (nodes, frames), name)
            plane = _plane(data[:, 2], name) if "z" in columns else None
            named = [] if own == columns[_NODE] else [ids]
            return replace(spots_of_nodes(name, frames, data[:, -2:], links, named), plane=plane)
    there = set(ids.tolist())
    if parents_of_objects is not None:
        graph = parents_of_objects(there)
    else:
        graph = one_parent_each([] if parent is None else [pair[::-1] for pair in _said(table, parent, ids)], name)
    spots = spots_of_tracks(data, graph, name)
    if len(there) == len(ids) > 1:
        note = f"{name}: no object is on two frames by its column {own!r}, so nothing is linked."
        return replace(spots, notes=(*spots.notes, note))
    return spots


def _links_of(table: Table, column: str, nodes_frames: tuple[Array, Array], name: str) -> Array:
    """Return (E, 2) places of the rows that are linked; of a table that was cut, what is left."""
    nodes, frames = nodes_frames
    edges = np.array(_said(table, column, nodes), np.int64).reshape(-1, 2)
    links = places_of(nodes, edges[np.isin(edges, nodes).all(axis=1)], name)
    late = links[frames[links[:, 0]] >= frames[links[:, 1]]]
    if len(late):
        raise PromptError(f"{table.rows[late[0, 1]].where}: what it comes from is not on an earlier frame.")
    return links


def _said(table: Table, column: str, ids: Array) -> list[tuple[int, int]]:
    """Return (from, to) of the rows of a table, of these ids, that name where they come from.

    None are nothing, the id itself, -1, and 0 where nothing has that id.
    """
    none = {-1, 0} - set(ids.tolist())
    rows = zip(table.rows, ids.tolist(), strict=True)
    named = [(row.whole(column), one) for row, one in rows if row.text(column).lower() not in _NOTHING]
    return [(before, one) for before, one in named if before not in none and before != one]


def _advice(columns: Collection[str]) -> str:
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


def _plane(depths: Array, name: str) -> float | None:
    check_one_plane(depths, name)
    return float(depths[0]) if len(depths) else None


def _listed(parents: Sequence[int] | int) -> list[int]:
    """Return parents, of which there may be one alone, as a list."""
    return [int(one) for one in np.atleast_1d(np.asarray(parents, np.int64))]
