"""`napari-sam2 evaluate`: a stack and its ground truth in, a table and a picture out.

The protocol is that of docs/evaluation.md: prompts come from the truth, masks from the model, and the classical
baseline stands beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.cli import options
from napari_sam2.cli.console import frame_progress, output, table
from napari_sam2.cli.model_choice import DEFAULT_MODEL, load_predictor
from napari_sam2.cli.options import KindChoice
from napari_sam2.session.view import ViewChoice, choose_view, view_request
from sam2_core.errors import StackError

if TYPE_CHECKING:
    from napari_sam2.evaluation.benchmark import Begin, Plan
    from napari_sam2.evaluation.movies import Tick
    from napari_sam2.evaluation.report import About, Row
    from napari_sam2.evaluation.stills import ImagePredictor
    from napari_sam2.session import VideoPredictor

_PROMPTS = {"movie": ("click", "box", "corrections"), "stills": ("click", "box", "clicks3")}


def evaluate_command(  # noqa: PLR0913 - one parameter per option of the command
    stack: options.JudgedStack,
    truth: options.Truth,
    out: options.ReportFolder,
    kind: options.JudgedKind = KindChoice.auto,
    model: options.Model = DEFAULT_MODEL,
    device: options.Device = "auto",
    image_size: options.ImageSize = None,
    object_diameter: options.TrueDiameter = None,
    view: options.MovieView = ViewChoice.auto,
    objects: options.MostObjects = None,
    frames: options.MostFrames = 40,
    every: options.Every = 1,
    prompt: options.PromptKinds = None,
    span: options.Span = None,
    first_frame_only: options.FirstFrameOnly = False,
    baseline: options.Baseline = True,
    axes: options.MovieAxes = None,
    track_axis: options.MovieTrackAxis = None,
    channel: options.MovieChannel = None,
) -> int:
    """Measure a model on STACK with ground truth: clicks and boxes from the truth, IoU of the masks, a baseline.

    Movies: J, recall, J@10 and presence after one click, one box, and with up to three corrections. Stills: mean IoU
    and recall after one click, a box, and three clicks.
    """
    from napari_sam2.evaluation.benchmark import Plan
    from napari_sam2.evaluation.ground_truth import MOST_OBJECTS, Selection
    from napari_sam2.evaluation.sources import StackChoice

    judged = resolved_kind(kind, stack, truth)
    prompts = checked_prompts(prompt, judged)
    name, plan = stack_name(stack), Plan(prompts, prompts, baseline, objects, span)
    with shown_progress() as begin:
        if judged == "stills":
            image_predictor, about = load_for_stills(model, device, image_size)
            source = (stack, truth, every, object_diameter)
            rows = evaluate_stills(name, source, image_predictor, plan, (out, begin))
            about = with_settings(about, span=span or "usual", every=every, objects_per_still=objects or "all")
        else:
            video_predictor, about = load_for_movies(model, device, image_size)
            selection = Selection(objects or MOST_OBJECTS, frames, first_frame_only)
            movie = (stack, truth, StackChoice(axes, track_axis, channel or None), selection, object_diameter)
            rows = evaluate_movie(name, movie, (video_predictor, view), plan, (out, begin))
            about = with_settings(about, ids_per_movie=selection.objects, frames_per_id=frames)
    finish(out, about, rows)
    return 0


def evaluate_movie(
    name: str,
    movie: tuple[Any, ...],
    look: tuple[VideoPredictor, ViewChoice],
    plan: Plan,
    shown: tuple[Path, Begin],
) -> list[Row]:
    """Return the rows of one movie, with its picture written to a folder.

    Parameters
    ----------
    name
        Of the stack, for the table and the picture.
    movie
        What `evaluation.open_task` takes.
    look
        A predictor, and whether it looks at whole frames or through windows.
    plan
        Which runs.
    shown
        The folder, and where progress goes.
    """
    from napari_sam2.evaluation.benchmark import benchmark_movie
    from napari_sam2.evaluation.pictures import movie_rows, write_picture
    from napari_sam2.evaluation.sources import open_task

    folder, begin = shown
    task = open_task(*movie)
    height, width = task.truth[0].shape
    chosen = choose_view(view_request(look[1], task.diameter_px, ()), look[0], (height, width))
    rows, runs = benchmark_movie(f"{name} ({view_words(chosen.sentence)})", task, chosen.predictor, plan, begin)
    panels = movie_rows(task, runs[0])
    if panels:
        folder.mkdir(parents=True, exist_ok=True)
        write_picture(folder / f"{name}.png", panels)
    return rows


def evaluate_stills(
    name: str, source: tuple[Any, ...], predictor: ImagePredictor, plan: Plan, shown: tuple[Path, Begin]
) -> list[Row]:
    """Return the rows of stills, with their picture written to a folder.

    Parameters
    ----------
    name
        For the table and the picture.
    source
        What `evaluation.open_stills` takes.
    predictor
        An image predictor.
    plan
        Which prompts.
    shown
        The folder, and where progress goes.
    """
    from napari_sam2.evaluation.benchmark import benchmark_stills
    from napari_sam2.evaluation.pictures import still_rows, write_picture
    from napari_sam2.evaluation.sources import count_stills, open_stills

    folder, begin = shown
    tick = begin(name, count_stills(*source[:3]))
    rows, results = benchmark_stills(name, open_stills(*source), predictor, plan, tick)
    if not results:
        raise StackError(f"{name}: no object of at least 40 px lies inside the images; are these label images?")
    folder.mkdir(parents=True, exist_ok=True)
    write_picture(folder / f"{name}.png", still_rows(open_stills(*source), results, plan.still_prompts[0]))
    return rows


def load_for_movies(model: str, device: str, image_size: int | None) -> tuple[VideoPredictor, About]:
    """Return a video predictor, and what the table says about it."""
    predictor = load_predictor(model, device, image_size)
    return predictor, about_model(model, predictor)


def load_for_stills(model: str, device: str, image_size: int | None) -> tuple[ImagePredictor, About]:
    """Return an image predictor, and what the table says about it."""
    from sam2_core.inference.image_predictor import SAM2ImagePredictor

    loaded: Any = load_predictor(model, device, image_size)
    return SAM2ImagePredictor(loaded.model), about_model(model, loaded)


def about_model(model: str, predictor: Any) -> About:
    """Return model, device, precision and settings for the table."""
    import torch

    from napari_sam2.evaluation.report import About
    from sam2_core.inference.precision import pick_precision

    device = getattr(predictor, "device", torch.device("cpu"))
    precision = str(pick_precision("auto", device) or torch.float32).removeprefix("torch.")
    words = f"{device}, {torch.get_num_threads()} threads" if device.type == "cpu" else torch.cuda.get_device_name()
    return About(model, words, precision, {"model input": f"{predictor.image_size} px"})


def with_settings(about: About, **settings: object) -> About:
    """Return what the table says, with more settings: underscores of the names become spaces."""
    words = {name.replace("_", " "): str(value) for name, value in settings.items()}
    return replace(about, settings={**about.settings, **words})


def finish(out: Path, about: About, rows: list[Row]) -> None:
    """Write the tables and show them."""
    from napari_sam2.evaluation.report import table_of, write_report

    paths = write_report(out, about, rows)
    for stack in dict.fromkeys(row.stack for row in rows):
        header, cells = table_of([row for row in rows if row.stack == stack])
        shown = [line[2:] for line in cells]
        title = f"{stack}; {about.model} on {about.device}"
        output().print(table(title, header[2:], shown, right=header[3:]))
    output().print("\n".join(f"Written: {path}" for path in paths))


@contextmanager
def shown_progress() -> Iterator[Begin]:
    """Yield what makes a bar for each run, on standard error."""
    with frame_progress() as bar:

        def begin(what: str, total: int) -> Tick:
            task = bar.add_task(what, total=total)
            return lambda: bar.advance(task)

        yield begin


def resolved_kind(kind: KindChoice, stack: Path, truth: Path) -> str:
    """Return "movie" or "stills"."""
    if kind is not KindChoice.auto:
        return kind.value
    if stack.is_dir() and truth.is_dir() and stack.suffix != ".zarr":
        return "stills"
    from napari_sam2.stacks import open_stack

    return "stills" if len(open_stack(stack).axes) == 2 else "movie"


def checked_prompts(given: list[str] | None, kind: str) -> tuple[str, ...]:
    """Return the prompts of the protocol that are run, in its order.

    Raises
    ------
    StackError
        If one is not known for this kind.
    """
    known = _PROMPTS[kind]
    for entry in given or ():
        if entry not in known:
            raise StackError(f"--prompt {entry} is not known for {kind}; choose among {', '.join(known)}.")
    return tuple(entry for entry in known if not given or entry in given)


def stack_name(stack: Path) -> str:
    """Return a name for the table and the picture: that of the file, or of its folder where that says more."""
    name, folder = stack.name.split(".")[0], stack.resolve().parent
    part = ""
    while name in ("images", "image", "movie", "stack", "val", "train", "test") and folder.name:
        part = f"_{name}{part}" if name in ("val", "train", "test") else part
        name, folder = folder.name, folder.parent
    return f"{name}{part}"


def view_words(sentence: str) -> str:
    """Return the first words of what `choose_view` says."""
    return sentence.removeprefix("View: ").split(";")[0].split(" that ")[0].rstrip(".")
