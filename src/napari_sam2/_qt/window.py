"""A window of napari with images or a session in it and the panel docked: what `napari-sam2 view` opens."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import napari
from qtpy.QtCore import QTimer

from napari_sam2._qt.opening import add_layers
from napari_sam2._qt.panel import TITLE, SegmentAndTrackPanel
from napari_sam2._qt.preferences import PLUGIN

if TYPE_CHECKING:
    from napari_sam2.napari_reader import LayerData


def show(layers: Iterable[LayerData], session: Path | None = None) -> None:
    """Show a new window until it is closed; see `fill`."""
    fill(napari.Viewer(), layers, session)
    napari.run()


def fill(
    viewer: napari.viewer.Viewer, layers: Iterable[LayerData], session: Path | None = None
) -> SegmentAndTrackPanel:
    """Return the panel, docked in a viewer that shows layers, and opening a session folder where one is given."""
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, TITLE)
    for layer in layers:
        add_layers(viewer, layer)
    if "t" in viewer.dims.axis_labels:  # napari shows the middle of a movie first
        viewer.dims.set_current_step(viewer.dims.axis_labels.index("t"), 0)
    QTimer.singleShot(0, panel, viewer.reset_view)  # once the canvas has the size that the panel leaves it
    if session is not None:
        panel.bench.open_folder(session)
    return panel
