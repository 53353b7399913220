"""The main panel, "Segment and track": from the image at the top to saving at the bottom.

Order of a first use: the image is picked (or the sample opened), the session opens in a worker, clicks in the layers
reach it through the binding, Propagate runs it. This widget connects the sections to the `Workbench` and shows its
state; it decides nothing about masks. It stops all work when the viewer or the panel closes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils import notifications
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QFrame, QMainWindow, QScrollArea, QVBoxLayout, QWidget

from napari_sam2._qt.background import USER_ERRORS
from napari_sam2._qt.image_choice import ImageChooser
from napari_sam2._qt.manners import Manners
from napari_sam2._qt.model_actions import ModelActions
from napari_sam2._qt.objects_model import ObjectsModel
from napari_sam2._qt.panel_actions import PanelActions
from napari_sam2._qt.panel_state import PanelState
from napari_sam2._qt.sections import PanelParts
from napari_sam2._qt.slots import Slots
from napari_sam2._qt.texts import apply_theme
from napari_sam2._qt.theme import Palette
from napari_sam2._qt.workbench import Workbench

if TYPE_CHECKING:
    import napari

MIN_WIDTH = 320
_SHOWN_MS = 8000


class SegmentAndTrackPanel(QWidget):
    """The main dock widget.

    Attributes
    ----------
    bench
        Session, binding and runner.
    verbs
        What the buttons do.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self._window: QMainWindow | None = None
        self._closed = False
        super().__init__()
        self.viewer = napari_viewer
        self.slots = Slots(self.show_error)
        self.bench = Workbench(napari_viewer, self)
        self.model = ObjectsModel(self._colour_of, napari_viewer.theme, self)
        self._has_just_failed = False
        self._message_timer = QTimer(self)
        self._message_timer.setSingleShot(True)
        self._message_timer.setInterval(_SHOWN_MS)
        self._message_timer.timeout.connect(self._hide_message)
        parts = PanelParts(self.model)
        self.hint, self.message, self.sections = parts.hint, parts.message, parts.sections
        self.image, self.model_section, self.objects = parts.image, parts.model_section, parts.objects
        self.prompts, self.propagate, self.saving = parts.prompts, parts.propagate, parts.saving
        self._lay_out()
        self._manners = Manners(self)
        self.chooser = ImageChooser(napari_viewer, parts.image, self.bench, self.slots)
        self.verbs = PanelActions(napari_viewer, self.bench, self.chooser, parts, self.slots)
        self._models = ModelActions(napari_viewer, parts.model_section, self.bench, self.slots)
        self.state = PanelState(napari_viewer, self.bench, self.chooser, parts, self.slots)
        self._connect()
        self._take_theme()
        self.bench.prepare()

    def _connect(self) -> None:
        connect = self.slots.connect
        connect(self.hint.pressed, self.chooser.take_offer)
        connect(self.chooser.sample_begun, self.state.refresh_soon)
        connect(self.verbs.done, self.state.refresh_soon)
        connect(self.state.run_shown, self._show_run)
        connect(self.bench.failed, self.show_error, 1)
        connect(self.bench.said, self.show_message, 1)
        connect(self.bench.changed, self._watch_window)
        connect(self.bench.changed, self._manners.teach)
        self.viewer.events.theme.connect(self._take_theme)

    def _lay_out(self) -> None:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(2, 0, 2, 0)
        column.setSpacing(2)
        for section in self.sections():
            column.addWidget(section, 1 if section is self.objects else 0)
        column.addStretch(0)
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setWidget(content)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(4, 4, 4, 4)
        outer.setSpacing(4)
        outer.addWidget(self.hint)
        outer.addWidget(self.area, 1)
        outer.addWidget(self.message)
        self.setMinimumWidth(MIN_WIDTH)

    def show_error(self, error: Exception) -> None:
        """Say what went wrong, in the panel and as a notification of napari's."""
        self._message_timer.stop()
        self._has_just_failed = True
        QTimer.singleShot(0, self, self._have_not_failed)
        text = str(error) or type(error).__name__
        self.message.show_text(text, "error")
        self.message.setVisible(True)
        if isinstance(error, USER_ERRORS):
            notifications.show_error(text)
        else:
            notifications.notification_manager.receive_error(type(error), error, error.__traceback__)

    def show_message(self, text: str) -> None:
        """Say something that needs no answer; an error that was told just now stays, with this behind it."""
        if self._has_just_failed:
            if text not in self.message.text():
                self.message.show_text(f"{self.message.text()} {text}", "error")
            return
        self.message.show_text(text)
        self.message.setVisible(True)
        self._message_timer.start()

    def close_work(self) -> None:
        """Stop what runs and wait for the frame in work; afterwards nothing of the panel is called any more."""
        if self._closed:
            return
        self._closed = True
        self.viewer.events.theme.disconnect(self._take_theme)
        self._models.close()
        self.verbs.close()
        self.state.close()
        self.chooser.close()
        self.bench.close()
        self.model.set_session(None)  # whoever holds the panel still does not hold images and a model
        if self._window is not None:
            self._window.removeEventFilter(self)
            self._window = None

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """End the work when the viewer's window closes."""
        if event.type() == QEvent.Type.Close and watched is self._window:
            self.close_work()
        return False

    def event(self, event: QEvent) -> bool:
        """Find the viewer's window when the panel is docked; end the work when the panel is taken out of it."""
        if event.type() in (QEvent.Type.ParentChange, QEvent.Type.Show):
            self._watch_window()
        if event.type() == QEvent.Type.DeferredDelete or (self._window is not None and self.parentWidget() is None):
            self.close_work()
        return super().event(event)

    def _watch_window(self) -> None:
        """Watch the main window above the panel, floating or not."""
        above = self.parentWidget()
        while above is not None and not isinstance(above, QMainWindow):
            above = above.parentWidget()
        if above is not None and above is not self._window and not self._closed:
            self._window = above
            above.installEventFilter(self)

    def _have_not_failed(self) -> None:
        self._has_just_failed = False

    def _hide_message(self) -> None:
        """Take away what needs no answer; a message with a button stays."""
        self.message.setVisible(not self.message.button.isHidden())

    def _show_run(self) -> None:
        """Bring the row with Stop into view, which comes below Propagate."""
        self.area.ensureWidgetVisible(self.propagate.stop, 0, 6)

    def _colour_of(self, object_id: int) -> QColor:
        if self.bench.binding is None:
            return QColor(Palette.of(self.viewer.theme).faint)
        return QColor.fromRgbF(*(float(part) for part in self.bench.binding.labels.color(object_id)))

    def _take_theme(self) -> None:
        apply_theme(self, self.viewer.theme)
        self.model.set_theme(self.viewer.theme)
