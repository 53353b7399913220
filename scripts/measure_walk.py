"""Walks through the plugin as a person would, in a real window, and measures: `python scripts/measure_walk.py OUT`.

From the plugin menu: a stack (the sample if none is given), clicks on cells with the mouse, propagation both ways, one
correction where the mask is worst, propagation of what turned stale, saving, reopening in a new viewer, export. Writes
screenshots and `report.json` to OUT: mean IoU against the labels, the longest hold of the main thread by our own code,
seconds from a click to its mask, frames between Stop and the end. Needs a screen, or Xvfb.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from qtpy.QtWidgets import QAction, QMenu
from walk_window import Window, pause

from napari_sam2._qt import panel_actions
from napari_sam2._qt.holds import HoldRecord, record_holds
from napari_sam2._qt.panel import SegmentAndTrackPanel
from napari_sam2.samples import sample_movie
from sam2_core.scoring.clicks import corrective_click
from sam2_core.scoring.ground_truth import farthest_pixel, judged_ids
from sam2_core.scoring.metrics import iou

TITLE = "Segment and track"


class Walk(Window):
    """A window whose panel is opened by the menu, and what was measured in it."""

    def __init__(self, out: Path, report: dict[str, Any] | None = None) -> None:
        self.report: dict[str, Any] = {} if report is None else report
        super().__init__(out)

    def open_panel(self) -> None:
        """Open the panel from the Layers > Track menu."""
        pause(300)
        menu_action(self.viewer.window.layers_menu, "Track", TITLE).trigger()
        self.wait(lambda: self.frame.findChild(SegmentAndTrackPanel) is not None, "the panel")
        self.panel = self.frame.findChild(SegmentAndTrackPanel)

    def click_new(self, frame: int, y: float, x: float) -> float:
        """Begin a new object with a click; the seconds until its mask is there."""
        self.panel.verbs.new_object()
        before = set(self.session.document.prompts)
        began = self.click_at_once(y, x, frame)
        self.wait(lambda: set(self.session.document.prompts) != before, "the prompt")
        self.wait(lambda: not self.session.needs_preview, "the mask")
        return time.perf_counter() - began

    def start_run(self, objects: str = "all") -> float:
        """Press Propagate and wait until it runs; when it was pressed."""
        self.panel.propagate.objects.setCurrentIndex(self.panel.propagate.objects.findData(objects))
        began = time.perf_counter()
        self.panel.propagate.go.click()
        self.wait(lambda: self.binding.work.busy, "the run to begin")
        return began

    def stop_early(self) -> int:
        """Press Propagate, then Stop after a few frames; how many frames still came after Stop."""
        self.start_run()
        count = Counter()
        self.session.events.masks_changed.connect(count)
        self.wait(lambda: count.frames > 3, "four frames")
        self.panel.propagate.stop.click()
        at_stop = count.frames
        self.idle()
        self.session.events.masks_changed.disconnect(count)
        return count.frames - at_stop

    def labels(self) -> np.ndarray:
        """What the session holds, (T, H, W)."""
        return np.stack([self.session.masks.labels(frame) for frame in range(self.session.frame_count)])

    def close(self) -> None:
        """Close the window as a person does."""
        self.viewer.close()
        pause(300)


class Counter:
    """Counts the frames that came."""

    def __init__(self) -> None:
        self.frames = 0

    def __call__(self, frame: int, object_ids: tuple[int, ...]) -> None:
        """Count one."""
        self.frames += 1


def menu_action(menu: QMenu, *path: str) -> QAction:
    """The entry at the end of a path of menus, opened one after the other."""
    menu.aboutToShow.emit()
    action = next(action for action in menu.actions() if action.text().replace("&", "").startswith(path[0]))
    return action if len(path) == 1 else menu_action(action.menu(), *path[1:])


def chosen_objects(truth: np.ndarray, frame: int, count: int) -> list[tuple[int, int, int]]:
    """Id and deepest pixel (y, x) of the objects that stay longest among those on a frame, at most so many."""
    lives = {one: sum(bool((plane == one).any()) for plane in truth) for one in judged_ids(truth[frame])}
    longest = sorted(lives, key=lambda one: -lives[one])[:count]
    return [(one, *farthest_pixel(truth[frame] == one)) for one in longest]


def object_ious(found: np.ndarray, truth: np.ndarray, ids: dict[int, int]) -> dict[tuple[int, int], float]:
    """IoU of each (object id, frame) where the truth has it; ids: object id -> id in the truth."""
    ious = {}
    for object_id, true_id in ids.items():
        for frame in range(len(truth)):
            wanted, got = truth[frame] == true_id, found[frame] == object_id
            if wanted.any():
                ious[object_id, frame] = iou(wanted, got)
    return ious


def correct_worst(walk: Walk, truth: np.ndarray, ids: dict[int, int]) -> tuple[int, int]:
    """Click once in the largest error of the worst mask that is still there; its object and frame."""
    ious = object_ious(walk.labels(), truth, ids)
    object_id, frame = min(ious, key=lambda key: ious[key])
    click = corrective_click(truth[frame] == ids[object_id], walk.labels()[frame] == object_id)
    if click is None:
        return object_id, frame
    walk.binding.current.choose(object_id)
    walk.panel.verbs.take_tool("inside" if click.label else "outside")
    walk.click(*click.yx, frame)
    return object_id, frame


def answer_dialogs(folder: Path, labels: Path) -> None:
    """Answer the file dialogs without showing them."""
    answers = {"Save": str(folder), "Export": str(labels)}

    class Dialogs:
        @staticmethod
        def getSaveFileName(parent: Any, title: str, *rest: Any) -> tuple[str, str]:
            return answers[title.split()[0]], ""

        @staticmethod
        def getExistingDirectory(parent: Any, title: str) -> str:
            return str(folder)

    panel_actions.QFileDialog = Dialogs


def open_images(walk: Walk, chosen: argparse.Namespace) -> np.ndarray | None:
    """Open the stack, or the sample by the panel's button; the true labels."""
    if chosen.image is None:
        walk.panel.hint.button.click()
        walk.wait(lambda: walk.session is not None, "the sample")
        return np.asarray(sample_movie().labels)
    walk.viewer.open(str(chosen.image), plugin="napari")
    walk.wait(lambda: walk.session is not None, "the session")
    return None if chosen.labels is None else tifffile.imread(chosen.labels)


def walk_through(walk: Walk, chosen: argparse.Namespace) -> None:
    """All steps, in order."""
    walk.picture("1_empty")
    truth = open_images(walk, chosen)
    walk.idle()
    walk.viewer.reset_view()
    ids = click_objects(walk, chosen, truth)
    track(walk, chosen.frame)
    if truth is not None:
        walk.report["mean_iou_before_correction"] = mean_iou(walk, truth, ids)
        walk.report["corrected"] = correct_worst(walk, truth, ids)
        walk.picture("5_corrected")
        walk.start_run("all")
        walk.idle()
        walk.report["mean_iou"] = mean_iou(walk, truth, ids)
        walk.picture("6_propagated_again")
    keep_and_reopen(walk)


def click_objects(walk: Walk, chosen: argparse.Namespace, truth: np.ndarray | None) -> dict[int, int]:
    """Click on each object once; object id -> id in the truth."""
    places = [(index + 1, *map(int, text.split(","))) for index, text in enumerate(chosen.clicks)]
    if truth is not None and not places:
        places = chosen_objects(truth, chosen.frame, chosen.objects)
    seconds = [walk.click_new(chosen.frame, y, x) for _, y, x in places]
    walk.report["seconds_from_click_to_mask"] = [round(value, 3) for value in seconds]
    walk.idle()
    walk.picture("2_clicks")
    return dict(zip(sorted(walk.session.document.objects), (true for true, _, _ in places), strict=True))


def track(walk: Walk, frame: int) -> None:
    """Propagate both ways, once stopped and once to the end."""
    walk.report["frames_after_stop"] = walk.stop_early()
    began = walk.start_run()
    walk.wait(lambda: walk.binding.work.done > 3, "frames")
    walk.picture("3_running")
    walk.idle()
    walk.report["seconds_both_ways"] = round(time.perf_counter() - began, 1)
    walk.binding.show_frame(walk.session.frame_count - 1)
    walk.picture("4_propagated")


def keep_and_reopen(walk: Walk) -> None:
    """Save, export, close the window, and open the session again in another one."""
    walk.panel.saving.save.click()
    walk.wait((walk.out / "walk.sam2" / "session.json").exists, "the session folder")
    pause(300)
    before = walk.labels()
    walk.panel.saving.export.click()
    walk.wait((walk.out / "labels.tif").exists, "the export")
    pause(300)
    walk.close()
    reopened = Walk(walk.out, walk.report)
    reopened.panel.saving.open.click()
    reopened.wait(lambda: reopened.session is not None, "the session")
    reopened.idle()
    reopened.picture("7_reopened")
    walk.report["reopened_labels_are_the_same"] = bool((reopened.labels() == before).all())
    walk.report["exported_labels_are_the_same"] = bool((tifffile.imread(walk.out / "labels.tif") == before).all())
    reopened.close()


def mean_iou(walk: Walk, truth: np.ndarray, ids: dict[int, int]) -> float:
    """Mean IoU over all objects and the frames on which they are."""
    return round(float(np.mean(list(object_ious(walk.labels(), truth, ids).values()))), 3)


def holds(record: HoldRecord) -> dict[str, Any]:
    """The longest holds, in milliseconds."""
    rows = sorted(record.places.items(), key=lambda item: -item[1].wall_s)[:12]
    return {
        place: {"wall_ms": round(1e3 * held.wall_s, 1), "cpu_ms": round(1e3 * held.cpu_s, 1)} for place, held in rows
    }


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--image", type=Path, default=None)
    parser.add_argument("--labels", type=Path, default=None, help="true labels of the stack")
    parser.add_argument("--frame", type=int, default=0)
    parser.add_argument("--objects", type=int, default=3)
    parser.add_argument("--clicks", nargs="*", default=(), help="y,x of each click, where there are no labels")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    answer_dialogs(chosen.out / "walk.sam2", chosen.out / "labels.tif")
    walk = Walk(chosen.out)
    with record_holds() as record:
        try:
            walk_through(walk, chosen)
        finally:
            walk.report["holds"] = holds(record)
            (chosen.out / "report.json").write_text(json.dumps(walk.report, indent=1))
            print(json.dumps(walk.report, indent=1))


if __name__ == "__main__":
    main()
