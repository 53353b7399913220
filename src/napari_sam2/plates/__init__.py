"""Many movies as one plan: each movie a task, done once, in this process or on any Dask cluster, and one report of all.

Order: `read_plan`, `movies_of`, `run_movie` for each of them (`run_here`, or `cluster.run_on` with any `Client`),
`plan_status` and `write_summary` at any time. What is done to a movie is done by the jobs of `napari_sam2.session`;
this room says where from, where to, and what came of it. No engine of its own: who runs what where is Dask's.
"""

from __future__ import annotations

from napari_sam2.plates.movies import MovieTask, movies_of
from napari_sam2.plates.one_movie import Worker, new_worker, run_movie
from napari_sam2.plates.plan import Plan, read_plan
from napari_sam2.plates.record import MovieRecord
from napari_sam2.plates.summary import PlanStatus, plan_status, write_summary

__all__ = [
    "MovieRecord",
    "MovieTask",
    "Plan",
    "PlanStatus",
    "Worker",
    "movies_of",
    "new_worker",
    "plan_status",
    "read_plan",
    "run_movie",
    "write_summary",
]
