from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from disc_predictor import DiscPredictor
from npe2 import PluginManifest
from pytestqt.qtbot import QtBot

from napari_sam2._qt import workbench
from napari_sam2._qt.background import WORKER_NAME
from napari_sam2._qt.panel import SegmentAndTrackPanel

FRAMES, HEIGHT, WIDTH = 8, 40, 60


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models and preferences of the person who runs the tests are neither read nor changed."""
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path / "home"))


@pytest.fixture
def workers_end(qtbot: QtBot) -> Iterator[None]:
    """Behind the test, wait until no worker is left and what they said has arrived."""
    yield
    qtbot.waitUntil(lambda: not any(one.name == WORKER_NAME for one in threading.enumerate()))
    qtbot.wait(10)


@dataclass
class Desk:
    """A viewer with a window, the panel docked in it, and a predictor without a model."""

    viewer: Any
    panel: SegmentAndTrackPanel
    qtbot: QtBot
    threads: set[threading.Thread]
    """Those that ran before."""
    gate: threading.Semaphore | None = None
    errors: list[str] = field(default_factory=list)

    @property
    def session(self) -> Any:
        return self.panel.bench.session

    @property
    def binding(self) -> Any:
        return self.panel.bench.binding

    def open_movie(self, frames: int = FRAMES, **layer: Any) -> Any:
        image = self.viewer.add_image(
            np.zeros((frames, HEIGHT, WIDTH), np.uint8), **{"name": "movie", "contrast_limits": (0, 200), **layer}
        )
        self.until(lambda: self.session is not None)
        self.viewer.dims.set_point(0, 0)
        return image

    def click(self, object_id: int, y: float, x: float, frame: int = 0) -> None:
        """A click in the points layer, as its data, and its mask."""
        self.binding.current.choose(object_id, "in")
        self.binding.prompts.points.add([frame, y, x])
        self.idle()

    def press(self, button: Any) -> None:
        assert button.isEnabled(), f"{button.text()} is greyed out"
        button.click()

    def until(self, condition: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(condition, timeout=60000)  # a model is loaded on a busy machine

    def lanes(self) -> list[threading.Thread]:
        """Threads of models that began since, and still run."""
        return [one for one in set(threading.enumerate()) - self.threads if "lane" in one.name]

    def idle(self) -> None:
        """Wait until nothing runs and what is shown is up to date."""
        self.until(lambda: not self.binding.work.busy and not self.session.needs_preview)
        self.panel.state.refresh()


def _open(desk_of: Callable[[], Desk | None], stack: Any, settings: Any) -> Any:
    from napari_sam2.session.session import Session

    def on_frame(frame: int) -> None:
        desk = desk_of()
        if desk is not None and desk.gate is not None:
            desk.gate.acquire(timeout=20)

    return Session.open(stack, settings=settings, predictor=DiscPredictor(on_frame))


@pytest.fixture
def desk(
    make_napari_viewer: Callable[..., Any],
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    plugin_settings: Any,
    npe2pm: Any,
) -> Iterator[Desk]:
    npe2pm.register(PluginManifest.from_distribution("napari-sam2"))
    made: list[Desk] = []
    monkeypatch.setattr(workbench, "open_session", partial(_open, lambda: made[0] if made else None))
    threads = set(threading.enumerate())
    viewer = make_napari_viewer()
    _, panel = viewer.window.add_plugin_dock_widget("napari-sam2", "Segment and track")  # as the menu does it
    desk = Desk(viewer, panel, qtbot, threads)
    made.append(desk)
    desk.until(lambda: panel.bench.is_ready)
    yield desk
    if desk.gate is not None:
        desk.gate.release(1000)
    panel.bench.close()
    desk.until(lambda: not [t for t in set(threading.enumerate()) - threads if "napari-sam2" in t.name])
    made.clear()
    gc.collect()


@pytest.fixture
def told(desk: Any) -> list[str]:
    """What the panel said, errors with "!" in front."""
    told: list[str] = []
    desk.panel.bench.said.connect(told.append)
    desk.panel.bench.failed.connect(lambda error: told.append(f"!{error}"))
    return told
