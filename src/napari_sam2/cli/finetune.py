"""`napari-sam2 finetune`: images and their labels in, a model of one's own out.

Labels are a stack, or the masks of a session that still hold. Checks everything that can be checked before the model is
loaded, trains with `sam2_core.training.finetuning`, shows loss and scores as they come, and writes what
`sam2_core.training.finetune_files` writes. Ctrl-C keeps the best so far.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from napari_sam2.cli import options
from napari_sam2.cli.console import errors, output, table
from napari_sam2.cli.finetune_screen import FinetuneScreen
from napari_sam2.cli.interrupt import STOPPED, StopOnCtrlC, resume_command
from napari_sam2.cli.model_choice import DEFAULT_MODEL, download_bar
from napari_sam2.cli.movie_choice import MovieChoice
from napari_sam2.cli.out_folder import check_out_folder
from napari_sam2.engine.model_loading import on_device
from napari_sam2.io.label_array import ResultLabels
from napari_sam2.masks.mask_store import MaskStatus
from napari_sam2.session.saved_results import open_results
from napari_sam2.stacks import Movie, open_labels
from sam2_core.errors import StackError

if TYPE_CHECKING:
    from sam2_core.modeling.sam2 import Sam2Model
    from sam2_core.training.finetune_files import FinetuneFiles, ModelStory
    from sam2_core.training.finetuning import Finetuning
    from sam2_core.training.labelled_stack import LabelledStack

_TRUSTED = frozenset({MaskStatus.prompted, MaskStatus.edited, MaskStatus.tracked})


def finetune_command(  # noqa: PLR0913 - one parameter per option of the command
    context: typer.Context,
    out: options.RunFolder,
    images: options.Images = None,
    labels: options.Labels = None,
    session: options.LabelledSession = None,
    model: options.BaseModel = DEFAULT_MODEL,
    name: options.NewName = None,
    train: options.Train = "decoder",
    steps: options.Steps = 300,
    minutes: options.Minutes = None,
    validate_every: options.ValidateEvery = 25,
    patience: options.Patience = 6,
    learning_rate: options.LearningRate = None,
    kind: options.LabelledKind = "auto",
    device: options.Device = "auto",
    seed: options.Seed = 0,
    axes: options.ImageAxes = None,
    scene: options.Scene = None,
    labels_axes: options.LabelAxes = None,
    track_axis: options.TrackAxis = None,
    channel: options.AnyChannel = None,
    fixed: options.Fixed = None,
    file_format: options.Format = "safetensors",
    overwrite: options.RestartTraining = False,
    resume: options.ResumeTraining = False,
) -> int:
    """Teach a model your own cells: train it on frames that you have labelled, and keep it under a name.

    Some labelled frames are held out: the model never trains on them, and the best weights are those that do best
    there. Ctrl-C keeps the best so far. The result is a checkpoint with a model card, and `napari-sam2 models` lists
    it.
    """
    from sam2_core.training.finetune_files import ModelStory, check_new_name
    from sam2_core.training.finetuning import FinetuneSettings, Finetuning

    choice = MovieChoice(axes, scene, track_axis, channel, fixed)
    pictures, truth = _stack_movies(images, labels, choice, labels_axes, session)
    new_name = _default_name(model, str(session or images)) if name is None else name
    check_new_name(new_name, out)
    _check_run(out, resume, overwrite)
    files = [f"{new_name}.{file_format}", f"{new_name}.md", f"{new_name}_curve.png"]
    check_out_folder(out, files, (model, images, labels, pictures.stack, truth.stack), is_own=resume or overwrite)
    data = _split(pictures, truth, kind)
    config, network = _load_base(model, device)
    settings = FinetuneSettings(train, steps, minutes, validate_every, patience, learning_rate, seed=seed)
    run = Finetuning(network, data, settings, out)
    if resume:
        run.resume()
    story = ModelStory(new_name, model, config, _described(pictures), _described(truth))
    return _train_and_write(run, story, file_format, context.obj or [])


def _stack_movies(
    images: str | None, labels: str | None, choice: MovieChoice, labels_axes: str | None, session: Path | None
) -> tuple[Movie, Movie]:
    """Return images and labels, of two stacks or of a session."""
    if session is not None:
        if images is not None or labels is not None:
            raise typer.BadParameter("--session brings its images and labels; leave out --images and --labels.")
        return session_movies(session)
    if images is None or labels is None:
        raise typer.BadParameter("give --images and --labels, or --session with a session folder.")
    movie = choice.open(images).movie
    return movie, open_labels(labels, labels_axes, movie.track_axis, movie.held)


def session_movies(folder: Path) -> tuple[Movie, Movie]:
    """Return the images of a session and its masks that still hold, as labels; stale ones are left out."""
    results = open_results(folder)
    truth = open_labels(ResultLabels(results, _TRUSTED), "TYX")
    if not any(labels.any() for labels in truth):
        raise StackError(f"{folder} holds no mask that still holds; track or correct its objects first.")
    return results.movie, truth


def _default_name(model: str, images: str) -> str:
    words = f"{Path(model).name.removesuffix('.pt').removesuffix('.safetensors')}-{Path(images).stem}"
    return re.sub(r"[^\w.-]+", "-", words).strip("-.")


def _check_run(out: Path, resume: bool, overwrite: bool) -> None:
    """Say no where a run would be lost by accident, or where there is none to go on with."""
    state = out / "finetune.pt"
    if resume and overwrite:
        raise StackError("--resume and --overwrite exclude each other: go on with the run, or start again?")
    if resume and not state.exists():
        raise StackError(f"there is no run to go on with in {out}; leave out --resume to start one")
    if state.exists() and not (resume or overwrite):
        raise StackError(f"{out} holds a run; go on with --resume, start again with --overwrite, or choose another")


def _split(pictures: Movie, truth: Movie, kind: options.Kind) -> LabelledStack:
    from sam2_core.training.labelled_stack import SplitSettings, split_stack

    data = split_stack(pictures, truth, SplitSettings(kind))
    what = "a movie" if data.is_movie else "stills"
    errors().print(
        f"{len(data.training_frames) + len(data.held_out_frames)} labelled frames with {data.objects} objects, taken "
        f"as {what}; {len(data.held_out_frames)} of them are held out."
    )
    return data


def _load_base(model: str, device: str) -> tuple[str, Sam2Model]:
    """Return the configuration of the model that is fine-tuned, and its network on its device."""
    from sam2_core.build import build_sam2
    from sam2_core.checkpoints import open_model

    with download_bar() as told:
        opened = open_model(model, told)
    with on_device(model, device, "trained"):
        return opened.config, build_sam2(opened.config, opened, device=device)


def _train_and_write(
    run: Finetuning, story: ModelStory, file_format: options.FileKind, arguments: Sequence[str]
) -> int:
    """Return the exit code after the run is trained, or stopped, and its best weights are written."""
    from sam2_core.training.finetune_files import write_files

    with StopOnCtrlC() as ctrl_c, FinetuneScreen(run.looks) as screen:
        for progress in run.run(ctrl_c.is_requested):
            screen.show(progress)
    if not run.looks:
        errors().print("Stopped before the base model was judged; nothing was written.")
        return STOPPED
    return _report(run, write_files(run, story, file_format), arguments)


def _described(movie: Movie) -> str:
    return f"{movie.stack.name}, {movie.stack.axes} {' x '.join(str(size) for size in movie.stack.shape)}"


def _report(run: Finetuning, files: FinetuneFiles, arguments: Sequence[str]) -> int:
    from sam2_core.training.finetune_files import REASONS, score_rows

    output().print(table("On the held-out frames", ["", "base", files.entry.name], score_rows(run), right=["base"]))
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
