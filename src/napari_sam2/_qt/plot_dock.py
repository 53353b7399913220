"""The dock widget "Plot": a measurement of the chosen objects over time; a click on a curve goes there.

It looks four times a second whether other objects are chosen, their masks have changed or another measurement is asked
for, and measures anew in a worker, so that nothing waits for it. Curves are drawn by pyqtgraph, which is an extra.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QSize, QTimer
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_sam2._qt.manners import Manners
from napari_sam2._qt.parts import Combo, IconButton, row_of
from napari_sam2._qt.questions import asked_path, file_name, with_ending
from napari_sam2._qt.slots import Slots
from napari_sam2._qt.texts import TextLabel, apply_theme
from napari_sam2._qt.theme import Palette
from napari_sam2._qt.workbench import Workbench
from napari_sam2.document.reviews import At, Place
from napari_sam2.io.raw_data import check_not_raw

if TYPE_CHECKING:
    import napari

    from napari_sam2._qt.plot_curves import Curves
    from napari_sam2.io.measuring import Series

TITLE = "Plot"
MISSING = (
    'Plots are drawn by pyqtgraph, which is not installed. Close napari, type pip install "napari-sam2[plots]" in the '
    "environment that it runs in, and open it again."
)
_LOOK_MS = 250
_MOST_CURVES = 200
_REST = 4
"""Masks that change all the time are measured during a fifth of it."""


class PlotDock(QWidget):
    """Measurements over time of the objects that are chosen in the table, or of the current one.

    Attributes
    ----------
    curves
        What is drawn; None where pyqtgraph is missing.
    series
        What is shown, by object.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._bench = Workbench.of(napari_viewer)
        self._slots = Slots(self._bench.failed.emit)
        self.series: dict[int, Series] = {}
        self._asked: tuple[object, ...] = ()
        self._ready_at = 0.0
        self._is_measuring = self._closed = False
        self.measure = Combo((), "What is measured")
        self.table = IconButton("CSV …", "copy_to_clipboard", "Write the numbers that are shown as a table")
        self.picture = IconButton("PNG …", "new_image", "Write the plot as it is shown as a picture")
        self.message = TextLabel()
        self.curves = _new_curves()
        self._lay_out()
        self._manners = Manners(self)
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._connect()
        self._take_theme()
        self._begin()
        self._timer.start()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        above = row_of(self.measure)
        above.addWidget(self.table, 0)
        above.addWidget(self.picture, 0)
        column.addLayout(above)
        column.addWidget(self.message)
        if self.curves is None:
            self.message.show_text(MISSING)
            column.addStretch(1)
        else:
            column.addWidget(self.curves, 1)
        self.setMinimumSize(280, 160)

    def _connect(self) -> None:
        connect = self._slots.connect
        connect(self._timer.timeout, self.look)
        connect(self._bench.changed, self._begin)
        connect(self.table.clicked, self.ask_for_table)
        connect(self.picture.clicked, self.ask_for_picture)
        if self.curves is not None:
            connect(self.curves.picked, self.go_to, 2)
        self._viewer.events.theme.connect(self._take_theme)

    def look(self) -> None:
        """Measure what is chosen, if that or its masks are others than those shown."""
        binding, session = self._bench.binding, self._bench.session
        if self.curves is None or binding is None or session is None or self._closed:
            return
        self.curves.show_frame(binding.frame)
        chosen = binding.actions.lineage.chosen() or (binding.current.object_id,)
        ids = tuple(one for one in chosen if one in session.document.objects)
        name = self.measure.currentData()
        asked = (name, ids, *(session.masks.revision(one) for one in ids), session.settings.overlaps)
        if asked != self._asked and not self._is_measuring and time.monotonic() >= self._ready_at:
            self._asked = asked
            self._measure(ids[:_MOST_CURVES], len(ids))
        elif self.series and self._colours() != {one: curve[2] for one, curve in self.curves.curves.items()}:
            self._draw()

    def _measure(self, ids: tuple[int, ...], chosen: int) -> None:
        from napari_sam2.io.measuring import Measurable, series_of

        session, name = self._bench.session, str(self.measure.currentData())
        assert session is not None
        measurable = Measurable.of(session.document, session.masks, session.movie.movie, session.settings.overlaps)
        begun, self._is_measuring = time.monotonic(), True
        self.message.show_text(f"The first {len(ids)} of {chosen} chosen objects." if chosen > len(ids) else "")

        def measured(series: dict[int, Series]) -> None:
            now = time.monotonic()
            self._is_measuring, self._ready_at = False, now + _REST * (now - begun)
            if not self._closed and self._bench.session is session:
                self.series = series
                self._draw()

        self._bench.run(lambda: series_of(measurable, ids, [name], lambda: self._closed), measured, self._failed)

    def _failed(self, error: Exception) -> None:
        self._is_measuring = False
        self.message.show_text(str(error))

    def _colours(self) -> dict[int, QColor]:
        labels = None if self._bench.binding is None else self._bench.binding.labels
        if labels is None:
            return {}
        return {one: QColor.fromRgbF(*(float(part) for part in labels.color(one))) for one in self.series}

    def _draw(self) -> None:
        for button in (self.table, self.picture):
            button.setEnabled(any(len(of.frames) for of in self.series.values()))
        if self.curves is None:
            return
        colours = self._colours()
        drawn = {
            one: (of.frames, numbers, colours[one])
            for one, of in self.series.items()
            for numbers in of.values.values()
            if one in colours
        }
        self.curves.show_curves(drawn, self.measure.currentText())

    def go_to(self, frame: int, object_id: int | None) -> None:
        """Show a frame, and the object on it where there is one."""
        binding = self._bench.binding
        if binding is None:
            return
        if object_id is None:
            binding.show_frame(min(max(frame, 0), binding.grid.frame_count - 1))
        else:
            binding.actions.look_at(Place(At.step, object_id, frame))

    def ask_for_table(self) -> None:
        """Ask for a file and write the numbers."""
        path = self._asked_file("Write the numbers", ".csv", "Table (*.csv)")
        if path is not None:
            self.write_table(path)

    def write_table(self, path: Path) -> None:
        """Write what is shown as CSV.

        Raises
        ------
        StackError
            If it cannot be written, or is the image itself.
        """
        from napari_sam2.io.series_table import write_series

        session = self._bench.session
        if session is not None:
            check_not_raw(path, session.stack)
            write_series(path, self.series, session.document.objects)
            self._bench.said.emit(f"Numbers are in {path}.")

    def ask_for_picture(self) -> None:
        """Ask for a file and write the plot as it is shown."""
        path = self._asked_file("Write the plot", ".png", "Picture (*.png)")
        if path is not None:
            self.write_picture(path)

    def write_picture(self, path: Path) -> None:
        """Write the plot as it is shown; the ending says which format.

        Raises
        ------
        StackError
            If it cannot be written, or is the image itself.
        """
        session = self._bench.session
        if session is not None and self.curves is not None:
            check_not_raw(path, session.stack)
            self.curves.save_picture(path)
            self._bench.said.emit(f"The plot is in {path}.")

    def _asked_file(self, title: str, ending: str, kinds: str) -> Path | None:
        name = f"{file_name(self._bench.image)}_{str(self.measure.currentData()).replace(' ', '_')}{ending}"
        asked = asked_path(title, name, kinds, lambda chosen, kind: with_ending(chosen, ending), self)
        return None if asked is None else asked[0]

    def _begin(self) -> None:
        """Offer what can be measured in the image that is worked on now."""
        from napari_sam2.io.measuring import measures_of, unit_of

        session, before = self._bench.session, self.measure.currentData()
        self.series, self._asked = {}, ()
        self.measure.clear()
        if session is not None:
            for name in measures_of(session.movie.movie):
                self.measure.addItem(f"{name}{unit_of(name)}", name)
            self.measure.setCurrentIndex(max(self.measure.findData(before), 0))
        self._draw()

    def sizeHint(self) -> QSize:
        """Return room for a plot that can be read."""
        return QSize(420, 260)

    def event(self, event: QEvent) -> bool:
        """Let go of the viewer when the dock is taken away."""
        if event.type() == QEvent.Type.DeferredDelete and not self._closed:
            self._closed = True
            self._timer.stop()
            self._slots.close()
            self._viewer.events.theme.disconnect(self._take_theme)
        return super().event(event)

    def _take_theme(self) -> None:
        theme_id = self._viewer.theme
        apply_theme(self, theme_id)
        if self.curves is not None:
            self.curves.set_theme(Palette.of(theme_id), get_theme(theme_id).background.as_hex(format="long"))


def _new_curves() -> Curves | None:
    """Return the plot, or None where what draws it is not installed."""
    try:
        from napari_sam2._qt.plot_curves import Curves
    except ImportError:
        return None
    return Curves()
