"""What of an image is in view: the sliders of its axes, and where the camera looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Shapes
from numpy.typing import NDArray

from napari_sam2.document.prompt_parts import BoxYX, PointYX
from napari_sam2.viewer.coordinates import Grid, places_at
from napari_sam2.viewer.regions import region_of

Array = np.ndarray[Any, Any]
SMALLEST_PX = 24.0
"""What is smaller on the screen is hard to see."""
MOST_OF_VIEW = 0.4
"""Share of the view that what is looked at may take up, with what is around it."""
SHOWN_PX = 96.0
"""What was too small is shown as large."""


class Sight:
    """The view of an image; set `grid` where the axes mean something else from now on."""

    def __init__(self, viewer: ViewerModel, image: Image, grid: Grid) -> None:
        self.grid = grid
        self._viewer = viewer
        self._image = image
        self._frame: tuple[tuple[object, ...], int] | None = None

    @property
    def frame(self) -> int:
        """The frame in view, within the movie."""
        axis, image = self.grid.frame_axis, self._image
        if axis is None:
            return 0
        here = (
            self._viewer.dims.point,
            *map(tuple, (image.scale, image.translate)),
            image.affine.affine_matrix.tobytes(),
        )
        if self._frame is None or self._frame[0] != here:  # asked for with every mask that changes
            self._frame = here, int(np.rint(image.world_to_data(self._viewer.dims.point)[axis]))
        return min(max(self._frame[1], 0), self.grid.frame_count - 1)

    @property
    def held(self) -> dict[str, int]:
        """Where the sliders of the axes stand at which the session is held, within the image, by letter."""
        return self._places(self.grid.held)

    @property
    def channel(self) -> int | None:
        """Where the slider of the image's own channel axis stands; None where it has none."""
        return self._places("C")["C"] if "C" in self.grid.axes else None

    def _places(self, letters: Iterable[str]) -> dict[str, int]:
        return places_at(self._image, self.grid.axes, self.grid.shape, self._viewer.dims.point, letters)

    @property
    def is_at_work(self) -> bool:
        """Whether the sliders stand where the session works; elsewhere nothing of it is in view."""
        return self.held == dict(self.grid.held)

    @property
    def is_there(self) -> bool:
        """Whether the image is in the viewer: a layer that was deleted is seen no longer."""
        return self._image in self._viewer.layers

    @property
    def obstacle(self) -> str:
        """Why nothing can be clicked, drawn or painted on what is in view, and what to do; "" where it can."""
        if not self.is_there:
            return (
                f"The image {self._image.name} of this session is not in the viewer, so nothing is taken: put it back, "
                "or open another image, first."
            )
        if self._viewer.dims.ndisplay != 2:
            return "In 3-D display a click is on no certain plane, so nothing is taken: switch to 2-D display first."
        return ""

    @property
    def cursor(self) -> tuple[float, ...]:
        """Where the mouse is in the world, or was when it left the canvas."""
        return tuple(map(float, self._viewer.cursor.position))

    def locate(self, position: Sequence[float]) -> tuple[int, PointYX] | None:
        """Return frame and place (y, x) of a position in the world.

        None outside of what the session works on, and where an `obstacle` is.
        """
        if self.obstacle:
            return None
        data = self._image.world_to_data(np.asarray(position, dtype=float)[-self._image.ndim :])
        located = self.grid.locate(data)
        y, x = located.places_yx[0].tolist()
        height, width = self.grid.size
        within = -0.5 <= y < height - 0.5 and -0.5 <= x < width - 0.5
        return (located.frames[0], (y, x)) if within and not located.problems[0] else None

    def inside(self, layer: Shapes) -> NDArray[np.bool_]:
        """Return the pixels (H, W) of the image inside of the shapes of a layer; see `region_of`."""
        return region_of(layer, self._image, self.grid)

    def show(self, frame: int) -> None:
        """Move the sliders to a frame of what the session works on: those of the axes at which it is held, too."""
        tracked = self.grid.tracked
        self.show_at({**self.grid.held, **({} if tracked is None else {tracked: frame})})

    def show_at(self, places: Mapping[str, int]) -> None:
        """Move sliders to an index each, by letter."""
        dims = self._viewer.dims
        here = self._image.world_to_data(dims.point)
        for letter, index in places.items():
            here[self.grid.axes.index(letter)] = index
        world = self._image.data_to_world(here)
        for axis in (self.grid.axes.index(letter) for letter in places):
            dims.set_point(len(dims.point) - self._image.ndim + axis, float(world[axis]))

    def bring(self, frame: int, place_yx: BoxYX, centred: bool = False) -> None:
        """Move the camera so that a place of a frame is in view; it stays if it is, and so does the zoom if it can.

        Where `centred`, the place is in the middle afterwards, and what is around it is seen too.
        """
        if self._viewer.dims.ndisplay != 2:
            return
        low, high = self._on_screen(frame, place_yx)
        camera, canvas = self._viewer.scene.camera, np.array(self._viewer.canvas.size, dtype=float)
        center, size = (low + high) / 2, np.maximum(high - low, 1e-9)
        seen = canvas / camera.zoom
        if centred and (size > MOST_OF_VIEW * seen).any():
            camera.zoom = float((canvas / size).min() / 5)
        elif (size > seen).any():
            camera.zoom = float((canvas / size).min() / 2)
        elif (size * camera.zoom).max() < SMALLEST_PX:
            camera.zoom = float(SHOWN_PX / size.max())
        elif not centred and (np.abs(center - camera.center[-2:]) + size / 2 <= seen / 2).all():
            return
        camera.center = (*camera.center[:-2], *center.tolist())

    def as_displayed(self, place_yx: BoxYX) -> BoxYX:
        """Return a place with its axes in the order in which they are displayed."""
        y, x = self.grid.plane_axes
        shown = [axis - self._viewer.dims.ndim + self._image.ndim for axis in self._viewer.dims.displayed]
        y0, x0, y1, x1 = place_yx
        return (x0, y0, x1, y1) if shown[-2:] == [x, y] else place_yx

    def _on_screen(self, frame: int, place_yx: BoxYX) -> tuple[Array, Array]:
        """Return the corners (2,) of a place in the world, of the two axes that are displayed."""
        y0, x0, y1, x1 = place_yx
        corners = self.grid.place(frame, [(y0, x0), (y0, x1), (y1, x0), (y1, x1)])
        world = np.array([self._image.data_to_world(corner) for corner in corners])
        dims = self._viewer.dims
        shown = world[:, [axis - dims.ndim + self._image.ndim for axis in dims.displayed[-2:]]]
        return shown.min(axis=0), shown.max(axis=0)
