"""`napari-sam2 track --session`: a session folder tracked without a window, in which every finished frame is kept.

A run that was interrupted there goes on; else one begins, over what is stale or missing. What is asked for is checked
before the model is loaded. The session can be opened in napari afterwards, and the labels are written as a stack.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_sam2.cli.console import errors
from napari_sam2.cli.interrupt import STOPPED
from napari_sam2.cli.terminal_run import predictor_of, run_in_terminal, show_results
from napari_sam2.engine.jobs import Direction, PropagateJob, PropagateRequest, checked_range
from napari_sam2.io import check_label_path
from napari_sam2.io.raw_data import check_not_raw
from napari_sam2.session.movie_job import write_results
from napari_sam2.session.session import Session
from sam2_core.errors import StackError
from sam2_core.inference.video_calls import VideoPredictor


@dataclass(frozen=True, slots=True)
class SessionTracking:
    """What to track and where the labels go: as the options of the command, see `options`.

    Labels go beside the folder where `out` is None. Without direction, start and stop it is what an interrupted run
    asked for, else both ways over all frames; images and device are what the session says where they are None. `again`
    makes all masks again, and not only those that are stale or missing.
    """

    folder: Path
    out: Path | None = None
    images: str | None = None
    direction: Direction | None = None
    start: int | None = None
    stop: int | None = None
    device: str | None = None
    overwrite: bool = False
    again: bool = False


def labels_beside(folder: Path) -> Path:
    """Return where the labels of a session go if nothing else is said: beside its folder."""
    return folder.with_name(f"{folder.stem}_labels.tif")


def track_session(request: SessionTracking) -> int:
    """Return the exit code after the session is tracked and its labels written, or it was stopped."""
    out = request.out or labels_beside(request.folder)
    check_label_path(out)
    if out.exists() and not request.overwrite:
        raise StackError(f"{out} exists; choose another name with --out, or replace it with --overwrite.")

    def load() -> VideoPredictor:
        return predictor_of(session.settings)

    session = Session.open(request.folder, device=request.device, images=request.images, predictor=load)
    with session:
        check_not_raw(out, session.stack, request.images, is_replaced=True)
        for note in session.notes:
            errors().print(note)
        is_whole = run_in_terminal(session, _job(session, request))
        session.save()
        if not is_whole:
            errors().print(f"Stopped. What is finished is kept in {request.folder}; the same command goes on.")
            return STOPPED
        show_results(write_results(session, out), session.movie, session.view_sentence, out)
    return 0


def _job(session: Session, request: SessionTracking) -> PropagateJob:
    """Return what is left of an interrupted run, where nothing is said about what to track, or a new one."""
    whole = request.start is None and request.stop is None
    if session.interrupted_run is not None and whole and request.direction is None and not request.again:
        errors().print("The run that was interrupted goes on.")
        return session.resume_job()
    frames = None if whole else checked_range(session.frame_count, request.start, request.stop)
    asked = PropagateRequest(request.direction or "both", frames, only_stale=not request.again)
    job = session.propagate_job(asked)
    if job.is_empty:
        errors().print("Nothing is stale or missing; --again makes all masks again.")
    return job
