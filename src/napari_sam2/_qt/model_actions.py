"""What the Model section does: settings reach the session, models are listed, the size of an object is measured."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_sam2._qt.background import BackgroundWork
from napari_sam2._qt.diameter_tool import DiameterTool
from napari_sam2._qt.model_catalogue import ModelRow, download_model, list_models
from napari_sam2._qt.model_download import CANCELLED, ModelDownload, ask_to_download, show_arrived
from napari_sam2._qt.preferences import PLUGIN
from napari_sam2._qt.sections import ModelSection
from napari_sam2._qt.slots import Slots
from napari_sam2._qt.workbench import Workbench
from napari_sam2.session.settings import invalidated

if TYPE_CHECKING:
    import napari


class ModelActions:
    """Connects the Model section; see the module."""

    def __init__(self, viewer: napari.viewer.Viewer, section: ModelSection, bench: Workbench, slots: Slots) -> None:
        self._viewer = viewer
        self._section = section
        self._bench = bench
        self._work = BackgroundWork()
        self._download = ModelDownload(self._work, section)
        self._wanted = ""
        self._ruler = DiameterTool(viewer, self._take_diameter, bench.said.emit, section)
        slots.connect(section.edited, self.change_settings)
        slots.connect(section.measure.clicked, self.measure)
        slots.connect(section.manage.clicked, self.open_models)
        slots.connect(section.cancel.clicked, self._download.cancel)
        slots.connect(self._download.arrived, partial(show_arrived, section.progress), 2)
        slots.connect(self._download.ready, self._take_model, 1)
        slots.connect(self._download.failed, self._not_downloaded, 1)
        slots.connect(bench.changed, self._on_bench)
        self.list_models()

    def change_settings(self) -> None:
        """Take the settings as they are shown; masks that they make void turn stale, and Undo brings them back.

        A model that is not here is asked about and fetched first, one whose file is gone is told of; until then the
        session keeps the one that it has.
        """
        session, choice = self._bench.session, self._section.choice()
        if session is None:
            return
        row = self._section.model_row(str(choice["model"]))
        if row is not None and not row.is_here and row.name != session.settings.model:
            choice["model"] = session.settings.model
            if row.can_download:
                ask_to_download(row, self._section, partial(self.download, row))
            else:
                self._bench.said.emit(row.about)
        is_propagating = self._bench.binding is not None and self._bench.binding.work.is_propagating
        before = session.settings
        session.change_settings(**choice)
        if is_propagating and invalidated(before, session.settings):
            self._bench.said.emit("The run was stopped, for it went by the settings as they were before.")
        self._section.show_settings(session.settings)
        self._bench.preview()

    def download(self, row: ModelRow) -> None:
        """Fetch a model, then take it."""
        if self._download.start(row.name, download_model):
            self._wanted = row.name
            self._section.progress.show_done(0, 0)
            self._section.downloading.setVisible(True)
        else:
            self._bench.said.emit("Another model is being downloaded; wait for it, or cancel it first.")

    def measure(self) -> None:
        """Let a person draw a line across an object."""
        if self._bench.image is not None:
            self._ruler.start(self._bench.image)

    def open_models(self) -> None:
        """Show the Models panel beside this one."""
        _, widget = self._viewer.window.add_plugin_dock_widget(PLUGIN, "Models", tabify=True)
        widget.models_changed.connect(self.list_models)

    def list_models(self) -> None:
        """Read in a worker which models can be chosen."""
        self._bench.run(list_models, self._section.show_models)

    def close(self) -> None:
        """Give up measuring and downloading."""
        self._download.cancel()
        self._work.close()
        self._ruler.close()

    def _on_bench(self) -> None:
        """Say beforehand that the model of a session, from the preferences or a folder, is still to be fetched."""
        session, self._wanted = self._bench.session, ""
        row = None if session is None else self._section.model_row(session.settings.model)
        if row is not None and row.can_download:
            self._bench.said.emit(
                f"{row.name} is not on this computer: the first click downloads {row.size} from {row.source}. Choose "
                "another model first if it should not."
            )
        elif row is not None and not row.is_here:
            self._bench.said.emit(row.about)

    def _take_model(self, name: str) -> None:
        """Give a model that has come to the session that it was fetched for."""
        self._section.downloading.setVisible(False)
        self.list_models()
        if self._bench.session is not None and self._wanted == name:
            self._bench.session.change_settings(model=name)
            self._section.show_settings(self._bench.session.settings)
            self._bench.preview()

    def _not_downloaded(self, error: Exception | None) -> None:
        self._section.downloading.setVisible(False)
        if error is None:
            self._bench.said.emit(CANCELLED)
        else:
            self._bench.failed.emit(error)

    def _take_diameter(self, length: float) -> None:
        self._section.diameter.setValue(round(length))
