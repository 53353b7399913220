from __future__ import annotations

import numpy as np
import pytest

from sam2_core.finding.tile_plan import CELL_PX, LARGEST_CELL_PX, LEAST_CELL_PX, tiles_for


@pytest.mark.parametrize("image_size", [256, 1024])
@pytest.mark.parametrize(
    ("frame_hw", "diameter"), [((1024, 1024), 30), ((512, 1024), 22), ((300, 300), 12), ((40, 900), 9)]
)
def test_objects_lie_whole_in_the_tile_that_is_nearest(rng, frame_hw, diameter, image_size):
    tiles = tiles_for(frame_hw, diameter, image_size)
    for y, x in rng.uniform((0, 0), frame_hw, (300, 2)):
        tile = tiles.nearest((x, y))
        half = diameter / 2
        box = max(x - half, 0), max(y - half, 0), min(x + half, frame_hw[1]), min(y + half, frame_hw[0])
        assert tile.holds(box)


@pytest.mark.parametrize("diameter", [3, 11, 30, 52])
def test_objects_have_about_the_size_that_the_model_knows(diameter):
    for side in range(200, 1100, 37):
        seen = diameter * 256 / tiles_for((side, side), diameter, 256).side
        assert LEAST_CELL_PX * 0.97 <= seen <= LARGEST_CELL_PX * 1.03


def test_a_row_of_tiles_is_saved_where_a_slightly_smaller_scale_does():
    usual = round(30 * 256 / CELL_PX)
    assert len(tiles_for((1024, 1024), 30, 256)) == 25
    assert tiles_for((1024, 1024), 30, 256).side > usual


def test_a_small_frame_is_one_tile_and_not_shown_in_a_much_larger_one():
    assert len(tiles_for((60, 60), 30, 256)) == 1
    assert tiles_for((200, 150), 30, 256).side == 200
    assert np.isclose(tiles_for((60, 60), 30, 256).side, 30 * 256 / LARGEST_CELL_PX, atol=1)


def test_an_object_larger_than_the_frame_asks_for_no_larger_tile_than_one_that_fills_it():
    assert tiles_for((60, 80), 1e6, 256).side == tiles_for((60, 80), 80, 256).side
