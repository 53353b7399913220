"""The film strip: small pictures of the frames around a place, the one in question in the middle and framed.

They stand in one row or in two, whichever lets them be larger. A click on one asks for its frame, the arrow keys for
the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_sam2._qt.theme import Palette

if TYPE_CHECKING:
    from napari_sam2.viewer.film_strip import Still

COUNT = 7
_GAP, _NUMBER = 4, 15
_LEAST, _MOST = 40, 150
_COLUMNS = COUNT, COUNT // 2 + 1
_IN_A_ROW_FROM = 520


class FilmView(QWidget):
    """The pictures, `stills`.

    Signals: `frame_chosen(int)` when one was chosen, `side_changed()` when they are to be larger or smaller.
    """

    frame_chosen = Signal(int)
    side_changed = Signal()

    def __init__(self, theme_id: str) -> None:
        super().__init__()
        self.palette_of_theme = Palette.of(theme_id)
        self.stills: tuple[Still, ...] = ()
        self._images: list[QImage | None] = []
        self._shown = -1
        self._known_side = 0
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setToolTip("Three frames before and after; click on one to go there")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName("Film strip of the place in doubt")

    @property
    def side(self) -> int:
        """Width and height of a picture, in pixels of the screen."""
        return round(self._side() * self.devicePixelRatioF())

    def show_stills(self, stills: tuple[Still, ...]) -> None:
        """Show other pictures; none for ()."""
        self.stills = stills
        self._images = [None if one.picture is None else _image(one.picture) for one in stills]
        self.update()

    def show_frame(self, frame: int) -> None:
        """Mark the picture of the frame that the viewer shows."""
        if frame != self._shown:
            self._shown = frame
            self.update()

    def rect_of(self, number: int) -> QRect:
        """Return where a picture is, from 0, in pixels of the widget."""
        side = self._side()
        row, column = divmod(number, self._columns())
        return QRect(column * (side + _GAP), row * (side + _NUMBER + _GAP), side, side)

    def hasHeightForWidth(self) -> bool:
        """Return that it is higher where it is wider."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Return the height of the rows at a width: one row where it is wide."""
        columns = _COLUMNS[0] if width >= _IN_A_ROW_FROM else _COLUMNS[1]
        return _rows(columns) * (_side(columns, width) + _NUMBER + _GAP)

    def sizeHint(self) -> QSize:
        """Return the size of one row of small pictures."""
        return QSize(COUNT * 90, self.heightForWidth(COUNT * 90))

    def minimumSizeHint(self) -> QSize:
        """Return the size of a row of the smallest pictures, half of them."""
        return QSize(4 * (_LEAST + _GAP), _LEAST + _NUMBER + _GAP)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Ask for pictures of the new size."""
        super().resizeEvent(event)
        if self._known_side != self._side():
            self._known_side = self._side()
            self.side_changed.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Ask for the frame under the mouse."""
        for number, still in enumerate(self.stills):
            if still.picture is not None and self.rect_of(number).contains(event.position().toPoint()):
                self.frame_chosen.emit(still.frame)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ask for the frame before or behind the one that is shown, as far as there are pictures."""
        wanted = self._shown + {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()), 0)
        if wanted != self._shown and any(one.frame == wanted and one.picture is not None for one in self.stills):
            self.frame_chosen.emit(wanted)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the pictures, and their frames below."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        palette = self.palette_of_theme
        for number, (still, image) in enumerate(zip(self.stills, self._images, strict=True)):
            rect = self.rect_of(number)
            if image is None:
                painter.fillRect(rect, QColor(palette.lane))
                continue
            painter.drawImage(rect, image)
            if number == COUNT // 2:
                painter.setPen(QPen(QColor(palette.prompted), 2))
                painter.drawRect(rect.adjusted(1, 1, -1, -1))
            painter.setPen(QColor(palette.text))
            below = QRect(rect.left(), rect.bottom() + 1, rect.width(), _NUMBER)
            text = f"▸ {still.frame} ◂" if still.frame == self._shown else str(still.frame)
            painter.drawText(below, Qt.AlignmentFlag.AlignCenter, text)
        if self.hasFocus():
            painter.setPen(QPen(QColor(palette.text), 1, Qt.PenStyle.DotLine))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _columns(self) -> int:
        return max(_COLUMNS, key=lambda columns: _side(columns, self.width(), self.height()))

    def _side(self) -> int:
        """Return how large a picture is: as large as width and height allow."""
        return _side(self._columns(), self.width(), self.height())


def _rows(columns: int) -> int:
    return -(-COUNT // columns)


def _side(columns: int, width: int, height: int | None = None) -> int:
    """Return how large pictures are of which so many stand in a row."""
    across = (width - (columns - 1) * _GAP) // columns
    down = _MOST if height is None else height // _rows(columns) - _NUMBER - _GAP
    return max(min(across, down, _MOST), _LEAST)


def _image(picture: object) -> QImage:
    """Return an image of a picture (S, S, 3) uint8; it holds its own pixels."""
    import numpy as np

    pixels = np.ascontiguousarray(picture, dtype=np.uint8)
    height, width, _ = pixels.shape
    return QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()
