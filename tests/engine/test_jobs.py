from __future__ import annotations

import pytest

from napari_sam2.session import checked_range
from sam2_core.errors import StackError


@pytest.mark.parametrize(("start", "stop"), [(5, 5), (-1, 3), (0, 11), (10, None), (4, 2)])
def test_impossible_ranges_are_refused(start, stop):
    with pytest.raises(StackError, match="10 frames"):
        checked_range(10, start, stop)


def test_range_defaults_to_the_whole_movie():
    assert checked_range(10, None, None) == range(10)
    assert checked_range(10, 2, 5) == range(2, 5)
