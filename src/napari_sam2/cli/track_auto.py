"""`napari-sam2 track --auto`: a stack in, labels and tracks of every object of every frame out, without a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_sam2.cli.console import errors, output
from napari_sam2.cli.finding_run import TerminalFind, chosen_region, size_said_by
from napari_sam2.cli.interrupt import STOPPED, resume_command
from napari_sam2.cli.terminal_run import predictor_of
from napari_sam2.document.plain_values import counted
from napari_sam2.io.found_frames import FoundFrames
from napari_sam2.linking import LinkingOptions
from napari_sam2.session.auto_job import AutoJob, AutoReport, track_automatically
from napari_sam2.session.linked import linking_for
from napari_sam2.stacks import ModelMovie

_SIZE = "--object-diameter"
_NAMES = {
    "labels": "Labels",
    "csv": "Table of objects",
    "ctc": "Cell Tracking Challenge",
    "tracks": "Tracks",
    "track_table": "Table of tracks",
}


def chosen_linking(movie: ModelMovie, division: bool | None, longest_gap: int | None) -> LinkingOptions:
    """Return how objects are linked, as far as it was said."""
    options = linking_for(movie.movie, division)
    return options if longest_gap is None else replace(options, longest_gap=longest_gap)


def region_of(words: str | None, movie: ModelMovie) -> NDArray[np.bool_] | None:
    """Return the pixels (H, W) of a region, None where none is given; see `chosen_region`."""
    return None if words is None else chosen_region(words, (movie.height, movie.width))


def track_auto(job: AutoJob, arguments: Sequence[str]) -> int:
    """Return the exit code after a movie is tracked and all that is asked for is written, or it was stopped."""
    report: AutoReport | None = None
    with TerminalFind() as run, size_said_by(_SIZE), suppress(KeyboardInterrupt):
        report = track_automatically(job, run, run.tell, lambda: predictor_of(job.settings))
    if report is None or not report.found.is_whole:
        _say_how_to_resume(arguments, job)
        return STOPPED
    _show(report, job)
    return 0


def _say_how_to_resume(arguments: Sequence[str], job: AutoJob) -> None:
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
    size = found.diameter_px
    told = job.request.diameter_px is not None
    how = "as given" if told else f"as found; to choose yourself, give {_SIZE}"
    about = "" if size is None else f" Sought with a diameter of {size:.3g} px, {how}."
    output().print(f"{seen}: {tracks}.{about}")
    for frame, remark in found.remarks.items():
        errors().print(f"Frame {frame}: {remark}")
    written = {"labels": job.out, **job.exports}
    for name, path in written.items():
        output().print(f"{_NAMES[name]}: {path}")
    if job.session is not None:
        output().print(f"Session, to look at and correct in napari: {job.session}")
