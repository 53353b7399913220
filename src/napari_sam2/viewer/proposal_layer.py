"""One Labels layer with the outlines of what was found and is not decided yet, and a circle of the size of the cells.

It is a drawing: the masks are in the session, so nothing can be painted here, and nothing is lost with the layer. A
frame is drawn when it is looked at, from outlines that are kept, so that a score which changes costs little; where a
timer calls `go_on`, so many new ones at a time that no turn takes long. A click (not a drag, which moves the view) is
told as `clicked`; what it means is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray
from psygnal import Signal

from napari_sam2.document.prompt_parts import Mask
from napari_sam2.viewer.cell_edges import edge_of, line_width
from napari_sam2.viewer.coordinates import Grid, placement
from napari_sam2.viewer.label_frames import LabelFrames
from napari_sam2.viewer.shown_proposals import ShownProposals

Pixels = NDArray[np.intp]
"""Places in a frame as it lies in memory, row by row."""
OUTLINE, RULER = 1, 2
_COLORS = {None: "transparent", 0: "transparent", OUTLINE: "#ffdd00", RULER: "#00e5ff"}
_STILL_PX = 4.0
"""On the screen; a mouse that moves further while it is pressed drags."""
_KEPT = 20000
"""Outlines; a few kilobytes each."""
NEW_AT_A_TIME = 60
"""Outlines that are made in one turn."""


class ProposalLayer:
    """The layer of the proposals of one session.

    `clicked` is emitted with the position in the world, one number per dimension of the viewer.

    Attributes
    ----------
    is_polled
        Whether a timer calls `go_on`.
    """

    clicked = Signal(object)

    def __init__(self, proposals: ShownProposals, image: Image, grid: Grid) -> None:
        self.proposals = proposals
        self.image = image
        self.grid = grid
        self.layer: Labels | None = None
        self.is_polled = False
        self._is_unfinished = False
        self._outlines: dict[Mask, Pixels] = {}

    def make(self) -> Labels:
        """Return a new layer, and follow what is shown and where it is clicked."""
        self.layer = Labels(  # still empty, for napari draws it several times
            self._array(), name=f"{self.image.name}: found", colormap=_colormap(), opacity=1.0, **placement(self.image)
        )
        self.layer.editable = False
        self.layer.mouse_drag_callbacks.append(self._on_press)
        self.proposals.changed.connect(self.refresh)
        self.layer.data.forget()
        self._is_unfinished = True
        return self.layer

    def made(self) -> Labels:
        """Return the layer, made if it is not there."""
        return self.make() if self.layer is None else self.layer

    def detach(self) -> None:
        """Follow the layer no longer."""
        if self.layer is not None:
            self.proposals.changed.disconnect(self.refresh)
            self.layer.mouse_drag_callbacks.remove(self._on_press)
            self.layer = None

    def refresh(self) -> None:
        """Draw the frame in view anew."""
        if self.layer is not None:
            if isinstance(self.layer.data, LabelFrames):
                self.layer.data.forget()
            else:  # somebody replaced it
                self.layer.data = self._array()
            self.layer.refresh(extent=False, thumbnail=False, highlight=False)

    def go_on(self) -> bool:
        """Draw more, if some were left to the next time; whether there were."""
        if self.layer is None or not self._is_unfinished:
            return False
        self.refresh()
        return True

    def use_grid(self, grid: Grid) -> None:
        """Take other axes from now on."""
        self.grid = grid
        self._outlines.clear()
        if self.layer is not None:
            self.layer.data = self._array()

    def _array(self) -> LabelFrames:
        return LabelFrames(self.grid, np.dtype(np.uint8), self._drawn)

    def _drawn(self, frame: int) -> NDArray[np.uint8]:
        """Return the drawing of a frame, (H, W)."""
        plane = np.zeros(self.grid.size, np.uint8)
        if self.layer is None:
            return plane
        if shown := self._drawable([one.mask for one in self.proposals.shown(frame).values()]):
            plane.ravel()[np.concatenate(shown)] = OUTLINE
        if self.proposals.diameter_px is not None:
            plane.ravel()[circle(self.grid.size, self.proposals.diameter_px, self._in_view())] = RULER
        return plane

    def _drawable(self, masks: Sequence[Mask]) -> list[Pixels]:
        """Return the outlines of masks, those that have none yet as far as one turn goes; they are kept."""
        new = [mask for mask in masks if mask not in self._outlines]
        if len(self._outlines) + len(new) > _KEPT:
            self._outlines.clear()
            new = list(masks)
        made = new[:NEW_AT_A_TIME] if self.is_polled else new
        self._is_unfinished = len(made) < len(new)
        self._outlines |= {mask: outline(mask, line_width(self.grid.size)) for mask in made}
        return [self._outlines[mask] for mask in masks if mask in self._outlines]

    def _in_view(self) -> tuple[slice, slice]:
        """Return the rows and columns of the frame that are in view, as far as napari has said."""
        corners = np.asarray(self.image.corner_pixels)[:, self.grid.plane_axes]
        if (corners[1] <= corners[0]).any():
            return slice(0, self.grid.size[0]), slice(0, self.grid.size[1])
        (y0, x0), (y1, x1) = corners.tolist()
        return slice(y0, y1 + 1), slice(x0, x1 + 1)

    def _on_press(self, layer: Labels, event: Any) -> Iterator[None]:
        """Tell of a click with the left button alone."""
        if event.button != 1 or event.modifiers:
            return
        began, position = np.asarray(event.pos), tuple(event.position)
        yield
        while event.type == "mouse_move":
            if np.linalg.norm(np.asarray(event.pos) - began) > _STILL_PX:
                return
            yield
        self.clicked.emit(position)


def outline(mask: Mask, thickness: int = 1) -> Pixels:
    """Return the pixels of a mask that lie next to others, so many deep; small ones stay open inside."""
    y, x = np.nonzero(edge_of(mask.inside, thickness))
    return np.ravel_multi_index((y + mask.y0, x + mask.x0), mask.size)


def circle(size: tuple[int, int], diameter_px: float, within: tuple[slice, slice]) -> Pixels:
    """Return the pixels of a circle at the lower left of the part of a frame (H, W) that is in view."""
    radius, gap = diameter_px / 2, 0.03 * min(size)
    center_y = max(within[0].stop - gap - radius, within[0].start)
    center_x = within[1].start + gap + radius
    angles = np.linspace(0, 2 * np.pi, max(16, int(8 * radius)))
    y, x = np.rint(center_y + radius * np.sin(angles)), np.rint(center_x + radius * np.cos(angles))
    there = (y >= 0) & (y < size[0]) & (x >= 0) & (x < size[1])
    return np.ravel_multi_index((y[there].astype(np.intp), x[there].astype(np.intp)), size)


def _colormap() -> DirectLabelColormap:
    return DirectLabelColormap(color_dict=dict(_COLORS), name="napari-sam2 found")
