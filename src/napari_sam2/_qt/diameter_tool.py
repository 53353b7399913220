"""Measuring an object by hand: a Shapes layer for one line, whose length in pixels of the image is the diameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

_NAME = "draw a line across one object"
_DRAG = "Drag a line across one cell; press Measure again to give up."
_NOTHING = "Nothing was measured."


class DiameterTool(QObject):
    """Takes the length of one line, then takes its layer away again; `on_length` gets it in pixels of the image.

    `say` is told what to do, and in place of that what came of it.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        on_length: Callable[[float], object],
        say: Callable[[str], object],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._on_length = on_length
        self._say = say
        self._layer: Any = None
        self._before: Any = None

    @property
    def is_waiting(self) -> bool:
        """Whether a line is being waited for."""
        return self._layer is not None

    def start(self, image: Image) -> None:
        """Offer a layer that lies on the image, with the line tool in hand; a second call gives up."""
        if self.is_waiting:
            self._finish()
            self._say(_NOTHING)
            return
        from napari_sam2.viewer.coordinates import placement

        self._before = self._viewer.layers.selection.active
        self._layer = self._viewer.add_shapes(
            ndim=image.ndim,
            name=_NAME,
            edge_color="yellow",
            edge_width=max(1.0, max(image.extent.data[1]) / 250),
            **placement(image),
        )
        self._layer.mode = "add_line"
        self._layer.events.data.connect(self._drawn)
        self._viewer.layers.events.removed.connect(self._removed)
        self._say(_DRAG)

    def close(self) -> None:
        """Give up and take the layer away."""
        self._finish()

    def _removed(self, event: Any) -> None:
        """Give up because a person took the layer away."""
        if self._layer not in self._viewer.layers:
            self._finish()
            self._say(_NOTHING)

    def _drawn(self, event: Any) -> None:
        if str(event.action) != "added" or self._layer is None or not len(self._layer.data):
            return
        line = np.asarray(self._layer.data[-1])
        length = float(np.linalg.norm(line[-1] - line[0]))
        # napari is still drawing when it says so; the layer goes once it is done.
        QTimer.singleShot(0, self, lambda: self._take(length))

    def _take(self, length: float) -> None:
        self._finish()
        if length >= 1:
            self._say(f"Measured: {length:.0f} px across.")
            self._on_length(length)
        else:
            self._say(_NOTHING)

    def _finish(self) -> None:
        layer, self._layer = self._layer, None
        if layer is None:
            return
        layer.events.data.disconnect(self._drawn)
        self._viewer.layers.events.removed.disconnect(self._removed)
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
        if self._before is not None and self._before in self._viewer.layers:
            self._viewer.layers.selection.active = self._before
