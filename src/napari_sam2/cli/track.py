"""`napari-sam2 track`: labels of a stack from prompts or what is found (`movie_job`) or a session (`track_session`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import typer

from napari_sam2.cli import options
from napari_sam2.cli.console import errors
from napari_sam2.cli.interrupt import STOPPED, resume_command
from napari_sam2.cli.model_choice import DEFAULT_MODEL
from napari_sam2.cli.movie_choice import MovieChoice
from napari_sam2.cli.terminal_run import predictor_of, run_in_terminal, show_results
from napari_sam2.cli.track_auto import AutoOptions, track_auto
from napari_sam2.cli.track_session import labels_beside, track_session
from napari_sam2.engine.jobs import LEAST_SCORE, FindRequest, checked_range
from napari_sam2.engine.view import ViewChoice, view_request
from napari_sam2.io import is_session_folder, read_prompts
from napari_sam2.io.raw_data import check_not_raw
from napari_sam2.session.movie_job import MovieJob, MovieReport, track_movie
from napari_sam2.session.saved_job import SavedJob
from napari_sam2.session.settings import SessionSettings
from sam2_core.errors import PromptError

_SETTLED = (
    *("prompts", "model", "axes", "scene", "track_axis", "channel", "fixed"),
    *("image_size", "object_diameter", "view", "contrast", "feature_cache", "resume"),
    *("find_frame", "min_score"),
)
_ONLY_AUTO = ("region", "division", "longest_gap", "look_on", "workers")
_EXPORTS = ("tracks", "table", "csv", "ctc")
_NOT_AUTO = ("prompts", "find", "find_frame", "direction", "view", "feature_cache", "again")


def track_command(  # noqa: PLR0913 - one parameter per option of the command
    context: typer.Context,
    stack: options.StackArgument = None,
    prompts: options.PromptFile = None,
    out: options.LabelFile = None,
    session: options.TrackedSession = None,
    model: options.Model = DEFAULT_MODEL,
    device: options.Device = "auto",
    axes: options.Axes = None,
    scene: options.Scene = None,
    track_axis: options.TrackAxis = None,
    channel: options.Channel = None,
    fixed: options.Fixed = None,
    start: options.Start = None,
    stop: options.Stop = None,
    direction: options.Direction = None,
    image_size: options.ImageSize = None,
    object_diameter: options.ObjectDiameter = None,
    view: options.View = ViewChoice.auto,
    contrast: options.Contrast = None,
    feature_cache: options.FeatureCache = None,
    find: options.TrackFind = False,
    find_frame: options.FindFrame = None,
    min_score: options.FoundScore = None,
    auto: options.TrackAuto = False,
    region: options.AutoRegion = None,
    division: options.Division = None,
    longest_gap: options.LongestGap = None,
    look_on: options.LookOn = None,
    workers: options.Workers = None,
    tracks: options.TrackFile = None,
    table: options.TrackTable = None,
    csv: options.ObjectTable = None,
    ctc: options.CtcFolder = None,
    overwrite: options.ReplaceLabels = False,
    resume: options.ResumeTracking = False,
    again: options.TrackAgain = False,
) -> int:
    """Follow the objects that PROMPTS point at through STACK and write their masks as labels.

    With --find they are found without a click, on the first frame or on --find-frame; prompts may add to them. With
    --auto the objects of every frame are found and linked to tracks, with divisions: a whole movie in one command; with
    a session that is there (--auto --session), in that session, whose objects are carried on; STACK is left out then,
    or says where its images are now.

    Ctrl-C stops after the frame in work and keeps what is done; the same command with --resume goes on from there and
    ends with the same labels. With --session FOLDER as well, prompts and masks stay in that session. A session alone
    (--session without PROMPTS) is tracked where masks are stale or missing; every finished frame is kept, and the same
    command goes on.
    """
    _refuse_what_is_of_another_way(context, auto, session)
    if not auto and session is not None and prompts is None and not find:
        _check_session_options(context)
        chosen_device = None if _is_default(context, "device") else device
        written = out or labels_beside(session)
        saved = SavedJob(session, written, stack, direction, start, stop, chosen_device, again)
        return track_session(saved, written, overwrite)
    if again:
        raise typer.BadParameter("--again is for a session alone: --session without --prompts and --find.")
    if (find_frame is not None or min_score is not None) and not (find or auto):
        raise typer.BadParameter("--find-frame and --min-score say what to find: give --find as well.")
    labels = out if out is not None or session is None else labels_beside(session)
    exports = {"tracks": tracks, "track_table": table, "csv": csv, "ctc": ctc}
    asked = AutoOptions(object_diameter, region, min_score, start, stop, division, longest_gap, look_on, exports)
    is_anew = stack is not None and (resume or overwrite or session is None or not is_session_folder(session))
    if auto and session is not None and labels is not None and not is_anew:
        _check_session_options(context, but=("object_diameter", "min_score"))
        there = asked.job_in(session, stack, None if _is_default(context, "device") else device, labels)
        return track_auto(replace(there, overwrite=overwrite), context.obj or [], workers)
    if stack is None or (prompts is None and not find and not auto) or labels is None:
        raise typer.BadParameter(
            "give STACK, --prompts, --find or --auto, and --out, or --session with a session folder."
        )
    choice = MovieChoice(axes, scene, track_axis, channel, fixed, contrast)
    movie = choice.open(stack)
    if object_diameter is not None:
        view_request(view, object_diameter)  # says no to what is no diameter
    looks = {"view": view, "object_diameter_px": object_diameter, "image_size": image_size}
    kept = "auto" if feature_cache is None else feature_cache
    told = {"model": model, "device": device, "feature_cache": kept, **looks, **choice.settings(movie)}
    settings = SessionSettings.model_validate(told)
    if auto:
        whole = replace(asked.job(movie, settings, labels), session=session, resume=resume, overwrite=overwrite)
        return track_auto(whole, context.obj or [], workers)
    frames = checked_range(len(movie), start, stop)
    job = MovieJob(
        stack=movie.movie.stack,
        settings=settings,
        prompts=() if prompts is None else read_prompts(prompts, movie.movie),
        out=labels,
        frames=frames,
        direction=direction or "forward",
        session=session,
        resume=resume,
        overwrite=overwrite,
        find=_request(find_frame, min_score, frames) if find else None,
    )
    check_not_raw(labels, stack, is_replaced=True)
    report = track_movie(job, run_in_terminal, lambda: predictor_of(job.settings))
    if report.objects is None:
        _say_how_to_resume(context.obj or [], job, report)
        return STOPPED
    show_results(report.objects, movie, report.view_sentence, labels)
    return 0


def _request(frame: int | None, min_score: float | None, tracked: range) -> FindRequest:
    """Return what is to be found, by default on the first frame that is tracked."""
    if frame is not None and frame not in tracked:
        raise PromptError(
            f"--find-frame {frame} lies outside the frames that are tracked, {tracked.start} to {tracked.stop - 1}."
        )
    frames = (tracked.start if frame is None else frame,)
    return FindRequest(frames, min_score=LEAST_SCORE if min_score is None else min_score)


def _refuse(context: typer.Context, names: Sequence[str], why: str) -> None:
    """Say no where one of some options was given."""
    given = [name for name in names if not _is_default(context, name)]
    if given:
        raise typer.BadParameter(f"--{given[0].replace('_', '-')} {why}")


def _refuse_what_is_of_another_way(context: typer.Context, auto: bool, session: Path | None) -> None:
    """Say no to what goes without --auto alone or with it, and how what --auto writes along is written otherwise."""
    if auto:
        _refuse(context, _NOT_AUTO, "cannot be given with --auto, which finds objects on every frame and links them.")
        return
    _refuse(context, _ONLY_AUTO, "says how --auto finds and links: give --auto as well.")
    kept = "track with a session (--session movie.sam2)" if session is None else "track the session without it"
    folder = "movie.sam2" if session is None else session.name
    for name in _EXPORTS:
        how = f"{kept}, then write it of that: napari-sam2 export {folder} --{name} FILE."
        _refuse(context, [name], f"is written along with --auto alone: {how}")


def _is_default(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is None or source.name.startswith("DEFAULT")


def _check_session_options(context: typer.Context, but: Sequence[str] = ()) -> None:
    """Say no to options that a session has settled already."""
    given = [name for name in _SETTLED if name not in but and not _is_default(context, name)]
    if given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise typer.BadParameter(f"{names} cannot be given with --session: the session says it. Open it to change it.")


def _say_how_to_resume(arguments: Sequence[str], job: MovieJob, report: MovieReport) -> None:
    if report.finished == 0 and job.session is None:
        errors().print("Stopped before the first frame was finished; nothing was written.")
        return
    errors().print(
        f"Stopped after {report.finished} of {report.total} frames; they are kept in {job.folder}, a session "
        f"folder. Go on with:\n  {resume_command(arguments)}"
    )
