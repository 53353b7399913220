"""The tools for prompts: which layer and which mode of it each one is, and which one is in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Labels, Points, Shapes

from napari_sam2._qt.holds import hold

if TYPE_CHECKING:
    import napari

    from napari_sam2.viewer import SessionBinding

_MODES: dict[str, tuple[type, str]] = {
    "inside": (Points, "add"),
    "outside": (Points, "add"),
    "box": (Shapes, "add_rectangle"),
    "lasso": (Shapes, "add_polygon_lasso"),
    "paint": (Labels, "paint"),
    "decide": (Labels, "pan_zoom"),
}


def take_tool(viewer: napari.viewer.Viewer, binding: SessionBinding, name: str) -> None:
    """Put a tool in hand: its layer becomes the active one, in the mode that draws; a missing layer is made again."""
    if binding.sight.obstacle:
        binding.notify(binding.sight.obstacle)
    kind, mode = _MODES[name]
    layer = binding.make_found() if name == "decide" else _layer(binding, kind)
    if layer is None:
        binding.make_layers()
        layer = _layer(binding, kind)
    if name in ("inside", "outside"):
        binding.current.choose(polarity="in" if name == "inside" else "out")
    if layer is None:
        return
    with hold("napari changes the active layer"):
        if not layer.visible:
            layer.visible = True
        viewer.layers.selection.active = layer
        if isinstance(layer, Labels) and name != "decide":
            layer.selected_label = binding.current.object_id
        layer.mode = mode


def tool_in_hand(viewer: napari.viewer.Viewer, binding: SessionBinding) -> str:
    """Return the name of the tool that the active layer and its mode are, "" if they are none."""
    active = viewer.layers.selection.active
    if active not in binding.layers():  # equal, not identical: napari gives plugins a proxy of it
        return ""
    if active == binding.found.layer:
        return "decide"
    in_hand = str(active.mode)
    if isinstance(active, Points):
        inside = binding.current.polarity == "in"
        return ("inside" if inside else "outside") if in_hand == "add" else ""
    drawing = ((name, *tool) for name, tool in _MODES.items() if name != "decide")
    return next((name for name, kind, mode in drawing if isinstance(active, kind) and in_hand == mode), "")


def _layer(binding: SessionBinding, kind: type) -> Points | Shapes | Labels | None:
    """Return our layer of a kind; where every object has a Labels layer, that of the current object."""
    if kind is Labels:
        layers = binding.labels.layers
        return layers.get(binding.current.object_id) or next(iter(layers.values()), None)
    return binding.prompts.points if kind is Points else binding.prompts.shapes
