"""How a panel shares mouse wheel and keyboard with the viewer around it, in one place for all of its widgets.

The wheel scrolls the panel: a box to choose from, a number and a slider take it only while they have the focus. A click
leaves the keyboard where it is, on the canvas; only what text is typed into takes it, and gives it back when that is
done. The keyboard reaches everything by Tab as before, and what is pressed there stays there: napari would hand to the
canvas what a field, a table or a button has no use for, Enter and Delete among it.
"""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractScrollArea,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QGraphicsView,
    QHeaderView,
    QLineEdit,
    QMainWindow,
    QScrollBar,
    QWidget,
)

_DONE = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape)


class Manners(QObject):
    """Watches the widgets of one panel; `teach` it those that have come since."""

    def __init__(self, panel: QWidget) -> None:
        super().__init__(panel)
        self._panel = panel
        self._taught: set[QWidget] = set()
        panel.installEventFilter(self)
        self.teach()

    def teach(self) -> None:
        """Teach every widget of the panel that has come since the last time; windows of their own are left alone."""
        here = {widget for widget in self._panel.findChildren(QWidget) if widget.window() is self._panel.window()}
        for widget in here - self._taught:
            self._teach(widget)
        self._taught = here

    def _teach(self, widget: QWidget) -> None:
        if _turns(widget) or _takes_text(widget):
            widget.installEventFilter(self)
        if _takes_text(widget):
            widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        elif isinstance(widget, QAbstractItemView) and not isinstance(widget, QHeaderView):
            widget.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            widget.setTabKeyNavigation(False)  # Tab goes on to what comes next; the arrows go through the cells
            widget.itemDelegate().closeEditor.connect(self._give_back_soon)
        elif isinstance(widget, QAbstractButton | QComboBox):
            widget.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        elif isinstance(widget, QAbstractScrollArea) and not isinstance(widget, QGraphicsView):
            widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Leave the wheel to the panel, and the keyboard to the canvas once a text is finished, and not before."""
        if event.type() == QEvent.Type.KeyPress and watched is self.parent():
            return True
        if not isinstance(watched, QWidget):
            return False
        if event.type() == QEvent.Type.Wheel and _turns(watched) and not watched.hasFocus():
            event.ignore()  # Qt offers it to the widget around this one
            return True
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and event.key() in _DONE:
            self._give_back_soon()
        return False

    def give_back(self) -> None:
        """Give the keyboard to the canvas if a widget of the panel has it."""
        focused, window = QApplication.focusWidget(), window_above(self._panel)
        canvas = None if window is None else window.centralWidget()
        if focused is not None and self._panel.isAncestorOf(focused) and canvas is not None:
            canvas.setFocus()

    def _give_back_soon(self) -> None:
        """Give the keyboard back when Qt has done what it does at the end of a text."""
        QTimer.singleShot(0, self, self.give_back)


def window_above(widget: QWidget) -> QMainWindow | None:
    """Return the main window that a widget is in or floats above."""
    above = widget.parentWidget()
    while above is not None and not isinstance(above, QMainWindow):
        above = above.parentWidget()
    return above


def _turns(widget: QWidget) -> bool:
    """Return whether the wheel changes the value of a widget."""
    is_bar = isinstance(widget, QScrollBar)
    return isinstance(widget, QComboBox | QAbstractSpinBox | QAbstractSlider) and not is_bar


def _takes_text(widget: QWidget) -> bool:
    """Return whether a person types text into a widget."""
    if isinstance(widget, QComboBox):
        return widget.isEditable()
    return isinstance(widget, QLineEdit | QAbstractSpinBox)
