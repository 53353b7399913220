"""One movie as one job: a stack, prompts and settings in, a label file and a report out, by a session of its own.

Order: all that is asked for is checked, contrast read, objects found where that is asked for, the session saved in a
folder, tracked with every finished frame kept there, and the labels written. A folder of the run's own,
`labels.tif.partial` beside the labels, is removed then; one that has a name stays. A run that is stopped or killed
leaves the folder, and a later one with `resume` goes on in it and ends with the same labels. Who looks on (a terminal,
a cluster's scheduler) runs the session's job itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.document.difference import difference
from napari_sam2.document.prompt import Prompt
from napari_sam2.engine.jobs import Direction, FindRequest, PropagateJob, PropagateRequest
from napari_sam2.io import check_label_path, is_session_folder, write_labels
from napari_sam2.io.atomic import remove_path
from napari_sam2.io.raw_data import check_not_raw
from napari_sam2.io.results import Results
from napari_sam2.masks.summary import LabelCounts, ObjectSummary, counted
from napari_sam2.session.found import Proposed
from napari_sam2.session.made_by_jobs import READ_PROMPTS
from napari_sam2.session.session import Predictor, Session
from napari_sam2.session.settings import SAME_ANSWER, SessionSettings, changed_fields
from napari_sam2.stacks import ContrastLimits, Stack
from sam2_core.errors import PromptError, StackError

_FIRST_VERSION = "run.json"
_log = logging.getLogger(__name__)

RunJob = Callable[[Session, PropagateJob], bool]
"""Runs a session's job and accepts what comes; whether it came to its end."""


@dataclass(frozen=True, slots=True)
class MovieJob:
    """What to track and where the labels go, as values that any process can be given.

    Attributes
    ----------
    stack
        The images, or their path.
    settings
        How the model sees them.
    prompts
        At least one, where nothing is to be found.
    out
        Label file, .tif or .zarr; it covers the whole movie.
    frames
        Frames to track; all where None.
    direction
        "forward", "backward" or "both".
    session
        Folder in which the session stays; None for one that is removed when the labels are written.
    resume, overwrite
        Continue an interrupted run; replace what is there.
    find
        Objects to find without a click and to track, besides those of prompts; what is found lies on none of these.
    """

    stack: Stack | Path | str
    settings: SessionSettings
    prompts: Sequence[Prompt]
    out: Path
    frames: range | None = None
    direction: Direction = "forward"
    session: Path | None = None
    resume: bool = False
    overwrite: bool = False
    find: FindRequest | None = None

    @property
    def folder(self) -> Path:
        """Where the session is while it is tracked."""
        return self.session or self.out.with_name(f"{self.out.name}.partial")

    @property
    def request(self) -> PropagateRequest:
        """What the session is asked for."""
        return PropagateRequest(self.direction, self.frames, only_stale=False)

    def started(self, predictor: Predictor = None) -> Session:
        """Return a new session with the prompts, and with what is found, but not again; nothing is written yet.

        Raises
        ------
        PromptError
            If the prompts do not fit the movie or the range, or nothing is found.
        """
        session = Session.open(self.stack, settings=self.settings, predictor=predictor)
        if self.prompts:
            given = {(prompt.object_id, prompt.frame): prompt for prompt in self.prompts}
            session.set_prompts(given, READ_PROMPTS)
        for prompt in self.prompts:
            if self.frames is not None and prompt.frame not in self.frames:
                raise PromptError(
                    f"{prompt.place}: the prompt lies outside the frames that are tracked, {self.frames.start} to "
                    f"{self.frames.stop - 1}; widen the range (--start, --stop) or leave the prompt out."
                )
        if self.find is not None and not self.resume:
            _find(session, self.find)
        return session

    def reopened(self, predictor: Predictor = None) -> Session:
        """Return the session of the run that was interrupted."""
        device = self.settings.device
        return Session.open(self.folder, images=self.stack, device=device, predictor=predictor)


@dataclass(frozen=True, slots=True)
class MovieReport:
    """How a run ended: what was found of each object, or None and the number of finished frames if it was stopped.

    view_sentence: what the model looked at and why, for people.
    """

    objects: tuple[ObjectSummary, ...] | None
    finished: int
    total: int
    view_sentence: str = ""


def run_quietly(session: Session, job: PropagateJob) -> bool:
    """Run a session's job to its end."""
    for update in session.run(job):
        session.accept(update)
    return True


def track_movie(movie: MovieJob, run: RunJob = run_quietly, predictor: Predictor = None) -> MovieReport:
    """Return how the tracking of a movie ended, with its labels written if it was not stopped.

    Parameters
    ----------
    movie
        What to track.
    run
        Runs the session's job.
    predictor
        A video predictor, or a function that makes one, instead of loading the model that the settings name.

    Raises
    ------
    StackError, PromptError, CheckpointError
        If the run cannot start; also if a frame cannot be read.
    """
    _check(movie)
    wanted = movie.started(predictor)
    _log.info("Contrast: %s", _described(wanted.movie.limits))
    is_worth_keeping = True
    try:
        with wanted, _in_folder(movie, wanted, predictor) as session:
            job, total = _job(movie, session, wanted)
            objects, finished = None, 0
            try:
                if job is None or run(session, job):
                    objects = write_results(session, movie.out)
            finally:
                finished = total - (0 if session.interrupted_run is None else _visits(session.resume_job()))
                is_worth_keeping = objects is None and finished > 0
            return MovieReport(objects, finished, total, session.view_sentence)
    finally:
        if movie.session is None and not is_worth_keeping:
            remove_path(movie.folder)


def results_in(session: Session) -> Results:
    """Return what an open session holds, for the exports."""
    return Results(session.document, session.masks, session.movie.movie, session.settings.overlaps)


def write_results(session: Session, out: Path) -> tuple[ObjectSummary, ...]:
    """Return what was found of each object, with the labels of all of them written."""
    results = results_in(session)
    check_not_raw(out, results.movie.stack, is_replaced=True)
    counts = LabelCounts(results.object_ids)
    write_labels(out, counted(results.frames(), counts), results.spec)
    return counts.rows()


def _find(session: Session, request: FindRequest) -> None:
    """Make objects of all that is found on frames; `PromptError` where that is nothing."""
    came = Proposed()
    for update in session.run(session.proposals.find_job(request)):
        came = came.joined(session.work.take(update) or Proposed())
    found = session.proposals.accept(came.numbers)
    if not found and not session.document.prompts:
        raise PromptError(f"No object was found on frame {request.frames[0]}. {came.remark}".strip())
    size = "" if came.diameter_px is None else f", sought with a diameter of {came.diameter_px:.3g} px"
    _log.info("Found on frame %d: %d objects%s.", request.frames[0], len(found), size)


def _check(movie: MovieJob) -> None:
    """Say no where something is there already, or is not there, that the run would replace or continue."""
    check_label_path(movie.out)
    out, folder = movie.out, movie.folder
    check_not_raw(out, movie.stack, is_replaced=True)
    check_not_raw(folder, movie.stack, is_replaced=movie.session is None)
    if movie.resume and movie.overwrite:
        raise StackError("--resume and --overwrite exclude each other: continue the old run, or start again.")
    if movie.resume and not is_session_folder(folder):
        raise StackError(
            f"There is no interrupted run to resume for {out.name} (looked in {folder}); start it without --resume."
        )
    is_of_ours = is_session_folder(folder) or (folder / _FIRST_VERSION).is_file()
    if movie.session is None and folder.is_dir() and any(folder.iterdir()) and not is_of_ours:
        raise StackError(f"{folder} holds other files, and the run needs that name; move it, or choose another --out.")
    if movie.resume or movie.overwrite:
        return
    if movie.session is not None and is_session_folder(folder):
        raise StackError(
            f"{folder} holds a session; track that one with --session and without --prompts, continue a run that was "
            "stopped with --resume, or replace the session with --overwrite."
        )
    if movie.session is None and folder.exists():
        raise StackError(
            f"An interrupted run towards {out.name} is in {folder}; continue it with --resume, or start again with "
            "--overwrite."
        )
    if out.exists():
        raise StackError(f"{out} exists; choose another name for --out, or replace it with --overwrite.")


def _in_folder(movie: MovieJob, wanted: Session, predictor: Predictor) -> Session:
    """Return the session that is tracked, kept in its folder: the wanted one, or the one of the run that goes on."""
    if movie.resume:
        return movie.reopened(predictor)
    if movie.session is None and movie.folder.exists() and not is_session_folder(movie.folder):
        remove_path(movie.folder)  # of a version that kept frames there
    wanted.save(movie.folder)
    return wanted


def _job(movie: MovieJob, session: Session, wanted: Session) -> tuple[PropagateJob | None, int]:
    """Return what is left to do, None where only the labels are to be written, and the frames of the whole run.

    Raises
    ------
    StackError
        If the run in the folder was another one.
    """
    whole = session.propagate_job(movie.request)
    if not movie.resume:
        return whole, _visits(whole)
    changed = _changed(session, wanted)
    left: PropagateJob | None = None
    if session.interrupted_run is not None:
        left = session.resume_job()
        if left.request != movie.request:
            changed.append(f"{_words(left.request)} instead of {_words(movie.request)}")
    elif not changed:
        decided = {key for key, _ in session.masks.items()}
        asked_for = {(span.object_id, frame) for span in whole.spans for frame in span.frames}
        if decided <= session.document.prompts.keys():  # it was stopped before it began
            left = whole
        elif decided != asked_for | session.document.prompts.keys():
            changed.append("all frames that it was asked for are tracked, and they are others")
    if changed:
        raise StackError(
            f"The run in {movie.folder.name} was started differently: {', '.join(changed)}. Repeat the "
            "first command with --resume, or start again with --overwrite."
        )
    return left, _visits(whole)


def _changed(session: Session, wanted: Session) -> list[str]:
    """Return in what a session differs from the wanted one, as far as it changes masks, in words."""
    before, now = session.settings.model_dump(mode="json"), wanted.settings.model_dump(mode="json")
    names = sorted(changed_fields(session.settings, wanted.settings) - SAME_ANSWER)
    titles = SessionSettings.model_fields
    words = [f"{titles[name].title} {before[name]!r} instead of {now[name]!r}" for name in names]
    objects = session.document.objects
    differing = difference(session.document, wanted.document).keys
    keys = [key for key in differing if key[0] not in objects or not objects[key[0]].source]  # what was found stays
    return words + [f"the prompt of object {object_id} on frame {frame}" for object_id, frame in keys[:3]]


def _words(request: PropagateRequest) -> str:
    frames = request.frames
    return request.direction + ("" if frames is None else f", frames {frames.start} to {frames.stop}")


def _visits(job: PropagateJob) -> int:
    """Return how many frames a job visits, over both directions."""
    return len({(span.leg, frame) for span in job.spans for frame in span.frames})


def _described(limits: ContrastLimits) -> str:
    pairs = zip(limits.low, limits.high, strict=True)
    return ", ".join(f"{low:g} to {high:g}" for low, high in pairs) + " shown as black to white."
