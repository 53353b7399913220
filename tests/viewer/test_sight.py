from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_sam2.viewer.coordinates import Grid
from napari_sam2.viewer.sight import Sight

SIZE = (1000, 1200)


def sight(axes="TYX", shape=(5, *SIZE), held=None, **layer):
    viewer = ViewerModel()
    image = viewer.add_image(np.broadcast_to(np.uint8(0), shape), contrast_limits=(0, 1), **layer)
    viewer.canvas.size = (400, 600)
    return viewer, Sight(viewer, image, Grid(axes, shape, "T", held or {}))


def seen(viewer, y, x):
    """Where a place of the world is drawn, in shares of the view from its middle; within 0.5 it is seen."""
    away = np.abs(np.subtract((y, x), viewer.scene.camera.center[-2:])) * viewer.scene.camera.zoom
    return (away / viewer.canvas.size).max()


def test_sliders_and_frames_agree():
    viewer, there = sight("TZYX", (5, 4, 30, 40), {"Z": 2}, scale=(2, 3, 1, 1), translate=(10, 0, 0, 0))
    viewer.add_layer(Labels(np.zeros((1, 5, 4, 30, 40), np.uint8)))
    there.show(3)
    assert viewer.dims.point[1] == 16.0
    assert there.frame == 3


def test_a_frame_is_shown_where_the_session_is_held_on_other_axes():
    viewer, there = sight("TZYX", (5, 4, 30, 40), {"Z": 2})
    viewer.dims.set_point(1, 0)
    there.show(3)
    assert tuple(viewer.dims.point[:2]) == (3, 2)
    assert there.is_at_work


def test_the_camera_moves_to_what_is_out_of_view_and_stays_where_it_is_seen():
    viewer, there = sight()
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0.0, 100.0, 100.0), 2.0
    there.bring(0, (90, 120, 110, 150))
    assert viewer.scene.camera.center == (0.0, 100.0, 100.0)
    there.bring(0, (800, 900, 830, 940))
    assert (viewer.scene.camera.center[1:], viewer.scene.camera.zoom) == ((815.0, 920.0), 2.0)


@pytest.mark.parametrize(("zoom", "side"), [(0.5, 10), (40.0, 300)])
def test_the_zoom_changes_only_for_what_is_too_small_or_does_not_fit(zoom, side):
    viewer, there = sight()
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0.0, 500.0, 500.0), zoom
    there.bring(0, (500, 500, 500 + side, 500 + side))
    assert 24 <= side * viewer.scene.camera.zoom <= 400
    assert seen(viewer, 500 + side / 2, 500 + side / 2) < 0.1


@pytest.mark.parametrize("layer", [{"scale": (1, 0.1, 0.1), "translate": (0, 70, 7)}, {"rotate": 90}, {}])
def test_it_is_brought_where_the_image_lies_and_however_it_is_turned(layer):
    viewer, there = sight(**layer)
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0.0, -9000.0, -9000.0), 2.0
    viewer.dims.transpose()
    there.bring(2, (800, 900, 830, 940))
    world = viewer.layers[0].data_to_world((2, 815, 920))
    assert seen(viewer, world[2], world[1]) < 0.1
