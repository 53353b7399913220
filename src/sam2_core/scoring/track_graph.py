"""Tracked labels as a graph: a node for each object on each frame, and the node before it; no files, no torch.

Labels (H, W) are whole numbers, 0 for background; a value is the same object on all frames, and `parents` says which
values came from which by division. So a node has one node before it at most: its own last one, also over frames without
it, or the last one of its parent. Two nodes or more behind one are a division.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Nodes = NDArray[np.int64]
Chosen = NDArray[np.bool_]


@dataclass(frozen=True)
class TrackGraph:
    """Objects on frames and what links them.

    Attributes
    ----------
    frames, labels
        (N,) frame and label value of each node, in order of frame and value.
    before
        (N,) the node that it is linked to on an earlier frame, -1 for none.
    """

    frames: Nodes
    labels: Nodes
    before: Nodes

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def linked(self) -> Chosen:
        """(N,) whether there is a node before it: the links, each by the node that it leads to."""
        return self.before >= 0

    @cached_property
    def divides(self) -> Chosen:
        """(N,) whether two nodes or more come from it."""
        return np.bincount(self.before[self.linked], minlength=len(self)) > 1

    @cached_property
    def is_birth(self) -> Chosen:
        """(N,) whether its link is one of a division."""
        return self.linked & self.divides[self.before]

    @cached_property
    def tracklets(self) -> Nodes:
        """(N,) number of the track without a division that it is part of."""
        return self._parts(self.linked & ~self.is_birth)

    @cached_property
    def lineages(self) -> Nodes:
        """(N,) number of the tree that it is part of."""
        return self._parts(self.linked)

    @cached_property
    def after(self) -> list[list[int]]:
        """Nodes that come from each node, ascending."""
        found: list[list[int]] = [[] for _ in range(len(self))]
        for node in np.flatnonzero(self.linked).tolist():
            found[self.before[node]].append(node)
        return found

    def ancestor(self, node: int, frame: int) -> int:
        """Return the node that a node comes from, or itself, on a frame; -1 where there is none."""
        while node >= 0 and self.frames[node] > frame:
            node = int(self.before[node])
        return node if node >= 0 and self.frames[node] == frame else -1

    def _parts(self, links: Chosen) -> Nodes:
        to = np.flatnonzero(links)
        graph = coo_array((np.ones(len(to)), (self.before[to], to)), shape=(len(self), len(self)))
        return connected_components(graph, directed=False)[1].astype(np.int64)


def track_graph(ids: Iterable[Iterable[int]], parents: Mapping[int, int]) -> TrackGraph:
    """Return the graph of objects that are there frame by frame, ids ascending, and of whom they come from.

    A parent that is not there before its child is none.
    """
    last: dict[int, int] = {}
    nodes: list[tuple[int, int, int]] = []
    for frame, present in enumerate(ids):
        first = len(nodes)
        nodes += [(frame, one, last.get(one, last.get(parents.get(one, 0), -1))) for one in present]
        last |= {nodes[index][1]: index for index in range(first, len(nodes))}
    table = np.array(nodes, dtype=np.int64).reshape(-1, 3)
    return TrackGraph(table[:, 0], table[:, 1], table[:, 2])


def chosen_at(chosen: Chosen, places: Nodes) -> Chosen:
    """Return (K,) what is chosen at places (K,); False where a place is -1."""
    found = places >= 0
    found[found] = chosen[places[found]]
    return found
