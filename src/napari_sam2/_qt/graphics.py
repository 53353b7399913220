"""Layers are taken out of a viewer while its canvas is the one that OpenGL works for.

napari frees what a removed layer was drawn with at once, in whatever OpenGL context is current: between two drawings
that is Qt's own, in which the window is put together. With Mesa's software drawing (virtual machines, remote desktops)
the next image that is drawn after a Shapes layer went that way ends the process with a segmentation fault.
"""

from __future__ import annotations

import napari
from qtpy.QtCore import QObject
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QMainWindow


class CanvasContext(QObject):
    """Makes the canvas of a viewer current before a layer is removed, by whomever; lives as long as its window."""

    def __init__(self, viewer: napari.viewer.Viewer, window: QMainWindow) -> None:
        super().__init__(window)
        viewer.layers.events.removing.connect(self._make_current)

    def _make_current(self) -> None:
        window = self.parent()
        for canvas in () if window is None else window.findChildren(QOpenGLWidget):
            canvas.makeCurrent()
