"""What becomes of unsaved work when a window closes, or when other work takes its place: a person is asked.

A window's session ends when the closing is accepted, not before: first is asked here about unsaved work, then the
window asks what it asks by itself, and each Cancel leaves everything as it was. A viewer that a script closes asks
nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QMainWindow, QMessageBox, QWidget

from napari_sam2._qt.background import USER_ERRORS

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

_log = logging.getLogger(__name__)


def may_leave(session: Session | None, parent: QWidget) -> bool:
    """Return whether a session may be closed; unsaved work is named, and can be saved first."""
    if session is None or not session.is_dirty or not session.document.prompts:
        return True
    buttons = QMessageBox.StandardButton
    answer = QMessageBox.question(
        parent,
        "Save the work?",
        f"The work on {session.stack.name} is not saved: {work_in_words(session)}.\n\nSave it as a session?",
        buttons.Save | buttons.Discard | buttons.Cancel,
        buttons.Save,
    )
    if answer == buttons.Save:
        return _save(session, parent)
    return answer == buttons.Discard


def work_in_words(session: Session) -> str:
    """Return what would be lost: "2 objects, 3 prompts on 1 frame, masks on 30 frames"."""
    document = session.document
    frames = {frame for _, frame in document.prompts}
    masks = {frame for (_, frame), _ in session.masks.items()}
    prompts = f"{_counted(len(document.prompts), 'prompt')} on {_counted(len(frames), 'frame')}"
    return f"{_counted(len(document.objects), 'object')}, {prompts}, masks on {_counted(len(masks), 'frame')}"


def asked_folder(session: Session | None, parent: QWidget) -> Path | None:
    """Return in which folder a person wants a session saved, `.sam2` added where that is missing; None if given up."""
    name = "session" if session is None else Path(session.stack.name).stem
    chosen, _ = QFileDialog.getSaveFileName(parent, "Save the session as a folder", f"{name}.sam2", "")
    if not chosen:
        return None
    path = Path(chosen)
    return path if path.suffix == ".sam2" else path.with_name(f"{path.name}.sam2")


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


def _save(session: Session, parent: QWidget) -> bool:
    """Return whether the work is saved now, where it was or where a person says."""
    folder = asked_folder(session, parent) if session.folder is None else session.folder
    if folder is None:
        return False
    try:
        session.save(folder)
    except USER_ERRORS as error:
        QMessageBox.critical(parent, "Not saved", f"{error}\n\nNothing was closed.")
        return False
    return True


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
