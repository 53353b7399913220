"""The section for finding cells without a click: how large they are, how sure, and what is done with those shown.

What a search shows takes the place of *Find cells*, so that nothing moves when it begins. What cells are decided about
with comes with the first that are found, and stays.
"""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QMenu, QProgressBar, QSlider, QStackedWidget, QWidget
from superqt.utils import signals_blocked

from napari_sam2._qt.parts import IconButton, Section, form, row_of
from napari_sam2._qt.setting_fields import PixelsField

_FINE = 100
"""Steps of the slider from 0 to 1."""


class FindSection(Section):
    """Find the cells of the frame in view, and decide about them.

    Signals: `size_chosen()` and `score_chosen()` when a person changed the size of a cell or the least score;
    `decidable()` when cells were found that a person is to decide about.
    """

    size_chosen = Signal()
    score_chosen = Signal()
    decidable = Signal()

    def __init__(self) -> None:
        super().__init__("Find")
        self.go = IconButton("Find cells", "zoom", "Find all cells of the frame that is shown (Shift+F)")
        self.labels = IconButton(
            "From labels", "new_labels", "Take the cells of a Labels layer: of Cellpose, StarDist, a threshold"
        )
        self.progress = QProgressBar()
        self.cancel = IconButton("Cancel", "playback-stop", "Stop looking; nothing changes (H)")
        self.diameter = PixelsField("object_diameter_px")
        self.diameter.setToolTip("Diameter of a typical cell for the next search; a circle shows it; auto finds it")
        self.measure = IconButton("Measure", "line", "Draw a line across a cell; its length is taken")
        self.score = QSlider(Qt.Orientation.Horizontal)
        self.score.setRange(0, _FINE)
        self.score.setToolTip("Cells that are less sure are not shown; of those at 0.80, about 80 % are right")
        self.score.setAccessibleName("Least score")
        self.score_told = QLabel()
        self.told = QLabel()
        self.accept = IconButton("Accept shown", "check", "Make objects of all that are shown (Shift+S)")
        self.reject = IconButton("Reject shown", "delete", "Reject all that are shown; Undo brings them back")
        self._pages, self._running, self._idle = QStackedWidget(), QWidget(), QWidget()
        self._deciding = QWidget()
        self._lay_out()
        self.diameter.valueChanged.connect(self.size_chosen)
        self.score.valueChanged.connect(self._on_score)
        self.show_counts(0, 0)

    def _lay_out(self) -> None:
        self._idle.setLayout(row_of(self.go, self.labels))
        running = row_of(self.progress)
        running.addWidget(self.cancel, 0)
        self._running.setLayout(running)
        for page in (self._idle, self._running):
            self._pages.addWidget(page)
        sized, scored = row_of(self.diameter), row_of(self.score)
        sized.addWidget(self.measure, 0)
        scored.addWidget(self.score_told, 0)
        self.score_told.setMinimumWidth(self.score_told.fontMetrics().horizontalAdvance("0.00 "))
        rows, deciding = form(), form()
        rows.addRow("Size", sized)
        deciding.addRow("Score from", scored)
        deciding.addRow(self.told)
        deciding.addRow(row_of(self.accept, self.reject))
        self._deciding.setLayout(deciding)
        self._deciding.hide()
        self.body.addWidget(self._pages)
        self.body.addLayout(rows)
        self.body.addWidget(self._deciding)

    def chosen_px(self) -> float | None:
        """Return how large a cell is, as a person said; None where the program is to find out."""
        return self.diameter.chosen()

    def least_score(self) -> float:
        """Return from which score on cells are to be shown."""
        return self.score.value() / _FINE

    def show_choice(self, diameter_px: float | None, least_score: float) -> None:
        """Show size and score without saying that one was chosen."""
        with signals_blocked(self.diameter), signals_blocked(self.score):
            self.diameter.show_value(diameter_px)
            self.score.setValue(round(least_score * _FINE))
        self.score_told.setText(f"{least_score:.2f}")

    def show_counts(self, found: int, shown: int) -> None:
        """Say how many there are to decide about on the frame in view, and how many of them are shown."""
        cells = f"{found} cell{'' if found == 1 else 's'} found, {shown} shown"
        self.told.setText(cells if found else "Nothing to decide about on this frame")
        if found:
            self._deciding.show()
        for button in (self.accept, self.reject):
            button.setEnabled(shown > 0)

    def show_startable(self, startable: bool) -> None:
        """Let a search be started, or not."""
        for part in (self.go, self.labels, self.diameter, self.measure):
            part.setEnabled(startable)

    def show_running(self, done: int, total: int) -> None:
        """Show how far a search is; a moving bar where `total` is 0."""
        self.progress.setUpdatesEnabled(False)  # setValue would paint at once
        self.progress.setRange(0, total)
        self.progress.setValue(done)
        self.progress.setFormat(f"{100 * done // total} %" if total else "Getting ready …")
        self.progress.setUpdatesEnabled(True)
        self._pages.setCurrentWidget(self._running)

    def show_idle(self) -> None:
        """Show that nothing is looked for."""
        self._pages.setCurrentWidget(self._idle)

    def asked_layer(self, names: list[str]) -> int | None:
        """Ask below the button which of several layers is meant; None where a person wants none."""
        menu = QMenu(self)
        actions = [menu.addAction(name) for name in names]
        chosen = menu.exec(self.labels.mapToGlobal(self.labels.rect().bottomLeft()))
        return actions.index(chosen) if chosen in actions else None

    def _on_score(self) -> None:
        self.score_told.setText(f"{self.least_score():.2f}")
        self.score_chosen.emit()
