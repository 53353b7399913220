"""What stands in the Review panel: the list with its filter, the place in view, what may be done, and the error rate.

Widgets that show and signal; `review_work` connects them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QGuiApplication
from qtpy.QtWidgets import (
    QCheckBox,
    QLabel,
    QPushButton,
    QSpinBox,
    QStackedWidget,
    QTabBar,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_sam2._qt.film_view import FilmView
from napari_sam2._qt.parts import Combo, IconButton, ProgressBar, form, row_of
from napari_sam2._qt.review_list import ReviewList, ReviewModel
from napari_sam2._qt.texts import ElidedLabel, TextLabel, TwoLines
from napari_sam2._qt.theme import swatch
from napari_sam2.document.reviews import At, ReviewKind, ReviewState

if TYPE_CHECKING:
    from napari_sam2.review.error_rate import ErrorRate
    from napari_sam2.review.fixes import Fix
    from napari_sam2.review.items import Progress, ReviewItem

ALTERNATIVES = 3
IN_DOUBT, ERROR_RATE = 0, 1
"""Tabs, and pages of the stacks below."""


class QueueSide(QWidget):
    """The list of places in doubt, with filter and progress."""

    def __init__(self, theme_id: str) -> None:
        super().__init__()
        self.model = ReviewModel(theme_id, self)
        self.list = ReviewList(self.model)
        self.kinds = Combo([("All kinds", "")], "Which kind of places to list")
        self.decided = QCheckBox("Decided too")
        self.decided.setToolTip("List the places that were accepted, corrected or dismissed as well")
        self.progress = ProgressBar()
        self.progress.setAccessibleName("Places decided")
        self.progress.setFormat("%v of %m places decided")
        self.progress.setMaximumHeight(16)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        row = row_of(self.kinds)
        row.addWidget(self.decided, 0)
        column.addLayout(row)
        column.addWidget(self.list, 1)
        column.addWidget(self.progress)

    def show_counts(self, counts: Mapping[ReviewKind, int], progress: Progress) -> None:
        """Show how many places of which kind are open, and how many were decided about."""
        chosen = self.kinds.currentData()
        with signals_blocked(self.kinds):
            self.kinds.clear()
            self.kinds.addItem("All kinds", "")
            for kind in ReviewKind:
                if counts.get(kind) or kind.value == chosen:
                    self.kinds.addItem(f"{kind.value} ({counts.get(kind, 0)})", kind.value)
            self.kinds.setCurrentIndex(max(self.kinds.findData(chosen), 0))
        self.progress.show_done(progress.done, max(progress.open + progress.done, 1))


class PlaceView(QWidget):
    """The place in view: what and why, and the film strip."""

    def __init__(self, theme_id: str) -> None:
        super().__init__()
        self.words = TwoLines()
        self.film = FilmView(theme_id)
        self.message = ElidedLabel()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addWidget(self.words)
        column.addWidget(self.film, 1)
        column.addWidget(self.message)

    def tell(self, text: str) -> None:
        """Say what was done, or why not; the tool tip has it whole."""
        self.message.show_text(text)

    def show_words(self, title: str, why: str) -> None:
        """Say which place it is and what is in doubt."""
        self.words.setText(f"<b>{escape(title)}</b>&nbsp; {escape(why)}")
        self.words.setToolTip(why)


class QueueButtons(QWidget):
    """What may be done about the place in view: the alternatives, and to decide, one button each."""

    def __init__(self) -> None:
        super().__init__()
        self.fixes = [QPushButton() for _ in range(ALTERNATIVES)]
        for button in self.fixes:
            button.setStyleSheet("text-align: left; padding: 3px 6px;")
        self.right = IconButton("Right (Y)", "check", "All is right there: accept it, and go to the next place")
        self.dismiss = IconButton("No matter (I)", "visibility_off", "It does not matter: go to the next place")
        self.next = IconButton("Next (W)", "right_arrow", "Leave it open, and go to the next place")
        self.back = IconButton("Back (T)", "left_arrow", "Go back to the place that was shown before")
        self.alike = IconButton("Accept all of this kind (O)", "check", "All of this kind that are as sure as that")
        self.above = QSpinBox()
        self.above.setRange(0, 100)
        self.above.setValue(90)
        self.above.setPrefix("≥ ")
        self.above.setSuffix(" %")
        self.above.setAccessibleName("How sure a place has to be")
        self.above.setToolTip("How sure a place has to be, 100 % less its doubt, to be accepted with all of its kind")
        self.keys = IconButton("", "help", "Show the keys: through the places, and to cut and join tracks")
        self.keys.setFixedWidth(28)
        self._lay_out()
        self.show_fixes((), False)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        for button in self.fixes:
            column.addWidget(button)
        column.addLayout(row_of(self.right, self.dismiss))
        last = row_of(self.back, self.next)
        last.addWidget(self.keys, 0)
        column.addLayout(last)
        row = row_of(self.alike)
        row.addWidget(self.above, 0)
        column.addLayout(row)
        column.addStretch(1)

    def show_colors(self, colors: Sequence[str]) -> None:
        """Show in which colour the cells of each alternative are outlined."""
        for button, color in zip(self.fixes, colors, strict=True):
            button.setIcon(swatch(QColor(color)))

    def show_fixes(self, fixes: Sequence[Fix], is_place: bool) -> None:
        """Offer the alternatives of the place in view, and to decide about it where there is one."""
        for number, button in enumerate(self.fixes, 1):
            fix = fixes[number - 1] if number <= len(fixes) else None
            button.setText(f"{number}   " + ("" if fix is None else fix.text))
            button.setToolTip("" if fix is None else f"Press {number}: {fix.text}")
            button.setEnabled(fix is not None)
        for one in (self.right, self.dismiss, self.alike):
            one.setEnabled(is_place)


class RateSide(QWidget):
    """Draw a sample. Signal: `draw_asked()`."""

    draw_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        kinds = [("Links between frames", "links"), ("Cells on frames", "masks"), ("Divisions", "divisions")]
        self.kinds = Combo(kinds, "What to judge")
        self.count, self.seed = QSpinBox(), QSpinBox()
        self.count.setRange(1, 5000)
        self.count.setValue(50)
        self.count.setAccessibleName("How many places to draw")
        self.count.setToolTip("How many places to draw at random, each with the same chance")
        self.seed.setRange(0, 999999)
        self.seed.setAccessibleName("Seed of the sample")
        self.seed.setToolTip("Decides which places are drawn: the same ones again with the same number")
        self.draw = IconButton("Draw a sample", "shuffle", "Draw places at random, to be judged one by one")
        self.progress = ProgressBar()
        self.progress.setAccessibleName("Places judged")
        self.progress.setMaximumHeight(16)
        self.progress.setFormat("%v of %m judged")
        rows = form()
        rows.addRow("Judge", self.kinds)
        numbers = row_of(self.count)
        numbers.addWidget(QLabel("seed"), 0)
        numbers.addWidget(self.seed, 1)
        rows.addRow("Places", numbers)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(rows)
        column.addWidget(self.draw)
        column.addWidget(self.progress)
        column.addStretch(1)
        self.draw.clicked.connect(self.draw_asked)
        self.show_rate(None)

    def show_rate(self, rate: ErrorRate | None) -> None:
        """Show how much of a sample was judged."""
        self.progress.setVisible(rate is not None)
        if rate is not None:
            self.progress.show_done(rate.looked_at, rate.drawn)


class RateButtons(QWidget):
    """Right or wrong, for the place of a sample; and what all answers say."""

    def __init__(self) -> None:
        super().__init__()
        self.right = IconButton("Right (Y)", "check", "It is right; go to the next place")
        self.wrong = IconButton("Wrong (N)", "delete", "It is wrong; go to the next place")
        self.back = IconButton("Back (T)", "left_arrow", "Go to the place before, to judge it again")
        self.copy = IconButton("Copy sentence", "copy_to_clipboard", "For the methods section of a paper")
        self.sentence = TextLabel()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(row_of(self.right, self.wrong))
        column.addLayout(row_of(self.back, self.copy))
        column.addWidget(self.sentence)
        column.addStretch(1)
        self.copy.clicked.connect(self._copy)

    def show_rate(self, rate: ErrorRate | None) -> None:
        """Show the sentence that the answers make."""
        self.copy.setEnabled(rate is not None and rate.looked_at > 0)
        self.sentence.show_text("" if rate is None or not rate.looked_at else rate.sentence)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.sentence.text())

    def show_place(self, is_place: bool) -> None:
        """Let it be judged where there is a place."""
        for one in (self.right, self.wrong, self.back):
            one.setEnabled(is_place)


class ReviewParts:
    """All of it: two tabs, each with a side to choose from and buttons; the place in view is for both."""

    def __init__(self, theme_id: str) -> None:
        self.tabs = QTabBar()
        self.tabs.addTab("In doubt")
        self.tabs.addTab("Error rate")
        self.tabs.setDrawBase(False)
        self.tabs.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.queue, self.rate = QueueSide(theme_id), RateSide()
        self.place = PlaceView(theme_id)
        self.buttons, self.judging = QueueButtons(), RateButtons()
        self.sides, self.doing = QStackedWidget(), QStackedWidget()
        for stack, pages in ((self.sides, (self.queue, self.rate)), (self.doing, (self.buttons, self.judging))):
            for page in pages:
                stack.addWidget(page)
        self.tabs.currentChanged.connect(self.sides.setCurrentIndex)
        self.tabs.currentChanged.connect(self.doing.setCurrentIndex)

    @property
    def is_rating(self) -> bool:
        """Whether the error rate is in front."""
        return bool(self.tabs.currentIndex() == ERROR_RATE)


def told_item(item: ReviewItem, fixes: Sequence[Fix]) -> tuple[str, str]:
    """Return a title and what is in doubt of a place, for people."""
    place = item.place
    who = f"Found cell {place.object_id}" if place.at is At.proposal else f"Cell {place.object_id}"
    if place.at is At.overlap:
        who = f"Cells {place.object_id} and {place.other}"
    state = "" if item.state is ReviewState.open else f" ({item.state.value})"
    none = "" if fixes or item.state is not ReviewState.open else " No alternative lies near: correct it by hand."
    return f"{who}, frame {place.frame}: {item.kind.value}{state}", f"{', '.join(item.reasons)}.{none}"
