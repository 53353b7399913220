"""`napari-sam2 embed`: image features of a stack made ahead, so that clicks and corrections need not wait for them.

Without a stack it shows how much is kept, changes the limit or clears the folder. What is kept there is found again by
`track`, sessions and scripts that keep features: by default those with a large model on a CPU, others when asked
(`--feature-cache`, the setting and the option of that name). Features are those of whole frames: where windows follow
small objects, each run makes its own.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_sam2.cli import options
from napari_sam2.cli.console import errors, frame_progress, output, table
from napari_sam2.cli.interrupt import STOPPED, StopOnCtrlC
from napari_sam2.cli.model_choice import DEFAULT_MODEL, load_predictor
from napari_sam2.cli.movie_choice import MovieChoice
from napari_sam2.engine.jobs import checked_range
from napari_sam2.stacks import ModelMovie
from sam2_core.errors import StackError

if TYPE_CHECKING:
    from sam2_core.inference.feature_folder import FeatureFolder

GIGABYTE = 1e9


def embed_command(  # noqa: PLR0913 - one parameter per option of the command
    stack: options.StackArgument = None,
    model: options.Model = DEFAULT_MODEL,
    device: options.Device = "auto",
    axes: options.Axes = None,
    scene: options.Scene = None,
    track_axis: options.TrackAxis = None,
    channel: options.Channel = None,
    fixed: options.Fixed = None,
    start: Annotated[int | None, typer.Option(help="First frame.")] = None,
    stop: Annotated[int | None, typer.Option(help="Frame before which to stop.")] = None,
    image_size: options.ImageSize = None,
    contrast: options.Contrast = None,
    limit: options.MostGigabytes = None,
    clear: Annotated[bool, typer.Option("--clear", help="Delete all kept features first.")] = False,
) -> int:
    """Make the image features of STACK ahead and keep them on disk, for large models and many corrections.

    Give --model, --channel, --fixed, --image-size and --contrast as for `track`: other choices are other features.
    Ctrl-C keeps what is made, and the same command goes on from there. Without STACK: say what is kept.
    """
    from sam2_core.inference.feature_folder import FeatureFolder

    folder = FeatureFolder()
    if clear:
        errors().print(f"Deleted {folder.clear() / GIGABYTE:.2f} GB.")
    if limit is not None:
        folder.set_limit(round(limit * GIGABYTE))
    if stack is None:
        _show(folder)
        return 0
    movie = MovieChoice(axes, scene, track_axis, channel, fixed, contrast).open(stack)
    frames = checked_range(len(movie), start, stop)
    predictor: Any = load_predictor(model, device, image_size, True)
    _check_room(predictor, len(frames))
    return _embed(predictor, movie, frames)


def _check_room(predictor: Any, frames: int) -> None:
    """Say no where the first frames would be forgotten before the last ones are made."""
    from sam2_core.inference.disk_features import bytes_per_frame

    folder: FeatureFolder = predictor.feature_folder
    wanted = frames * bytes_per_frame(predictor.model)
    if wanted > folder.limit_bytes:
        raise StackError(
            f"The features of {frames} frames take {wanted / GIGABYTE:.1f} GB, and {folder.path} may hold "
            f"{folder.limit_bytes / GIGABYTE:.1f} GB; raise it with --limit, or choose fewer frames with --start and "
            "--stop."
        )


def _embed(predictor: Any, movie: ModelMovie, frames: range) -> int:
    """Return the exit code when all features are made; the first Ctrl-C stops it after the frame in work."""
    folder: FeatureFolder = predictor.feature_folder
    done, made, began = 0, 0, time.monotonic()
    with StopOnCtrlC() as ctrl_c, frame_progress() as bar:
        task = bar.add_task("Making features", total=len(frames))
        for frame, is_made in predictor.encode_frames(predictor.init_state(movie), frames):
            done += 1
            made += is_made
            bar.update(task, completed=done)
            if folder.fault:
                raise StackError(f"Frame {frame} cannot be kept in {folder.path}: {folder.fault}.")
            if ctrl_c.is_requested():
                break
    output().print(
        f"{made} frames made in {time.monotonic() - began:.1f} s, {done - made} were there. "
        f"{folder.size_bytes() / GIGABYTE:.2f} GB are kept in {folder.path}."
    )
    if done == len(frames):
        return 0
    errors().print(f"Stopped after {done} of {len(frames)} frames; the same command goes on from there.")
    return STOPPED


def _show(folder: FeatureFolder) -> None:
    size, limit = (f"{value / GIGABYTE:.2f} GB" for value in (folder.size_bytes(), folder.limit_bytes))
    rows = [[str(folder.path), str(folder.count()), size, limit]]
    output().print(table("Kept image features", ["folder", "images", "size", "limit"], rows))
