"""`napari-sam2 segment`: a stack in, labels of every object of every frame out, without a prompt (see `segment_job`).

How a search looks in a terminal, and what its options say, is in `finding_run`: `track --find` has them too.
"""

from __future__ import annotations

from collections.abc import Sequence

import typer

from napari_sam2.cli import options
from napari_sam2.cli.console import errors, output
from napari_sam2.cli.finding_run import chosen_diameter, chosen_frames, chosen_region, find_in_terminal
from napari_sam2.cli.interrupt import STOPPED, resume_command
from napari_sam2.cli.model_choice import DEFAULT_MODEL
from napari_sam2.cli.movie_choice import MovieChoice
from napari_sam2.cli.terminal_run import predictor_of
from napari_sam2.engine.jobs import FindRequest
from napari_sam2.session.segment_job import SegmentJob, SegmentReport, segment
from napari_sam2.session.settings import SessionSettings


def segment_command(  # noqa: PLR0913 - one parameter per option of the command
    context: typer.Context,
    stack: options.NeededStack,
    out: options.NeededLabels,
    frames: options.Frames = None,
    diameter: options.FoundDiameter = "auto",
    min_diameter: options.MinDiameter = None,
    max_diameter: options.MaxDiameter = None,
    min_score: options.MinScore = 0.0,
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
    overwrite: options.ReplaceLabels = False,
    resume: options.ResumeTracking = False,
) -> int:
    """Find every object of STACK without a click, frame by frame, and write labels: 1 for the surest, and so on.

    Ctrl-C keeps the frames that are done; the same command with --resume goes on from there and ends with the same
    labels. To follow objects from frame to frame: napari-sam2 track --find.
    """
    choice = MovieChoice(axes, scene, track_axis, channel, fixed, contrast)
    movie = choice.open(stack)
    request = FindRequest(
        frames=chosen_frames(frames, len(movie)),
        diameter_px=chosen_diameter(diameter),
        min_diameter_px=min_diameter,
        max_diameter_px=max_diameter,
        region=None if region is None else chosen_region(region, (movie.height, movie.width)),
        keep_border=not drop_border,
        min_score=min_score,
    )
    settings = {"model": model, "device": device, "image_size": image_size, **choice.settings(movie)}
    job = SegmentJob(
        stack=movie.movie.stack,
        settings=SessionSettings.model_validate(settings),
        request=request,
        out=out,
        table=table,
        resume=resume,
        overwrite=overwrite,
    )
    report = segment(job, find_in_terminal, lambda: predictor_of(job.settings))
    if not report.is_whole:
        _say_how_to_resume(context.obj or [], job, report)
        return STOPPED
    _show(report, job)
    return 0


def _say_how_to_resume(arguments: Sequence[str], job: SegmentJob, report: SegmentReport) -> None:
    if not report.objects:
        errors().print("Stopped before the first frame was finished; nothing was written.")
        return
    errors().print(
        f"Stopped after {len(report.objects)} of {report.total} frames; they are kept in {job.folder}. Go on with:\n"
        f"  {resume_command(arguments)}"
    )


def _show(report: SegmentReport, job: SegmentJob) -> None:
    """Show how many objects there are, how large they are, what is to be known, and where all of it is."""
    count, frames = sum(report.objects.values()), len(report.objects)
    output().print(f"{count} objects on {frames} {'frame' if frames == 1 else 'frames'}.{_about_size(report, job)}")
    for frame, remark in report.remarks.items():
        errors().print(f"Frame {frame}: {remark}")
    output().print(f"Labels: {job.out}")
    if job.table is not None:
        output().print(f"Table: {job.table}")


def _about_size(report: SegmentReport, job: SegmentJob) -> str:
    if report.diameter_px is None:
        return ""
    if job.request.diameter_px is not None:
        return f" Sought with a diameter of {report.diameter_px:.3g} px, as given."
    return f" Sought with a diameter of {report.diameter_px:.3g} px, as found; to choose yourself, give --diameter."
