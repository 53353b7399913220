"""Colours and icons that fit napari's current theme.

The states of a timeline differ by height and by lightness as well as by hue, and the hues are those of Okabe and Ito
(Color Universal Design, 2008), so that they stay apart for people who see colours differently.
"""

from __future__ import annotations

from dataclasses import dataclass

from napari.resources import ICONS, get_colorized_svg
from napari.utils.theme import get_theme
from qtpy.QtCore import QByteArray, QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtSvg import QSvgRenderer

_ICON_PX = 64


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of one theme as "#rrggbb"."""

    text: str
    faint: str
    lane: str
    prompted: str
    tracked: str
    edited: str
    stale: str
    absent: str
    warning: str
    error: str

    @classmethod
    def of(cls, theme_id: str) -> Palette:
        """Return the colours for a napari theme by its id, for example "dark"."""
        theme = get_theme(theme_id)
        light = theme.type == "light"
        return cls(
            text=theme.text.as_hex(format="long"),
            faint=theme.secondary.as_hex(format="long"),
            lane="#d5d1cf" if light else "#383c46",
            prompted="#b34700" if light else "#f0b340",
            tracked="#0072b2" if light else "#56b4e9",
            edited="#a03070" if light else "#e79ac8",
            stale="#5c5855" if light else "#c9ccd6",
            absent="#4a4644" if light else "#d5d8de",
            warning=theme.warning.as_hex(format="long"),
            error=theme.error.as_hex(format="long"),
        )


def themed_icon(name: str, theme_id: str) -> QIcon:
    """Return an icon of napari's own set, in the colour of the theme's icons; crisp at 2x."""
    return coloured_icon(name, get_theme(theme_id).icon.as_hex(format="long"))


def coloured_icon(name: str, colour: str) -> QIcon:
    """Return an icon of napari's own set in a colour "#rrggbb"."""
    svg = get_colorized_svg(ICONS[name], colour)
    pixmap = QPixmap(_ICON_PX, _ICON_PX)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(4, 4, _ICON_PX - 8, _ICON_PX - 8))
    painter.end()
    return QIcon(pixmap)


def swatch(colour: QColor, side: int = 12) -> QIcon:
    """Return a small filled square with a thin edge, sharp at 2x, of the same colour in a selected row."""
    pixmap = QPixmap(2 * side, 2 * side)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(colour)
    painter.setPen(colour.darker(150))
    painter.drawRoundedRect(QRectF(1, 1, 2 * side - 2, 2 * side - 2), 5, 5)
    painter.end()
    icon = QIcon(pixmap)
    icon.addPixmap(pixmap, QIcon.Mode.Selected)
    return icon
