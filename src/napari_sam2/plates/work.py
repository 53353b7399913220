"""What is done to one movie: the jobs of the command line, run without a terminal, and what came of them in numbers.

Each kind of work of a plan is one function; they call `segment_job`, `auto_job`, `movie_job`, `saved_job`, the exports
and `evaluation.tracking`, which keep finished frames and go on where they were stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from napari_sam2.engine.jobs import CancelToken, FindJob, FindRequest, OneOfSeveral, PropagateJob, checked_range
from napari_sam2.io import is_session_folder, read_prompts
from napari_sam2.io.exports import export
from napari_sam2.io.found_frames import FoundFrames
from napari_sam2.io.label_files import LABEL_SUFFIXES
from napari_sam2.plates.movies import MovieTask
from napari_sam2.plates.plan import Evaluate, Export, Format, FromPrompts, FromSessions, Segment, TrackAll
from napari_sam2.session.auto_job import AutoJob, track_automatically
from napari_sam2.session.found_run import FoundReport, Take
from napari_sam2.session.linked import linking_for
from napari_sam2.session.looks import movie_of
from napari_sam2.session.made_by_jobs import check_only_made
from napari_sam2.session.movie_job import MovieJob, track_movie
from napari_sam2.session.saved_job import Load, SavedJob, track_saved
from napari_sam2.session.saved_results import open_results
from napari_sam2.session.segment_job import SegmentJob, segment
from napari_sam2.session.session import Session
from napari_sam2.stacks import ModelMovie, open_stack

Told = Callable[[str, int, int], None]
"""Is told how far a movie is: what is done, done, total."""


_TRACK_TABLE = "tracks.csv"


class Stopped(Exception):
    """The work was stopped between two steps; what is finished is kept."""


@dataclass(frozen=True, slots=True)
class MovieWork:
    """How the work on a movie is run.

    Attributes
    ----------
    load
        Makes the predictor that settings name, or hands out the one that is there.
    goes_on
        Whether what an interrupted run left is of the same work, and is taken up.
    token
        Stops it after the frame in work.
    told
        See `Told`.
    """

    load: Load
    goes_on: bool
    token: CancelToken
    told: Told

    def find(self, session: Session, job: FindJob, take: Take) -> bool:
        """Return whether a search came to its end, handing on what comes."""
        finished, count = 0, len(job.request.frames)
        for update in session.run(job, OneOfSeveral(lambda: self.token.cancelled)):
            take(update)
            finished += update.found is not None
            self.told("Finding", finished, count)
        return finished == count

    def propagate(self, session: Session, job: PropagateJob) -> bool:
        """Return whether a run came to its end."""
        for update in session.run(job, OneOfSeveral(lambda: self.token.cancelled)):
            session.accept(update)
            self.told("Tracking", update.done, update.total)
        return not self.token.cancelled or session.interrupted_run is None

    def tell(self, stage: str, done: int, total: int) -> None:
        """Tell how far it is with what is done with all that was found; `Stopped` where that is wanted."""
        if self.token.cancelled:
            raise Stopped
        self.told(stage, done, total)


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a movie: what was written, by format, and what is not seen in the labels."""

    files: Mapping[Format, str] = field(default_factory=dict)
    divisions: int = 0
    remarks: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)


def done(task: MovieTask, how: MovieWork) -> Made:
    """Return what came of a movie, with all that is asked for written into its folder.

    Raises
    ------
    Stopped
        If it was stopped.
    StackError, PromptError, CheckpointError
        If it cannot be done.
    """
    work = task.work
    if isinstance(work, Segment):
        return _segment(task, work, how)
    if isinstance(work, TrackAll):
        return _track_all(task, work, how)
    if isinstance(work, FromPrompts):
        return _from_prompts(task, work, how)
    if isinstance(work, FromSessions):
        return _from_session(task, work, how)
    if isinstance(work, Export):
        return _exported(task, task.source, work.write)
    return _evaluated(task, work, how)


def opened(task: MovieTask) -> ModelMovie:
    """Return the movie as the model sees it.

    Raises
    ------
    StackError
        If it cannot be read.
    """
    return movie_of(open_stack(str(task.source), task.axes, task.scene), task.settings)


def _segment(task: MovieTask, work: Segment, how: MovieWork) -> Made:
    movie = opened(task)
    request = FindRequest(
        frames=tuple(checked_range(len(movie), work.start, work.stop)),
        diameter_px=work.diameter_px,
        min_diameter_px=work.min_diameter_px,
        max_diameter_px=work.max_diameter_px,
        keep_border=work.keep_border,
        min_score=work.min_score,
    )
    paths = _paths(task, work.write)
    job = SegmentJob(
        stack=movie.movie.stack, settings=task.settings, request=request, out=paths["labels"], table=paths.get("csv")
    )
    resume = _found_before(job.folder, how)
    report = segment(replace(job, resume=resume, overwrite=not resume), how.find, lambda: how.load(task.settings))
    return Made(work.write, remarks=_whole(report))


def _track_all(task: MovieTask, work: TrackAll, how: MovieWork) -> Made:
    movie, paths = opened(task), _paths(task, work.write)
    linking = linking_for(movie.movie, work.division)
    job = AutoJob(
        stack=movie.movie.stack,
        settings=task.settings,
        request=FindRequest(
            tuple(checked_range(len(movie), work.start, work.stop)), work.diameter_px, min_score=work.min_score
        ),
        out=paths.pop("labels"),
        linking=linking if work.longest_gap is None else replace(linking, longest_gap=work.longest_gap),
        look_on=work.look_on,
        session=paths.pop("session", None),
        exports=dict(paths),
    )
    resume = _found_before(job.folder, how)
    if job.session is not None:
        _check_session(job.session)
    job = replace(job, resume=resume, overwrite=not resume)
    report = track_automatically(job, how.find, how.tell, lambda: how.load(task.settings))
    return Made(work.write, report.linked.divisions, _whole(report.found))


def _from_prompts(task: MovieTask, work: FromPrompts, how: MovieWork) -> Made:
    movie, paths = opened(task), _paths(task, work.write)
    session = paths.get("session", task.folder / "movie.sam2")
    job = MovieJob(
        stack=movie.movie.stack,
        settings=task.settings,
        prompts=read_prompts(task.aside or task.source, movie.movie),
        out=paths["labels"],
        frames=checked_range(len(movie), work.start, work.stop),
        direction=work.direction,
        session=session,
    )
    resume = how.goes_on and is_session_folder(job.folder)
    if not resume:
        _check_session(job.folder)
    report = track_movie(
        replace(job, resume=resume, overwrite=not resume), how.propagate, lambda: how.load(task.settings)
    )
    if report.objects is None:
        raise Stopped
    return replace(_exported(task, session, {n: f for n, f in work.write.items() if n != "labels"}), files=work.write)


def _from_session(task: MovieTask, work: FromSessions, how: MovieWork) -> Made:
    job = SavedJob(task.source, direction=work.direction, device=task.settings.device)
    if not track_saved(job, how.propagate, how.load):
        raise Stopped
    return _exported(task, task.source, work.write)


def _exported(task: MovieTask, session: Path, write: Mapping[Format, str]) -> Made:
    """Return what was written of a session folder, which is only read."""
    results = open_results(session)
    export(results, {name: path for name, path in _paths(task, write).items() if name != "session"})
    return Made(write, len(results.document.divisions))


def _evaluated(task: MovieTask, work: Evaluate, how: MovieWork) -> Made:
    from napari_sam2.evaluation.tracking import benchmark_tracking, open_judged

    truth, found = (open_judged(path, _parents(path)) for path in (task.aside or task.source, task.source))
    judged = benchmark_tracking(task.name, task.title, truth, found)
    judged.write_picture(task.folder)
    values = {"true_divisions" if name == "divisions" else name: one for name, one in judged.rows[0].values.items()}
    return Made(scores={name: value for name, value in values.items() if math.isfinite(value)})


def _parents(labels: Path) -> Path | None:
    """Return the table of tracks beside a label stack, as `track` leaves it; None where there is none."""
    beside = labels.with_name(_TRACK_TABLE)
    return beside if labels.suffix.lower() in LABEL_SUFFIXES and beside.is_file() else None


def _paths(task: MovieTask, write: Mapping[Format, str]) -> dict[str, Path]:
    """Return where each format goes."""
    return {name: task.folder / file for name, file in write.items()}


def _found_before(folder: Path, how: MovieWork) -> bool:
    """Return whether a run that keeps found frames goes on; of one that was killed as it began nothing stays."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    return how.goes_on and FoundFrames(folder).is_begun


def _check_session(folder: Path) -> None:
    """Say no where a session would be replaced on which somebody worked since it was made."""
    if is_session_folder(folder):
        check_only_made(folder, "then run the plan again")


def _whole(report: FoundReport) -> tuple[str, ...]:
    """Return what a person should know of frames; `Stopped` where some were not looked at."""
    if not report.is_whole:
        raise Stopped
    return tuple(f"Frame {frame}: {remark}" for frame, remark in report.remarks.items())
