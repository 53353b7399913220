"""Movies one after the other in this process: what a laptop, a job of an array and a rule of Snakemake run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from napari_sam2.plates.movies import MovieTask
from napari_sam2.plates.one_movie import Worker, run_movie
from napari_sam2.plates.record import MovieRecord

Ended = Callable[[MovieTask, MovieRecord], None]
"""Is told of each movie that ended."""
Step = Callable[[MovieTask, str, int, int], None]
"""Is told how far the movie in work is: the movie, what is done, done, total."""


def run_here(
    tasks: Iterable[MovieTask], worker: Worker, ended: Ended = lambda *_: None, step: Step = lambda *_: None
) -> None:
    """Run movies one after the other until all are done or the worker's token stops it."""
    for task in tasks:
        if worker.token.cancelled:
            return
        ended(task, run_movie(task, worker, partial(step, task)))
