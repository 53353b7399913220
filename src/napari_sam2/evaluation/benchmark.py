"""All runs of the protocol on one movie or one set of stills: rows of the table, and what the picture shows.

`Plan` says which runs, `Findings` come out. Progress goes through `begin`, which is told what starts and how much there
is to do, and returns what is called after each piece. No model is loaded here, and nothing is written unasked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.engine.view import ViewChoice, choose_view, view_request
from napari_sam2.evaluation.judged_stacks import Stills
from napari_sam2.evaluation.movies import BASELINE, RUNS, MovieTask, Tick, run_baseline, run_movie
from napari_sam2.evaluation.pictures import Drawn, movie_panels, still_panels, write_picture
from napari_sam2.evaluation.report import ReportRow, movie_row, stills_row
from napari_sam2.evaluation.stills import PROMPTS, ImagePredictor, StillResult, baseline_still, evaluate_still
from sam2_core.errors import StackError
from sam2_core.inference.video_calls import WholeFramePredictor

Begin = Callable[[str, int], Tick]


def unseen(what: str, total: int) -> Tick:
    """Return a tick that shows nothing."""
    return lambda: None


@dataclass(frozen=True, slots=True)
class Plan:
    """Which runs are made, and how.

    Attributes
    ----------
    movie_runs
        Of "click", "box", "corrections"; the first is the one in the picture.
    still_prompts
        Of "click", "box", "clicks3"; the first is the one in the picture.
    baseline
        Also the classical baseline.
    still_objects
        At most so many objects of each still, evenly picked; all where None.
    still_span
        Share of a still's window that a typical object takes; by the size of the model's input where None.
    movie_view
        Whether the model looks at whole frames of a movie or through windows.
    """

    movie_runs: tuple[str, ...] = RUNS
    still_prompts: tuple[str, ...] = PROMPTS
    baseline: bool = True
    still_objects: int | None = None
    still_span: float | None = None
    movie_view: ViewChoice = ViewChoice.auto


@dataclass(frozen=True, slots=True)
class Findings:
    """What one movie or one set of stills gave: its rows of the table, the baseline last, and panels of its picture."""

    name: str
    rows: Sequence[ReportRow]
    panels: Sequence[Sequence[Drawn]]

    def write_picture(self, folder: Path) -> None:
        """Write the picture, named after the data, to a folder; none where no object was followed to a second frame."""
        if self.panels:
            write_picture(folder / f"{self.name}.png", self.panels)


def benchmark_movie(
    name: str, task: MovieTask, predictor: WholeFramePredictor, plan: Plan, begin: Begin = unseen
) -> Findings:
    """Return what a movie gave; its rows also name the view that was chosen."""
    height, width = task.truth[0].shape
    chosen = choose_view(view_request(plan.movie_view, task.diameter_px), predictor, (height, width))
    stack, total = f"{name} ({_view_words(chosen.sentence)})", task.object_frames
    runs = [run_movie(chosen.predictor, task, run, begin(f"{stack}: {run}", total)) for run in plan.movie_runs]
    if plan.baseline:
        runs.append(run_baseline(task, begin(f"{stack}: {BASELINE}", total)))
    return Findings(name, [movie_row(stack, run, task.diameter_px) for run in runs], movie_panels(task, runs[0]))


def benchmark_stills(
    name: str, stills: Stills, predictor: ImagePredictor, plan: Plan, begin: Begin = unseen
) -> Findings:
    """Return what stills gave.

    Raises
    ------
    StackError
        If none of them has an object that can be judged.
    """
    tick = begin(name, len(stills))
    results: list[StillResult] = []
    classical: dict[str, float] = {}
    for still in stills:
        found = list(evaluate_still(predictor, still, plan.still_prompts, plan.still_objects, plan.still_span))
        if plan.baseline:
            ious = baseline_still(still, plan.still_objects)
            classical |= {_name(result): value for result, value in zip(found, ious, strict=True)}
        results += found
        tick()
    if not results:
        raise StackError(f"{name}: no object of at least 40 px lies inside the images; are these label images?")
    rows = [_prompt_row(name, prompt, results) for prompt in plan.still_prompts]
    if plan.baseline:
        rows.append(stills_row(name, BASELINE, classical, float("nan")))
    return Findings(name, rows, still_panels(stills, results, plan.still_prompts[0]))


def _prompt_row(name: str, prompt: str, results: Sequence[StillResult]) -> ReportRow:
    ious = {_name(result): result.ious[prompt] for result in results}
    return stills_row(name, prompt, ious, sum(result.seconds[prompt] for result in results))


def _name(result: StillResult) -> str:
    return f"{result.still} {result.object_id}"


def _view_words(sentence: str) -> str:
    """Return the first words of what `choose_view` says."""
    return sentence.removeprefix("View: ").split(";")[0].split(" that ")[0].rstrip(".")
