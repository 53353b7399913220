"""However the panel ends, nothing of it stays: no thread, no worker, no widget, no callback."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication


def close_viewer(desk: Any) -> None:
    desk.viewer.close()


def remove_dock(desk: Any) -> None:
    desk.viewer.window.remove_dock_widget(desk.panel)


def delete_panel(desk: Any) -> None:
    desk.panel.deleteLater()
    QApplication.sendPostedEvents(desk.panel, QEvent.Type.DeferredDelete)


@pytest.mark.parametrize("end", [close_viewer, remove_dock, delete_panel])
def test_closing_in_the_middle_of_a_run_waits_and_leaves_nothing(desk: Any, end: Callable[[Any], None]) -> None:
    desk.open_movie()
    desk.click(1, 20, 20)
    desk.gate = threading.Semaphore(2)
    desk.press(desk.panel.propagate.go)
    desk.until(lambda: desk.binding.work.done >= 1)
    session, runner = desk.session, desk.panel.bench.runner
    threading.Timer(0.2, desk.gate.release, (1000,)).start()
    end(desk)
    assert not session.is_running
    assert not runner.busy
    desk.until(lambda: not [thread for thread in threading.enumerate() if "lane" in thread.name])


def test_the_binding_and_the_session_are_freed_when_another_image_is_opened(desk: Any) -> None:
    image = desk.open_movie()
    desk.click(1, 20, 20)
    session, binding = weakref.ref(desk.session), weakref.ref(desk.binding)
    desk.panel.bench.close_session()
    desk.until(lambda: desk.session is not None)
    assert desk.panel.bench.image is image
    desk.qtbot.wait(50)
    gc.collect()
    assert session() is None
    assert binding() is None


def test_two_viewers_do_not_disturb_each_other(desk: Any, make_napari_viewer: Callable[..., Any]) -> None:
    from napari_sam2._qt.panel import SegmentAndTrackPanel

    desk.open_movie()
    other = make_napari_viewer()
    second = SegmentAndTrackPanel(other)
    other.window.add_dock_widget(second)
    other.add_image(desk.panel.bench.image.data, name="second", contrast_limits=(0, 200))
    desk.until(lambda: second.bench.session is not None)
    desk.click(1, 20, 20)
    assert not second.bench.session.document.prompts
    assert "second" not in [layer.name for layer in desk.viewer.layers]
    other.close()
    assert second.bench.session is None
    assert desk.session is not None
