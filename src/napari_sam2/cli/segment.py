"""`napari-sam2 segment`: a stack in, labels of every object of every frame out, without a prompt (see `segment_job`).

Where `--out` is a folder, STACK is a folder of stills: each image is looked at by itself (`segment_stills`).
How a search looks in a terminal, and what its options say, is in `finding_run`: `track --find` has them too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import typer

from napari_sam2.cli import options
from napari_sam2.cli.console import errors, output
from napari_sam2.cli.finding_run import TerminalFind, chosen_diameter, chosen_frames, chosen_region, size_said_by
from napari_sam2.cli.interrupt import STOPPED, resume_command
from napari_sam2.cli.model_choice import DEFAULT_MODEL
from napari_sam2.cli.movie_choice import MovieChoice
from napari_sam2.cli.terminal_run import predictor_of
from napari_sam2.document.plain_values import counted
from napari_sam2.engine.jobs import LEAST_SCORE, FindRequest
from napari_sam2.io.label_files import LABEL_SUFFIXES
from napari_sam2.session.found_run import FoundReport
from napari_sam2.session.segment_job import SegmentJob, segment
from napari_sam2.session.segment_stills import Still, StillsJob, segment_stills
from napari_sam2.session.settings import SessionSettings
from napari_sam2.stacks import ModelMovie
from sam2_core.inference.frames.picture_files import files_of_one_kind
from sam2_core.inference.frames.stored_images import FOLDER_KINDS, is_zarr

_SIZE = "--diameter"


def segment_command(  # noqa: PLR0913 - one parameter per option of the command
    context: typer.Context,
    stack: options.NeededStack,
    out: options.NeededLabels,
    frames: options.Frames = None,
    diameter: options.FoundDiameter = "auto",
    min_diameter: options.MinDiameter = None,
    max_diameter: options.MaxDiameter = None,
    min_score: options.MinScore = LEAST_SCORE,
    region: options.FoundRegion = None,
    drop_border: options.DropBorder = False,
    table: options.FoundTable = None,
    model: options.Model = DEFAULT_MODEL,
    device: options.Device = "auto",
    axes: options.Axes = None,
    scene: options.Scene = None,
    track_axis: options.TrackAxis = None,
    channel: options.Channel = None,
    fixed: options.Fixed = None,
    image_size: options.ImageSize = None,
    contrast: options.Contrast = None,
    workers: options.Workers = None,
    overwrite: options.ReplaceLabels = False,
    resume: options.ResumeTracking = False,
) -> int:
    """Find every object of STACK without a click, frame by frame, and write labels: 1 for the surest, and so on.

    Where --out is a folder, each image of the folder STACK is looked at by itself, and gets labels of its name there.
    Ctrl-C keeps the frames that are done; the same command with --resume goes on from there and ends with the same
    labels. To follow objects from frame to frame: napari-sam2 track --find.
    """
    choice = MovieChoice(axes, scene, track_axis, channel, fixed, contrast)
    asked = _Asked(frames, diameter, (min_diameter, max_diameter), min_score, region, drop_border)
    looks: dict[str, Any] = {"model": model, "device": device, "image_size": image_size}
    load = cache(lambda: predictor_of(SessionSettings.model_validate(looks)))
    if out.suffix.lower() not in LABEL_SUFFIXES and Path(stack).is_dir() and not is_zarr(Path(stack)):
        stills = StillsJob(
            images=files_of_one_kind(Path(stack), FOLDER_KINDS),
            opened=partial(_still, choice, looks, asked),
            said={"options": repr((choice, asked, model, image_size))},
            out=out,
            table=table,
            resume=resume,
            overwrite=overwrite,
        )
        with TerminalFind(len(stills.images)) as run, size_said_by(_SIZE):
            return _over(segment_stills(stills, run, load), stills, context, None)
    still = _still(choice, looks, asked, stack)
    job = SegmentJob(
        stack=still.movie.movie.stack,
        settings=still.settings,
        request=still.request,
        out=out,
        table=table,
        resume=resume,
        overwrite=overwrite,
    )
    with TerminalFind(workers=workers) as run, size_said_by(_SIZE):
        return _over(segment(job, run, load), job, context, job.request.diameter_px)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What to find, as it was given."""

    frames: str | None
    diameter: str
    diameters: tuple[float | None, float | None]
    min_score: float
    region: str | None
    drop_border: bool

    def request(self, movie: ModelMovie) -> FindRequest:
        """Return the same for a movie."""
        return FindRequest(
            frames=chosen_frames(self.frames, len(movie)),
            diameter_px=chosen_diameter(self.diameter),
            min_diameter_px=self.diameters[0],
            max_diameter_px=self.diameters[1],
            region=None if self.region is None else chosen_region(self.region, (movie.height, movie.width)),
            keep_border=not self.drop_border,
            min_score=self.min_score,
        )


def _still(choice: MovieChoice, looks: Mapping[str, Any], asked: _Asked, path: Path | str) -> Still:
    movie = choice.open(str(path))
    settings = SessionSettings.model_validate({**looks, **choice.settings(movie)})
    return Still(movie, settings, asked.request(movie))


def _over(report: FoundReport, job: SegmentJob | StillsJob, context: typer.Context, told: float | None) -> int:
    """Return the exit code of a run that ended, after saying how."""
    if report.is_whole:
        _show(report, job, told)
        return 0
    _say_how_to_resume(context.obj or [], job, report)
    return STOPPED


def _say_how_to_resume(arguments: Sequence[str], job: SegmentJob | StillsJob, report: FoundReport) -> None:
    if not report.objects:
        errors().print("Stopped before the first frame was finished; nothing was written.")
        return
    errors().print(
        f"Stopped after {len(report.objects)} of {report.total} frames; they are kept in {job.folder}. Go on with:\n"
        f"  {resume_command(arguments)}"
    )


def _show(report: FoundReport, job: SegmentJob | StillsJob, told: float | None) -> None:
    """Show how many objects there are, how large they are, what is to be known, and where all of it is."""
    count, frames = sum(report.objects.values()), len(report.objects)
    size = report.diameter_px
    how = "as given" if told is not None else f"as found; to choose yourself, give {_SIZE}"
    about = "" if size is None else f" Sought with a diameter of {size:.3g} px, {how}."
    output().print(f"{counted(count, 'object')} on {counted(frames, 'frame')}.{about}")
    for frame, remark in report.remarks.items():
        errors().print(f"Frame {frame}: {remark}")
    output().print(f"Labels: {job.out}")
    if job.table is not None:
        output().print(f"Table: {job.table}")
