"""Curves over frames, drawn by pyqtgraph (an extra): one per object, in its colour, with a mark where the viewer is.

A click tells which frame it is on, and whose curve it is next to. Nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyqtgraph
from pyqtgraph.exporters import ImageExporter
from qtpy.QtCore import QBuffer, QByteArray, QPointF, Qt, Signal
from qtpy.QtGui import QColor, QImage, QImageWriter

from napari_sam2._qt.theme import Palette
from napari_sam2.io.atomic import write_atomically
from sam2_core.errors import StackError

Curve = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], QColor]
"""Frames (N,), numbers (N,), and the colour."""
_NEAR_PX = 24
_PICTURE_PX = 1600
_PAPER = ("#ffffff", "#202020")
_WIDTH = 1.6


class Curves(pyqtgraph.PlotWidget):  # type: ignore[misc]
    """A plot of numbers over frames.

    Signal: `picked(int, object)` with the frame of a click, and the object whose curve it is next to, or None.
    """

    picked = Signal(int, object)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Measurements of the chosen objects over time")
        self._curves: dict[int, Curve] = {}
        self._title = ""
        self._ink = _PAPER
        item = self.getPlotItem()
        item.setLabel("bottom", "frame")
        item.showGrid(x=True, y=True, alpha=0.15)
        item.setMenuEnabled(False)
        self._here = pyqtgraph.InfiniteLine(0, movable=False)
        item.addItem(self._here, ignoreBounds=True)
        self.scene().sigMouseClicked.connect(self._on_click)

    @property
    def curves(self) -> Mapping[int, Curve]:
        """What is shown, by object."""
        return self._curves

    def show_curves(self, curves: Mapping[int, Curve], title: str) -> None:
        """Show other curves, `title` beside their axis; the view fits them where there were others before."""
        fits = set(curves) != set(self._curves) or title != self._title
        self._curves, self._title = dict(curves), title
        item = self.getPlotItem()
        item.clearPlots()
        item.setLabel("left", title)
        for frames, numbers, colour in self._curves.values():
            gaps = np.append(np.diff(frames) == 1, False).astype(np.int32)  # a line ends before frames without it
            pen = pyqtgraph.mkPen(colour, width=_WIDTH)
            dots = {"symbol": "o", "symbolSize": 3, "symbolBrush": colour, "symbolPen": None}
            item.plot(frames, numbers, pen=pen, connect=gaps, **dots)
        if fits:
            item.enableAutoRange()

    def show_frame(self, frame: int) -> None:
        """Move the mark of the frame that is shown."""
        self._here.setValue(frame)

    def set_theme(self, palette: Palette, background: str) -> None:
        """Take colours of the viewer."""
        self._ink = background, palette.text
        self._colour(*self._ink)

    def save_picture(self, path: Path) -> None:
        """Write what is in view as a picture with a white background, in the format that the ending says.

        Raises
        ------
        StackError
            If there is no such format, or the file cannot be written.
        """
        written = QBuffer()
        kind = QByteArray(path.suffix.removeprefix(".").lower().encode())
        if not QImageWriter(written, kind).write(self._picture()):
            raise StackError(f"{path}: there are no pictures of this ending; choose a name that ends with .png.")
        write_atomically(path, bytes(written.data().data()))

    def _picture(self) -> QImage:
        """Return what is in view, dark on white and without the mark of the frame."""
        self._colour(*_PAPER)
        self._here.setVisible(False)
        try:
            exporter = ImageExporter(self.getPlotItem())
            exporter.parameters()["width"] = _PICTURE_PX
            return exporter.export(toBytes=True)
        finally:
            self._here.setVisible(True)
            self._colour(*self._ink)

    def place_of(self, frame: float, number: float) -> QPointF:
        """Return where a number of a frame is, in pixels of the scene."""
        return QPointF(self.getViewBox().mapViewToScene(QPointF(frame, number)))

    def pick(self, place: QPointF) -> None:
        """Tell of a place of the scene as of a click there."""
        frame = round(float(self.getViewBox().mapSceneToView(place).x()))
        near: tuple[float, int, int | None] = (_NEAR_PX, frame, None)
        for object_id, (frames, numbers, _) in self._curves.items():
            for at in np.flatnonzero(np.abs(frames - frame) <= 1).tolist():
                if np.isfinite(numbers[at]):
                    away = self.place_of(float(frames[at]), float(numbers[at])) - place
                    near = min(near, (float(np.hypot(away.x(), away.y())), int(frames[at]), object_id), key=_distance)
        self.picked.emit(near[1], near[2])

    def _on_click(self, event: Any) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.getViewBox().sceneBoundingRect().contains(
            event.scenePos()
        ):
            self.pick(event.scenePos())

    def _colour(self, background: str, ink: str) -> None:
        self.setBackground(background)
        self._here.setPen(pyqtgraph.mkPen(ink, width=1, style=Qt.PenStyle.DashLine))
        for side in ("bottom", "left"):
            axis = self.getPlotItem().getAxis(side)
            axis.setPen(ink)
            axis.setTextPen(ink)


def _distance(near: tuple[float, int, int | None]) -> float:
    return near[0]
