"""Tracks of other programs come into the session that is open: from a file, a folder, or a layer of the viewer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Labels, Tracks
from qtpy.QtWidgets import QFileDialog, QMenu

from napari_sam2._qt.background import USER_ERRORS
from napari_sam2._qt.sections import SaveSection
from napari_sam2._qt.slots import Slots
from napari_sam2._qt.workbench import Workbench
from napari_sam2.document.plain_values import counted
from napari_sam2.engine.jobs import PropagateRequest

if TYPE_CHECKING:
    import napari

    from napari_sam2.io.imports import Arrivals
    from napari_sam2.session.session import Session

_FILES = "Tracks (*.xml *.csv *.tsv *.tif *.tiff *.npy);;All files (*)"


class ImportActions:
    """Fills the menu of *Import* when it opens, and does what is chosen there; see the module."""

    def __init__(self, viewer: napari.viewer.Viewer, section: SaveSection, bench: Workbench, slots: Slots) -> None:
        self._viewer = viewer
        self._section = section
        self._bench = bench
        self._menu = QMenu(section.bring)
        self._is_split = False
        section.bring.setMenu(self._menu)
        slots.connect(self._menu.aboutToShow, self._fill)

    def _fill(self) -> None:
        """Offer a file, a folder, and each layer of somebody else's that holds labels or tracks."""
        self._menu.clear()
        self._menu.addAction("File: TrackMate .xml, table .csv, labels …", self._from_file)
        self._menu.addAction("Folder: Cell Tracking Challenge, GEFF …", self._from_folder)
        binding = self._bench.binding
        ours = set() if binding is None else set(binding.layers())
        for layer in self._viewer.layers:
            if isinstance(layer, Labels | Tracks) and layer not in ours:
                text = layer.name.replace("&", "&&")
                self._menu.addAction(f"Layer: {text}", partial(self._from_layer, layer))
        self._menu.addSeparator()
        split = self._menu.addAction("Split shared values")
        split.setToolTip("Mother and daughters share a label: make daughters of what comes apart")
        split.setCheckable(True)
        split.setChecked(self._is_split)
        split.toggled.connect(self._set_split)

    def _set_split(self, is_split: bool) -> None:
        self._is_split = is_split

    def _from_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self._section, "Import tracks", "", _FILES)
        if chosen:
            self.bring(Path(chosen))

    def _from_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self._section, "Import tracks: a CTC folder or a GEFF")
        if chosen:
            self.bring(Path(chosen))

    def _from_layer(self, layer: Labels | Tracks) -> None:
        from napari_sam2.viewer.foreign_layers import tracks_of_layer

        session, binding = self._bench.session, self._bench.binding
        if session is None or binding is None:
            return
        try:
            tracks = tracks_of_layer(layer, binding.image, binding.grid)
        except USER_ERRORS as error:
            self._bench.failed.emit(error)
            return
        self._read(session, session.lineage.tracks_reader(tracks, split_lineages=self._is_split), layer.name)

    def bring(self, path: Path) -> None:
        """Bring in the tracks of a file or folder."""
        session = self._bench.session
        if session is not None:
            self._read(session, session.lineage.tracks_reader(path, split_lineages=self._is_split), path.name)

    def _read(self, session: Session, read: Callable[[], Arrivals], name: str) -> None:
        """Read in a worker, then take what came into the session, if it is still the one that is open."""
        self._bench.said.emit(f"Reading {name} …")
        self._bench.run(read, partial(self._take, session, name), name=f"Reading {name}")

    def _take(self, session: Session, name: str, came: Arrivals) -> None:
        binding = self._bench.binding
        if self._bench.session is not session or binding is None:
            self._bench.said.emit(f"{name} was not taken: its session is closed.")
            return
        ids, divisions = session.lineage.take_tracks(came), len(came.document.divisions)
        told = f"{counted(len(ids), 'object')} and {counted(divisions, 'division')} of {name} came in."
        if came.document.prompts:
            told += " Places get their masks now; Stop keeps those that are there."
        self._bench.said.emit(" ".join([told, *came.notes]))
        if came.has_gaps:
            binding.work.propagate(PropagateRequest(object_ids=ids))
