"""The frame in view: where the viewer's sliders stand on the tracked axis of an image, read and moved."""

from __future__ import annotations

from napari.components import ViewerModel
from napari.layers import Image

from napari_sam2.viewer.coordinates import Grid, shown_frame, slider_of_frame


class Slider:
    """The slider of the tracked axis; set `grid` where the axes mean something else from now on."""

    def __init__(self, viewer: ViewerModel, image: Image, grid: Grid) -> None:
        self.grid = grid
        self._viewer = viewer
        self._image = image

    @property
    def frame(self) -> int:
        """The frame in view."""
        return shown_frame(self.grid, self._image, self._viewer.dims.point)

    def show(self, frame: int) -> None:
        """Move the slider to a frame."""
        slider = slider_of_frame(self.grid, self._image, self._viewer.dims.point, frame)
        if slider is not None:
            self._viewer.dims.set_point(*slider)
