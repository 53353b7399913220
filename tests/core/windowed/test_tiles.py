from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from sam2_core.windowed.tiles import OVERLAP, ROOM, Tiling
from sam2_core.windowed.window import Window

SIZE, SIDE = (300, 420), 100


@pytest.fixture
def tiling():
    return Tiling(SIZE, SIDE)


def around(x, y, diameter):
    radius = diameter / 2
    return x - radius, y - radius, x + radius, y + radius


def test_tiles_cover_the_frame_and_overlap(tiling):
    seen = np.zeros(SIZE, int)
    places = {(tiling.nearest((x, y)).y0, tiling.nearest((x, y)).x0) for y in range(SIZE[0]) for x in range(SIZE[1])}
    assert len(places) == len(tiling) == 4 * 6
    for y0, x0 in places:
        assert (y0 >= 0) & (x0 >= 0) & (y0 + SIDE <= SIZE[0]) & (x0 + SIDE <= SIZE[1])
        seen[y0 : y0 + SIDE, x0 : x0 + SIDE] += 1
    assert seen.min() == 1
    starts = sorted({y0 for y0, _ in places})
    assert all(later - start <= (1 - OVERLAP) * SIDE for start, later in pairwise(starts))


def test_what_is_small_enough_is_seen_whole_in_a_tile_wherever_it_is(tiling, rng):
    for y, x in rng.uniform((0, 0), SIZE, (500, 2)):
        box = around(x, y, OVERLAP * SIDE - 2 * ROOM * SIDE)
        clipped = max(box[0], 0), max(box[1], 0), min(box[2], SIZE[1]), min(box[3], SIZE[0])
        window, aim, _ = tiling.place((x, y), clipped)
        assert window in tiling
        assert window.holds(clipped)
        assert aim == (x, y)


def test_the_tile_of_before_is_kept_as_long_as_it_shows_the_object_well(tiling):
    first = tiling.nearest((50.0, 50.0))
    beyond = next(x for x in range(50, 400) if tiling.place((x, 50), around(x, 50, 16), first).window != first)
    assert tiling.nearest((beyond - 1, 50)) != first
    assert beyond + 8 > first.x0 + SIDE - ROOM * SIDE
    assert tiling.place((beyond, 50), around(beyond, 50, 16), first).window.holds(around(beyond, 50, 16))


def test_what_is_too_large_for_the_tiles_gets_a_window_around_it(tiling):
    x = 0.5 * sum(tiling.nearest((100, 50)).x0 + end for end in (0, 0)) + SIDE  # at the right end of a tile
    place = tiling.place((x, 150.0), around(x, 150, 70), tiling.nearest((x, 150.0)))
    assert place.window not in tiling
    assert place.window.centre_xy == pytest.approx((x, 150), abs=1)


def test_no_room_is_needed_at_the_border_of_the_frame(tiling):
    corner = tiling.nearest((0.0, 0.0))
    assert tiling.shows(corner, (0.0, 0.0, 20.0, 20.0))
    assert not tiling.shows(corner, (0.0, 0.0, 20.0, SIDE - 1.0))


def test_a_frame_smaller_than_a_tile_has_one_that_reaches_over_its_border():
    tiling = Tiling((60, 420), SIDE)
    assert tiling.nearest((0.0, 0.0)) == Window(0, -20, SIDE, SIDE)
    assert tiling.shows(tiling.nearest((10.0, 30.0)), (0.0, 0.0, 30.0, 60.0))
