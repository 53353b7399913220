"""`napari-sam2 track`: a stack and prompts in, a label stack out; or a session folder (see `track_session`)."""

from __future__ import annotations

import logging
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from napari_sam2.cli import options
from napari_sam2.cli.console import errors, output
from napari_sam2.cli.interrupt import STOPPED, resume_command
from napari_sam2.cli.model_choice import DEFAULT_MODEL, load_predictor
from napari_sam2.cli.terminal_run import run_in_terminal, summary_table
from napari_sam2.cli.track_session import SessionTracking, track_session
from napari_sam2.cli.tracking_run import TrackingOutcome, TrackingRequest
from napari_sam2.io import journal_folder, read_prompts
from napari_sam2.session import Direction, VideoPredictor, checked_range
from napari_sam2.session.view import ViewChoice, choose_view, view_request
from napari_sam2.stacks import ContrastLimits, ModelMovie, open_stack
from sam2_core.errors import StackError

_SETTLED = (
    *("prompts", "model", "axes", "scene", "track_axis", "channel", "fixed"),
    *("image_size", "object_diameter", "view", "contrast", "feature_cache", "resume"),
)
_log = logging.getLogger(__name__)


class DirectionChoice(StrEnum):
    """Where to go from the prompts."""

    forward = "forward"
    backward = "backward"
    both = "both"


def track_command(  # noqa: PLR0913 - one parameter per option of the command
    context: typer.Context,
    stack: options.StackArgument = None,
    prompts: Annotated[Path | None, typer.Option(help="Prompts as .json or .csv; see docs/prompt-files.md.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Label stack to write, .tif or .zarr; object id = label value.")
    ] = None,
    session: Annotated[
        Path | None, typer.Option(help="Session folder to track or go on with, instead of a stack and prompts.")
    ] = None,
    model: options.Model = DEFAULT_MODEL,
    device: options.Device = "auto",
    axes: options.Axes = None,
    scene: options.Scene = None,
    track_axis: options.TrackAxis = None,
    channel: options.Channel = None,
    fixed: options.Fixed = None,
    start: Annotated[int | None, typer.Option(help="First frame to track.")] = None,
    stop: Annotated[int | None, typer.Option(help="Frame before which to stop.")] = None,
    direction: Annotated[
        DirectionChoice | None,
        typer.Option(help="Where to go from the prompts; forward by default, both in a session."),
    ] = None,
    image_size: options.ImageSize = None,
    object_diameter: Annotated[
        float | None, typer.Option(help="Diameter of a typical object in pixels; small ones are looked at in windows.")
    ] = None,
    view: Annotated[
        ViewChoice, typer.Option(help="Whole frames, or windows that follow the objects; auto goes by their size.")
    ] = ViewChoice.auto,
    contrast: options.Contrast = None,
    feature_cache: Annotated[
        bool, typer.Option("--feature-cache", help="Keep image features on disk and use those there; see embed.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there and start again.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on behind the last finished frame of a stopped run.")
    ] = False,
) -> int:
    """Follow the objects that PROMPTS point at through STACK and write their masks as labels.

    Ctrl-C stops after the frame in work and keeps what is done; the same command with --resume goes on from there, from
    the masks of the last finished frame and the original prompts. In a session (--session) every finished frame is
    kept, and the same command goes on.
    """
    if session is not None:
        _check_session_options(context)
        where: Direction | None = None if direction is None else direction.value
        chosen_device = None if _is_default(context, "device") else device
        return track_session(SessionTracking(session, out, stack, where, start, stop, chosen_device, overwrite))
    if stack is None or prompts is None or out is None:
        raise typer.BadParameter("give STACK, --prompts and --out, or --session with a session folder.")
    source = open_stack(stack, axes, scene)
    movie = source.movie(track_axis, channel or None, fixed_axes(fixed or []))
    limits = None if contrast is None else ContrastLimits((contrast[0],), (contrast[1],))
    entries = read_prompts(prompts)
    look = view_request(view, object_diameter, entries)
    settings = (
        f"{model}, input {image_size or 'default'}, {look.settings}, channels {movie.channels}, fixed {movie.held}, "
        f"contrast {contrast}"
    )
    request = TrackingRequest(
        movie=ModelMovie(movie, limits),
        prompts=entries,
        out=out,
        frames=checked_range(len(movie), start, stop),
        direction=(direction or DirectionChoice.forward).value,
        model=settings,
        resume=resume,
        overwrite=overwrite,
    )
    sentences: list[str] = []

    def load() -> VideoPredictor:
        chosen = choose_view(
            look, load_predictor(model, device, image_size, feature_cache), (movie.height, movie.width)
        )
        _log.info(chosen.sentence)
        sentences.append(chosen.sentence)
        return chosen.predictor

    outcome = run_in_terminal(request, load)
    if outcome.objects is None:
        _say_how_to_resume(context.obj or [], request, outcome)
        return STOPPED
    output().print(summary_table(outcome.objects, request.movie))
    output().print(*sentences, f"Labels: {out}", sep="\n")
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


def fixed_axes(entries: list[str]) -> dict[str, int]:
    """Return axis -> index from words like Z=3.

    Raises
    ------
    StackError
        If a word is of another form.
    """
    fixed = {}
    for entry in entries:
        axis, _, index = entry.partition("=")
        if len(axis) != 1 or not index.isdigit():
            raise StackError(f"--fixed {entry} is not understood; write an axis and an index, for example --fixed Z=3.")
        fixed[axis.upper()] = int(index)
    return fixed


def _say_how_to_resume(arguments: list[str], request: TrackingRequest, outcome: TrackingOutcome) -> None:
    if outcome.finished == 0:
        errors().print("Stopped before the first frame was finished; nothing was written.")
        return
    errors().print(
        f"Stopped after {outcome.finished} of {outcome.total} frames; they are kept in {journal_folder(request.out)}, "
        f"one TIFF per frame. Go on with:\n  {resume_command(arguments)}"
    )
