"""What the Model section does: settings reach the session, models are listed, the size of an object is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2._qt.diameter_tool import DiameterTool
from napari_sam2._qt.model_catalogue import list_models
from napari_sam2._qt.preferences import PLUGIN
from napari_sam2._qt.sections import ModelSection
from napari_sam2._qt.slots import Slots
from napari_sam2._qt.workbench import Workbench

if TYPE_CHECKING:
    import napari


class ModelActions:
    """Connects the Model section; see the module."""

    def __init__(self, viewer: napari.viewer.Viewer, section: ModelSection, bench: Workbench, slots: Slots) -> None:
        self._viewer = viewer
        self._section = section
        self._bench = bench
        self._ruler = DiameterTool(viewer, self._take_diameter, section)
        slots.connect(section.edited, self.change_settings)
        slots.connect(section.measure.clicked, self.measure)
        slots.connect(section.manage.clicked, self.open_models)
        self.list_models()

    def change_settings(self) -> None:
        """Take the settings as they are shown; masks that they make void turn stale."""
        session = self._bench.session
        if session is not None:
            session.change_settings(**self._section.choice())
            self._section.show_settings(session.settings)
        self._bench.preview()

    def measure(self) -> None:
        """Let a person draw a line across an object."""
        if self._bench.image is not None:
            self._ruler.start(self._bench.image)
            self._bench.said.emit("Drag a line across one object; press Measure again to give up.")

    def open_models(self) -> None:
        """Show the Models panel beside this one."""
        _, widget = self._viewer.window.add_plugin_dock_widget(PLUGIN, "Models", tabify=True)
        widget.models_changed.connect(self.list_models)

    def list_models(self) -> None:
        """Read in a worker which models can be chosen."""
        self._bench.run(list_models, self._section.show_models)

    def close(self) -> None:
        """Give up measuring."""
        self._ruler.close()

    def _take_diameter(self, length: float) -> None:
        self._section.diameter.setValue(round(length))
