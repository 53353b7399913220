"""Divisions of a result against those of the truth, on the frame or a few frames early or late.

A division of the truth is found where the node alike divides into nodes alike, two at least. One that is early or late
is found where the earlier of both is alike to the other's mother, back then, and two of its daughters, as far as they
go without dividing, have a node alike to one that comes from there. It is the way of `traccuracy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from sam2_core.scoring.track_graph import Chosen, Nodes, TrackGraph, chosen_at


@dataclass(frozen=True, slots=True)
class DivisionCounts:
    """How many divisions truth and result have, and how many are in both within 0, 1, ... frames."""

    truth: int
    found: int
    right: tuple[int, ...]


def false_divisions(truth: TrackGraph, found: TrackGraph, alike_of: Nodes) -> Chosen:
    """Return (M,) whether a found node divides and none alike does in the truth."""
    return found.divides & ~chosen_at(truth.divides, alike_of)


def count_divisions(
    truth: TrackGraph, found: TrackGraph, alike: Nodes, alike_of: Nodes, tolerance: int
) -> DivisionCounts:
    """Return the divisions within up to `tolerance` frames; see `tracking.PairedTracks` for what is alike."""
    right = [sum(_is_exact(node, truth, found, alike) for node in np.flatnonzero(truth.divides).tolist())]
    missed = np.flatnonzero(truth.divides & ~chosen_at(found.divides, alike)).tolist()
    wrong = np.flatnonzero(false_divisions(truth, found, alike_of)).tolist()
    taken: set[tuple[str, int]] = set()
    for frames in range(1, tolerance + 1):
        right.append(right[-1])
        for one, other in product(missed, wrong):
            apart = int(found.frames[other] - truth.frames[one])
            if abs(apart) != frames or {("truth", one), ("found", other)} & taken:
                continue
            if _is_same(truth, one, found, other, alike) if apart > 0 else _is_same(found, other, truth, one, alike_of):
                taken |= {("truth", one), ("found", other)}
                right[-1] += 1
    return DivisionCounts(int(truth.divides.sum()), int(found.divides.sum()), tuple(right))


def _is_exact(node: int, truth: TrackGraph, found: TrackGraph, alike: Nodes) -> bool:
    """Return whether a division of the truth is found with two of its daughters, on its frame."""
    same = int(alike[node])
    daughters = [one for one in truth.after[node] if alike[one] >= 0 and found.before[alike[one]] == same]
    return same >= 0 and len(daughters) > 1


def _is_same(early: TrackGraph, node: int, late: TrackGraph, later: int, alike: Nodes) -> bool:
    """Return whether a division on an earlier frame is the later one of the other graph; alike: of nodes of `early`."""
    mother = late.ancestor(later, int(early.frames[node]))
    if mother < 0 or alike[node] != mother:
        return False
    return sum(_follows(early, daughter, late, mother, alike) for daughter in early.after[node]) > 1


def _follows(early: TrackGraph, daughter: int, late: TrackGraph, mother: int, alike: Nodes) -> bool:
    """Return whether a daughter, as far as she goes without dividing, is alike to what comes from the mother."""
    line = [daughter]
    while len(line) == 1:
        same = int(alike[line[0]])
        if same >= 0 and late.ancestor(same, int(late.frames[mother])) == mother:
            return True
        line = early.after[line[0]]
    return False
