"""A session's run as a person sees it in a terminal: a progress bar with time left, Ctrl-C, labels, and a table."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from rich.table import Table

from napari_sam2.cli.console import errors, frame_progress, output, table
from napari_sam2.cli.interrupt import StopOnCtrlC
from napari_sam2.cli.model_choice import load_predictor
from napari_sam2.engine.jobs import PropagateJob
from napari_sam2.masks.summary import ObjectSummary
from napari_sam2.session.looks import size_misfit
from napari_sam2.session.session import Session
from napari_sam2.session.settings import SessionSettings
from napari_sam2.stacks import ModelMovie
from sam2_core.inference.video_calls import VideoPredictor


def predictor_of(settings: SessionSettings) -> VideoPredictor:
    """Return the predictor that settings name; the download of its weights shows a bar."""
    return load_predictor(settings.model, settings.device, settings.image_size, settings.feature_cache.option)


def run_in_terminal(session: Session, job: PropagateJob) -> bool:
    """Return whether a job came to its end; the first Ctrl-C stops it after the frame in work."""
    with StopOnCtrlC() as ctrl_c, ExitStack() as shown:
        bar = frame_progress()
        task = bar.add_task("Tracking", total=None)
        with closing(session.run(job, ctrl_c)) as updates:  # type: ignore[type-var]
            for update in updates:
                session.accept(update)
                if not bar.live.is_started:  # when the model is there and says what it looks at
                    errors().print(session.view_sentence)
                    shown.enter_context(bar)
                bar.update(task, completed=update.done, total=update.total)
        misfit = size_misfit(session.settings, session.document, session.masks)
        if misfit is not None:
            errors().print(str(misfit))
        return not ctrl_c.requested or session.interrupted_run is None


def show_results(objects: Sequence[ObjectSummary], movie: ModelMovie, sentence: str, out: Path) -> None:
    """Show what was found, what the model looked at, and where the labels are."""
    output().print(summary_table(objects, movie))
    output().print(*filter(None, [sentence]), f"Labels: {out}", sep="\n")


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
