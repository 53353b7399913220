"""A tracking run as a person sees it in a terminal: a progress bar with time left, Ctrl-C, and a table at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from rich.table import Table

from napari_sam2.cli.console import frame_progress, table
from napari_sam2.cli.interrupt import StopOnCtrlC
from napari_sam2.cli.tracking_run import TrackingOutcome, TrackingRequest, run_tracking
from napari_sam2.masks.summary import ObjectSummary
from napari_sam2.stacks import ModelMovie
from sam2_core.inference.video_calls import VideoPredictor


def run_in_terminal(request: TrackingRequest, load_predictor: Callable[[], VideoPredictor]) -> TrackingOutcome:
    """Return how the run ended; see `run_tracking`. The first Ctrl-C stops it after the frame in work."""
    with StopOnCtrlC() as ctrl_c, ExitStack() as shown:
        bar = frame_progress()
        task = bar.add_task("Tracking", total=None, start=False)

        def show(done: int, total: int) -> None:
            if not bar.tasks[task].started:  # the bar appears when all is checked and the run begins
                shown.enter_context(bar)
                bar.start_task(task)
            bar.update(task, completed=done, total=total)

        return run_tracking(load_predictor, request, show, ctrl_c.is_requested)


def summary_table(objects: Sequence[ObjectSummary], movie: ModelMovie) -> Table:
    """Return one row per object: id, first and last frame, frames with a mask, mean area (in µm² where it is known)."""
    about = movie.movie.stack.calibration
    pixel_area = about.scale.get("Y", 0.0) * about.scale.get("X", 0.0)
    unit = about.units.get("X", "")
    columns = ["object", "first frame", "last frame", "frames", "mean area (px)"]
    columns += [f"mean area ({unit}²)"] if pixel_area and unit and unit == about.units.get("Y") else []
    rows = []
    for entry in objects:
        row = [str(entry.object_id), _frame(entry.first_frame), _frame(entry.last_frame), str(entry.frames)]
        row += [f"{entry.mean_area_px:.1f}", f"{entry.mean_area_px * pixel_area:.2f}"]
        rows.append(row[: len(columns)])
    return table("Objects", columns, rows, right=columns)


def _frame(index: int | None) -> str:
    return "–" if index is None else str(index)
