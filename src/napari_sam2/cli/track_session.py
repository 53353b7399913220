"""`napari-sam2 track --session`: a session folder tracked without a window, in which every finished frame is kept.

A run that was interrupted there goes on; else one begins. What is asked for is checked before the model is loaded. The
session can be opened in napari afterwards, and the labels are written as a stack.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.cli.console import errors, frame_progress, output
from napari_sam2.cli.interrupt import STOPPED, StopOnCtrlC
from napari_sam2.cli.terminal_run import summary_table
from napari_sam2.engine.jobs import CancelToken, PropagateJob, PropagateRequest
from napari_sam2.engine.plan import Direction, checked_range
from napari_sam2.io import check_label_path, write_labels
from napari_sam2.io.results import Results
from napari_sam2.masks.summary import LabelCounts, counted
from napari_sam2.session.session import Session
from sam2_core.errors import StackError


@dataclass(frozen=True, slots=True)
class SessionTracking:
    """What to track and where the labels go.

    Attributes
    ----------
    folder
        The session.
    out
        Label file; beside the folder and named after it if None.
    images
        Where the stack is, if not where the session says.
    direction, start, stop
        None for what an interrupted run asked for; of a new run "both" and all frames.
    device
        None for what the session says.
    overwrite
        Replace a label file that is there.
    """

    folder: Path
    out: Path | None = None
    images: str | None = None
    direction: Direction | None = None
    start: int | None = None
    stop: int | None = None
    device: str | None = None
    overwrite: bool = False

    @property
    def labels(self) -> Path:
        """The label file to write."""
        return self.out or self.folder.with_name(f"{self.folder.stem}_labels.tif")

    @property
    def is_plain(self) -> bool:
        """Whether nothing is said about what to track, so that an interrupted run is what is meant."""
        return self.direction is None and self.start is None and self.stop is None


def track_session(request: SessionTracking) -> int:
    """Return the exit code after the session is tracked and its labels written, or it was stopped.

    Raises
    ------
    StackError, PromptError, CheckpointError
        If the session cannot be opened or tracked, or the labels cannot be written.
    """
    check_label_path(request.labels)
    if request.labels.exists() and not request.overwrite:
        raise StackError(f"{request.labels} exists; choose another name with --out, or replace it with --overwrite.")
    with closing(Session.open(request.folder, device=request.device, images=request.images)) as session:
        for note in session.notes:
            errors().print(note)
        job = _job(session, request)
        is_whole = _run(session, job)
        session.save()
        if not is_whole:
            errors().print(f"Stopped. What is finished is kept in {request.folder}; the same command goes on.")
            return STOPPED
        _write(session, request.labels)
    return 0


def _job(session: Session, request: SessionTracking) -> PropagateJob:
    """Return what is left of an interrupted run, or a new one."""
    if session.interrupted_run is not None and request.is_plain:
        errors().print("The run that was interrupted goes on.")
        return session.resume_job()
    frames = None
    if request.start is not None or request.stop is not None:
        frames = checked_range(session.frame_count, request.start, request.stop)
    return session.propagate_job(PropagateRequest(request.direction or "both", frames))


def _run(session: Session, job: PropagateJob) -> bool:
    """Return whether the job came to its end; the first Ctrl-C stops it after the frame in work."""
    token = CancelToken()
    session.on_download = _Downloads()
    with StopOnCtrlC() as ctrl_c, frame_progress() as bar:
        task = bar.add_task("Tracking", total=None)
        for update in session.run(job, token):
            session.accept(update)
            bar.update(task, completed=update.done, total=update.total)
            if ctrl_c.is_requested():
                token.cancel()
    if session.view_sentence:
        errors().print(session.view_sentence)
    return not token.cancelled or session.interrupted_run is None


def _write(session: Session, out: Path) -> None:
    """Write the labels of all objects and show what was found."""
    results = Results(session.document, session.masks, session.movie.movie, session.settings.overlaps)
    counts = LabelCounts(results.object_ids)
    write_labels(out, counted(results.frames(), counts), results.spec)
    output().print(summary_table(counts.rows(), session.movie))
    output().print(f"Labels: {out}")


class _Downloads:
    """Says once that a model is fetched; called on the lane."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(self, name: str, done: int, total: int) -> None:
        if name not in self._said:
            self._said.add(name)
            errors().print(f"Downloading {name}, {total / 1e6:.0f} MB ...")
