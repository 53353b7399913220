"""The main panel, "Segment and track": from the image at the top to saving at the bottom.

Order of a first use: the image is picked (or the sample opened), the session opens in a worker, clicks in the layers
reach it through the binding, Propagate runs it. This widget connects the sections to the `Workbench` of the viewer and
shows its state; it decides nothing about masks. The work goes on where the panel is closed, and another panel shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_sam2._qt.contrast_actions import ContrastActions
from napari_sam2._qt.find_actions import FindActions
from napari_sam2._qt.image_choice import ImageChooser
from napari_sam2._qt.import_actions import ImportActions
from napari_sam2._qt.lineage_colors import ObjectColours
from napari_sam2._qt.lineage_dock import ObjectDocks
from napari_sam2._qt.manners import Manners
from napari_sam2._qt.model_actions import ModelActions
from napari_sam2._qt.objects_model import ObjectsModel
from napari_sam2._qt.panel_actions import PanelActions
from napari_sam2._qt.panel_state import PanelState
from napari_sam2._qt.preferences import PLUGIN
from napari_sam2._qt.sections import PanelParts
from napari_sam2._qt.slots import Slots
from napari_sam2._qt.texts import apply_theme
from napari_sam2._qt.theme import Palette
from napari_sam2._qt.workbench import Workbench

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_sam2.session.session import Session
    from napari_sam2.viewer import SessionBinding

TITLE = "Segment and track"
MIN_WIDTH = 320
_SHOWN_MS = 8000


class SegmentAndTrackPanel(QWidget):
    """The main dock widget.

    Attributes
    ----------
    bench
        Session, binding and runner of the viewer; they outlive the panel.
    verbs
        What the buttons do.
    docks
        The tree below the image, and the plot.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self._is_docked = self._closed = False
        super().__init__()
        self.viewer = napari_viewer
        self.bench = Workbench.of(napari_viewer)
        self.slots = Slots(self.bench.failed.emit)
        self.model = ObjectsModel(self._colour_of, napari_viewer.theme, self)
        self._has_just_failed = False
        self._message_timer = QTimer(self)
        self._message_timer.setSingleShot(True)
        self._message_timer.setInterval(_SHOWN_MS)
        self._message_timer.timeout.connect(self._hide_message)
        parts = PanelParts(self.model)
        self.hint, self.message, self.sections = parts.hint, parts.message, parts.sections
        self.image, self.model_section, self.objects = parts.image, parts.model_section, parts.objects
        self.prompts, self.finding = parts.prompts, parts.find
        self.propagate, self.saving = parts.propagate, parts.saving
        self.objects.bar.colours = ObjectColours(self.bench, self.model, self.slots)
        self._lay_out()
        self._manners = Manners(self)
        self.chooser = ImageChooser(napari_viewer, parts.image, self.bench, self.slots)
        self.verbs = PanelActions(napari_viewer, self.bench, parts, self.slots)
        self._finding = FindActions(napari_viewer, parts.find, self.bench, self.verbs, self.slots)
        self.importing = ImportActions(napari_viewer, parts.saving, self.bench, self.slots)
        self.docks = ObjectDocks(napari_viewer, parts.objects, self.slots)
        self._contrast = ContrastActions(parts.image, self.bench, self.slots)
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
        connect(self.finding.decidable, self._show_decisions)
        connect(self.finding.unfolded, self._show_more)
        connect(self.bench.failed, self.show_error, 1)
        connect(self.bench.said, self.show_message, 1)
        connect(self.bench.changed, self._forget_error)
        connect(self.image.grown, self._manners.teach)
        connect(self.image.held.grown, self._manners.teach)
        connect(self.bench.ended, self.let_go)
        self.viewer.events.theme.connect(self._take_theme)
        self._manners.teach()  # of a session that is open already

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

    @property
    def session(self) -> Session | None:
        """The session that is open in the viewer; None before an image is there, and while one is being opened."""
        return self.bench.session

    @property
    def binding(self) -> SessionBinding | None:
        """Between the session and the layers; None where there is no session."""
        return None if self.bench.session is None else self.bench.binding

    def work_on(self, image: Image) -> None:
        """Open a session on an image layer of the viewer, if there is none on it; unsaved work is asked about."""
        if self.bench.image is None or self.bench.image != image:
            self.image.layers.setCurrentIndex(self.chooser.images().index(image))

    def wait(self) -> None:
        """Return once nothing is being opened, found or tracked; the window works meanwhile. For scripts.

        Raises
        ------
        StackError, CheckpointError, PromptError
            What went wrong meanwhile, as the panel shows it.
        """
        self.bench.wait()

    def show_error(self, error: Exception) -> None:
        """Say what went wrong."""
        self._message_timer.stop()
        self._has_just_failed = True
        QTimer.singleShot(0, self, self._have_not_failed)
        self.message.show_text(str(error) or type(error).__name__, "error")
        self.message.setVisible(True)

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
        """End the work in the viewer without asking: stop what runs, wait for the frame in work, close the session."""
        self.bench.close()
        self.let_go()

    def let_go(self) -> None:
        """Show nothing any more, because the panel goes; the work stays in the viewer."""
        if self._closed:
            return
        self._closed = True
        self.slots.close()
        self.viewer.events.theme.disconnect(self._take_theme)
        self._models.close()
        self._contrast.close()
        self._finding.close()
        self.docks.close()
        self.verbs.close()
        self.state.close()
        self.chooser.close()
        self.model.set_session(None)  # whoever holds the panel still does not hold images and a model

    def event(self, event: QEvent) -> bool:
        """Let go of the work when the panel is taken out of its window, or deleted."""
        if event.type() == QEvent.Type.ParentChange:
            was_docked, self._is_docked = self._is_docked, self.parentWidget() is not None
            if was_docked and not self._is_docked:
                self.let_go()
        if event.type() == QEvent.Type.DeferredDelete:
            self.let_go()
        return super().event(event)

    def _forget_error(self) -> None:
        """Say no longer what went wrong before, once something else is being opened."""
        if self.bench.is_opening and self.message.kind == "error" and not self._has_just_failed:
            self.message.show_text("")
            self._hide_message()

    def _have_not_failed(self) -> None:
        self._has_just_failed = False

    def _hide_message(self) -> None:
        """Take away what needs no answer; a message with a button stays."""
        self.message.setVisible(not self.message.button.isHidden())

    def _show_run(self) -> None:
        """Bring the row with Stop into view, which comes below Propagate."""
        self.area.ensureWidgetVisible(self.propagate.stop, 0, 6)

    def _show_decisions(self) -> None:
        """Bring what is done with found cells into view."""
        QTimer.singleShot(0, self, self._show_accept)  # once it has its place

    def _show_accept(self) -> None:
        last = self.finding.accept if self.finding.link.isHidden() else self.finding.link
        self.area.ensureWidgetVisible(last, 0, 6)

    def _show_more(self) -> None:
        """Bring what a search can be told into view."""
        QTimer.singleShot(0, self, lambda: self.area.ensureWidgetVisible(self.finding.more, 0, 6))

    def _colour_of(self, object_id: int) -> QColor:
        if self.bench.binding is None:
            return QColor(Palette.of(self.viewer.theme).faint)
        return QColor.fromRgbF(*(float(part) for part in self.bench.binding.labels.color(object_id)))

    def _take_theme(self) -> None:
        apply_theme(self, self.viewer.theme)
        self.model.set_theme(self.viewer.theme)


def open_panel(viewer: napari.viewer.Viewer, image: Image | None = None) -> SegmentAndTrackPanel:
    """Return the panel of a viewer, opened if it is not there, once its session is open.

    Parameters
    ----------
    viewer
        A viewer with a window, shown or not; each has a panel and a session of its own.
    image
        The layer to work on; the one that is worked on, the active or the first one where None. Where the viewer has
        no image, the session is None until it has one: add it, and call `panel.wait()`.

    Raises
    ------
    StackError
        If the image is none that can be worked on.
    """
    if image is not None:
        viewer.layers.selection.active = image
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, TITLE)
    panel.wait()
    if image is not None:
        panel.work_on(image)
        panel.wait()
    return panel
