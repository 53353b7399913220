"""The dialog that names a checkpoint of one's own and, where it cannot be told, its configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QDialog, QDialogButtonBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_sam2._qt.parts import form


@dataclass(frozen=True, slots=True)
class NewModel:
    """A checkpoint to add: its name, its file, and its configuration (None: told from its tensors)."""

    name: str
    path: Path
    config: str | None


class AddModelDialog(QDialog):
    """Asks for the name of a checkpoint.

    Signal: `accepted_model(NewModel)`.
    """

    accepted_model = Signal(object)

    def __init__(self, path: Path, configurations: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Add a model")
        self._path = path
        self.name = QLineEdit(path.stem)
        self.config = QComboBox()
        self.config.addItem("Tell from the file", None)
        for name in configurations:
            self.config.addItem(Path(name).stem, name)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self.buttons.accepted.connect(self._take)
        self.buttons.rejected.connect(self.reject)
        rows = form()
        rows.addRow("File", QLabel(path.name))
        rows.addRow("Name", self.name)
        rows.addRow("Configuration", self.config)
        column = QVBoxLayout(self)
        column.addLayout(rows)
        column.addWidget(self.buttons)

    def _take(self) -> None:
        self.accepted_model.emit(NewModel(self.name.text().strip(), self._path, self.config.currentData()))
        self.accept()
