"""Where a session works on axes that it does not follow: one number per axis, "Z = 3", which can be changed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QSpinBox, QWidget
from superqt.utils import signals_blocked


class HeldAxes(QWidget):
    """A number for each axis that is held.

    Signals: `chosen(letter, index)` when a person chose another; `grown()` when there are other boxes than before.
    """

    chosen = Signal(str, int)
    grown = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(4)
        self.boxes: dict[str, QSpinBox] = {}

    def show_places(self, held: Mapping[str, int], sizes: Mapping[str, int]) -> None:
        """Show an index per letter, of axes of some sizes, without saying that one was chosen."""
        if list(held) != list(self.boxes):
            for box in self.boxes.values():
                self._row.removeWidget(box)
                box.deleteLater()
            self.boxes = {letter: self._made(letter) for letter in held}
            self.grown.emit()
        for letter, index in held.items():
            box = self.boxes[letter]
            with signals_blocked(box):
                box.setRange(0, sizes[letter] - 1)
                if not box.hasFocus() or not box.lineEdit().isModified():
                    box.setValue(index)

    def _made(self, letter: str) -> QSpinBox:
        box = QSpinBox()
        box.setPrefix(f"{letter} = ")
        box.setKeyboardTracking(False)
        box.setAccessibleName(f"Work at {letter}")
        box.setToolTip(f"The {letter} at which the session works; objects are not followed along it")
        box.valueChanged.connect(partial(self.chosen.emit, letter))
        self._row.addWidget(box, 1)
        return box
