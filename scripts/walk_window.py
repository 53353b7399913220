"""A real window with the panel, used as a person uses it: mouse, wheel, keys, close; for the walks beside this file.

Mouse and keys go through Qt's own test events; the wheel comes from the X server where there is one (XTest), for Qt
hands on from widget to widget only what the window system sent.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QPoint, Qt, QTimer
from qtpy.QtGui import QCloseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QApplication, QLabel, QWidget

from napari_sam2._qt.panel import SegmentAndTrackPanel

SIZE = (1366, 768)
_NONE, _LEFT = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton
_WHEEL_DOWN = 5


class CloseByHand(QCloseEvent):
    """What the window system sends when a person closes a window."""

    def spontaneous(self) -> bool:
        """Say that it does not come from the program."""
        return True


class Window:
    """One viewer with the panel; pictures of it go to `out`."""

    def __init__(self, out: Path, theme: str = "dark") -> None:
        self.out = out
        self.viewer = napari.Viewer(show_welcome_screen=False)
        self.viewer.theme = theme
        self.frame = self.viewer.window._qt_window
        self.frame.resize(*SIZE)
        self.panel: Any = None
        self.open_panel()
        self.frame.activateWindow()
        self.wait(lambda: self.panel.bench.is_ready, "the imports")

    @property
    def session(self) -> Any:
        """What the panel works on."""
        return self.panel.bench.session

    @property
    def binding(self) -> Any:
        """Between the session and the layers."""
        return self.panel.bench.binding

    def open_panel(self) -> None:
        """Open the panel as the menu does."""
        self.viewer.window.add_plugin_dock_widget("napari-sam2", "Segment and track")
        self.panel = self.frame.findChildren(SegmentAndTrackPanel)[-1]
        pause(200)

    def open_image(self, data: Any, **about: Any) -> Any:
        """Add an image and wait for its session."""
        limits = (float(np.min(data)), float(np.max(data)))
        layer = self.viewer.add_image(data, **{"name": "movie", "contrast_limits": limits, **about})
        self.wait(lambda: self.session is not None and self.panel.bench.image is layer, "the session")
        self.viewer.dims.set_point(0, 0)
        pause(300)
        return layer

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = 200.0) -> float:
        """Let Qt work until a condition holds; the seconds that it took."""
        began = time.perf_counter()
        while not condition():
            pause(10)
            told = "" if self.panel is None else self.panel.message.text()
            assert time.perf_counter() - began < seconds, f"waited {seconds:g} s for {what}; the panel says: {told}"
        return time.perf_counter() - began

    def idle(self) -> None:
        """Wait until nothing runs and every prompt has its mask."""
        self.wait(lambda: not self.binding.work.busy and not self.session.needs_preview, "the work")
        pause(250)

    def picture(self, name: str) -> None:
        """Save the window as it is."""
        pause(300)
        self.frame.grab().save(str(self.out / f"{name}.png"))

    def click(self, y: float, x: float, frame: int = 0) -> None:
        """Click with the mouse on a pixel of a frame, or beside the image, and wait for what comes of it."""
        self.click_at_once(y, x, frame)
        pause(100)
        self.idle()

    def click_at_once(self, y: float, x: float, frame: int = 0) -> float:
        """Click with the mouse on a pixel of a frame, and wait for nothing; when the button went down."""
        place, canvas = self.point_at(y, x, frame), self.viewer.window._qt_viewer.canvas.native
        began = time.perf_counter()
        QTest.mousePress(canvas, _LEFT, _NONE, place)
        QTest.mouseRelease(canvas, _LEFT, _NONE, place)
        return began

    def point_at(self, y: float, x: float, frame: int = 0) -> QPoint:
        """Move the mouse to a pixel of a frame, or beside the image; where that is on the canvas."""
        self.binding.show_frame(frame)
        pause(150)
        canvas, image = self.viewer.window._qt_viewer.canvas, self.panel.bench.image
        point = list(image.world_to_data(self.viewer.dims.point))
        lead = self.viewer.dims.ndim - len(point)
        for axis, value in zip(self.viewer.dims.displayed[-2:], (y, x), strict=True):
            point[axis - lead] = value
        place = canvas_place(canvas, self.viewer, image.data_to_world(point))
        for there in (place + QPoint(2, 2), place):  # the first one after the mouse was elsewhere only enters
            QTest.mouseMove(canvas.native, there)
            pause(50)
        return place

    def press(self, widget: QWidget, place: QPoint | None = None) -> None:
        """Click with the mouse on a widget."""
        QTest.mouseClick(widget, _LEFT, _NONE, place or widget.rect().center())
        pause(100)

    def key(self, key: Qt.Key, modifiers: Any = _NONE) -> None:
        """Press a key wherever the focus is."""
        QTest.keyClick(QApplication.focusWidget() or self.frame, key, modifiers)
        pause(100)

    def wheel(self, widget: QWidget, notches: int = 3) -> None:
        """Turn the wheel down over a widget."""
        place = widget.mapToGlobal(widget.rect().center())
        display = ctypes.c_void_p(_x11().XOpenDisplay(None))
        _xtst().XTestFakeMotionEvent(display, -1, place.x(), place.y(), 0)
        for _ in range(notches):
            for down in (1, 0):
                _xtst().XTestFakeButtonEvent(display, _WHEEL_DOWN, down, 0)
        _x11().XSync(display, 0)
        _x11().XCloseDisplay(display)
        pause(200)

    def row(self, number: int, column: int = 1) -> tuple[QWidget, QPoint]:
        """Where a row of the table is, for `press`."""
        table = self.panel.objects.table
        rect = table.visualRect(table.model().index(number, column))
        return table.viewport(), QPoint(rect.center().x(), rect.top() + 6)

    def propagate(self) -> None:
        """Press Propagate and wait for the end."""
        self.press(self.panel.propagate.go)
        self.idle()

    def close_by_hand(self) -> bool:
        """Close the window as a person does; whether it went."""
        event = CloseByHand()
        QApplication.sendEvent(self.frame, event)
        pause(200)
        return bool(event.isAccepted())

    def end(self) -> None:
        """Close the viewer without being asked."""
        self.panel.close_work()
        self.viewer.close()
        pause(300)


class Answers:
    """Answers what opens as a dialog by its buttons, in the given order, and keeps what was asked."""

    def __init__(self, texts: tuple[str, ...], out: Path) -> None:
        self.texts = list(texts)
        self.asked: list[str] = []
        self._out = out
        self._timer = QTimer()
        self._timer.timeout.connect(self._answer)
        self._timer.start(150)

    def stop(self) -> None:
        """Answer nothing any more."""
        self._timer.stop()

    def _answer(self) -> None:
        dialog = QApplication.activeModalWidget()
        if dialog is None or not self.texts:
            return
        wanted = self.texts[0]
        for button in dialog.findChildren(QAbstractButton):
            if button.isVisible() and button.text().replace("&", "").startswith(wanted):
                self.texts.pop(0)
                self.asked.append(" ".join(label.text() for label in dialog.findChildren(QLabel)))
                dialog.grab().save(str(self._out / f"asked_{len(self.asked)}_{wanted}.png"))
                button.click()
                return


@contextmanager
def answering(out: Path, *texts: str) -> Iterator[Answers]:
    """Answer the dialogs that open meanwhile by the buttons with these texts."""
    answers = Answers(texts, out)
    try:
        yield answers
    finally:
        answers.stop()


def pause(milliseconds: int) -> None:
    """Let Qt work for a while; `processEvents` in a loop would let PySide 6.12 lose count of references."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def canvas_place(canvas: Any, viewer: Any, world: Any) -> QPoint:
    """Where on the canvas a point of the world is drawn; the view is flat and not turned."""
    corners = [canvas._map_canvas2world(place, canvas.view) for place in ((0, 0), (100, 100))]
    rows, columns = viewer.dims.displayed
    y = 100 * (world[rows] - corners[0][rows]) / (corners[1][rows] - corners[0][rows])
    x = 100 * (world[columns] - corners[0][columns]) / (corners[1][columns] - corners[0][columns])
    return QPoint(round(x), round(y))


def _x11() -> Any:
    library = ctypes.CDLL("libX11.so.6")
    library.XOpenDisplay.restype = ctypes.c_void_p
    return library


def _xtst() -> Any:
    return ctypes.CDLL("libXtst.so.6")
