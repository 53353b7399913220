"""Which contrast the model sees, as the Image section tells it, and the button that takes over what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_sam2._qt.sections import ImageSection
from napari_sam2._qt.slots import Slots
from napari_sam2._qt.workbench import Workbench

if TYPE_CHECKING:
    from napari_sam2.viewer.shown_contrast import ShownContrast

_SETTLED_MS = 400
"""How long a slider has to rest before what it shows is followed."""


class ContrastActions(QObject):
    """Connects the contrast of the Image section with the session and its layer."""

    def __init__(self, section: ImageSection, bench: Workbench, slots: Slots) -> None:
        super().__init__(section)
        self._section = section
        self._bench = bench
        self._slots = slots
        self._shown: ShownContrast | None = None
        self._channels: tuple[int, ...] = ()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SETTLED_MS)
        slots.connect(self._timer.timeout, self._follow)
        slots.connect(section.use_contrast.clicked, self.take)
        slots.connect(bench.changed, self._on_bench)
        slots.connect(bench.edited, self._on_edited)
        self._on_bench()

    def take(self) -> None:
        """Let the model see what the layer shows; a run is not stopped for it."""
        binding = self._bench.binding
        if self._shown is None or binding is None:
            return
        if binding.work.is_propagating:
            self._bench.said.emit("A propagation is running; stop it first, then take over the contrast.")
        else:
            self._shown.take()

    def close(self) -> None:
        """Let go of the layers."""
        self._timer.stop()
        if self._shown is not None:
            self._shown.close()
            self._shown = None

    def _on_bench(self) -> None:
        self.close()
        session, binding = self._bench.session, self._bench.binding
        if session is not None and binding is not None:
            from napari_sam2.viewer.channel_layers import seen_layers
            from napari_sam2.viewer.shown_contrast import ShownContrast

            if layers := seen_layers(binding):
                self._shown = ShownContrast(session, layers)
                self._shown.changed.connect(self._on_shown)
            self._channels = session.movie.movie.channels
        self._show()

    def _on_edited(self) -> None:
        session = self._bench.session
        if session is not None and session.movie.movie.channels != self._channels:
            self._on_bench()
        else:
            self._show()

    def _on_shown(self) -> None:
        self._timer.start()
        self._slots.call(self._show)

    def _follow(self) -> None:
        if self._shown is not None:
            self._shown.follow()
            self._show()

    def _show(self) -> None:
        session, shown = self._bench.session, self._shown
        limits = None if session is None else session.settings.contrast_limits
        self._section.show_contrast(limits, differs=shown is not None and not shown.is_seen)
