"""`napari-sam2 finetune`: images and their labels in, a model of one's own out.

Labels are a stack, or the masks of a session that still hold. Checks everything that can be checked before the model is
loaded, trains with `sam2_core.training.finetune`, shows loss and scores as they come, and writes what
`sam2_core.training.finetune_files` writes. Ctrl-C keeps the best so far.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_sam2.cli import options
from napari_sam2.cli.console import errors, output, table
from napari_sam2.cli.finetune_screen import FinetuneScreen, score
from napari_sam2.cli.interrupt import STOPPED, StopOnCtrlC, resume_command
from napari_sam2.cli.model_choice import DEFAULT_MODEL, config_and_weights
from napari_sam2.io.label_array import ResultLabels
from napari_sam2.io.results import open_results
from napari_sam2.session.mask_store import MaskStatus
from napari_sam2.stacks import Movie, open_stack
from sam2_core.errors import CheckpointError, StackError

if TYPE_CHECKING:
    from sam2_core.modeling.sam2 import Sam2Model
    from sam2_core.training.finetune import Finetuning
    from sam2_core.training.finetune_files import FinetuneFiles
    from sam2_core.training.labelled_stack import LabelledStack

_TRUSTED = frozenset({MaskStatus.prompted, MaskStatus.edited, MaskStatus.tracked})


class PartChoice(StrEnum):
    """Which weights may change."""

    decoder = "decoder"
    memory = "memory"
    adapters = "adapters"
    all = "all"


class KindChoice(StrEnum):
    """What the frames are to each other."""

    auto = "auto"
    movie = "movie"
    stills = "stills"


class FormatChoice(StrEnum):
    """How the weights are stored: float16, or full precision in the official layout."""

    safetensors = "safetensors"
    pt = "pt"


@dataclass(frozen=True, slots=True)
class _Base:
    """The model that is fine-tuned: as named, its configuration, and the network on its device."""

    name: str
    config: str
    network: Sam2Model


def finetune_command(  # noqa: PLR0913 - one parameter per option of the command
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint, the model card and the curve.")],
    images: Annotated[str | None, typer.Option(help="Stack or folder of images, as `track` reads it.")] = None,
    labels: Annotated[str | None, typer.Option(help="Label stack of the same shape; unlabelled frames stay 0.")] = None,
    session: Annotated[
        Path | None, typer.Option(help="Session folder whose corrected masks are the labels, instead of these two.")
    ] = None,
    model: Annotated[str, typer.Option(help="Base: name (see: napari-sam2 models) or checkpoint.")] = DEFAULT_MODEL,
    name: Annotated[str | None, typer.Option(help="Name of the new model; BASE-IMAGES by default.")] = None,
    train: Annotated[PartChoice, typer.Option(help="Which weights may change.")] = PartChoice.decoder,
    steps: Annotated[int, typer.Option(min=1, help="At most so many steps.")] = 300,
    minutes: Annotated[float | None, typer.Option(min=0.0, help="At most so many minutes.")] = None,
    validate_every: Annotated[int, typer.Option(min=1, help="Steps between two looks at the held-out frames.")] = 25,
    patience: Annotated[int, typer.Option(min=1, help="Looks without improvement before it stops.")] = 6,
    learning_rate: Annotated[float | None, typer.Option(min=0.0, help="By default that of the part.")] = None,
    kind: Annotated[KindChoice, typer.Option(help="auto: a movie if labels keep their value.")] = KindChoice.auto,
    device: options.Device = "auto",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same model on the same machine.")] = 0,
    axes: Annotated[str | None, typer.Option(help="Of the images: one letter of TZCYXS per dimension.")] = None,
    labels_axes: Annotated[str | None, typer.Option(help="Of the labels, e.g. TYX.")] = None,
    track_axis: options.TrackAxis = None,
    channel: Annotated[list[str] | None, typer.Option(help="Number or name; may be repeated.")] = None,
    file_format: Annotated[
        FormatChoice, typer.Option("--format", help="safetensors is half the size, pt is full precision.")
    ] = FormatChoice.safetensors,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start again where a run is already.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")] = False,
) -> int:
    """Teach a model your own cells: train it on frames that you have labelled, and keep it under a name.

    Some labelled frames are held out: the model never trains on them, and the best weights are those that do best
    there. Ctrl-C keeps the best so far. The result is a checkpoint with a model card, and `napari-sam2 models` lists
    it.
    """
    from sam2_core.training.finetune import FinetuneSettings, Finetuning
    from sam2_core.training.finetune_files import ModelStory, check_new_name, write_files

    if session is not None:
        if images is not None or labels is not None:
            raise typer.BadParameter("--session brings its images and labels; leave out --images and --labels.")
        pictures, truth = session_movies(session)
    elif images is not None and labels is not None:
        pictures = open_stack(images, axes).movie(track_axis, channel or None)
        truth = open_stack(labels, labels_axes).movie(track_axis)
    else:
        raise typer.BadParameter("give --images and --labels, or --session with a session folder.")
    new_name = _default_name(model, str(session or images)) if name is None else name
    check_new_name(new_name, out)
    _check_folder(out, resume, overwrite)
    data = _split(pictures, truth, kind)
    base = _load_base(model, device)
    settings = FinetuneSettings(
        train=train.value,
        steps=steps,
        minutes=minutes,
        validate_every=validate_every,
        patience=patience,
        learning_rate=learning_rate,
        seed=seed,
    )
    run = Finetuning(base.network, data, settings, out)
    if resume:
        run.resume()
    _train(run)
    if not run.looks:
        errors().print("Stopped before the base model was judged; nothing was written.")
        return STOPPED
    story = ModelStory(new_name, base.name, base.config, _described(pictures), _described(truth))
    files = write_files(run, story, file_format.value)
    return _report(run, files, context.obj or [])


def session_movies(folder: Path) -> tuple[Movie, Movie]:
    """Return the images of a session and its masks that still hold, as labels; stale ones are left out.

    Raises
    ------
    StackError
        If the session cannot be read or holds no such mask.
    """
    results = open_results(folder)
    truth = open_stack(ResultLabels(results, _TRUSTED), "TYX").movie("T")
    if not any(labels.any() for labels in truth):
        raise StackError(f"{folder} holds no mask that still holds; track or correct its objects first.")
    return results.movie, truth


def _default_name(model: str, images: str) -> str:
    words = f"{Path(model).name.removesuffix('.pt').removesuffix('.safetensors')}-{Path(images).stem}"
    return re.sub(r"[^\w.-]+", "-", words).strip("-.")


def _check_folder(out: Path, resume: bool, overwrite: bool) -> None:
    """Say no where a run would be lost by accident, or where there is none to go on with."""
    state = out / "finetune.pt"
    if resume and overwrite:
        raise StackError("--resume and --overwrite exclude each other: go on with the run, or start again?")
    if resume and not state.exists():
        raise StackError(f"there is no run to go on with in {out}; leave out --resume to start one")
    if state.exists() and not (resume or overwrite):
        raise StackError(f"{out} holds a run; go on with --resume, start again with --overwrite, or choose another")


def _split(pictures: Movie, truth: Movie, kind: KindChoice) -> LabelledStack:
    from sam2_core.training.labelled_stack import SplitSettings, split_stack

    if truth.channel_count > 1:
        raise StackError(
            f"the labels {truth.stack.name} have {truth.channel_count} values per pixel (axes {truth.stack.axes}); one "
            "whole number per pixel is needed. If an axis was misread, name them with --labels-axes, e.g. TYX."
        )
    data = split_stack(pictures, truth, SplitSettings(kind.value))
    what = "a movie" if data.is_movie else "stills"
    errors().print(
        f"{len(data.training_frames) + len(data.held_out_frames)} labelled frames with {data.objects} objects, taken "
        f"as {what}; {len(data.held_out_frames)} of them are held out."
    )
    return data


def _load_base(model: str, device: str) -> _Base:
    from sam2_core.build import build_sam2

    config, weights = config_and_weights(model)
    try:
        return _Base(model, config, build_sam2(config, weights, device=device))
    except CheckpointError:
        raise
    except (AssertionError, RuntimeError) as error:  # torch's ways of saying that a device is not there
        raise CheckpointError(f"{model} cannot be trained on device {device!r}: {error}") from error


def _train(run: Finetuning) -> None:
    with StopOnCtrlC() as ctrl_c, FinetuneScreen(run.looks) as screen:
        for progress in run.run(ctrl_c.is_requested):
            screen.show(progress)


def _described(movie: Movie) -> str:
    return f"{movie.stack.name}, {movie.stack.axes} {' x '.join(str(size) for size in movie.stack.shape)}"


def _report(run: Finetuning, files: FinetuneFiles, arguments: list[str]) -> int:
    from sam2_core.training.finetune_files import REASONS

    before, best = run.before.scores, run.best.scores
    rows = [
        ["IoU after one click", score(before.click), score(best.click)],
        ["IoU when followed", score(before.tracked), score(best.tracked)],
    ]
    output().print(table("On the held-out frames", ["", "base", files.entry.name], rows, right=["base"]))
    if run.reason:
        output().print(f"{run.step} steps; it ended because {REASONS[run.reason]}.")
    if run.best.step == 0:
        output().print("No step was better than the base model: these are its weights. See docs/fine-tuning.md.")
    for what, path in (("Model", files.checkpoint), ("Card", files.card), ("Curve", files.curve)):
        output().print(f"{what}: {path}")
    output().print(f"Use it with: napari-sam2 track ... --model {files.entry.name}")
    if run.reason == "cancelled":
        errors().print(f"Stopped. Go on with:\n  {resume_command(arguments)}")
        return STOPPED
    return 0
