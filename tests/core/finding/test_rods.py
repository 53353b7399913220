from __future__ import annotations

import numpy as np
import pytest

from sam2_core.finding.finding import _nearer_looks
from sam2_core.finding.found import FoundObject
from sam2_core.finding.rods import FEW, clump_width, covered, rod_width, typical_size


def thing(length, width, *, arms=False, score=1.0):
    """A bar with rounded ends, or one with arms across it."""
    y, x = np.indices((80, 120)) - np.array([40, 60])[:, None, None]
    reach = (length - width) / 2
    mask = np.hypot(np.maximum(np.abs(x) - reach, 0), y) <= width / 2
    if arms:
        mask |= (np.abs(np.abs(x) - reach) < 4) & (np.abs(y) < 28)
    return FoundObject((0, 0, 120, 80), mask, (60.0, 40.0), score)


@pytest.mark.parametrize(("length", "width", "is_rod"), [(60, 18, True), (100, 14, True), (40, 30, False)])
def test_a_rod_has_a_width_and_what_is_round_has_none(length, width, is_rod):
    found = rod_width([thing(length, width)])
    assert found == (pytest.approx(width, rel=0.25) if is_rod else None)


def test_cells_with_arms_are_no_rods():
    assert rod_width([thing(90, 14, arms=True)]) is None
    assert rod_width([]) is None


def test_typical_is_what_most_of_the_sure_area_is():
    rods, specks = [thing(60, 18)] * 3, [thing(6, 6)] * 9
    unsure = [thing(40, 40, score=0.01)] * 5
    assert typical_size([*specks, *rods, *unsure]) == pytest.approx(typical_size(rods))
    assert rod_width([*specks, *rods, *unsure]) == rod_width(rods)
    assert typical_size([]) == 0


def test_what_is_covered_is_the_union_on_the_frame():
    assert covered([thing(60, 18), thing(6, 6)], (90, 130)).sum() == thing(60, 18).area


def test_few_long_things_may_be_clumps_of_rods_and_many_or_round_ones_are_none():
    assert clump_width([thing(45, 28)] * FEW) == pytest.approx(28, rel=0.2)
    assert clump_width([thing(40, 30)] * FEW) == pytest.approx(30, rel=0.2)
    assert clump_width([thing(45, 28)] * (FEW + 1)) is None
    assert clump_width([thing(30, 29)]) is None
    assert clump_width([]) is None


def test_few_thick_things_are_looked_into_nearer_and_nearer_and_rods_of_the_right_size_once():
    """Few may be rods packed side by side, whose own width is far from that of what was seen."""

    def looks(things, scale):
        return [nearer for nearer, _ in _nearer_looks(things, scale)]

    clump, rod = thing(75, 50), thing(100, 30)
    width = clump_width([clump])
    assert looks([clump], 60.0) == [pytest.approx(36.0), pytest.approx(21.6)]
    assert 0.35 * width > 0.6**3 * 60.0
    assert looks([rod] * FEW, 32.0) == [pytest.approx(0.6 * 32)]
    slim = looks([rod] * FEW, 60.0)
    assert slim == [pytest.approx(each) for each in (rod_width([rod]), 36.0, 21.6, 0.6**3 * 60)]
    assert looks([rod] * (FEW + 1), 60.0) == slim[:2]
    assert looks([thing(50, 49)] * FEW, 50.0) == []
