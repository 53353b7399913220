"""The keys of our layers as a small table in a window of its own; what is shown is what is bound (`viewer.KEYS`)."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QGridLayout, QLabel, QWidget


class KeysWindow(QDialog):
    """Two columns: key, and what it does. Stays open beside the viewer while one works."""

    def __init__(self, parent: QWidget) -> None:
        from napari_sam2.viewer import KEYS

        super().__init__(parent)
        self.setWindowTitle("Keys")
        self.setWindowFlag(Qt.WindowType.Tool)  # while it is the active window, the keys of the viewer's still count
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        grid = QGridLayout(self)
        grid.setHorizontalSpacing(16)
        note = QLabel("Anywhere in the window but where text is typed:")
        note.setWordWrap(True)
        grid.addWidget(note, 0, 0, 1, 2)
        for row, key in enumerate(KEYS, 1):
            grid.addWidget(QLabel(f"<b>{key.label}</b>"), row, 0)
            grid.addWidget(QLabel(key.text), row, 1)
