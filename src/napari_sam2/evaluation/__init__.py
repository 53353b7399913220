"""How good a model is on stacks with ground truth, by one protocol (docs/evaluation.md), through the public interface.

`open_task` and `run_movie` for movies, `open_stills` and `evaluate_still` for stills; `run_baseline` and
`baseline_still` for what one would reach without a network; `movie_row` and `stills_row` for the table that
`write_report` saves. Neither napari nor Qt; nothing here changes a model.
"""

from __future__ import annotations

from napari_sam2.evaluation.ground_truth import (
    Selection,
    Target,
    farthest_pixel,
    movie_targets,
    still_targets,
    typical_diameter,
)
from napari_sam2.evaluation.metrics import MovieMetrics, StillMetrics, movie_metrics, still_metrics
from napari_sam2.evaluation.movies import MovieRun, MovieTask, run_baseline, run_movie
from napari_sam2.evaluation.report import About, Row, movie_row, stills_row, write_report
from napari_sam2.evaluation.sources import StackChoice, open_stills, open_task
from napari_sam2.evaluation.stills import Still, StillResult, baseline_still, evaluate_still

__all__ = [
    "About",
    "MovieMetrics",
    "MovieRun",
    "MovieTask",
    "Row",
    "Selection",
    "StackChoice",
    "Still",
    "StillMetrics",
    "StillResult",
    "Target",
    "baseline_still",
    "evaluate_still",
    "farthest_pixel",
    "movie_metrics",
    "movie_row",
    "movie_targets",
    "open_stills",
    "open_task",
    "run_baseline",
    "run_movie",
    "still_metrics",
    "still_targets",
    "stills_row",
    "typical_diameter",
    "write_report",
]
