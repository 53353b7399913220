"""The bar that shows how far something is."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_sam2._qt.parts import ProgressBar


class Counting(QWidget):
    """A window that counts how often it is drawn."""

    drawn = 0

    def event(self, event: QEvent) -> bool:
        """Count."""
        self.drawn += event.type() in (QEvent.Type.Paint, QEvent.Type.UpdateRequest)
        return bool(super().event(event))


def test_a_bar_waits_to_be_drawn_with_its_window(qtbot: Any) -> None:
    window, bar = Counting(), ProgressBar()
    qtbot.addWidget(window)
    QVBoxLayout(window).addWidget(bar)
    with qtbot.waitExposed(window):
        window.show()
    qtbot.wait(50)
    window.drawn = 0
    bar.show_done(3, 4, "%v of %m")
    assert (window.drawn, bar.value(), bar.maximum(), bar.text()) == (0, 3, 4, "3 of 4")
    qtbot.waitUntil(lambda: window.drawn > 0)
    bar.show_done(0, 0)
    assert (bar.minimum(), bar.maximum()) == (0, 0)
