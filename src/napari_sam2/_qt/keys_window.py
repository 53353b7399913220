"""The keys of our layers as a small table in a window of its own; what is shown is what is bound.

That is `viewer.KEYS`; of the review `viewer.REVIEW_KEYS`.
"""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QGridLayout, QLabel, QWidget


class KeysWindow(QDialog):
    """Two columns: key, and what it does. Stays open beside the viewer while one works."""

    def __init__(self, parent: QWidget, of_review: bool = False) -> None:
        from napari_sam2.viewer import KEYS, REVIEW_KEYS

        super().__init__(parent)
        self.setWindowTitle("Keys of the review" if of_review else "Keys")
        self.setWindowFlag(Qt.WindowType.Tool)  # while it is the active window, the keys of the viewer's still count
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        grid = QGridLayout(self)
        grid.setHorizontalSpacing(16)
        where = "Anywhere in the window but where text is typed"
        of_whom = ", while Review is seen. Cells: the one under the mouse, or those chosen with Shift+click."
        note = QLabel(where + (of_whom if of_review else ":"))
        note.setWordWrap(True)
        grid.addWidget(note, 0, 0, 1, 2)
        for row, key in enumerate(REVIEW_KEYS if of_review else KEYS, 1):
            grid.addWidget(QLabel(f"<b>{key.label}</b>"), row, 0)
            grid.addWidget(QLabel(key.text), row, 1)
