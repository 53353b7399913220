"""The section for finding cells without a click: how large they are, how sure, and what is done with those shown.

What a search shows takes the place of *Find cells*, so that nothing moves when it begins. What cells are decided about
with comes with the first that are found, and stays; how many there are stands in the title.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QMenu, QSlider, QStackedWidget, QWidget
from superqt.utils import signals_blocked

from napari_sam2._qt.find_more import FindMore
from napari_sam2._qt.parts import FoldButton, IconButton, ProgressBar, Section, form, row_of
from napari_sam2._qt.setting_fields import PixelsField
from napari_sam2.document.plain_values import counted

if TYPE_CHECKING:
    from napari_sam2.viewer.deciding import Search

_TITLE = "Find"
_FINE = 100
"""Steps of the slider from 0 to 1."""


class FindSection(Section):
    """Find the cells of the frame in view, and decide about them.

    Signals: `size_chosen()` and `score_chosen()` when a person changed the size of a cell or the least score (of the
    rest `more` tells); `decidable()` when cells were found that a person is to decide about; `unfolded()` when *More*
    has folded out its rows.
    """

    size_chosen = Signal()
    score_chosen = Signal()
    decidable = Signal()
    unfolded = Signal()

    def __init__(self) -> None:
        super().__init__(_TITLE)
        self.go = IconButton("Find cells", "zoom", "Find all cells of the frame that is shown (Shift+F)")
        self.labels = IconButton(
            "From labels", "new_labels", "Take the cells of a Labels layer: of Cellpose, StarDist, a threshold"
        )
        self.progress = ProgressBar()
        self.progress.setAccessibleName("How far the search is")
        self.cancel = IconButton("Cancel", "playback-stop", "Stop looking; nothing changes (H)")
        self.diameter = PixelsField("object_diameter_px")
        self.diameter.setToolTip("Diameter of a typical cell for the next search; a circle shows it; auto finds it")
        self.measure = IconButton("Measure", "line", "Draw a line across a cell; its length is taken")
        self.more, self.unfold = FindMore(), FoldButton("More", "Frames, limits of size, region, cells at the border")
        self.score = QSlider(Qt.Orientation.Horizontal)
        self.score.setRange(0, _FINE)
        self.score.setToolTip("Cells that are less sure are not shown; of those at 0.80, about 80 % are right")
        self.score.setAccessibleName("Least score")
        self.score_told = QLabel()
        self.accept = IconButton("Accept shown", "check", "Make objects of all that are shown (Shift+S)")
        self.reject = IconButton("Reject shown", "delete", "Reject all that are shown; Undo brings them back")
        self.link = IconButton(
            "Link all frames", "new_tracks", "Link the cells shown on all frames to tracks, with divisions (Shift+T)"
        )
        self._pages, self._running, self._idle = QStackedWidget(), QWidget(), QWidget()
        self._deciding = QWidget()
        self._lay_out()
        self.diameter.valueChanged.connect(self.size_chosen)
        self.unfold.toggled.connect(self._unfold)
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
        for part in (self.measure, self.unfold):
            sized.addWidget(part, 0)
        scored.addWidget(self.score_told, 0)
        self.score_told.setMinimumWidth(self.score_told.fontMetrics().horizontalAdvance("0.00 "))
        rows, deciding = form(), form()
        rows.addRow("Size", sized)
        deciding.addRow("Score from", scored)
        deciding.addRow(row_of(self.accept, self.reject))
        deciding.addRow(row_of(self.link))
        self.link.hide()
        self._deciding.setLayout(deciding)
        self._deciding.hide()
        self.body.addWidget(self._pages)
        self.body.addLayout(rows)
        self.body.addWidget(self.more)
        self.body.addWidget(self._deciding)
        self.more.hide()

    def chosen_px(self) -> float | None:
        """Return how large a cell is, as a person said; None where the program is to find out."""
        return self.diameter.chosen()

    def least_score(self) -> float:
        """Return from which score on cells are to be shown."""
        return self.score.value() / _FINE

    def begin(self) -> None:
        """Show that nothing was found yet, in a session that is another one."""
        self._deciding.hide()

    def show_choice(self, search: Search, least_score: float) -> None:
        """Show what a search is told, and the score, without saying that one was chosen."""
        with signals_blocked(self.diameter), signals_blocked(self.score):
            self.diameter.show_value(search.diameter_px)
            self.score.setValue(round(least_score * _FINE))
        self.score_told.setText(f"{least_score:.2f}")
        self.more.show_choice(search)

    def show_counts(self, found: int, shown: int) -> None:
        """Say how many there are to decide about on the frame in view, and how many of them are shown."""
        if found:
            self._deciding.show()
        if shown:
            told = f"{_TITLE}: {counted(found, 'cell')}, {shown} shown"
        elif found:
            told = f"{_TITLE}: none left but {found} less sure"
        else:
            told = _TITLE if self._deciding.isHidden() else f"{_TITLE}: nothing left on this frame"
        if told != self.text():
            self.setText(told)
        for button in (self.accept, self.reject):
            button.setEnabled(shown > 0)

    def show_linkable(self, linkable: bool) -> None:
        """Offer to link what was found, or not."""
        if self.link.isHidden() is linkable:
            self.link.setVisible(linkable)

    def show_startable(self, startable: bool) -> None:
        """Let a search be started, or not."""
        for part in (self.go, self.labels, self.diameter, self.measure, self.more, self.link):
            part.setEnabled(startable)

    def show_running(self, done: int, total: int) -> None:
        """Show how far a search is; a moving bar where `total` is 0."""
        self.progress.show_done(done, total, f"{100 * done // total} %" if total else "Getting ready …")
        self._pages.setCurrentWidget(self._running)

    def show_idle(self) -> None:
        """Show that nothing is looked for."""
        self._pages.setCurrentWidget(self._idle)

    def show_frames(self, every_frame: bool) -> None:
        """Say on the button which frames are looked at."""
        self.go.setText("Find on all frames" if every_frame else "Find cells")

    def asked_layer(self, names: list[str]) -> int | None:
        """Ask below the button which of several layers is meant; None where a person wants none."""
        menu = QMenu(self)
        actions = [menu.addAction(name) for name in names]
        chosen = menu.exec(self.labels.mapToGlobal(self.labels.rect().bottomLeft()))
        return actions.index(chosen) if chosen in actions else None

    def _unfold(self, unfolded: bool) -> None:
        self.more.setVisible(unfolded)
        if unfolded:
            self.unfolded.emit()

    def _on_score(self) -> None:
        self.score_told.setText(f"{self.least_score():.2f}")
        self.score_chosen.emit()
