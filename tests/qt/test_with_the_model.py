"""The bundled model in a real window: mouse events on the canvas in, masks of real cells out."""

from __future__ import annotations

import gc
import multiprocessing
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtTest import QTest

from napari_sam2._qt import opening, workbench
from napari_sam2._qt.timeline import PROMPTED, TRACKED
from napari_sam2.engine.finding import FINE
from napari_sam2.evaluation import farthest_pixel, metrics
from napari_sam2.samples import sample_movie
from sam2_core.training.synthetic import SyntheticMovie

Array = np.ndarray[Any, Any]
CORNER = np.s_[:, 40:168, 50:178]
CELLS = (1, 7)
"""Two that stay in the corner, by their ids in the truth."""


@pytest.fixture(scope="module")
def movie() -> SyntheticMovie:
    return sample_movie()


@dataclass
class Screen:
    """A shown window with the panel, a corner of the sample, and the true cells in it."""

    desk: Any
    truth: Array

    def middle(self, cell: int, frame: int) -> tuple[float, float]:
        y, x = farthest_pixel(self.truth[frame] == cell)
        return float(y), float(x)

    def iou(self, object_id: int, cell: int, frame: int) -> float:
        return metrics.iou(self.desk.session.labels(frame) == object_id, self.truth[frame] == cell)

    def click(self, y: float, x: float) -> None:
        """Press and release the mouse where a pixel of the frame in view is drawn."""
        (canvas,) = self.desk.panel.window().findChildren(QOpenGLWidget)
        world = self.desk.panel.bench.image.data_to_world((self.desk.binding.frame, y, x))
        camera = self.desk.viewer.scene.camera
        down, right = camera.zoom * (np.array(world)[-2:] - np.array(camera.center)[-2:])
        place = QPoint(round(canvas.width() / 2 + right), round(canvas.height() / 2 + down))
        assert canvas.rect().contains(place), "the pixel is not in view"
        QTest.mouseMove(canvas, place)
        QTest.mousePress(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
        QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)

    def begin_object(self) -> None:
        """Take the tool for a new object; the click can come."""
        self.desk.press(self.desk.panel.objects.new)


@pytest.fixture
def screen(desk: Any, movie: SyntheticMovie, monkeypatch: pytest.MonkeyPatch, qtbot: Any) -> Callable[[int], Screen]:
    monkeypatch.setattr(workbench, "open_session", opening.open_session)

    def show(frames: int) -> Screen:
        with qtbot.waitExposed(desk.viewer.window._qt_window):
            desk.viewer.show()
        desk.viewer.add_image(movie.images[CORNER][:frames], name="cells", axis_labels=("t", "y", "x"))
        desk.until(lambda: desk.session is not None)
        desk.viewer.dims.set_point(0, 0)
        desk.panel.state.refresh()
        return Screen(desk, movie.labels[CORNER][:frames])

    return show


def test_a_click_on_a_cell_gives_its_mask_and_propagation_the_others(screen: Callable[[int], Screen]) -> None:
    seen = screen(4)
    desk = seen.desk
    seen.begin_object()
    y, x = seen.middle(CELLS[0], 0)
    seen.click(y, x)
    np.testing.assert_allclose(desk.session.document.prompts[1, 0].points_yx, [(y, x)], atol=1)
    desk.idle()
    assert seen.iou(1, CELLS[0], 0) >= 0.7
    assert desk.binding.labels.layers[0].get_value((0, y, x)) == 1
    desk.press(desk.panel.propagate.go)
    desk.idle()
    assert desk.session.status(1).tolist() == [PROMPTED, TRACKED, TRACKED, TRACKED]
    assert min(seen.iou(1, CELLS[0], frame) for frame in range(4)) >= 0.7


def test_a_click_during_a_propagation_is_recorded_at_once_and_stops_it(screen: Callable[[int], Screen]) -> None:
    seen = screen(20)
    desk = seen.desk
    seen.begin_object()
    seen.click(*seen.middle(CELLS[0], 0))
    desk.idle()
    seen.begin_object()
    desk.press(desk.panel.propagate.go)
    desk.until(lambda: desk.binding.work.done >= 2)
    seen.click(*seen.middle(CELLS[1], 0))
    assert (2, 0) in desk.session.document.prompts
    assert desk.binding.work.is_propagating  # the frame in work is not done
    desk.idle()
    assert seen.iou(2, CELLS[1], 0) >= 0.7
    codes = desk.session.status(1).tolist()
    kept = codes.count(TRACKED)
    assert 1 <= kept < 19
    assert codes == [PROMPTED] + [TRACKED] * kept + [0] * (19 - kept)
    assert "Stopped after" in desk.panel.message.text()


def test_a_search_of_a_long_movie_is_shared_by_processes_until_the_window_closes(
    screen: Callable[[int], Screen], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("loky.cpu_count", lambda: 3)
    seen = screen(16)
    desk = seen.desk
    desk.panel.finding.more.frames.setCurrentIndex(1)
    desk.press(desk.panel.finding.go)
    desk.until(lambda: desk.binding.work.done >= 3 * FINE)
    assert len(multiprocessing.active_children()) == 2
    assert all(desk.session.proposals.chosen(frame=frame) for frame in range(3))
    desk.viewer.close()
    assert not desk.lanes()
    assert not multiprocessing.active_children()


def test_closing_the_window_in_the_middle_of_a_run_leaves_nothing(screen: Callable[[int], Screen]) -> None:
    seen = screen(20)
    desk = seen.desk
    seen.begin_object()
    seen.click(*seen.middle(CELLS[0], 0))
    desk.idle()
    desk.press(desk.panel.propagate.go)
    desk.until(lambda: desk.binding.work.done >= 2)
    session = weakref.ref(desk.session)
    assert desk.binding.work.is_propagating
    desk.viewer.close()
    assert desk.session is None
    assert not desk.lanes()

    def is_gone() -> bool:
        gc.collect()
        return session() is None

    desk.until(is_gone)
