"""What becomes of the work in a window when that closes.

The work ends when the closing is accepted, not before: first a person is asked about unsaved work, then the window asks
what it asks by itself, and each Cancel leaves everything as it was. A viewer that a script closes asks nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QApplication, QMainWindow, QWidget

_log = logging.getLogger(__name__)


class ClosingGuard(QObject):
    """Watches a window: its work is ended by `end` once it really closes.

    Parameters
    ----------
    may_close
        Whether the work may end; asks where some would be lost.
    is_lost
        Whether some would be lost, for a viewer that nobody is asked about.
    """

    def __init__(
        self, window: QMainWindow, may_close: Callable[[], bool], is_lost: Callable[[], bool], end: Callable[[], object]
    ) -> None:
        super().__init__(window)
        self.may_close = may_close
        self._is_lost = is_lost
        self._end = end
        self._is_closing = False
        window.installEventFilter(self)

    def let_go(self) -> None:
        """Watch the window no longer."""
        self.setParent(None)
        self.deleteLater()  # which takes it off the window too

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Answer the window's close event; all others go their way."""
        if event.type() == QEvent.Type.DeferredDelete and watched is self.parent():
            self._end()
        if event.type() != QEvent.Type.Close or self._is_closing or not isinstance(watched, QMainWindow):
            return False
        self._is_closing = True
        try:
            self._close(watched, event)
        finally:
            self._is_closing = False
        return True

    def _close(self, window: QMainWindow, event: QEvent) -> None:
        """Ask, let the window do what it does with its close event, and end the work if that accepts it."""
        if _is_by_a_person(window, event):
            if not all(guard.may_close() for guard in self._asked(window)):
                event.ignore()
                return
        elif self._is_lost():
            _log.warning("A viewer was closed by a script, and the session in it was not saved.")
        window.event(event)
        if event.isAccepted():
            self._end()

    def _asked(self, window: QMainWindow) -> list[ClosingGuard]:
        """Return the guards of all windows that close with this one: all of the process where napari quits."""
        if not getattr(window, "_quit_app", False):  # napari says it nowhere else
            return [self]
        found = (window.findChild(ClosingGuard) for window in QApplication.topLevelWidgets())
        return [guard for guard in found if guard is not None]


def _is_by_a_person(window: QMainWindow, event: QEvent) -> bool:
    """Return whether a person closes a window, not a script: `Viewer.close()` has hidden the canvas before."""
    direct = Qt.FindChildOption.FindDirectChildrenOnly
    centre = window.centralWidget()
    seen = centre is not None and any(part.isVisible() for part in centre.findChildren(QWidget, "", direct))
    return event.spontaneous() or seen
