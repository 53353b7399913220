from __future__ import annotations

import numpy as np

from sam2_core.finding.candidates import Candidate
from sam2_core.finding.conflicts import MOST_OVERLAP, without_conflicts

HW = (50, 60)


def square(x, y, side):
    return Candidate((x, y, x + side, y + side), np.ones((side, side), bool), (x, y), 0.9, 0.9, 0.9)


def test_one_that_lies_on_better_ones_goes_and_a_neighbour_keeps_what_is_free():
    better, again, neighbour, apart = square(10, 10, 20), square(12, 12, 18), square(28, 10, 20), square(0, 40, 8)
    kept = without_conflicts([better, again, neighbour, apart], HW)
    assert [each.seed_xy for each in kept] == [(10, 10), (28, 10), (0, 40)]
    assert kept[1].box_xyxy == (30, 10, 48, 30)
    assert kept[1].mask.shape == (20, 18)


def test_overlap_counts_as_a_share_of_the_worse_one():
    whole = square(0, 0, 40)
    inside = int(40 * MOST_OVERLAP) - 1
    assert len(without_conflicts([whole, square(40 - 1, 0, 10)], HW)) == 2  # a tenth of it
    assert len(without_conflicts([whole, square(38, 0, 10)], HW)) == 1  # a fifth
    assert len(without_conflicts([square(0, 0, inside), whole], HW)) == 2


def test_a_chain_is_decided_by_the_order():
    chain = [square(10 * step, 0, 14) for step in range(4)]
    assert [each.seed_xy[0] for each in without_conflicts(chain, HW)] == [0, 20]
    assert without_conflicts([], HW) == []
