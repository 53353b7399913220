"""Pictures for the documentation, made in a real window with the synthetic sample and the bundled model.

Run it under a screen, for example ``xvfb-run -s "-screen 0 1440x1000x24" python scripts/make_screenshots.py``. It
writes empty_start, first_click, propagation, correction, light_theme, models, found, found_tracked, linked and review
to docs/images.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
from qtpy.QtWidgets import QApplication
from review_job import review_job

from napari_sam2._qt.panel import SegmentAndTrackPanel
from napari_sam2.samples import first_clicks, sample_movie

SIZE = (1366, 768)
PATIENCE_S = 600
SHOWN_DURING = 9
CORRECTED_FRAME = 12


class Film:
    """A viewer that is driven as a person would, and its pictures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.viewer = napari.Viewer(show_welcome_screen=False)
        self.viewer.window.resize(*SIZE)
        _, self.panel = self.viewer.window.add_plugin_dock_widget("napari-sam2", "Segment and track")
        self.settle(lambda: self.panel.bench.is_ready)

    def settle(self, condition: Callable[[], bool] = lambda: True, rest_s: float = 0.6) -> None:
        """Let the window work until a condition holds, then a little longer, so that everything is drawn."""
        start = time.monotonic()
        while not condition():
            if time.monotonic() - start > PATIENCE_S:
                raise TimeoutError("the viewer did not get there in time; is the machine very busy?")
            QApplication.processEvents()
            time.sleep(0.005)
        end = time.monotonic() + rest_s
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.005)

    def picture(self, name: str) -> None:
        """Write the window as it is."""
        path = self.folder / f"{name}.png"
        self.viewer.screenshot(str(path), canvas_only=False, flash=False)
        print(path)

    def click(self, object_id: int, frame: int, y: float, x: float) -> None:
        """Put a click into the points layer, and wait for its mask."""
        binding = self.panel.bench.binding
        binding.show_frame(frame)
        binding.current.choose(object_id, "in")
        binding.prompts.points.add([frame, y, x])
        self.settle(self.is_idle)

    def is_idle(self) -> bool:
        """Whether nothing runs and every prompt has its mask."""
        bench = self.panel.bench
        return not bench.binding.work.busy and not bench.session.needs_preview


def make_all(folder: Path) -> None:
    """Make every picture in the order of a first use."""
    film = Film(folder)
    panel: SegmentAndTrackPanel = film.panel
    film.settle()
    film.picture("empty_start")

    panel.hint.button.click()
    film.settle(lambda: panel.bench.session is not None)
    panel.prompts.tools["inside"].click()
    clicks = first_clicks(sample_movie())
    film.click(1, clicks[0].frame, clicks[0].y, clicks[0].x)
    film.picture("first_click")

    for object_id, click in enumerate(clicks[1:5], start=2):
        film.click(object_id, click.frame, click.y, click.x)
    panel.propagate.go.click()
    work = panel.bench.binding.work
    film.settle(lambda: work.done >= SHOWN_DURING - 1, rest_s=0.0)
    panel.bench.binding.show_frame(SHOWN_DURING - 3)
    film.settle(lambda: work.done >= SHOWN_DURING, rest_s=0.2)
    film.picture("propagation")

    film.settle(film.is_idle)
    binding = panel.bench.binding
    place = _middle_of(panel, 1, CORRECTED_FRAME)
    film.click(1, CORRECTED_FRAME, *place)
    binding.show_frame(CORRECTED_FRAME)
    film.settle()
    film.picture("correction")

    film.viewer.theme = "light"
    film.settle()
    film.picture("light_theme")
    film.viewer.theme = "dark"

    _, models = film.viewer.window.add_plugin_dock_widget("napari-sam2", "Models", tabify=True)
    film.settle(lambda: models.table.rowCount() > 0)
    models.choose("sam2.1_hiera_t")
    film.settle()
    film.picture("models")
    film.viewer.close()


def make_find(folder: Path) -> None:
    """Make the pictures of found cells: two rejected, one added by a click, accepted and tracked; then all linked."""
    film = Film(folder)
    panel: SegmentAndTrackPanel = film.panel
    film.settle()
    panel.hint.button.click()
    film.settle(lambda: panel.bench.session is not None)
    panel.finding.go.click()
    deciding = panel.bench.binding.deciding
    film.settle(lambda: deciding.counts()[0] > 0)
    session, shown = panel.bench.session, deciding.proposals.shown(0)
    wrong = list(shown)[-2:]
    y, x = (float(place) for place in np.argwhere(shown[wrong[0]].mask.mask).mean(axis=0))
    session.proposals.reject(wrong)
    deciding.click(panel.bench.image.data_to_world((0.0, y, x)))
    film.settle(film.is_idle, rest_s=1.5)
    film.picture("found")
    panel.finding.accept.click()
    film.settle(film.is_idle)
    panel.propagate.go.click()
    film.settle(film.is_idle)
    panel.bench.binding.show_frame(session.frame_count - 1)
    film.settle(film.is_idle, rest_s=1.5)
    film.picture("found_tracked")
    for object_id in list(session.document.objects):
        session.remove_object(object_id)
    panel.bench.binding.show_frame(0)
    panel.finding.more.frames.setCurrentIndex(1)
    panel.finding.go.click()
    film.settle(lambda: film.is_idle() and deciding.proposals.on_several_frames)
    panel.finding.link.click()
    film.settle(lambda: film.is_idle() and len(session.document.objects) > 1)
    film.viewer.dims.set_point(0, session.frame_count // 2)
    film.settle(film.is_idle, rest_s=1.5)
    film.picture("linked")
    film.viewer.close()


def make_review(folder: Path) -> None:
    """Make the picture of the review: a division that was missed, with what else it may be."""
    film = Film(folder)
    panel: SegmentAndTrackPanel = film.panel
    job = review_job()
    limits = (float(job.images.min()), float(job.images.max()))
    film.viewer.add_image(job.images, name="cells", axis_labels=("t", "y", "x"), contrast_limits=limits)
    film.settle(lambda: panel.bench.session is not None)
    with tempfile.TemporaryDirectory() as files:
        job.give(panel.bench.session, Path(files))
    film.settle()
    panel.objects.review.click()
    going = panel.bench.binding.reviewing
    film.settle(lambda: going.item is not None)
    for kind in ("low overlap", "ends inside"):
        going.show(next(one for one in going.listed if one.kind.value == kind))
        film.settle()
        going.fix(1)
        film.settle(lambda: not going.is_looking)
    going.show(next(one for one in going.listed if one.kind.value == "begins inside" and one.place.frame > 30))
    film.settle(rest_s=1.5)
    film.picture("review")
    film.viewer.close()


def _middle_of(panel: SegmentAndTrackPanel, object_id: int, frame: int) -> tuple[float, float]:
    """Return the mean place (y, x) of an object's mask on a frame."""
    mask = panel.bench.session.masks.mask(object_id, frame)
    y, x = np.argwhere(mask).mean(axis=0)
    return float(y), float(x)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parents[1] / "docs" / "images")
    parser.add_argument("--only", choices=["first use", "found", "review"], help="only these pictures")
    arguments = parser.parse_args()
    for name, make in {"first use": make_all, "found": make_find, "review": make_review}.items():
        if arguments.only in (None, name):
            make(arguments.folder)
