"""`napari-sam2 track --auto`: a stack in, labels and tracks of every object of every frame out, without a prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from napari_sam2.cli.console import errors, output
from napari_sam2.cli.finding_run import TerminalFind, chosen_region, size_said_by
from napari_sam2.cli.interrupt import STOPPED, resume_command
from napari_sam2.cli.terminal_run import predictor_of
from napari_sam2.document.plain_values import counted
from napari_sam2.engine.jobs import LEAST_LINKED_SCORE, FindRequest, checked_range
from napari_sam2.io import is_session_folder
from napari_sam2.io.found_frames import FoundFrames
from napari_sam2.session.auto_job import AutoJob, AutoReport, track_automatically
from napari_sam2.session.linked import linking_for
from napari_sam2.session.session import Session
from napari_sam2.session.settings import SessionSettings
from napari_sam2.stacks import ModelMovie
from sam2_core.errors import StackError

_SIZE = "--object-diameter"
_NAMES = {
    "labels": "Labels",
    "csv": "Table of objects",
    "ctc": "Cell Tracking Challenge",
    "tracks": "Tracks",
    "track_table": "Table of tracks",
}


@dataclass(frozen=True, slots=True)
class AutoOptions:
    """What --auto is told: which objects count on which frames, how they are linked, and what is written besides."""

    object_diameter: float | None
    region: str | None
    min_score: float | None
    start: int | None
    stop: int | None
    division: bool | None
    longest_gap: int | None
    look_on: int | None
    exports: Mapping[str, Path | None]

    def job(self, movie: ModelMovie, settings: SessionSettings, out: Path) -> AutoJob:
        """Return the job for a movie, without a session."""
        frames = tuple(checked_range(len(movie), self.start, self.stop))
        region = None if self.region is None else chosen_region(self.region, (movie.height, movie.width))
        score = LEAST_LINKED_SCORE if self.min_score is None else self.min_score
        linking = linking_for(movie.movie, self.division)
        return AutoJob(
            stack=movie.movie.stack,
            settings=settings,
            request=FindRequest(frames, self.object_diameter, region=region, min_score=score),
            out=out,
            linking=linking if self.longest_gap is None else replace(linking, longest_gap=self.longest_gap),
            look_on=self.look_on,
            exports={name: path for name, path in self.exports.items() if path is not None},
        )

    def job_in(self, folder: Path, images: str | None, device: str | None, out: Path) -> AutoJob:
        """Return the job for a session folder, on images and a device where given; what it holds is carried on.

        Raises
        ------
        StackError
            If it is none, or was made on other images.
        """
        if not is_session_folder(folder):
            raise StackError(f"{folder} is no session folder; give the images too, and --session makes one.")
        with Session.open(folder, device=device, images=images) as session:
            job = self.job(session.movie, session.settings, out)
            return replace(job, stack=folder, session=folder, images=images)


def track_auto(job: AutoJob, arguments: Sequence[str], workers: int | None = None) -> int:
    """Return the exit code after a movie is tracked and all that is asked for is written, or it was stopped."""
    report: AutoReport | None = None
    with TerminalFind(workers=workers) as run, size_said_by(_SIZE), suppress(KeyboardInterrupt):
        report = track_automatically(job, run, run.tell, lambda: predictor_of(job.settings))
    if report is None or not report.found.is_whole:
        _say_how_to_resume(arguments, job)
        return STOPPED
    _show(report, job)
    return 0


def _say_how_to_resume(arguments: Sequence[str], job: AutoJob) -> None:
    if job.goes_on:
        errors().print(f"Stopped; what was found is kept in {job.session}. The same command begins again with finding.")
        return
    done = len(FoundFrames(job.folder).finished())
    if not done:
        errors().print("Stopped before the first frame was finished; nothing was written.")
        return
    errors().print(
        f"Stopped after {done} frames; what was found on them is kept in {job.folder}. Go on with:\n"
        f"  {resume_command(arguments)}"
    )


def _show(report: AutoReport, job: AutoJob) -> None:
    """Show how many objects and tracks there are, how large the objects are, and where all of it is."""
    found, linked = report.found, report.linked
    seen = f"{counted(sum(found.objects.values()), 'object')} on {counted(len(found.objects), 'frame')}"
    tracks = f"{counted(len(linked.object_ids), 'track')} with {counted(linked.divisions, 'division')}"
    carried = f", {counted(len(linked.carried_on), 'object')} carried on" if job.goes_on else ""
    size = found.diameter_px
    told = (job.request.diameter_px or job.settings.object_diameter_px) is not None
    how = "as given" if told else f"as found; to choose yourself, give {_SIZE}"
    about = "" if size is None else f" Sought with a diameter of {size:.3g} px, {how}."
    output().print(f"{seen}: {tracks}{carried}.{about}")
    for frame, remark in found.remarks.items():
        errors().print(f"Frame {frame}: {remark}")
    written = {"labels": job.out, **job.exports}
    for name, path in written.items():
        output().print(f"{_NAMES[name]}: {path}")
    if job.session is not None:
        output().print(f"Session, to look at and correct in napari: {job.session}")
