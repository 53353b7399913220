"""`napari-sam2 evaluate`: a stack and its ground truth in, a table and a picture out.

The protocol is that of docs/evaluation.md: prompts come from the truth, masks from the model, and the classical
baseline stands beside them. Here options become what `napari_sam2.evaluation` is asked for; it measures and writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.cli import options
from napari_sam2.cli.evaluation_screen import show_report, shown_progress
from napari_sam2.cli.model_choice import DEFAULT_MODEL, load_predictor
from napari_sam2.cli.movie_choice import MovieChoice
from napari_sam2.cli.out_folder import check_out_folder
from napari_sam2.engine.view import ViewChoice
from napari_sam2.session.settings import SessionSettings
from sam2_core.errors import StackError

if TYPE_CHECKING:
    from napari_sam2.evaluation import JudgedFrames, Stills
    from napari_sam2.evaluation.tracking_baselines import Images


def evaluate_command(  # noqa: PLR0913 - one parameter per option of the command
    stack: options.JudgedStack,
    truth: options.Truth,
    out: options.ReportFolder,
    kind: options.JudgedKind = "auto",
    model: options.Model = DEFAULT_MODEL,
    device: options.Device = "auto",
    image_size: options.ImageSize = None,
    object_diameter: options.TrueDiameter = None,
    view: options.MovieView = ViewChoice.auto,
    objects: options.MostObjects = None,
    frames: options.MostFrames = 40,
    every: options.Every = 1,
    prompt: options.PromptKinds = None,
    find: options.JudgedFind = False,
    tracking: options.JudgedTracking = False,
    parents: options.Parents = None,
    truth_parents: options.TruthParents = None,
    baselines: options.Baselines = None,
    span: options.Span = None,
    first_frame_only: options.FirstFrameOnly = False,
    baseline: options.Baseline = True,
    axes: options.MovieAxes = None,
    scene: options.Scene = None,
    track_axis: options.MovieTrackAxis = None,
    channel: options.MovieChannel = None,
    fixed: options.Fixed = None,
) -> int:
    """Measure a model on STACK with ground truth: clicks and boxes from the truth, IoU of the masks, a baseline.

    Movies: J, recall, J@10 and presence after one click, one box, and with up to three corrections. Stills: mean IoU
    and recall after one click, a box, and three clicks. With --find, no prompt: AP, F1 and SEG of what is found. With
    --tracking, no model: SEG, DET, TRA, LNK, CHOTA, divisions and identity switches of tracks that are there already;
    with --baselines, others stand beside them.
    """
    choice = MovieChoice(axes, scene, track_axis, channel, fixed)
    if find and prompt:
        raise StackError(f"--find prompts nothing, but --prompt {' '.join(prompt)} was given; leave one of them out.")
    check_tracking(
        tracking,
        {"--baselines": baselines, "--parents": parents, "--truth-parents": truth_parents},
        {"--find": find, "--prompt": prompt},
    )
    if tracking:
        settings = {"model": model, "device": device, "image_size": image_size}
        images = None if baselines is None else images_of(baselines, choice, settings)
        return evaluate_tracking((stack, parents), (truth, truth_parents), out, choice, images)
    from napari_sam2 import evaluation
    from sam2_core.scoring.ground_truth import MOST_OBJECTS

    judged = resolved_kind(kind, stack, truth, choice)
    prompts = checked_prompts(prompt, judged)
    name, plan = evaluation.stack_name(stack), evaluation.Plan(prompts, prompts, baseline, objects, span, view)
    files = ["evaluation.md", "evaluation.json", f"{name}.png"]
    check_out_folder(out, files, (stack, truth), is_own=(out / "evaluation.json").is_file())
    predictor = load_predictor(model, device, image_size)
    about = evaluation.about_model(model, predictor)
    with shown_progress() as begin:
        if find:
            sought = judged_frames(judged, stack, truth, choice, every, object_diameter)
            found = evaluation.benchmark_finding(name, sought, evaluation.finder(predictor), baseline, begin)
            about = about.with_settings(diameter=object_diameter or "found", every=every)
        elif judged == "stills":
            stills = evaluation.Stills(stack, truth, every, object_diameter, choice.held)
            found = evaluation.benchmark_stills(name, stills, evaluation.image_predictor(predictor), plan, begin)
            about = about.with_settings(span=span or "usual", every=every, objects_per_still=objects or "all")
        else:
            movie = choice.open(str(stack)).movie
            scope = evaluation.MovieScope(objects or MOST_OBJECTS, frames, first_frame_only)
            task = evaluation.open_task(movie, truth, scope, object_diameter)
            found = evaluation.benchmark_movie(name, task, predictor, plan, begin)
            about = about.with_settings(ids_per_movie=scope.objects, frames_per_id=frames)
    found.write_picture(out)
    show_report(about, found.rows, evaluation.write_report(out, about, found.rows))
    return 0


def check_tracking(tracking: bool, beside: dict[str, object], instead: dict[str, object]) -> None:
    """Say no to options that mean something beside --tracking only, or instead of it only.

    Raises
    ------
    StackError
        If one of them was given.
    """
    lost = [f"{name} {value}" for name, value in beside.items() if value is not None]
    if lost and not tracking:
        raise StackError(f"{lost[0]} goes with tracks; give --tracking as well.")
    other = [name for name, value in instead.items() if value]
    if other and tracking:
        raise StackError(f"--tracking judges tracks that are there, but {other[0]} was given; leave one of them out.")


def images_of(stack: str, choice: MovieChoice, settings: dict[str, Any]) -> Images:
    """Return the images that baselines are made from.

    Raises
    ------
    StackError
        If they cannot be read, or the library that links a baseline is missing.
    """
    from napari_sam2.evaluation.tracking_baselines import Images, laptrack_library

    laptrack_library()
    movie = choice.open(stack)
    return Images(movie.movie.stack, SessionSettings.model_validate(settings | choice.settings(movie)))


def evaluate_tracking(
    result: tuple[Path, Path | None],
    truth: tuple[Path, Path | None],
    out: Path,
    choice: MovieChoice,
    images: Images | None = None,
) -> int:
    """Write and show how well a movie was tracked, baselines beside it; see `evaluation.tracking`.

    result, truth: each with the table of who came from whom, if there is one.
    """
    from napari_sam2.evaluation.judged_stacks import stack_name
    from napari_sam2.evaluation.report import write_report
    from napari_sam2.evaluation.tracking import benchmark_tracking, open_judged

    name = stack_name(truth[0])
    files = ["evaluation.md", "evaluation.json", f"{name}.png"]
    check_out_folder(out, files, (result[0], truth[0]), is_own=(out / "evaluation.json").is_file())
    cut = choice.track_axis, choice.held
    true, found = open_judged(*truth, *cut), open_judged(*result, *cut)
    with shown_progress() as begin:
        beside = () if images is None else images.baselines(true.labels, begin)
        judged = benchmark_tracking(name, stack_name(result[0]), true, found, begin, beside)
    judged.write_picture(out)
    show_report(None, judged.rows, write_report(out, None, judged.rows))
    return 0


def judged_frames(
    kind: str, stack: Path, truth: Path, choice: MovieChoice, every: int, diameter_px: float | None
) -> JudgedFrames | Stills:
    """Return the images of folders, or the frames of a stack, with their labels."""
    from napari_sam2 import evaluation

    if kind == "stills":
        return evaluation.Stills(stack, truth, every, diameter_px, choice.held)
    return evaluation.JudgedFrames(choice.open(str(stack)).movie, truth, every, diameter_px)


def resolved_kind(kind: options.Kind, stack: Path, truth: Path, choice: MovieChoice) -> str:
    """Return "movie" or "stills"."""
    if kind != "auto":
        return kind
    if stack.is_dir() and truth.is_dir() and stack.suffix != ".zarr":
        return "stills"
    return "stills" if len(choice.stack(str(stack)).axes) == 2 else "movie"


def checked_prompts(given: list[str] | None, kind: str) -> tuple[str, ...]:
    """Return the prompts of the protocol that are run, in its order."""
    from napari_sam2.evaluation.movies import RUNS
    from napari_sam2.evaluation.stills import PROMPTS

    known = PROMPTS if kind == "stills" else RUNS
    for entry in given or ():
        if entry not in known:
            raise StackError(f"--prompt {entry} is not known for {kind}; choose among {', '.join(known)}.")
    return tuple(entry for entry in known if not given or entry in given)
