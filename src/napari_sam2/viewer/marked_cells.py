"""One Labels layer with the outlines of the cells of the place that is looked at, and of those chosen by hand.

It is a drawing: nothing can be painted here, and nothing is lost with the layer. It is there while somebody reviews,
and a frame of it is drawn when it is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_sam2.session.session import Session
from napari_sam2.viewer.cell_edges import edge_of, line_width
from napari_sam2.viewer.coordinates import Grid, placement
from napari_sam2.viewer.label_frames import LabelFrames
from napari_sam2.viewer.roles import COLORS, Role, Roles


class MarkedCells:
    """The layer of outlines of one session.

    Attributes
    ----------
    layer
        None where nobody reviews, or it was removed.
    """

    def __init__(self, session: Session, image: Image, grid: Grid) -> None:
        self.grid = grid
        self.layer: Labels | None = None
        self._session = session
        self._image = image
        self._roles: Roles = {}
        self._filled: int | None = None

    def make(self) -> Labels:
        """Return a new layer."""
        colors: dict[int | None, str] = {None: "transparent", 0: "transparent"}
        colors |= {int(role): color for role, color in COLORS.items()}
        self.layer = Labels(
            self._array(),
            name=f"{self._image.name}: under review",
            colormap=DirectLabelColormap(color_dict=colors, name="napari-sam2 review"),
            opacity=1.0,
            **placement(self._image),
        )
        self.layer.editable = False
        return self.layer

    def drop(self) -> None:
        """Follow the layer no longer, if there is one."""
        self.layer = None

    def mark(self, roles: Roles) -> None:
        """Outline these cells and no others."""
        if roles != self._roles:
            self._roles = roles
            self.refresh()

    def fill(self, object_id: int | None) -> None:
        """Fill a cell from now on, outlined or not; no longer any if None."""
        if object_id != self._filled:
            self._filled = object_id
            self.refresh()

    def follow(self, object_ids: Iterable[int]) -> None:
        """Draw the frame in view anew where cells that are outlined have changed."""
        if any(one in self._roles for one in object_ids):
            self.refresh()

    def refresh(self) -> None:
        """Draw the frame in view anew."""
        if self.layer is None:
            return
        if isinstance(self.layer.data, LabelFrames):
            self.layer.data.forget()
        else:  # somebody replaced it
            self.layer.data = self._array()
        self.layer.refresh(extent=False, thumbnail=False, highlight=False)

    def use_grid(self, grid: Grid) -> None:
        """Take other axes from now on."""
        self.grid = grid
        if self.layer is not None:
            self.layer.data = self._array()

    def _array(self) -> LabelFrames:
        return LabelFrames(self.grid, np.dtype(np.uint8), self._drawn)

    def _drawn(self, frame: int) -> NDArray[np.uint8]:
        """Return the outlines on a frame, (H, W); the cell in question is drawn last."""
        plane = np.zeros(self.grid.size, np.uint8)
        thickness = line_width(self.grid.size)
        for object_id, role in sorted(self._roles.items(), key=lambda one: -one[1]):
            mask = self._session.masks.get((object_id, frame))
            if mask is not None and not mask.is_empty:
                plane[mask.rows, mask.columns][edge_of(mask.mask(), thickness)] = role
        filled = None if self._filled is None else self._session.masks.get((self._filled, frame))
        if filled is not None and not filled.is_empty:
            plane[filled.rows, filled.columns][filled.mask()] = self._roles.get(self._filled or 0, Role.chosen)
        return plane
