"""The Review panel: places in doubt, the worst first, looked at and corrected by keys; and the error rate of a sample.

Beside a wide canvas it is docked below, with its parts side by side; in a narrow dock they stand one below the other.
While it is seen its keys (`viewer.REVIEW_KEYS`) are those of the window. It shows the work of the viewer's `Workbench`,
as the main panel does; nothing is decided here.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QHideEvent, QResizeEvent, QShowEvent
from qtpy.QtWidgets import QBoxLayout, QDockWidget, QMainWindow, QVBoxLayout, QWidget

from napari_sam2._qt.holds import hold
from napari_sam2._qt.keys_window import KeysWindow
from napari_sam2._qt.manners import Manners, window_above
from napari_sam2._qt.preferences import PLUGIN
from napari_sam2._qt.review_parts import ReviewParts
from napari_sam2._qt.review_work import ReviewWork
from napari_sam2._qt.slots import Slots
from napari_sam2._qt.texts import apply_theme
from napari_sam2._qt.window_keys import WindowKeys
from napari_sam2._qt.workbench import Workbench

if TYPE_CHECKING:
    import napari

TITLE = "Review"
_WIDE = 1.4
_HEIGHT = 240


class ReviewPanel(QWidget):
    """The dock widget.

    Attributes
    ----------
    parts
        What stands in it.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self._is_docked = self._closed = False
        super().__init__()
        self.viewer = napari_viewer
        self.bench = Workbench.of(napari_viewer)
        self.slots = Slots(self.bench.failed.emit)
        with hold("make the Review panel"):
            self._make()

    def _make(self) -> None:
        self.parts = ReviewParts(self.viewer.theme)
        self._lay_out()
        self._manners = Manners(self)
        self._keys = WindowKeys(self.viewer, self.bench, self.slots, of_review=True)
        self.work = ReviewWork(self.viewer, self.bench, self.parts, self.slots)
        self.slots.connect(self.parts.buttons.keys.clicked, self._show_keys)
        self.slots.connect(self.bench.said, self.parts.place.tell, 1)
        self.slots.connect(self.bench.failed, self._show_error, 1)
        self.slots.connect(self.bench.ended, self.let_go)
        self.viewer.events.theme.connect(self._take_theme)
        self._take_theme()
        self.bench.prepare()

    def _lay_out(self) -> None:
        self._sides = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self._sides.setSpacing(10)
        left = QVBoxLayout()
        left.setSpacing(4)
        left.addWidget(self.parts.tabs, 0)
        left.addWidget(self.parts.sides, 1)
        self._sides.addLayout(left, 3)
        self._sides.addWidget(self.parts.place, 6)
        self._sides.addWidget(self.parts.doing, 0)
        self.parts.doing.setMinimumWidth(250)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(6, 4, 6, 4)
        outer.setSpacing(4)
        outer.addLayout(self._sides, 1)
        self.setMinimumWidth(300)

    def close_work(self) -> None:
        """End the work in the viewer without asking, as the main panel does."""
        self.bench.close()
        self.let_go()

    def let_go(self) -> None:
        """Show nothing any more, because the panel goes; what was decided stays in the session."""
        if self._closed:
            return
        self._closed = True
        self.work.close()
        self._keys.close()
        self.slots.close()
        self.viewer.events.theme.disconnect(self._take_theme)

    def showEvent(self, event: QShowEvent) -> None:
        """Begin to review, once the panel stands where it is shown."""
        super().showEvent(event)
        if not event.spontaneous() and not self._closed:
            QTimer.singleShot(0, self, partial(self.slots.call, self._begin))

    def _begin(self) -> None:
        if self.isVisible() and not self._closed:
            self.work.begin()

    def hideEvent(self, event: QHideEvent) -> None:
        """End reviewing while the panel is not seen: behind another tab its keys are not the window's."""
        super().hideEvent(event)
        if not event.spontaneous() and not self._closed:
            self.work.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the parts side by side where there is room for that."""
        super().resizeEvent(event)
        self.stand(self.width() > _WIDE * self.height())

    def stand(self, side_by_side: bool) -> None:
        """Put the parts side by side, or one below the other."""
        direction = QBoxLayout.Direction
        self._sides.setDirection(direction.LeftToRight if side_by_side else direction.TopToBottom)

    def event(self, event: QEvent) -> bool:
        """Let go of the work when the panel is taken out of its window, or deleted."""
        if event.type() == QEvent.Type.ParentChange:
            was_docked, self._is_docked = self._is_docked, self.parentWidget() is not None
            if was_docked and not self._is_docked:
                self.let_go()
        if event.type() == QEvent.Type.DeferredDelete:
            self.let_go()
        return super().event(event)

    def _show_keys(self) -> None:
        KeysWindow(self, of_review=True).show()

    def _show_error(self, error: Exception) -> None:
        self.parts.place.tell(str(error) or type(error).__name__)

    def _take_theme(self) -> None:
        apply_theme(self, self.viewer.theme)


def open_review(viewer: napari.viewer.Viewer) -> ReviewPanel:
    """Return the Review panel of a viewer, opened below the canvas if it is not there."""
    window = viewer.window.file_menu.parentWidget()
    is_there = isinstance(window, QMainWindow) and window.findChild(ReviewPanel) is not None
    with hold("napari docks a panel"):
        dock, panel = viewer.window.add_plugin_dock_widget(PLUGIN, TITLE)
        above = window_above(panel)
        if not is_there and above is not None and isinstance(dock, QDockWidget):
            panel.stand(side_by_side=True)
            above.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
            above.resizeDocks([dock], [_HEIGHT], Qt.Orientation.Vertical)
        dock.show()
        dock.raise_()
    return panel
