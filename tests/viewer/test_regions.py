"""A region from a Shapes layer: what has an inside counts, wherever the layer lies and whatever its axes are."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Shapes

from napari_sam2.viewer.coordinates import Grid
from napari_sam2.viewer.regions import region_of
from sam2_core.errors import PromptError

GRID = Grid("TYX", (3, 20, 30), "T")
BOX = [[2, 3], [2, 8], [6, 8], [6, 3]]


def image() -> Image:
    return Image(np.zeros((3, 20, 30)), scale=(1, 0.5, 0.5))


def on_frame(frame: int, corners: list[list[float]]) -> np.ndarray:
    return np.array([[frame, y, x] for y, x in corners], float)


def test_shapes_of_all_frames_join_and_lines_do_not_count() -> None:
    layer = Shapes(ndim=3, scale=(1, 0.5, 0.5))
    layer.add_rectangles(on_frame(0, BOX))
    layer.add_ellipses(on_frame(2, [[10, 10], [10, 20], [18, 20], [18, 10]]))
    layer.add_lines(on_frame(0, [[0, 0], [19, 29]]))
    region = region_of(layer, image(), GRID)
    assert region[2:7, 3:9].all()
    assert region[14, 15]
    assert not region[10, 10]  # the corner of the ellipse
    assert not region[0, 0]


def test_a_flat_layer_of_another_scale_holds_for_the_place_in_the_world() -> None:
    layer = Shapes([np.array(BOX, float)], shape_type="polygon")
    region = region_of(layer, image(), GRID)
    assert region[4:13, 6:17].all()
    assert np.count_nonzero(region) == 9 * 11


@pytest.mark.parametrize("corners", [[[50, 50], [50, 60], [60, 60], [60, 50]], None])
def test_nothing_inside_is_said_in_words(corners: list[list[float]] | None) -> None:
    layer = Shapes(ndim=3, name="part")
    if corners is not None:
        layer.add_rectangles(on_frame(0, corners))
    with pytest.raises(PromptError, match="inside of what part holds"):
        region_of(layer, image(), GRID)
