"""Which candidates stay: the better ones, and what of the others lies beside them.

Candidates are laid on the frame, the best first. One that overlaps what lies there by more than `MOST_OVERLAP` of
itself is another view of the same object, and goes; of the others only the pixels stay that are still free. No cut by
rank is made: what is poor and alone stays, with a low score. What a tile saw beyond its border is spare, and stays only
where the other tile saw nothing. Time and memory grow with the area of the candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from sam2_core.finding.candidates import Candidate
from sam2_core.finding.found import FoundObject, cut_to_pixels, region_of
from sam2_core.finding.scores import score
from sam2_core.windowed.window import SizeHW

MOST_OVERLAP = 0.15
SEEN = 0.2
"""Of what is spare; where the tile that should see it saw more than that, it is not needed."""


Seen = TypeVar("Seen", Candidate, FoundObject)


def without_conflicts(ranked: Iterable[Seen], frame_hw: SizeHW) -> list[Seen]:
    """Return the candidates that stay, cut to pixels of their own, in the order in which they came, the best first."""
    taken = np.zeros(frame_hw, dtype=bool)
    kept = []
    for candidate in ranked:
        there = taken[region_of(candidate.box_xyxy)]
        free = candidate.mask & ~there
        cut = cut_to_pixels(free, candidate.box_xyxy[:2])
        if cut is None or np.count_nonzero(free) < (1 - MOST_OVERLAP) * candidate.area:
            continue
        there |= candidate.mask
        kept.append(replace(candidate, box_xyxy=cut[0], mask=cut[1]))
    return kept


def without_spare(found: Sequence[Candidate], frame_hw: SizeHW, least_score: float) -> list[Candidate]:
    """Return candidates without those that are spare where another one of that score or more is."""
    seen = np.zeros(frame_hw, dtype=bool)
    for each in found:
        if not each.is_spare and score(each) >= least_score:
            seen[region_of(each.box_xyxy)] |= each.mask

    def is_seen(one: Candidate) -> bool:
        return bool(np.count_nonzero(seen[region_of(one.box_xyxy)] & one.mask) > SEEN * one.area)

    return [each for each in found if not (each.is_spare and is_seen(each))]
