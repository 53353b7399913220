"""A cell that blinks in the image, so that the eye finds it among hundreds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

if TYPE_CHECKING:
    from napari_sam2.viewer.marked_cells import MarkedCells

_TIMES = 3
_HALF_MS = 160


class Blinker(QObject):
    """Fills a cell of the layer of outlines and empties it again, some times."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._marked: MarkedCells | None = None
        self._object_id = 0
        self._left = 0
        self._timer = QTimer(self)
        self._timer.setInterval(_HALF_MS)
        self._timer.timeout.connect(self._tick)

    def blink(self, marked: MarkedCells, object_id: int) -> None:
        """Let a cell blink from now on; another one stops."""
        self.stop()
        self._marked, self._object_id, self._left = marked, object_id, 2 * _TIMES
        self._timer.start()
        self._tick()

    def stop(self) -> None:
        """Leave the cell as it is outlined."""
        self._timer.stop()
        if self._marked is not None:
            self._marked.fill(None)
        self._marked = None

    def _tick(self) -> None:
        self._left -= 1
        if self._left <= 0 or self._marked is None:
            self.stop()
        else:
            self._marked.fill(self._object_id if self._left % 2 else None)
