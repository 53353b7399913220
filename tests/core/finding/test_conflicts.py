from __future__ import annotations

from dataclasses import replace

import numpy as np

from sam2_core.finding.candidates import Candidate
from sam2_core.finding.conflicts import MOST_OVERLAP, SEEN, without_conflicts, without_spare

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


def test_what_is_spare_stays_only_where_its_own_tile_saw_nothing():
    def spare(x, y, side):
        return replace(square(x, y, side), is_spare=True)

    own, beside = square(0, 0, 20), int(20 * (1 - SEEN)) + 1
    apart, piece, touching = spare(30, 20, 20), spare(5, 5, 6), spare(beside, 0, 20)
    assert without_spare([piece, own, apart, touching], HW, 0.1) == [own, apart, touching]
    assert without_spare([own, spare(beside - 2, 0, 20)], HW, 0.1) == [own]
    poor = replace(own, predicted_iou=0.1, agreement=0.1)
    assert without_spare([poor, piece], HW, 0.1) == [poor, piece]
    assert without_spare([apart, piece], HW, 0.1) == [apart, piece]
