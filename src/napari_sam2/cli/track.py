"""`napari-sam2 track`: a stack and prompts in, a label stack out; or a session folder (see `track_session`)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

import typer

from napari_sam2.cli import options
from napari_sam2.cli.console import errors, output
from napari_sam2.cli.interrupt import STOPPED, resume_command
from napari_sam2.cli.model_choice import DEFAULT_MODEL, load_predictor
from napari_sam2.cli.movie_choice import MovieChoice
from napari_sam2.cli.terminal_run import run_in_terminal, summary_table
from napari_sam2.cli.track_session import SessionTracking, track_session
from napari_sam2.cli.tracking_run import TrackingOutcome, TrackingRequest
from napari_sam2.engine.plan import Direction, checked_range
from napari_sam2.engine.view import ViewChoice, ViewRequest, choose_view, view_request
from napari_sam2.io import journal_folder, read_prompts
from sam2_core.inference.video_calls import VideoPredictor, WholeFramePredictor

_SETTLED = (
    *("prompts", "model", "axes", "scene", "track_axis", "channel", "fixed"),
    *("image_size", "object_diameter", "view", "contrast", "feature_cache", "resume"),
)
_log = logging.getLogger(__name__)


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
    overwrite: options.ReplaceLabels = False,
    resume: options.ResumeTracking = False,
) -> int:
    """Follow the objects that PROMPTS point at through STACK and write their masks as labels.

    Ctrl-C stops after the frame in work and keeps what is done; the same command with --resume goes on from there, from
    the masks of the last finished frame and the original prompts. In a session (--session) every finished frame is
    kept, and the same command goes on.
    """
    towards: Direction | None = None if direction is None else direction.value
    if session is not None:
        _check_session_options(context)
        chosen_device = None if _is_default(context, "device") else device
        return track_session(SessionTracking(session, out, stack, towards, start, stop, chosen_device, overwrite))
    if stack is None or prompts is None or out is None:
        raise typer.BadParameter("give STACK, --prompts and --out, or --session with a session folder.")
    movie = MovieChoice(axes, scene, track_axis, channel, fixed, contrast).open(stack)
    given = read_prompts(prompts)
    look = view_request(view, object_diameter, given)
    frames = checked_range(len(movie), start, stop)
    seen = f"{look.settings}, channels {movie.movie.channels}, fixed {movie.movie.held}, contrast {contrast}"
    settings = f"{model}, input {image_size or 'default'}, {seen}"
    request = TrackingRequest(movie, given, out, frames, towards or "forward", settings, resume, overwrite)
    load = partial(load_predictor, model, device, image_size, feature_cache)
    return _track(request, load, look, context.obj or [])


def _track(
    request: TrackingRequest, load: Callable[[], WholeFramePredictor], look: ViewRequest, arguments: Sequence[str]
) -> int:
    """Return the exit code after the labels are written and shown, or the run was stopped."""
    sentences: list[str] = []

    def load_view() -> VideoPredictor:
        chosen = choose_view(look, load(), (request.movie.height, request.movie.width))
        _log.info(chosen.sentence)
        sentences.append(chosen.sentence)
        return chosen.predictor

    outcome = run_in_terminal(request, load_view)
    if outcome.objects is None:
        _say_how_to_resume(arguments, request, outcome)
        return STOPPED
    output().print(summary_table(outcome.objects, request.movie))
    output().print(*sentences, f"Labels: {request.out}", sep="\n")
    return 0


def _is_default(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is None or source.name.startswith("DEFAULT")


def _check_session_options(context: typer.Context) -> None:
    """Say no to options that a session has settled already."""
    given = [name for name in _SETTLED if not _is_default(context, name)]
    if given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise typer.BadParameter(f"{names} cannot be given with --session: the session says it. Open it to change it.")


def _say_how_to_resume(arguments: Sequence[str], request: TrackingRequest, outcome: TrackingOutcome) -> None:
    if outcome.finished == 0:
        errors().print("Stopped before the first frame was finished; nothing was written.")
        return
    errors().print(
        f"Stopped after {outcome.finished} of {outcome.total} frames; they are kept in {journal_folder(request.out)}, "
        f"one TIFF per frame. Go on with:\n  {resume_command(arguments)}"
    )
