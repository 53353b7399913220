"""A saved session as one job: tracked without a window where masks are stale or missing, every finished frame kept.

A run that was interrupted there goes on; else one begins. The session is saved behind it, and is there for napari.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.engine.jobs import Direction, PropagateJob, PropagateRequest, checked_range
from napari_sam2.engine.model_loading import load_predictor
from napari_sam2.io import is_session_folder
from napari_sam2.io.raw_data import check_not_raw
from napari_sam2.session.movie_job import RunJob, run_quietly
from napari_sam2.session.session import Session
from napari_sam2.session.settings import SessionSettings
from sam2_core.errors import StackError
from sam2_core.inference.video_calls import VideoPredictor

_log = logging.getLogger(__name__)


Load = Callable[[SessionSettings], VideoPredictor]
"""Makes the predictor that settings name."""


def load_quietly(settings: SessionSettings) -> VideoPredictor:
    """Return the predictor that settings name."""
    return load_predictor(settings.model, settings.device, settings.image_size, None, settings.feature_cache.option)


@dataclass(frozen=True, slots=True)
class SavedJob:
    """What to track in a session folder.

    Without direction, start and stop it is what an interrupted run asked for, else both ways over all frames; images
    and device are what the session says where they are None. `again` makes all masks again, and not only those that are
    stale or missing. `out` is what is written of it afterwards, if anything: it may not be the images.
    """

    folder: Path
    out: Path | None = None
    images: str | None = None
    direction: Direction | None = None
    start: int | None = None
    stop: int | None = None
    device: str | None = None
    again: bool = False


def track_saved(
    job: SavedJob,
    run: RunJob = run_quietly,
    load: Load = load_quietly,
    write: Callable[[Session], None] = lambda session: None,
) -> bool:
    """Return whether a session was tracked to the end, and not stopped; it is saved either way, where it can be.

    Parameters
    ----------
    run
        Runs the session's job.
    load
        Makes the video predictor that the session's settings name.
    write
        Writes what is wanted of the open session when it is tracked.

    Raises
    ------
    StackError, PromptError, CheckpointError
        If the folder cannot be opened, or a frame cannot be read.
    """

    def predictor() -> VideoPredictor:
        return load(session.settings)

    if not is_session_folder(job.folder):
        raise StackError(f"{job.folder} is no session folder; give one that was saved, as movie.sam2.")
    session: Session
    with Session.open(job.folder, device=job.device, images=job.images, predictor=predictor) as session:
        if job.out is not None:
            check_not_raw(job.out, session.stack, job.images, is_replaced=True)
        for note in session.notes:
            _log.warning("%s", note)
        if session.folder is None and job.out is None:
            raise StackError(f"{job.folder} cannot be written, so nothing would be kept; copy it to where it can be.")
        is_whole = run(session, _propagate_job(session, job))
        if session.folder is not None:
            session.save()
        if is_whole:
            write(session)
        return is_whole


def _propagate_job(session: Session, job: SavedJob) -> PropagateJob:
    """Return what is left of an interrupted run, where nothing is said about what to track, or a new one."""
    whole = job.start is None and job.stop is None
    if session.interrupted_run is not None and whole and job.direction is None and not job.again:
        _log.info("The run that was interrupted goes on.")
        return session.resume_job()
    frames = None if whole else checked_range(session.frame_count, job.start, job.stop)
    asked = session.propagate_job(PropagateRequest(job.direction or "both", frames, only_stale=not job.again))
    if asked.is_empty:
        _log.info("Nothing is stale or missing; --again makes all masks again.")
    return asked
