"""A whole movie as one job, without a prompt: every object of every frame is found and linked, and tracks are written.

Order: all that is asked for is checked; each frame is looked at and kept (`found_run`), so that a run that was stopped
goes on; memory proposes what was missed behind the ends of tracks, where cells move slowly (`looking_on`); then what
was found is linked, frames between on which an object was missed are filled by memory, and the session, labels and
tracks are written. No object has a prompt: opened in a window, the session shows masks that were found, to be looked at
and corrected.

In a session that is there, what it holds is carried on; it keeps what was found by itself, and what linking made as
one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from napari_sam2.document.prompt_parts import cut_labels
from napari_sam2.engine.updates import FoundUpdate
from napari_sam2.io import check_label_path, is_session_folder
from napari_sam2.io.ctc_files import check_ctc_folder
from napari_sam2.io.exports import check_apart, check_track_path, export
from napari_sam2.io.found_frames import FoundFrames
from napari_sam2.io.raw_data import check_not_raw
from napari_sam2.io.session_files import check_session_folder
from napari_sam2.linking import LinkingOptions
from napari_sam2.session.found_run import FoundReport, FrameJob, RunFind, check_run, find_frames, find_quietly
from napari_sam2.session.linked import LinkedObjects
from napari_sam2.session.made_by_jobs import check_only_made
from napari_sam2.session.movie_job import results_in
from napari_sam2.session.session import Predictor, Session
from sam2_core.errors import StackError

Told = Callable[[str, int, int], None]
"""Is told what is done with all that was found, and how far it is: stage, done, total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoJob(FrameJob):
    """What to find and to link, and where the results go, see `FrameJob`.

    Attributes
    ----------
    stack
        The images, or their path; or the session folder, the same as `session`, in which all is to be found.
    images
        Those of a session that is there, where they are not where they were.
    linking
        How it is linked; as `linked.linking_for` says where None.
    look_on
        Frames for which memory looks on behind the ends of tracks, 0 for none, None for what `looking_on` says; never
        along Z.
    session
        Folder in which the session stays; None for none.
    exports
        Name of a format (`io.exports`) -> where it goes, besides the labels.
    """

    images: str | None = None
    linking: LinkingOptions | None = None
    look_on: int | None = None
    session: Path | None = None
    exports: Mapping[str, Path] = field(default_factory=dict)

    @property
    def goes_on(self) -> bool:
        """Whether the session is there, and what it holds is carried on."""
        return self.session is not None and self.stack == self.session


@dataclass(slots=True)
class AutoReport:
    """How a run ended: what was found frame by frame, and what became of it once all frames were there."""

    found: FoundReport
    linked: LinkedObjects = field(default_factory=LinkedObjects)


def track_automatically(
    job: AutoJob, run: RunFind = find_quietly, told: Told | None = None, predictor: Predictor = None
) -> AutoReport:
    """Return how the tracking of a whole movie ended, with labels and tracks written if it was not stopped.

    Parameters
    ----------
    run
        Runs the session's search.
    told
        See `Told`.
    predictor
        A video predictor, or a function that makes one, instead of loading the model that the settings name.

    Raises
    ------
    StackError, PromptError, CheckpointError
        If the run cannot start; also if a frame cannot be read, or the size of the objects cannot be told.
    """
    _check(job)
    if job.goes_on:
        with Session.open(job.stack, settings=job.settings, predictor=predictor, images=job.images) as session:
            for path in (job.out, *job.exports.values()):
                check_not_raw(path, session.stack, is_replaced=True)
            found = _find(session, job, run)
            if not found.is_whole:
                return AutoReport(found)
            session.flush()
            with session.saving.as_one():  # where it is stopped the same job begins it again
                linked = _link(session, job, told)
            _write(session, job)
            return AutoReport(found, linked)
    made: list[LinkedObjects] = []

    def write(session: Session, parts: FoundFrames) -> None:
        for frame, scores in _scores(parts).items():
            masks = cut_labels(parts.labels(frame))
            session.proposals.add(frame, list(masks.values()), Path(job.settings.model).name, scores)
        made.append(_link(session, job, told))
        _write(session, job)

    return AutoReport(find_frames(job, run, predictor, write), *made)


def _find(session: Session, job: AutoJob, run: RunFind) -> FoundReport:
    """Return what was found in a session that is there, beside what it holds; proposed in one step."""
    whole = session.proposals.find_job(job.request)
    report = FoundReport(len(whole.request.frames))

    def take(update: FoundUpdate) -> None:
        came = session.work.take(update)
        if came is None:
            return
        report.objects[update.frame_index] = len(came.numbers)
        report.diameter_px = report.diameter_px or came.diameter_px
        if came.remark:
            report.remarks[update.frame_index] = came.remark

    if run(session, whole, take):
        report.check_size(report.diameter_px)
    return report


def _link(session: Session, job: AutoJob, told: Told | None) -> LinkedObjects:
    """Return what linking made of what was found, gaps filled."""
    tell = told or (lambda *_: None)
    if job.look_on != 0:
        for update in session.proposals.look_on(job.look_on, job.linking, job.request.region):
            tell("Looking on", update.done, update.total)
    linked = session.proposals.link(options=job.linking, progress=partial(tell, "Linking"))
    for update in session.fill_gaps((*linked.object_ids, *linked.carried_on)):
        tell("Filling gaps", update.done, update.total)
    return linked


def _write(session: Session, job: AutoJob) -> None:
    """Write all that is asked for, the session first."""
    if job.session is not None:
        session.save(job.session)
    export(results_in(session), {"labels": job.out, **job.exports})


def _scores(parts: FoundFrames) -> dict[int, Sequence[float]]:
    """Return the scores of what was found on each frame, by label."""
    scores: dict[int, list[float]] = {}
    for row in parts.rows():
        scores.setdefault(int(row["frame"]), []).append(float(row["score"]))
    return dict(scores)


def _check(job: AutoJob) -> None:
    """Say no before anything is loaded where something could not be written, or would be lost."""
    check_label_path(job.out)
    check_apart([job.out, *job.exports.values(), *(() if job.session is None else (job.session,))])
    for path in (job.out, job.folder, None if job.goes_on else job.session):
        if path is not None:
            check_not_raw(path, job.stack, is_replaced=True)
    for path in job.exports.values():
        check_not_raw(path, job.stack)
    written = [job.out, *(path for name, path in job.exports.items() if name != "ctc")]
    for path in written if job.images is not None else ():
        if path.exists():
            raise StackError(
                f"{path} exists; choose another name. With images, --overwrite would replace the session {job.session}."
            )
    check_run(job, written)
    if "tracks" in job.exports:
        check_track_path(job.exports["tracks"])
    if "ctc" in job.exports:
        check_ctc_folder(job.exports["ctc"], is_replaced=job.overwrite or job.resume)
    if job.session is not None and not job.goes_on:
        _check_session(job.session, job)


def _check_session(folder: Path, job: AutoJob) -> None:
    """Say no where a session cannot be saved, or one would be lost."""
    check_session_folder(folder)
    if not is_session_folder(folder) or job.overwrite:
        return
    if not job.resume:
        raise StackError(f"{folder} holds a session; choose another name, or replace it with --overwrite.")
    check_only_made(folder, "or start again with --overwrite")
