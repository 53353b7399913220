"""The section for runs: where to, for whom and how far, and how far a run is.

What a run shows takes the place of *Resume the run*, so that nothing below moves when it begins.
"""

from __future__ import annotations

from qtpy.QtWidgets import QGridLayout, QLabel, QMenu, QSpinBox, QStackedWidget, QWidget

from napari_sam2._qt.parts import Combo, IconButton, ProgressBar, Section, row_of
from napari_sam2.engine.jobs import PropagateRequest

_WAYS = [("Both", "both"), ("Forward", "forward"), ("Backward", "backward")]
_WHOM = [("All", "all"), ("Selected", "selected")]
_REACH = [("All", "all"), ("To prompt", "next"), ("Range", "range")]


class PropagateSection(Section):
    """Carry the masks along the axis: where to, for whom, and how far."""

    def __init__(self) -> None:
        super().__init__("Propagate")
        self.direction = Combo(_WAYS, "Where to, from the prompts: both ways, forward or backward")
        self.objects = Combo(_WHOM, "For whom: all objects, or those selected in the table")
        self.reach = Combo(_REACH, "How far: over the whole stack, up to the next prompt, or over a range")
        self.first, self.last = QSpinBox(), QSpinBox()
        for box, tip in ((self.first, "First frame of the range"), (self.last, "Last frame of the range")):
            box.setToolTip(tip)
            box.setAccessibleName(tip)
        self.go = IconButton("Propagate", "long_right_arrow", "Find what is stale or missing (Shift+G)")
        self.menu = IconButton("", "down_arrow", "Other ways to propagate")
        self.menu.setFixedWidth(28)
        choices = QMenu(self)
        choices.setToolTipsVisible(True)
        self.again = choices.addAction("Again from scratch")
        self.again.setToolTip("Find every mask anew, those that are up to date too; painted and locked ones stay")
        self.menu.setMenu(choices)
        self.stop = IconButton("Stop", "playback-stop", "Stop after the frame in work (H)")
        self.resume = IconButton("Resume the run", "step_right", "Go on where the last run stopped")
        self.progress = ProgressBar()
        self.progress.setAccessibleName("How far the run is")
        self._range, self._running = QWidget(), QWidget()
        self._below = QStackedWidget()
        self._can_resume = False
        self._lay_out()
        self.show_idle()
        self.reach.currentIndexChanged.connect(self._show_range)

    def _lay_out(self) -> None:
        self._range.setLayout(row_of(QLabel("From"), self.first, QLabel("to"), self.last, stretch=False))
        self._range.setVisible(False)
        run = row_of(self.go)
        run.addWidget(self.menu, 0)
        grid = QGridLayout()
        grid.setHorizontalSpacing(4)
        grid.setVerticalSpacing(1)
        boxes = (("Direction", self.direction, 9), ("Objects", self.objects, 9), ("Frames", self.reach, 10))
        for column, (title, box, width) in enumerate(boxes):
            grid.addWidget(_caption(title, box), 0, column)
            grid.addWidget(box, 1, column)
            box.setStyleSheet("QComboBox { font-size: 8pt; padding: 3px 0px 3px 5px; }")
            grid.setColumnStretch(column, width)
        running = row_of(self.progress)
        running.addWidget(self.stop, 0)
        self._running.setLayout(running)
        for page in (QWidget(), self.resume, self._running):
            self._below.addWidget(page)
        self.body.addLayout(run)  # above its choices, where it is in view first
        self.body.addLayout(grid)
        self.body.addWidget(self._range)
        self.body.addWidget(self._below)

    def choice(self, selected: tuple[int, ...], again: bool = False) -> PropagateRequest:
        """Return what was chosen, with the objects that are selected where it is for those; all anew if `again`."""
        reach = self.reach.currentData()
        return PropagateRequest(
            self.direction.currentData(),
            frames=range(self.first.value(), self.last.value() + 1) if reach == "range" else None,
            object_ids=selected if self.objects.currentData() == "selected" else None,
            only_stale=not again,
            until_next_prompt=reach == "next",
        )

    def show_frames(self, count: int) -> None:
        """Let the range be chosen inside the movie."""
        for box in (self.first, self.last):
            box.setRange(0, max(count - 1, 0))
        self.last.setValue(max(count - 1, 0))

    def prepare(self) -> None:
        """Have what a run shows styled beforehand, when nobody waits for it."""
        for part in (self._running, self.progress, self.stop, self.resume):
            part.ensurePolished()

    def show_startable(self, startable: bool) -> None:
        """Let a run be started, or not."""
        self.go.setEnabled(startable)
        self.menu.setEnabled(startable)

    def show_resumable(self, resumable: bool) -> None:
        """Offer to resume a run, or not."""
        self._can_resume = resumable
        if self._below.currentWidget() is not self._running:
            self.show_idle()

    def show_running(self, done: int, total: int, text: str) -> None:
        """Show how far a run is; a moving bar where `total` is 0."""
        self.progress.show_done(done, total, text)
        self._below.setCurrentWidget(self._running)

    def show_idle(self) -> None:
        """Show that nothing runs: neither bar nor Stop."""
        self._below.setCurrentIndex(1 if self._can_resume else 0)

    def _show_range(self) -> None:
        self._range.setVisible(self.reach.currentData() == "range")


def _caption(title: str, box: QWidget) -> QLabel:
    """Return a small title to stand above a box."""
    caption = QLabel(title)
    caption.setBuddy(box)
    caption.setStyleSheet("font-size: 8pt;")
    return caption
