"""Lineages of truth and result side by side: time goes down, each track is a line, a division a fork.

Links that both have are green, those that were missed red (in the truth), those that are wrong orange (in the result).
Trees of the result stand in the order of the trees of the truth that they hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sam2_core.scoring.track_graph import Chosen, Nodes, TrackGraph
from sam2_core.scoring.tracking import PairedTracks, right_links

MOST_TREES = 120
"""Of the truth that are drawn: those that divide most, then the longest."""
SIDE_PX = 900
_RIGHT, _MISSED, _WRONG, _GROUND = (60, 230, 90), (255, 50, 50), (255, 165, 0), (24, 24, 24)


@dataclass(frozen=True, slots=True)
class LineagePanel:
    """Trees of a graph: which of its nodes, where each stands from left to right, and which links are right."""

    graph: TrackGraph
    nodes: Nodes
    columns: NDArray[np.float64]
    right: Chosen
    wrong_colour: tuple[int, int, int]
    caption: str
    frame_count: int

    def drawn(self) -> Image.Image:
        """Return the picture of the trees."""
        widest = float(self.columns[self.nodes].max(initial=0.0)) + 1
        across, down = _step(widest, 3, 14), _step(self.frame_count, 2, 24)
        size = round(widest * across) + 8, self.frame_count * down + 8
        picture = Image.new("RGB", size, _GROUND)
        draw = ImageDraw.Draw(picture)
        for node in self.nodes.tolist():
            x, y = 4 + self.columns[node] * across, 4 + int(self.graph.frames[node]) * down
            before = int(self.graph.before[node])
            if before < 0:
                draw.line([(x - 1, y), (x + 1, y)], fill=(160, 160, 160))
                continue
            x0, y0 = 4 + self.columns[before] * across, 4 + int(self.graph.frames[before]) * down
            colour = _RIGHT if self.right[node] else self.wrong_colour
            draw.line([(x0, y0), (x, y0), (x, y)], fill=colour)
        return picture


def lineage_panels(paired: PairedTracks) -> list[list[LineagePanel]]:
    """Return a row of two panels, the lineages of the truth and those of the result; none without a truth."""
    truth, found = paired.truth, paired.found
    if not len(truth):
        return []
    chosen = _busiest(truth)
    kept = np.flatnonzero(np.isin(truth.lineages, chosen))
    columns = _columns(truth, chosen)
    held = paired.alike[kept]
    places: dict[int, float] = {}
    for node, other in zip(kept.tolist(), held.tolist(), strict=True):
        if other >= 0:
            places.setdefault(int(found.lineages[other]), float(columns[node]))
    order = sorted(places, key=lambda tree: places[tree])
    seen = np.flatnonzero(np.isin(found.lineages, order))
    right = right_links(paired)
    also = np.zeros(len(found), bool)
    also[paired.alike[right]] = True
    count = int(max(truth.frames.max(initial=0), found.frames.max(initial=0))) + 1
    told = f"{len(chosen)} of {int(truth.lineages.max()) + 1} lineages"
    return [
        [
            LineagePanel(truth, kept, columns, right, _MISSED, f"truth: {told}; red: missed links", count),
            LineagePanel(found, seen, _columns(found, order), also, _WRONG, "result; orange: wrong links", count),
        ]
    ]


def _busiest(graph: TrackGraph) -> list[int]:
    """Return the trees that are drawn, in their own order."""
    count = int(graph.lineages.max()) + 1
    forks = np.bincount(graph.lineages[graph.divides], minlength=count)
    order = np.lexsort((np.arange(count), -np.bincount(graph.lineages), -forks))
    return sorted(order[:MOST_TREES].tolist())


def _columns(graph: TrackGraph, trees: Sequence[int]) -> NDArray[np.float64]:
    """Return (N,) where each node stands from left to right: its track in the middle of those that come from it."""
    placed: NDArray[np.float64] = np.zeros(int(graph.tracklets.max(initial=-1)) + 1)
    ends: dict[int, int] = {int(track): node for node, track in enumerate(graph.tracklets)}  # the last node of each
    begins = {int(tree): node for node, tree in reversed(list(enumerate(graph.lineages)))}
    free = 0.0
    for tree in trees:
        waiting = [int(graph.tracklets[begins[tree]])]
        order: list[int] = []
        while waiting:
            order.append(waiting.pop())
            waiting += [int(graph.tracklets[node]) for node in graph.after[ends[order[-1]]]]
        for track in reversed(order):  # what comes from a track stands before it here
            daughters = [int(graph.tracklets[node]) for node in graph.after[ends[track]]]
            placed[track] = np.mean([placed[one] for one in daughters]) if daughters else free
            free += not daughters
    return placed[graph.tracklets]


def _step(count: float, least: int, most: int) -> int:
    return int(np.clip(SIDE_PX / max(count, 1), least, most))
