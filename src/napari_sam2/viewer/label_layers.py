"""Labels layers that show the masks of a session, and painting in them as edits of masks.

One layer whose values are object ids; or, where masks may overlap, one layer per object. Their arrays are computed per
frame from the session (`label_frames`), so handing them over and refreshing costs one frame. A finished stroke is told
as `painted`, by what it changed: pixels that another object covers, or that are hidden, stay in their object's mask.
When layers are refreshed is the binding's business, adding them to a viewer too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from psygnal import Signal

from napari_sam2.document.prompt_parts import BoxYX
from napari_sam2.masks.mask_store import MaskKey, MaskStore
from napari_sam2.masks.overlaps import label_dtype
from napari_sam2.session.session import Session
from napari_sam2.viewer.coordinates import Grid, placement
from napari_sam2.viewer.current import Current
from napari_sam2.viewer.label_colors import colors_of, strong_colors
from napari_sam2.viewer.label_frames import LabelFrames, Stroke

Array = np.ndarray[Any, Any]
ALL_OBJECTS = 0
"""Key of the layer that shows every object; object ids begin at 1."""
MARGIN_PX = 2.0
"""Between an object and the frame around it."""


class LabelLayers:
    """The Labels layers of one session.

    `painted` is emitted after a stroke is finished, with the new masks by (object id, frame), and whether all of it was
    away from where the session works; before that `refused` with the ids of locked objects that the stroke met;
    `recoloured` when a person changed the colours; `replaced` with the name of a layer whose array somebody replaced,
    which is undone.
    `current`, the object that is painted, follows the layer's selected label, and the layer follows it.
    """

    painted = Signal(dict, bool)
    refused = Signal(tuple)
    recoloured = Signal()
    replaced = Signal(str)

    def __init__(self, session: Session, image: Image, grid: Grid, current: Current) -> None:
        self.session = session
        self.image = image
        self.grid = grid
        self.current = current
        self.layers: dict[int, Labels] = {}
        self._colormap = strong_colors()
        self._colors: dict[int, Array] = {}
        self._early: set[int] = set()
        current.changed.connect(self.show_current)

    def wanted(self) -> tuple[int, ...]:
        """Return the keys of the layers that there should be: all in one, or one per object where masks overlap."""
        if self.session.settings.overlaps != "allowed":
            return (ALL_OBJECTS,)
        return tuple(sorted(self.session.document.objects))

    def make(self, key: int) -> Labels:
        """Return a new layer for all objects or one, and follow what is painted in it."""
        what = "masks" if key == ALL_OBJECTS else f"mask of object {key}"
        layer = Labels(
            self._array(key),
            name=f"{self.image.name}: {what}",
            colormap=self._colormap,
            opacity=0.5,
            **placement(self.image),
        )
        self.layers[key] = layer
        for emitter, callback in self._connections(layer):
            emitter.connect(callback)
        self.show_current()
        return layer

    def detach(self, layer: Labels) -> None:
        """Follow a layer no longer."""
        for emitter, callback in self._connections(layer):
            emitter.disconnect(callback)
        self.layers = {key: kept for key, kept in self.layers.items() if kept is not layer}

    def close(self) -> None:
        """Let go of all layers and of the current object."""
        for layer in tuple(self.layers.values()):
            self.detach(layer)
        self.current.changed.disconnect(self.show_current)

    def color(self, object_id: int) -> Array:
        """Return the RGBA colour of an object, as its label is shown."""
        if object_id not in self._colors:
            self._colors[object_id] = np.asarray(self._colormap.map(object_id), dtype=float).reshape(4)
        return self._colors[object_id]

    def color_by(self, colors: Mapping[int, Array] | None) -> None:
        """Show objects in these RGBA colours, (4,) each; in their own where there are none."""
        self._colormap = strong_colors() if colors is None else colors_of(colors)
        self._colors.clear()
        for layer in self.layers.values():
            layer.colormap = self._colormap
        if ALL_OBJECTS not in self.layers:  # that one tells of itself
            self.recoloured.emit()

    def forget(self, frame: int | None = None) -> None:
        """Read a frame, or all of them, anew from the session when it is next shown."""
        for layer in self.layers.values():
            layer.data.forget(frame)
        if frame is None:
            self._widen()

    def amend(self, frame: int, object_ids: Collection[int]) -> None:
        """Read a frame anew where masks of some objects have changed."""
        self._widen()
        masks = (self.session.masks.get((one, frame)) for one in object_ids)
        boxes = [mask.box_yx for mask in masks if mask is not None and not mask.is_empty]
        for key, layer in self.layers.items():
            if key == ALL_OBJECTS or key in object_ids:
                layer.data.amend(frame, object_ids, boxes)

    def renew(self) -> None:
        """Give every layer a new array: what the axes are has changed."""
        for key, layer in self.layers.items():
            layer.data = self._array(key)

    def refresh(self, keys: Container[int]) -> bool:
        """Show the frame in view of some layers as it is now; False if a stroke must be finished first."""
        if any(layer.data.is_painted for layer in self.layers.values()):
            return False
        for key, layer in self.layers.items():
            if key in keys:
                layer.refresh(extent=False, thumbnail=False, highlight=False)
        return True

    def show_current(self) -> None:
        """Let the next stroke be of the current object."""
        self._widen()
        for key, layer in self.layers.items():
            if layer.selected_label != 0:  # 0 is the eraser's choice
                layer.selected_label = self.current.object_id if key == ALL_OBJECTS else key

    def mark(self, place: BoxYX) -> None:
        """Draw a frame around a place of what is in view, its axes as they are displayed."""
        low, high = place[0] - MARGIN_PX, place[2] + MARGIN_PX
        left, right = place[1] - MARGIN_PX, place[3] + MARGIN_PX
        for layer in self.layers.values():
            box = layer._overlays["selection_box"]
            box.bounds = ((low, left), (high, right))
            box.visible = True

    def unmark(self) -> None:
        """Take the frame away that `mark` drew."""
        for layer in self.layers.values():
            layer._overlays["selection_box"].visible = False

    def poll(self) -> None:
        """Take strokes that napari told of before it made them."""
        for layer in tuple(self.layers.values()):
            if id(layer) in self._early:
                self._take(layer)

    def _key(self, layer: Labels) -> int:
        return next(key for key, kept in self.layers.items() if kept is layer)

    def _array(self, key: int) -> LabelFrames:
        chosen = None if key == ALL_OBJECTS else key
        labels = self.session.labels
        return LabelFrames(
            self.grid,
            self._dtype(),
            lambda frame: labels(frame, chosen),
            lambda frame, box: labels(frame, chosen, box),
        )

    def _dtype(self) -> np.dtype[Any]:
        return label_dtype([*self.session.document.objects, *self.session.masks.object_ids(), self.current.object_id])

    def _widen(self) -> None:
        """Give layers arrays for larger ids where one has come up; napari shows small ones much faster."""
        needed = self._dtype().itemsize
        for key, layer in self.layers.items():
            if layer.data.dtype.itemsize < needed:
                layer.data = self._array(key)

    def _connections(self, layer: Labels) -> list[tuple[Any, Callable[..., None]]]:
        events = layer.events
        return [
            (events.paint, self._on_paint),
            (events.labels_update, self._on_drawn),
            (events.data, self._on_replaced),
            (events.set_data, self._on_looked),
            (events.selected_label, self._on_selected),
            (events.colormap, self._on_colors),
        ]

    def _on_paint(self, event: Any) -> None:
        """Take a stroke of the mouse; one that a script makes is told of before it is made."""
        layer = event.source
        if layer.data.is_painted:
            self._take(layer)
        else:
            self._early.add(id(layer))

    def _on_drawn(self, event: Any) -> None:
        if id(event.source) in self._early:
            self._take(event.source)

    def _on_replaced(self, event: Any) -> None:
        layer = event.source
        if not isinstance(layer.data, LabelFrames):
            layer.data = self._array(self._key(layer))
            self.replaced.emit(layer.name)

    def _on_looked(self, event: Any) -> None:
        """Take what napari's own undo of a stroke wrote, of which nothing else tells."""
        if isinstance(event.source.data, LabelFrames) and event.source.data.is_painted:
            self._take(event.source)

    def _on_selected(self, event: Any) -> None:
        layer = event.source
        if self._key(layer) == ALL_OBJECTS and layer.selected_label >= 1:
            self.current.choose(int(layer.selected_label))

    def _on_colors(self, event: Any) -> None:
        if self._key(event.source) == ALL_OBJECTS:
            self._colormap = event.source.colormap
            self._colors.clear()
            self.recoloured.emit()

    def _take(self, layer: Labels) -> None:
        self._early.discard(id(layer))
        missed = layer.data.missed
        strokes = layer.data.strokes()
        locked, key = self.session.document.locked, self._key(layer)
        masks, met = dict[MaskKey, Array](), set[int]()
        for stroke in strokes:
            met |= locked & (stroke.object_ids() if key == ALL_OBJECTS else {key})
            edited = edited_masks(stroke, self.session.masks, key, locked)
            masks |= {(object_id, stroke.frame): mask for object_id, mask in edited.items()}
        if met:
            self.refused.emit(tuple(sorted(met)))
        if strokes or missed:
            self.painted.emit(masks, not strokes)


def edited_masks(
    stroke: Stroke, masks: MaskStore, key: int = ALL_OBJECTS, locked: frozenset[int] = frozenset()
) -> dict[int, Array]:
    """Return the masks that a stroke changes, by object id, (H, W) bool each; `key` as of a layer of `LabelLayers`.

    Pixels of a mask that are covered in the labels stay in it: `masks` has them. Locked objects keep their pixels.
    """
    if key != ALL_OBJECTS:
        return {} if key in locked else {key: stroke.after != 0}
    changed = (stroke.before != stroke.after) & ~np.isin(stroke.before, list(locked))
    edited = {}
    for object_id in sorted(stroke.object_ids(changed) - locked):
        known = masks.mask(object_id, stroke.frame)
        mask = np.zeros(changed.shape, dtype=bool) if known is None else known
        mask[changed & (stroke.before == object_id)] = False
        mask[changed & (stroke.after == object_id)] = True
        edited[object_id] = mask
    return edited
