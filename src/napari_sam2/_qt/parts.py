"""The few building blocks of the panels: themed buttons, boxes to choose from, titled sections, forms and rows."""

from __future__ import annotations

from collections.abc import Sequence

from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_sam2._qt.theme import themed_icon

_ICON = QSize(16, 16)
_TOOL_ICON = QSize(20, 20)
_UNBOUNDED = 2**24 - 1


class IconButton(QPushButton):
    """A push button with an icon of napari's that follows the theme."""

    def __init__(self, text: str, icon: str, tip: str) -> None:
        super().__init__(text)
        self._icon_name = icon
        self.setIconSize(_ICON)
        self.setMinimumWidth(28)
        self.setToolTip(tip)
        self.setAccessibleName(text or tip)

    def set_theme(self, theme_id: str) -> None:
        """Take the icon in the theme's colour."""
        self.setIcon(themed_icon(self._icon_name, theme_id))
        self.setStyleSheet("IconButton { padding: 4px 2px; } IconButton::menu-indicator { image: none; width: 0px; }")


class ProgressBar(QProgressBar):
    """A bar that is drawn in its turn, with the rest of the window.

    Qt's own draws at once what it is set to, and with it the whole window, canvas and all.
    """

    def show_done(self, done: int, total: int, text: str | None = None) -> None:
        """Show how much of all is done; a moving bar where `total` is 0."""
        self.setUpdatesEnabled(False)
        self.setRange(0, total)
        self.setValue(done)
        if text is not None:
            self.setFormat(text)
        self.setUpdatesEnabled(True)


class FoldButton(IconButton):
    """A button that folds out more, and away again."""

    def __init__(self, text: str, tip: str) -> None:
        super().__init__(text, "right_arrow", tip)
        self._theme_id = ""
        self.setCheckable(True)
        self.toggled.connect(self._turn)

    def set_theme(self, theme_id: str) -> None:
        """Take the arrow in the theme's colour."""
        self._theme_id = theme_id
        super().set_theme(theme_id)

    def _turn(self, unfolded: bool) -> None:
        self._icon_name = "chevron_down" if unfolded else "right_arrow"
        if self._theme_id:
            self.set_theme(self._theme_id)


class ToolButton(QToolButton):
    """A checkable button with an icon above a word."""

    def __init__(self, text: str, icon: str, tip: str) -> None:
        super().__init__()
        self._icon_name = icon
        self.setText(text)
        self.setToolTip(tip)
        self.setAccessibleName(text)
        self.setCheckable(True)
        self.setIconSize(_TOOL_ICON)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_theme(self, theme_id: str) -> None:
        """Take icon and colours of the theme; napari's style sheet leaves tool buttons alone."""
        theme = get_theme(theme_id)
        self.setIcon(themed_icon(self._icon_name, theme_id))
        self.setStyleSheet(
            "QToolButton { border-radius: 3px; padding: 3px; }"
            f"QToolButton {{ background: {theme.primary.as_hex(format='long')}; }}"
            f"QToolButton:hover {{ background: {theme.highlight.as_hex(format='long')}; }}"
            f"QToolButton:checked {{ background: {theme.current.as_hex(format='long')}; }}"
        )


class Combo(QComboBox):
    """A box to choose from (words and values), which may become narrower than its text."""

    def __init__(self, items: Sequence[tuple[str, str]], tip: str) -> None:
        super().__init__()
        self.setToolTip(tip)
        self.setAccessibleName(tip)
        for text, value in items:
            self.addItem(text, value)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)
        self.setMinimumWidth(60)
        policy = self.sizePolicy()
        policy.setHorizontalPolicy(QSizePolicy.Policy.Expanding)
        self.setSizePolicy(policy)


class Section(QCollapsible):
    """A titled part of a panel that folds; `body` is where its rows go."""

    def __init__(self, title: str, *, expanded: bool = True) -> None:
        super().__init__(title)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.body = QVBoxLayout()
        self.body.setContentsMargins(8, 0, 2, 6)
        self.body.setSpacing(5)
        content = QWidget()
        content.setLayout(self.body)
        self.setContent(content)
        layout = self.layout()
        if layout is not None:
            layout.setContentsMargins(0, 0, 0, 0)
            layout.setSpacing(2)
        if expanded:
            self.expand()
        else:
            self.collapse()

    def expand(self, animate: bool = False) -> None:
        """Unfold at once, to whatever height the rows need now and later, and may take where the panel has more."""
        super().expand(animate=False)
        self.content().setMaximumHeight(_UNBOUNDED)
        self._set_policy(QSizePolicy.Policy.Preferred)

    def collapse(self, animate: bool = False) -> None:
        """Fold at once, to the height of the title."""
        super().collapse(animate=False)
        self._set_policy(QSizePolicy.Policy.Maximum)

    def eventFilter(self, a0: QObject, a1: QEvent) -> bool:
        """Leave the height to the layout, which knows it; superqt would fix it at that of the moment."""
        return False

    def _set_policy(self, vertical: QSizePolicy.Policy) -> None:
        self.setSizePolicy(QSizePolicy.Policy.Preferred, vertical)

    def set_theme(self, theme_id: str) -> None:
        """Take the theme's arrows."""
        self.setExpandedIcon(themed_icon("chevron_down", theme_id))
        self.setCollapsedIcon(themed_icon("right_arrow", theme_id))
        self.toggleButton().setStyleSheet(
            "text-align: left; border: none; outline: none; background: transparent;"
            " font-weight: bold; padding: 1px 2px;"
        )


def form() -> QFormLayout:
    """Return an empty form with aligned labels and fields that take the width."""
    layout = QFormLayout()
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setHorizontalSpacing(8)
    layout.setVerticalSpacing(5)
    return layout


def row_of(*widgets: QWidget, stretch: bool = True) -> QHBoxLayout:
    """Return widgets side by side, of equal width where `stretch` is set."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for widget in widgets:
        layout.addWidget(widget, 1 if stretch else 0)
    if not stretch:
        layout.addStretch(1)
    return layout
