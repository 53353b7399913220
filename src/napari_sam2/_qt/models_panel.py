"""The Models panel: which models there are, fetching one with progress, adding one's own, deleting.

The table is read in a worker and again after each change. One download at a time; Cancel keeps what has arrived, and
the next download goes on from there.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHeaderView,
    QMessageBox,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_sam2._qt.add_model_dialog import AddModelDialog, NewModel
from napari_sam2._qt.background import BackgroundWork
from napari_sam2._qt.manners import Manners
from napari_sam2._qt.model_catalogue import (
    ModelRow,
    delete_model,
    download_model,
    list_models,
    register_model,
)
from napari_sam2._qt.model_download import CANCELLED, ModelDownload, show_arrived
from napari_sam2._qt.parts import IconButton, ProgressBar, row_of
from napari_sam2._qt.slots import Slots
from napari_sam2._qt.texts import InfoLine, Kind, apply_theme
from sam2_core.checkpoints.registry import BUNDLED_NAME
from sam2_core.config import config_names

if TYPE_CHECKING:
    import napari

_COLUMNS = ("Model", "Size", "Speed", "Licence", "Where")
_CHECKPOINTS = "Checkpoints (*.pt *.pth *.safetensors);;All files (*)"


class ModelsPanel(QWidget):
    """List, download, add and delete models.

    Signal: `models_changed()` after one was downloaded, added or deleted.
    """

    models_changed = Signal()

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._work = BackgroundWork()
        self._rows: tuple[ModelRow, ...] = ()
        self._fetching = ModelDownload(self._work, self)
        self._slots = Slots(self.show_error)
        self._build()
        self._manners = Manners(self)
        self._connect()
        self._take_theme()
        self.reload()

    def _build(self) -> None:
        self.table = QTableWidget(0, len(_COLUMNS))
        self.table.setAccessibleName("Models")
        self.table.setHorizontalHeaderLabels(_COLUMNS)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setShowGrid(False)
        self.table.setStyleSheet("QTableView, QHeaderView::section { font-size: 8pt; }")
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.download = IconButton("Download", "down_arrow", "Fetch the weights of the chosen model")
        self.cancel = IconButton("Cancel", "playback-stop", "Stop the download; it can go on later")
        self.add = IconButton("Add …", "plus", "Add a checkpoint from this computer, for example a fine-tuned one")
        self.delete = IconButton("Delete", "delete", "Delete the downloaded file, or forget an added model")
        self.progress = ProgressBar()
        self.progress.setAccessibleName("How far the download is")
        self.progress.setVisible(False)
        self.message = InfoLine()
        self.message.setVisible(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.addWidget(self.table, 1)
        column.addLayout(row_of(self.download, self.cancel, self.add, self.delete))
        column.addWidget(self.progress)
        column.addWidget(self.message)
        self.setMinimumWidth(340)

    def _connect(self) -> None:
        connect = self._slots.connect
        connect(self.download.clicked, self.start_download)
        connect(self.cancel.clicked, self._fetching.cancel)
        connect(self.add.clicked, self.ask_for_model)
        connect(self.delete.clicked, self.delete_chosen)
        connect(self.table.itemSelectionChanged, self._show_chosen)
        connect(self._fetching.arrived, partial(show_arrived, self.progress), 2)
        connect(self._fetching.ready, self._downloaded, 2)
        connect(self._fetching.failed, self._not_downloaded, 1)
        self._viewer.events.theme.connect(self._take_theme)

    def chosen(self) -> ModelRow | None:
        """Return the model of the selected row."""
        row = self.table.currentRow()
        return self._rows[row] if 0 <= row < len(self._rows) and self.table.selectedItems() else None

    def choose(self, name: str) -> None:
        """Select the row of a model."""
        for place, row in enumerate(self._rows):
            if row.name == name:
                self.table.selectRow(place)

    def reload(self) -> None:
        """Read the list of models again."""
        self._work.start(list_models, self._show_models, self.show_error)

    def start_download(self) -> None:
        """Fetch the weights of the chosen model."""
        row = self.chosen()
        if row is None or not row.can_download or not self._fetching.start(row.name, download_model):
            return
        self.progress.show_done(0, 0)
        self.progress.setVisible(True)
        self.show_info(f"Downloading {row.name} …")
        self._show_buttons()

    def ask_for_model(self) -> None:
        """Let a person choose a checkpoint file, then name it."""
        chosen, _ = QFileDialog.getOpenFileName(self, "Choose a checkpoint", "", _CHECKPOINTS)
        if chosen:
            self._work.start(config_names, partial(self._ask_for_name, Path(chosen)), self.show_error)

    def add_model(self, new: NewModel) -> None:
        """Make a checkpoint known under a name."""
        self.show_info(f"Reading {new.path.name} …")
        self._work.start(partial(register_model, new.name, new.path, new.config), self._added, self.show_error)

    def delete_chosen(self) -> None:
        """Delete the chosen model's file, or forget it, after asking."""
        row = self.chosen()
        if row is None or not row.can_delete:
            return
        file = "stays" if row.is_here else "is gone already"
        question = f"Delete {row.path}?" if row.where == "downloaded" else f"Forget {row.name}? Its file {file}."
        if QMessageBox.question(self, "Delete model", question) == QMessageBox.StandardButton.Yes:
            delete_model(row)
            self.show_info(f"{row.name} is gone.")
            self._changed()

    def show_error(self, error: Exception) -> None:
        """Say in the panel what went wrong."""
        self.show_info(str(error), "error")

    def show_info(self, text: str, kind: Kind = "info") -> None:
        """Say in the panel what happens."""
        self.message.show_text(text, kind)
        self.message.setVisible(True)

    def close_work(self) -> None:
        """Stop what is in work and call back nobody."""
        self._fetching.cancel()
        self._work.close()
        self._viewer.events.theme.disconnect(self._take_theme)

    def event(self, event: QEvent) -> bool:
        """Stop the work when Qt deletes the panel."""
        if event.type() == QEvent.Type.DeferredDelete:
            self.close_work()
        return super().event(event)

    def _ask_for_name(self, path: Path, configs: tuple[str, ...]) -> None:
        dialog = AddModelDialog(path, configs, self)
        dialog.accepted_model.connect(self.add_model)
        dialog.open()

    def _show_models(self, rows: tuple[ModelRow, ...]) -> None:
        chosen = self.chosen()
        self._rows = rows
        self.table.setRowCount(len(rows))
        for place, row in enumerate(rows):
            for column, text in enumerate((row.name, row.size, row.speed, row.licence, row.where)):
                item = QTableWidgetItem(text)
                item.setToolTip(f"will be kept at {row.path}" if row.can_download else row.about)
                if column == 0 and row.is_here:
                    font = item.font()
                    font.setBold(True)
                    item.setFont(font)
                self.table.setItem(place, column, item)
        self.choose(chosen.name if chosen is not None else BUNDLED_NAME)
        self._show_buttons()

    def _show_chosen(self) -> None:
        row = self.chosen()
        if row is not None and not self.progress.isVisible():
            self.show_info(row.about)
        self._show_buttons()

    def _show_buttons(self) -> None:
        row, busy = self.chosen(), not self.progress.isHidden()
        self.download.setEnabled(not busy and row is not None and row.can_download)
        self.delete.setEnabled(not busy and row is not None and row.can_delete)
        self.cancel.setEnabled(busy)

    def _downloaded(self, name: str, path: Path) -> None:
        self._end_download()
        self.show_info(f"{name} is ready: {path}")
        self._changed()

    def _not_downloaded(self, error: Exception | None) -> None:
        self._end_download()
        if error is None:
            self.show_info(CANCELLED)
        else:
            self.show_error(error)

    def _end_download(self) -> None:
        self.progress.setVisible(False)
        self._show_buttons()

    def _added(self, name: str) -> None:
        self.show_info(f"{name} was added; choose it as the model of a session.")
        self._changed()

    def _changed(self) -> None:
        self.reload()
        self.models_changed.emit()

    def _take_theme(self) -> None:
        apply_theme(self, self._viewer.theme)
