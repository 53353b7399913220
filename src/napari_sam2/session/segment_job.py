"""The objects of every frame as one job: a stack and what to find in, labels and a table out, without a prompt.

Frames are segmented one by one, each with labels from 1 on; nothing is tracked. How such a run is stopped and goes on
is told in `found_run`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from napari_sam2.io.found_frames import FoundFrames
from napari_sam2.io.found_table import write_found_table
from napari_sam2.io.label_files import LabelSpec, check_label_path, write_labels
from napari_sam2.io.raw_data import check_not_raw
from napari_sam2.masks.overlaps import label_dtype
from napari_sam2.session.found_run import FoundReport, FrameJob, RunFind, check_run, find_frames, find_quietly
from napari_sam2.session.session import Predictor, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentJob(FrameJob):
    """What to segment and where the labels go, see `FrameJob`; `table` is a CSV with a row per object, if any."""

    table: Path | None = None


def segment(job: SegmentJob, run: RunFind = find_quietly, predictor: Predictor = None) -> FoundReport:
    """Return how the segmentation of a stack ended, with its labels and table written if it was not stopped.

    Parameters
    ----------
    run
        Runs the session's job.
    predictor
        A video predictor, or a function that makes one, instead of loading the model that the settings name.

    Raises
    ------
    StackError, PromptError, CheckpointError
        If the run cannot start; also if a frame cannot be read, or the size of the objects cannot be told.
    """
    _check(job)
    return find_frames(job, run, predictor, partial(_write, job))


def _check(job: SegmentJob) -> None:
    check_label_path(job.out)
    check_not_raw(job.out, job.stack, is_replaced=True)
    check_not_raw(job.folder, job.stack, is_replaced=True)
    if job.table is not None:
        check_not_raw(job.table, job.stack)
    check_run(job, [path for path in (job.out, job.table) if path is not None])


def _write(job: SegmentJob, session: Session, parts: FoundFrames) -> None:
    movie, done = session.movie.movie, set(parts.finished())
    dtype = label_dtype([max((int(row["label"]) for row in parts.rows()), default=0)])
    nothing = np.zeros(session.size, dtype)
    frames = (parts.labels(frame) if frame in done else nothing for frame in range(len(movie)))
    write_labels(job.out, frames, LabelSpec.like(movie, dtype))
    if job.table is not None:
        write_found_table(job.table, parts.rows())
