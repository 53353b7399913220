from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Points

from napari_sam2.viewer.coordinates import Grid, moved, placement

GRID = Grid("TZYX", (5, 4, 30, 40), "T", {"Z": 2})


def test_a_place_and_back():
    located = GRID.locate(GRID.place(3, [(1.5, 2.5), (7, 8)]))
    assert located.frames == [3, 3]
    np.testing.assert_array_equal(located.places_yx, [(1.5, 2.5), (7, 8)])
    assert located.problems == ("", "")


def test_frames_are_rounded_to_the_nearest():
    assert GRID.locate([(1.6, 2.2, 0, 0)]).frames == [2]


@pytest.mark.parametrize(
    ("point", "words"), [((1, 0, 5, 5), "Z=0, but the session works at Z=2"), ((9, 2, 5, 5), "frame 9, but there are")]
)
def test_a_point_elsewhere_is_told(point, words):
    assert words in GRID.locate([point]).problems[0]


def test_a_single_image_has_one_frame():
    grid = Grid("YX", (30, 40), None)
    assert grid.frame_count == 1
    assert grid.locate([(3, 4)]).frames == [0]
    np.testing.assert_array_equal(grid.place(0, [(3, 4)]), [(3, 4)])


def test_layers_with_another_scale_meet_in_the_world():
    image = Image(np.zeros((5, 30, 40)), scale=(2, 0.5, 0.25), translate=(10, 1, 2), rotate=None)
    layer = Points(np.zeros((1, 3)), scale=(1, 1, 1))
    point = np.array([(3.0, 4.0, 8.0)])
    world = [(16.0, 3.0, 4.0)]
    np.testing.assert_allclose(moved(image, layer, point), world)
    np.testing.assert_allclose(moved(layer, image, world), point)


def test_a_new_layer_lies_as_the_image_does():
    image = Image(
        np.zeros((5, 30, 40)), scale=(2, 0.5, 0.25), translate=(10, 1, 2), rotate=30, units=("s", "um", "um"),
        axis_labels=("t", "y", "x"),
    )  # fmt: skip
    layer = Points(np.zeros((1, 3)), **placement(image))
    np.testing.assert_allclose(layer.data_to_world((1, 2, 3)), image.data_to_world((1, 2, 3)))
    assert (layer.units, layer.axis_labels) == (image.units, image.axis_labels)
