"""How good a model is on stacks with ground truth, by one protocol (docs/evaluation.md), through the public interface.

`open_task` and `benchmark_movie` for a movie, `Stills` and `benchmark_stills` for stills, as a `Plan` says: `Findings`
come out, rows for the table that `write_report` saves and a picture; from `benchmark_finding` too, for everything in a
frame, without a prompt. Below them, one run on one movie or still: `run_movie`, `evaluate_still`, and `run_baseline`
and `baseline_still` for what one would reach without a network.
Neither napari nor Qt; nothing here changes a model or knows who watches.
"""

from __future__ import annotations

from napari_sam2.evaluation.benchmark import Findings, Plan, benchmark_movie, benchmark_stills
from napari_sam2.evaluation.everything import benchmark_finding, finder
from napari_sam2.evaluation.judged_stacks import JudgedFrames, Stills, open_task, stack_name
from napari_sam2.evaluation.movies import MovieRun, MovieTask, run_baseline, run_movie
from napari_sam2.evaluation.report import About, ReportRow, about_model, movie_row, stills_row, write_report
from napari_sam2.evaluation.stills import Still, StillResult, baseline_still, evaluate_still, image_predictor
from sam2_core.scoring import metrics
from sam2_core.scoring.ground_truth import MovieScope, farthest_pixel, movie_targets

__all__ = [
    "About",
    "Findings",
    "JudgedFrames",
    "MovieRun",
    "MovieScope",
    "MovieTask",
    "Plan",
    "ReportRow",
    "Still",
    "StillResult",
    "Stills",
    "about_model",
    "baseline_still",
    "benchmark_finding",
    "benchmark_movie",
    "benchmark_stills",
    "evaluate_still",
    "farthest_pixel",
    "finder",
    "image_predictor",
    "metrics",
    "movie_row",
    "movie_targets",
    "open_task",
    "run_baseline",
    "run_movie",
    "stack_name",
    "stills_row",
    "write_report",
]
