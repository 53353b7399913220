"""What the Find section does: a search is started and shown, found cells are filtered, accepted, rejected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any

from napari.layers import Labels, Shapes

from napari_sam2._qt.diameter_tool import DiameterTool
from napari_sam2._qt.find_section import FindSection
from napari_sam2._qt.holds import hold
from napari_sam2._qt.panel_actions import PanelActions
from napari_sam2._qt.runner import RunProgress
from napari_sam2._qt.slots import Slots
from napari_sam2._qt.workbench import Workbench

if TYPE_CHECKING:
    import napari

    from napari_sam2.viewer import SessionBinding

_NO_LABELS = "There is no Labels layer but those of this panel; add one, of Cellpose or StarDist for example, first."


class FindActions:
    """Connects the Find section with the binding of the session that is open; `tools` puts tools in hand."""

    def __init__(
        self, viewer: napari.viewer.Viewer, section: FindSection, bench: Workbench, tools: PanelActions, slots: Slots
    ) -> None:
        self._viewer = viewer
        self._section = section
        self._bench = bench
        self._tools = tools
        self._slots = slots
        self._binding: SessionBinding | None = None
        self._ruler = DiameterTool(viewer, self._take_length, bench.said.emit, section)
        self._connect(slots)
        self._regions: list[Shapes] = []
        viewer.dims.events.current_step.connect(self._on_change)
        for event in self._list_events():
            event.connect(self._list_regions)
        self._on_bench()

    def _connect(self, slots: Slots) -> None:
        section, do = self._section, self._with_binding
        slots.connect(section.go.clicked, do(lambda binding: binding.deciding.find_cells()))
        slots.connect(section.labels.clicked, do(self._take_labels))
        slots.connect(section.cancel.clicked, do(lambda binding: binding.stop()))
        slots.connect(section.size_chosen, do(self._size))
        slots.connect(section.measure.clicked, do(lambda binding: self._ruler.start(binding.image)))
        slots.connect(section.more.chosen, do(self._tell_search))
        slots.connect(section.more.draw.clicked, do(self._draw_region))
        slots.connect(section.score_chosen, do(self._filter))
        slots.connect(section.accept.clicked, do(lambda binding: binding.deciding.accept_shown()))
        slots.connect(section.reject.clicked, do(lambda binding: binding.deciding.reject_shown()))
        slots.connect(section.link.clicked, do(lambda binding: binding.deciding.link_shown()))
        slots.connect(self._bench.changed, self._on_bench)
        slots.connect(self._bench.progressed, self._on_progress, 1)
        slots.connect(self._bench.idle, self._on_idle)

    def close(self) -> None:
        """Let go of the viewer and the session."""
        self._ruler.close()
        self._follow(None)
        self._viewer.dims.events.current_step.disconnect(self._on_change)
        for event in self._list_events():
            event.disconnect(self._list_regions)

    def _with_binding(self, do: Callable[[SessionBinding], object]) -> Callable[[], None]:
        """Return what does something with the binding, where a session is open."""

        @wraps(do)
        def done() -> None:
            if self._bench.session is not None and self._bench.binding is not None:
                do(self._bench.binding)

        return done

    def _take_labels(self, binding: SessionBinding) -> None:
        """Propose what a Labels layer of somebody else's holds: the active one, the only one, or the one chosen."""
        ours, layers = binding.layers(), self._viewer.layers
        others = [layer for layer in layers if isinstance(layer, Labels) and layer not in ours]
        if not others:
            self._bench.said.emit(_NO_LABELS)
            return
        active = layers.selection.active
        chosen = others.index(active) if active in others else 0
        if len(others) > 1 and active not in others:
            asked = self._section.asked_layer([layer.name for layer in others])
            if asked is None:
                return
            chosen = asked
        binding.deciding.take_labels(others[chosen])
        self._on_found()

    def _take_length(self, length: float) -> None:
        self._section.diameter.setValue(round(length))

    def _size(self, binding: SessionBinding) -> None:
        """Take the size of a cell, and show it beside the cells; the tool in hand stays."""
        active = self._viewer.layers.selection.active
        with hold("napari adds a layer"):
            binding.make_found()
            self._viewer.layers.selection.active = active
        binding.deciding.size_cells(self._section.chosen_px())

    def _tell_search(self, binding: SessionBinding) -> None:
        """Take what is chosen below More."""
        more, place = self._section.more, self._section.more.chosen_layer()
        binding.deciding.search = replace(
            binding.deciding.search,
            min_diameter_px=more.smallest.chosen(),
            max_diameter_px=more.largest.chosen(),
            keep_border=more.border.isChecked(),
            every_frame=more.is_every_frame(),
            region=None if place is None else self._regions[place],
        )
        self._section.show_frames(more.is_every_frame())

    def _draw_region(self, binding: SessionBinding) -> None:
        """Put the lasso in hand: in the layer that is chosen, or in a new one, which is chosen then."""
        from napari_sam2.viewer.coordinates import placement

        layer, image = binding.deciding.search.region, binding.image
        if layer is None:
            width = max(1.0, max(image.extent.data[1]) / 250)
            layer = Shapes(
                ndim=image.ndim,
                name=f"{image.name}: where to find",
                edge_color="#00e5ff",
                face_color="transparent",
                edge_width=width,
                **placement(image),
            )
            binding.deciding.search = replace(binding.deciding.search, region=layer)
            with hold("napari adds a layer"):
                self._viewer.add_layer(layer)
        self._viewer.layers.selection.active = layer
        layer.mode = "add_polygon_lasso"
        self._bench.said.emit(f"Draw around the part in which to look, then press {self._section.go.text()}.")

    def _list_events(self) -> tuple[Any, ...]:
        events = self._viewer.layers.events
        return events.inserted, events.removed, events.reordered

    def _list_regions(self, event: Any = None) -> None:
        """List the Shapes layers of the viewer that are not ours; one that is gone is looked at no longer."""
        binding = self._binding
        ours = [] if binding is None else binding.layers()
        self._regions = [one for one in self._viewer.layers if isinstance(one, Shapes) and one not in ours]
        chosen = None if binding is None else binding.deciding.search.region
        if binding is not None and chosen is not None and chosen not in self._regions:
            binding.deciding.search = replace(binding.deciding.search, region=None)
        place = self._regions.index(chosen) if chosen in self._regions else None
        self._section.more.show_layers([one.name for one in self._regions], place)

    def _filter(self, binding: SessionBinding) -> None:
        """Show what is at least as sure as the slider says."""
        binding.deciding.proposals.least_score = self._section.least_score()

    def _on_bench(self) -> None:
        binding = self._bench.binding if self._bench.session is not None else None
        if binding is not self._binding:
            self._section.begin()
        self._follow(binding)
        self._section.show_idle()
        self._section.show_startable(binding is not None)
        self._on_change()

    def _follow(self, binding: SessionBinding | None) -> None:
        """Listen to what is shown of a binding, and no longer to the one before."""
        if self._binding is not None:
            self._binding.deciding.proposals.changed.disconnect(self._on_change)
            self._binding.work.found.disconnect(self._on_found)
        self._binding = binding
        if binding is not None:
            binding.deciding.proposals.changed.connect(self._on_change)
            binding.work.found.connect(self._on_found)
            self._section.show_choice(binding.deciding.search, binding.deciding.proposals.least_score)
            self._section.show_frames(binding.deciding.search.every_frame)
        self._list_regions()

    def _on_change(self, event: Any = None) -> None:
        deciding = None if self._binding is None else self._binding.deciding
        self._section.show_counts(*((0, 0) if deciding is None else deciding.counts()))
        self._section.show_linkable(deciding is not None and deciding.can_link)

    def _on_found(self) -> None:
        """Put the tool in hand with which a person decides, where there is something to decide about."""
        if self._binding is not None and any(self._binding.deciding.counts()):
            self._tools.take_tool("decide")
            self._section.decidable.emit()

    def _on_progress(self, progress: RunProgress) -> None:
        if progress.kind in ("find", "link"):
            self._section.show_running(progress.done, progress.total)

    def _on_idle(self) -> None:
        self._section.show_idle()
        self._on_change()
