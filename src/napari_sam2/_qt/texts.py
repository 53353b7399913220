"""What the panels say in words: the lines for hint and message, and texts below a form.

A line has the height of two lines of text whatever it says, so that nothing else in a panel moves; what is longer folds
out and away again.
"""

from __future__ import annotations

from typing import Literal

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QResizeEvent, QTextOption
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QTextEdit, QToolButton, QWidget

from napari_sam2._qt.parts import IconButton, Section, ToolButton
from napari_sam2._qt.theme import Palette, coloured_icon

_ICON = QSize(16, 16)
_LINES = 2
_MOST_LINES = 14
Kind = Literal["info", "error"]


class Paragraph(QTextEdit):
    """Text that can be copied and wraps anywhere, long paths too, shown two lines high, or whole where unfolded.

    Signal: `fits_changed()` when the text has become longer than two lines, or no longer is.
    """

    fits_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setStyleSheet("Paragraph { background: transparent; border: none; padding: 0px; }")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.document().setDocumentMargin(0)
        self._is_folded = self._fits = True
        self.fold(True)

    @property
    def fits(self) -> bool:
        """Whether two lines hold the text."""
        return self._fits

    @property
    def is_folded(self) -> bool:
        """Whether only two lines are shown."""
        return self._is_folded

    def show_text(self, text: str) -> None:
        """Show another text, folded."""
        self.setPlainText(text)
        self.setAccessibleName(text)
        self.fold(True)

    def fold(self, folded: bool) -> None:
        """Show two lines, or all (of a very long text as much as leaves room for the rest; it scrolls)."""
        self._is_folded = folded
        line = self.fontMetrics().lineSpacing()
        wanted = _LINES if folded else min(max(round(self.document().size().height() / line), _LINES), _MOST_LINES)
        self.setFixedHeight(wanted * line + 2)
        off, needed = Qt.ScrollBarPolicy.ScrollBarAlwaysOff, Qt.ScrollBarPolicy.ScrollBarAsNeeded
        self.setVerticalScrollBarPolicy(off if folded else needed)
        self.verticalScrollBar().setValue(0)
        self._look()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Wrap anew."""
        super().resizeEvent(event)
        self._look()

    def _look(self) -> None:
        fits = self.document().size().height() <= _LINES * self.fontMetrics().lineSpacing() + 2
        if fits != self._fits:
            self._fits = fits
            self.fits_changed.emit()


class InfoLine(QFrame):
    """A line of text with an icon, a button at its end where one is needed, and one that unfolds a long text.

    Signal: `pressed()` when the button is pressed.
    """

    pressed = Signal()

    def __init__(self, button: str = "") -> None:
        super().__init__()
        self._kind: Kind = "info"
        self._palette: Palette | None = None
        self._icon = QLabel()
        self._icon.setFixedWidth(18)
        self.label = Paragraph()
        self.label.fits_changed.connect(self._show_more)
        self.button = QPushButton(button)
        self.button.setVisible(bool(button))
        self.button.clicked.connect(self.pressed)
        self.more = QToolButton()
        self.more.clicked.connect(self._unfold)
        row = QHBoxLayout(self)
        row.setContentsMargins(6, 4, 6, 4)
        row.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.label, 1)
        row.addWidget(self.more, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.button, 0)
        policy = self.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.setSizePolicy(policy)
        self._show_more()

    @property
    def kind(self) -> Kind:
        """What the text is."""
        return self._kind

    def text(self) -> str:
        """Return all of the text."""
        return self.label.toPlainText()

    def show_text(self, text: str, kind: Kind = "info") -> None:
        """Show a text with the icon and edge of its kind."""
        self.label.show_text(text)
        self._show_more()
        if kind != self._kind:  # a style sheet is dear
            self._kind = kind
            self._colour()

    def set_theme(self, theme_id: str) -> None:
        """Take the theme's colours."""
        self._palette = Palette.of(theme_id)
        self._colour()

    def _unfold(self) -> None:
        self.label.fold(not self.label.is_folded)
        self._show_more()

    def _show_more(self) -> None:
        self.more.setText("More" if self.label.is_folded else "Less")
        self.more.setVisible(not self.label.fits)

    def _colour(self) -> None:
        if self._palette is None:
            return
        colour = self._palette.error if self._kind == "error" else self._palette.tracked
        self._icon.setPixmap(coloured_icon(self._kind, colour).pixmap(_ICON))
        self.more.setStyleSheet(f"border: none; background: transparent; color: {self._palette.tracked};")
        self.setStyleSheet(f"InfoLine {{ border-left: 3px solid {colour}; background: transparent; }}")


class TextLabel(QLabel):
    """Text that wraps and can be copied; hidden while there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setVisible(False)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)

    def show_text(self, text: str) -> None:
        """Show a text; nothing for ""."""
        if text != self.text():
            self.setText(text)
            self.setVisible(bool(text))


class TwoLines(QLabel):
    """Rich text that wraps and can be copied, two lines high in whatever font the theme has, so that nothing moves."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def heightForWidth(self, width: int) -> int:
        """Return the height of two lines, and of what is around them."""
        return _LINES * self.fontMetrics().lineSpacing() + 10

    def sizeHint(self) -> QSize:
        """Return room for two lines."""
        return QSize(0, self.heightForWidth(0))

    def minimumSizeHint(self) -> QSize:
        """Return the same: neither line is cut."""
        return self.sizeHint()


class ElidedLabel(QLabel):
    """Text on one line, a path for example: its middle gives way, the tool tip has it whole."""

    def __init__(self) -> None:
        super().__init__()
        self._text = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)

    def show_text(self, text: str) -> None:
        """Show a text; the line stays where there is none."""
        if text != self._text:
            self._text = text
            self.setToolTip(text)
            self._elide()

    def text(self) -> str:
        """Return all of the text."""
        return self._text

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as much as there is room for."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        self.setText(self.fontMetrics().elidedText(self._text, Qt.TextElideMode.ElideMiddle, self.width()))


def told_number(value: float) -> str:
    """Return a number with four digits; a large one is whole, without an exponent."""
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def apply_theme(parent: QWidget, theme_id: str) -> None:
    """Give every part below a widget the icons and colours of a napari theme."""
    for part in parent.findChildren(QWidget):
        if isinstance(part, IconButton | ToolButton | Section | InfoLine):
            part.set_theme(theme_id)
