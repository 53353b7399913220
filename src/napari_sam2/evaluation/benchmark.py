"""All runs of the protocol on one movie or one set of stills: rows of the table, and what the picture shows.

`Plan` says which runs. Progress goes through `begin`, which is told what starts and how much there is to do, and
returns what is called after each piece. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from napari_sam2.evaluation.movies import BASELINE, RUNS, MovieRun, MovieTask, Tick, run_baseline, run_movie
from napari_sam2.evaluation.report import Row, movie_row, stills_row
from napari_sam2.evaluation.stills import PROMPTS, ImagePredictor, Still, StillResult, baseline_still, evaluate_still
from napari_sam2.session import VideoPredictor

Begin = Callable[[str, int], Tick]


def unseen(what: str, total: int) -> Tick:
    """Return a tick that shows nothing."""
    return lambda: None


@dataclass(frozen=True, slots=True)
class Plan:
    """Which runs are made.

    Attributes
    ----------
    movie_runs
        Of "click", "box", "corrections".
    still_prompts
        Of "click", "box", "clicks3"; the first is the one in the picture.
    baseline
        Also the classical baseline.
    still_objects
        At most so many objects of each still, evenly picked; all where None.
    still_span
        Share of a still's window that a typical object takes; by the size of the model's input where None.
    """

    movie_runs: tuple[str, ...] = RUNS
    still_prompts: tuple[str, ...] = PROMPTS
    baseline: bool = True
    still_objects: int | None = None
    still_span: float | None = None


def benchmark_movie(
    name: str, task: MovieTask, predictor: VideoPredictor, plan: Plan, begin: Begin = unseen
) -> tuple[list[Row], list[MovieRun]]:
    """Return the rows and the runs of one movie, the baseline last."""
    runs = [run_movie(predictor, task, run, begin(f"{name}: {run}", task.object_frames)) for run in plan.movie_runs]
    if plan.baseline:
        runs.append(run_baseline(task, begin(f"{name}: {BASELINE}", task.object_frames)))
    return [movie_row(name, run, task.diameter_px) for run in runs], runs


def benchmark_stills(
    name: str, stills: Iterable[Still], predictor: ImagePredictor, plan: Plan, tick: Tick = lambda: None
) -> tuple[list[Row], list[StillResult]]:
    """Return the rows and the results of stills, the baseline last; `tick` is called after each still."""
    results: list[StillResult] = []
    classical: dict[str, float] = {}
    for still in stills:
        found = list(evaluate_still(predictor, still, plan.still_prompts, plan.still_objects, plan.still_span))
        if plan.baseline:
            ious = baseline_still(still, plan.still_objects)
            classical |= {_name(result): value for result, value in zip(found, ious, strict=True)}
        results += found
        tick()
    rows = [
        stills_row(
            name,
            prompt,
            {_name(result): result.ious[prompt] for result in results},
            sum(result.seconds[prompt] for result in results),
        )
        for prompt in plan.still_prompts
    ]
    if plan.baseline:
        rows.append(stills_row(name, BASELINE, classical, float("nan")))
    return rows, results


def _name(result: StillResult) -> str:
    return f"{result.still} {result.object_id}"
