"""A second look at what the border of a tile cut shows one object, or takes two that touch for one."""

from __future__ import annotations

import numpy as np
import pytest

from sam2_core.finding.candidates import Candidate
from sam2_core.finding.finder import _is_several


def bar(x0, x1, y0=0, y1=10, sure=0.9):
    """A candidate whose mask is a box."""
    mask = np.ones((y1 - y0, x1 - x0), dtype=bool)
    return Candidate((x0, y0, x1, y1), mask, ((x0 + x1) / 2, (y0 + y1) / 2), sure, sure, sure)


@pytest.mark.parametrize(
    ("parts", "is_several"),
    [
        ([bar(0, 30), bar(20, 60)], False),  # one object, cut twice: both tiles see what lies between
        ([bar(0, 30, 0, 10), bar(20, 60, 0, 10), bar(0, 60, 10, 20)], True),  # and another along it
        ([bar(0, 60, 0, 10), bar(0, 60, 10, 20)], True),
        ([bar(0, 60, 0, 10), bar(0, 60, 10, 20, sure=0.4)], False),  # of which one is hardly believed
        ([bar(0, 60)], False),
        ([], False),
    ],
)
def test_parts_that_share_nothing_are_objects_of_their_own(parts, is_several):
    assert _is_several(bar(0, 60, 0, 20), parts) is is_several
