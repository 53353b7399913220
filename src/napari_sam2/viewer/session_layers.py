"""The layers of a session in a viewer: made or adopted, brought in, kept on the image, and let go of.

Layers may be renamed, moved and deleted at any time: prompts and masks live in the session, and `make` makes missing
layers again. What the layers say and show is the business of `prompt_layers` and `label_layers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from napari.components import ViewerModel
from napari.layers import Labels, Layer, Points, Shapes, Tracks

from napari_sam2.document.document import Document
from napari_sam2.viewer.actions import Actions
from napari_sam2.viewer.coordinates import AFFINE_NAMES
from napari_sam2.viewer.keys import KEYS, ON_PROPOSALS, Key, bind_keys, unbind_keys
from napari_sam2.viewer.label_layers import LabelLayers
from napari_sam2.viewer.marked_cells import MarkedCells
from napari_sam2.viewer.prompt_layers import PromptLayers
from napari_sam2.viewer.proposal_layer import ProposalLayer
from napari_sam2.viewer.running import Notify
from napari_sam2.viewer.track_lines import TrackLines

Later = Callable[[Callable[[], None]], None]
"""Calls a function soon; functions keep their order."""
_PLACED = tuple(name for name in AFFINE_NAMES if name != "axis_labels")


class SessionLayers:
    """Our layers in one viewer, `actions` on their keys; `notify` is told of those that were removed."""

    def __init__(
        self,
        viewer: ViewerModel,
        labels: LabelLayers,
        prompts: PromptLayers,
        drawings: tuple[ProposalLayer, TrackLines, MarkedCells],
        actions: Actions,
        notify: Notify,
    ) -> None:
        self.labels = labels
        self.prompts = prompts
        self.found, self.lines, self.marked = drawings
        self._viewer = viewer
        self._image = prompts.image
        self._actions = actions
        self._notify = notify
        self._dropped: set[int] = set()
        self._adopted: tuple[Points | Shapes, ...] = ()
        self._later: Later = at_once
        self._bound = False

    def begin(self, document: Document, adopt: tuple[Points | Shapes, ...], later: Later) -> None:
        """Make or adopt the layers, and follow the image and the viewer."""
        self._bound, self._adopted, self._later = True, adopt, later
        for emitter, callback in self._connections():
            emitter.connect(callback)
        self.make(document, adopt)

    def make(self, document: Document, adopt: tuple[Points | Shapes, ...] = ()) -> None:
        """Make the layers that are not there, or take given ones for them; afterwards they show the whole document."""
        self._dropped.clear()
        self.sync_labels()
        new: list[Points | Shapes] = []
        for kind in (Shapes, Points):
            if not any(isinstance(layer, kind) for layer in self.prompts.layers()):
                given = next((layer for layer in adopt if isinstance(layer, kind)), None)
                new.append(self.prompts.new(kind) if given is None else given)
                self.prompts.attach(new[-1])
        if not adopt:
            self.prompts.show(document)  # before a viewer looks at each change
        for layer in new:
            self._add(layer)
        if any(one.is_open for one in document.proposals.values()):
            self.make_found()

    def make_found(self) -> Labels:
        """Return the layer of what was found, made if it is not there."""
        if self.found.layer is None:
            self._add(self.found.make(), (*KEYS, *ON_PROPOSALS))
        return self.found.made()

    def toggle_lines(self) -> None:
        """Have the layer of tracks made where it is not there, or take it away."""
        layer = self.lines.layer
        if not self.lines.is_asked:
            self.lines.ask()
        elif layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
        else:
            self.lines.drop()

    def show_marked(self, shown: bool) -> None:
        """Have the layer of outlines of what is reviewed, or take it away; the tool in hand stays."""
        layer, active = self.marked.layer, self._viewer.layers.selection.active
        if shown and layer is None:
            self._add(self.marked.make())
            self._viewer.layers.selection.active = active
        elif not shown and layer is not None:
            self.marked.drop()
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def sync_labels(self) -> None:
        """Have one Labels layer, or one per object, as the settings and the objects are."""
        wanted = self.labels.wanted()
        for key, layer in tuple(self.labels.layers.items()):
            if key not in wanted:
                unbind_keys(layer)
                self.labels.detach(layer)
                if layer in self._viewer.layers:
                    self._viewer.layers.remove(layer)
        for key in wanted:
            if key not in self.labels.layers and key not in self._dropped:
                self._add(self.labels.make(key))

    def all(self) -> list[Layer]:
        """Return our layers, adopted ones among them."""
        drawn = (self.found.layer, self.lines.layer, self.marked.layer)
        drawings = [layer for layer in drawn if layer is not None]
        return [*self.labels.layers.values(), *self.prompts.layers(), *drawings]

    def close(self) -> None:
        """Let go of the layers, the image and the viewer; all of them stay as they are."""
        self._bound = False
        for layer in self.all():
            unbind_keys(layer)
        self.prompts.close()
        self.labels.close()
        self.found.detach()
        self.lines.drop()
        self.marked.drop()
        for emitter, callback in self._connections():
            emitter.disconnect(callback)

    def _connections(self) -> list[tuple[Any, Callable[..., None]]]:
        placed = [(getattr(self._image.events, name), self._on_image_moved) for name in _PLACED]
        layers = [(self._viewer.layers.events.removed, self._on_removed), (self.lines.made, self._on_lines)]
        return [*layers, *placed]

    def _add(self, layer: Layer, keys: Iterable[Key] = KEYS) -> None:
        bind_keys(layer, self._actions, keys)
        self._later(lambda: self._bring_in(layer))

    def _bring_in(self, layer: Layer) -> None:
        """Put a layer into the viewer, if it is still ours and not there."""
        if self._bound and layer in self.all() and layer not in self._viewer.layers:
            self._viewer.add_layer(layer)

    def _on_lines(self, layer: Tracks | None) -> None:
        """Bring the layer of tracks in, as it was asked for; the active layer stays, and with it the tool in hand."""
        if layer is None:
            self._notify("There are no tracks to show: no object has a mask yet.")
            return
        active = self._viewer.layers.selection.active
        self._add(layer)
        self._viewer.layers.selection.active = active

    def _on_image_moved(self, event: Any) -> None:
        for layer in self.all():
            if layer not in self._adopted:
                setattr(layer, event.type, getattr(self._image, event.type))
        self.prompts.moved()

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        if layer not in self.all():
            return
        unbind_keys(layer)
        if self.found.layer is not None and layer is self.found.layer:
            self.found.detach()
            self._notify(f"The layer {layer.name} was removed; what was found is kept, and Decide shows it again.")
            return
        if self.lines.layer is not None and layer is self.lines.layer:
            self.lines.drop()
            self._notify(f"The layer {layer.name} was removed; Tracks shows it again.")
            return
        if self.marked.layer is not None and layer is self.marked.layer:
            self.marked.drop()
            self._notify(f"The layer {layer.name} was removed; the review shows it again when it is next opened.")
            return
        if isinstance(layer, Labels):
            self._dropped |= {key for key, kept in self.labels.layers.items() if kept is layer}
            self.labels.detach(layer)
        else:
            self.prompts.detach(layer)
        kept = "masks" if isinstance(layer, Labels) else "prompts"
        self._notify(f"The layer {layer.name} was removed; its {kept} are kept, and the layer can be made again.")


def at_once(function: Callable[[], None]) -> None:
    """Call a function."""
    function()
