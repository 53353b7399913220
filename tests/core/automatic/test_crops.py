from __future__ import annotations

import numpy as np
import pytest

from sam2_core.automatic.crops import Crop, crops_of, grids_of_layers, point_grid


def test_points_lie_in_the_middle_of_equal_cells_row_by_row() -> None:
    assert point_grid(2).tolist() == [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]


def test_a_layer_has_fewer_points_per_side() -> None:
    assert [len(grid) for grid in grids_of_layers(9, 2, 2)] == [81, 16, 4]
    with pytest.raises(ValueError, match="leave none in layer 2"):
        grids_of_layers(3, 2, 2)


def test_crops_overlap_and_reach_the_ends_of_the_image() -> None:
    # 100 x 60 (width x height), overlap 0.3 of 60 = 18: crops of (18 + 100) / 2 = 59 by (18 + 60) / 2 = 39
    assert [crop.box for crop in crops_of((60, 100), 1, 0.3)] == [
        (0, 0, 100, 60),
        (0, 0, 59, 39),
        (0, 21, 59, 60),
        (41, 0, 100, 39),
        (41, 21, 100, 60),
    ]
    assert [crop.layer for crop in crops_of((60, 100), 2, 0.3)] == [0] + [1] * 4 + [2] * 16


def test_an_image_of_a_few_pixels_has_no_crop_without_pixels() -> None:
    crops = crops_of((5, 5), 3, 0.3)
    assert all(min(crop.size) > 0 for crop in crops)
    covered = np.zeros((5, 5), dtype=int)
    for x0, y0, x1, y1 in (crop.box for crop in crops if crop.layer == 3):
        covered[y0:y1, x0:x1] += 1
    assert covered.all()


@pytest.mark.parametrize(
    ("box", "is_cut"),
    [
        ((30, 30, 90, 70), False),  # ends more than 20 px before the right edge of the crop, 110
        ((30, 30, 90, 79), True),  # its lower edge is 21 px above that of the crop, 100; then 90 is
        ((30, 0, 60, 60), False),  # at the edge of the image
    ],
)
def test_a_mask_is_cut_off_at_an_edge_of_the_crop_that_is_none_of_the_image(box, is_cut) -> None:
    crop = Crop((0, 0, 111, 99), 1)
    assert crop.cuts(box, (200, 300)) == is_cut
