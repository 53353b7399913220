"""The graph of tracks as other programs write it, nodes and edges, as objects: each a path between divisions."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sam2_core.errors import StackError

Array = np.ndarray[Any, Any]
_log = logging.getLogger(__name__)


def places_of(node_ids: Array, edges: Array, name: str) -> Array:
    """Return edges (E, 2) by the places of their nodes, `name` being that of the file.

    Raises
    ------
    StackError
        If an edge names a node that is not there.
    """
    order = np.argsort(node_ids)
    places = np.searchsorted(node_ids[order], edges)
    found: Array = order[np.minimum(places, len(order) - 1)] if len(order) else places
    if len(edges) and not (len(order) and np.array_equal(node_ids[found], edges)):
        raise StackError(f"{name}: its edges name nodes that are not there; the file is damaged.")
    return found.astype(np.int64).reshape(-1, 2)


def onwards(edges: Array, frames: Array, name: str) -> Array:
    """Return edges (E, 2) from the earlier to the later node: those of undirected graphs go either way."""
    first, second = frames[edges[:, 0]], frames[edges[:, 1]]
    if np.any(first == second):
        _log.warning("%s: %d edges join nodes of one frame, and are left out.", name, int(np.sum(first == second)))
    turned = np.where((first > second)[:, None], edges[:, ::-1], edges)
    return turned[first != second]


def objects_of(frames: Array, edges: Array, named: Iterable[Array] = ()) -> Array:
    """Return the object id of each node (N,).

    Parameters
    ----------
    edges
        From earlier to later nodes, (E, 2); see `onwards`.
    named
        Ids that the file has: the first that are above 0 and have no object twice on a frame are taken; without any,
        each path between divisions is an object, and where paths meet another one begins.
    """
    for ids in named:
        if len(ids) and ids.min() > 0 and len(np.unique(np.stack([ids, frames]), axis=1).T) == len(ids):
            return ids
    count = len(frames)
    splits = np.bincount(edges[:, 0], minlength=count) > 1
    meets = np.bincount(edges[:, 1], minlength=count) > 1
    kept = edges[~splits[edges[:, 0]] & ~meets[edges[:, 1]]]
    graph = coo_array((np.ones(len(kept)), (kept[:, 0], kept[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64) + 1


def parents_of(ids: Array, edges: Array, name: str) -> tuple[dict[int, int], tuple[str, ...]]:
    """Return object id -> the one that it came from, of several the smallest, and what is odd about that."""
    pairs = {(int(ids[after]), int(ids[before])) for before, after in edges.tolist() if ids[before] != ids[after]}
    parents = dict(sorted(pairs, reverse=True))
    return parents, told_merges([child for child, _ in pairs], name)


def told_merges(children: Iterable[int], name: str) -> tuple[str, ...]:
    """Return a sentence about objects that come from several, each named once for each; none where there are none."""
    merged = [child for child, count in sorted(Counter(children).items()) if count > 1]
    some = f"{', '.join(map(str, merged[:10]))}{' and more' if len(merged) > 10 else ''}"
    return (f"{name}: tracks become one in {some}; of several parents the first counts.",) if merged else ()
