from __future__ import annotations

import pytest
from qtpy.QtGui import QOpenGLContext
from qtpy.QtOpenGLWidgets import QOpenGLWidget

from napari_sam2._qt.graphics import CanvasContext


@pytest.mark.parametrize("viewers", [1, 2])
def test_a_layer_is_removed_while_its_own_canvas_is_current(make_napari_viewer, qtbot, viewers):
    made = [make_napari_viewer(show=True) for _ in range(viewers)]
    windows = [viewer.window.file_menu.parentWidget() for viewer in made]
    kept = [CanvasContext(viewer, window) for viewer, window in zip(made, windows, strict=True)]
    canvas = windows[0].findChildren(QOpenGLWidget)[0]
    qtbot.waitUntil(canvas.isValid)
    current = []
    made[0].layers.events.removed.connect(lambda event: current.append(QOpenGLContext.currentContext()))
    made[0].add_shapes(ndim=2)
    qtbot.wait(100)
    canvas.doneCurrent()  # as after Qt has put the window together
    made[0].layers.clear()
    assert kept
    assert current == [canvas.context()]
