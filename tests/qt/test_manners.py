"""Mouse wheel and keyboard beside a panel: neither changes what a person did not mean to change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QLineEdit, QWidget

from napari_sam2._qt.objects_model import Column
from napari_sam2._qt.panel import SegmentAndTrackPanel


def wheel(widget: QWidget, notches: int = -1) -> bool:
    """Turn the mouse wheel over a widget; whether it took it, else Qt offers it to the widget around it."""
    place = QPointF(widget.rect().center())
    turned = QPoint(0, 120 * notches)
    button, none = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
    over = QPointF(widget.mapToGlobal(place.toPoint()))
    event = QWheelEvent(place, over, QPoint(), turned, button, none, Qt.ScrollPhase.NoScrollPhase, False)
    QApplication.sendEvent(widget, event)
    return bool(event.isAccepted())


@pytest.fixture
def shown(desk: Any) -> Any:
    """The desk with its window on the screen and three objects of eight frames."""
    desk.viewer.window.show()
    desk.viewer.window._qt_window.activateWindow()
    desk.open_movie()
    for object_id, x in ((1, 10), (2, 30), (3, 50)):
        desk.click(object_id, 20, x)
    desk.until(lambda: QApplication.activeWindow() is not None)
    return desk


def press(key: Qt.Key) -> None:
    QTest.keyClick(QApplication.focusWidget() or QApplication.activeWindow(), key)


def test_the_wheel_is_left_to_the_panel_but_by_a_number_that_has_the_focus(shown: Any) -> None:
    panel = shown.panel
    panel.model_section.expand()
    panel.propagate.reach.setCurrentIndex(panel.propagate.reach.findData("range"))
    boxes = [*panel.area.findChildren(QComboBox), *panel.area.findChildren(QAbstractSpinBox)]
    assert len(boxes) >= 12
    before = shown.session, shown.session.settings, [_value(box) for box in boxes]
    assert not any(wheel(box, notches) for box in boxes for notches in (-1, 1))
    assert (shown.session, shown.session.settings, [_value(box) for box in boxes]) == before
    last = panel.propagate.last
    last.setFocus()
    shown.until(last.hasFocus)
    assert wheel(last)
    assert last.value() == 6


def test_the_wheel_leaves_the_place_alone_in_a_panel_that_comes_to_open_work(desk: Any) -> None:
    desk.viewer.window.show()
    desk.viewer.add_image(np.zeros((5, 6, 40, 60), np.uint8), axis_labels=("t", "z", "y", "x"), name="stacks")
    desk.until(lambda: "Z" in desk.panel.image.held.boxes)
    panel = SegmentAndTrackPanel(desk.viewer)
    desk.viewer.window.add_dock_widget(panel, name="another")
    box = panel.image.held.boxes["Z"]
    box.setValue(3)
    assert not wheel(box)
    assert box.value() == 3


def _value(box: Any) -> object:
    return box.currentIndex() if isinstance(box, QComboBox) else box.value()


def _row(panel: Any) -> tuple[QWidget, QPoint]:
    table = panel.objects.table
    return table.viewport(), table.visualRect(table.model().index(0, Column.state)).center()


def _layer_list(panel: Any) -> tuple[QWidget, QPoint]:
    layers = panel.window()._qt_viewer.layers
    return layers.viewport(), layers.visualRect(layers.model().index(0, 0)).center()


PLACES = {
    "row": _row,
    "layer list": _layer_list,
    "propagate": lambda panel: (panel.propagate.go, panel.propagate.go.rect().center()),
    "header": lambda panel: (panel.saving.toggleButton(), QPoint(20, 5)),
    "tool": lambda panel: (panel.prompts.tools["inside"], QPoint(9, 9)),
    "undo": lambda panel: (panel.prompts.redo, QPoint(9, 9)),
    "between": lambda panel: (panel.area.widget(), QPoint(1, 1)),
}


def test_keys_work_after_a_click_wherever_it_was(shown: Any) -> None:
    for name, where in PLACES.items():
        widget, place = where(shown.panel)
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=place)
        shown.idle()
        shown.binding.current.choose(1, "in")
        shown.binding.show_frame(3)
        press(Qt.Key.Key_N)
        assert shown.binding.current.object_id == 2, name
        press(Qt.Key.Key_Q)
        assert shown.binding.current.polarity == "out", name
        press(Qt.Key.Key_M)
        assert shown.binding.current.object_id == 4, name
        press(Qt.Key.Key_Right)
        assert shown.binding.frame == 4, name
    assert len(shown.session.document.prompts) == 3


def test_keys_work_with_the_image_active_and_leave_a_foreign_labels_layer_alone(shown: Any) -> None:
    layers = shown.viewer.layers
    shown.binding.current.choose(1)
    layers.selection.active = shown.panel.bench.image
    press(Qt.Key.Key_N)
    assert shown.binding.current.object_id == 2
    foreign = shown.viewer.add_labels(np.zeros((8, 40, 60), np.uint8))
    assert layers.selection.active is foreign
    press(Qt.Key.Key_M)
    assert shown.binding.current.object_id == 2


def test_what_is_typed_into_a_text_field_is_text_and_the_keyboard_is_given_back(shown: Any) -> None:
    table = shown.panel.objects.table
    cell = table.visualRect(table.model().index(0, Column.title))
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(cell.center().x(), cell.top() + 6))
    QTest.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(cell.center().x(), cell.top() + 6))
    shown.until(lambda: table.state() == table.State.EditingState)
    shown.binding.current.choose(1, "in")
    press(Qt.Key.Key_N)
    press(Qt.Key.Key_M)
    press(Qt.Key.Key_Return)
    shown.until(lambda: shown.session.document.objects[1].name == "nm")
    assert shown.binding.current.object_id == 1
    shown.until(lambda: not isinstance(QApplication.focusWidget(), QLineEdit | type(table)))
    shown.binding.show_frame(3)
    press(Qt.Key.Key_Right)
    assert shown.binding.frame == 4
