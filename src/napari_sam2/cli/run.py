"""`napari-sam2 run`: the movies of a plan, one after the other or on a Dask cluster, and how they stand at any time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.progress import TaskID
from rich.text import Text

from napari_sam2.cli.console import errors, frame_progress, output, table
from napari_sam2.cli.interrupt import STOPPED, StopOnCtrlC
from napari_sam2.cli.model_choice import download_bar
from napari_sam2.io.atomic import make_folder
from napari_sam2.plates.movies import MovieTask, movies_of
from napari_sam2.plates.one_movie import Worker, new_worker
from napari_sam2.plates.plan import Plan, read_plan
from napari_sam2.plates.record import MovieRecord
from napari_sam2.plates.running import run_here
from napari_sam2.plates.summary import PlanStatus, plan_status, write_summary
from sam2_core.errors import StackError

if TYPE_CHECKING:
    from distributed import Client

    from napari_sam2.plates.cluster import MovieWorkerPlugin

    Cluster = AbstractContextManager[tuple[Client, MovieWorkerPlugin]]

FAILED = 1
Place = Literal["local", "dask", "slurm"]
_MOST_SHOWN = 20


def run_command(
    plan: Annotated[Path, typer.Argument(help="What is done to which images, as TOML; see docs/plates.md.")],
    on: Annotated[Place, typer.Option(help="This machine, a Dask cluster, or workers that Slurm starts.")] = "local",
    workers: Annotated[int, typer.Option(min=1, help="Movies in work at a time.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, as tcp://node:8786.")] = None,
    index: Annotated[
        int | None, typer.Option(min=0, help="Only the movie of this number, from 0: for arrays of jobs.")
    ] = None,
    status: Annotated[
        bool, typer.Option("--status", help="Run nothing: show how the movies stand, and write table and report.")
    ] = False,
) -> int:
    """Do what PLAN says to each of its movies, and write a table and a report of all of them.

    What is finished is left alone, what was interrupted goes on, and a movie that fails stops no other: the same
    command again does what is left. Ctrl-C stops after the frames in work.
    """
    said = read_plan(plan)
    tasks = movies_of(said)
    make_folder(said.out_folder)
    if status:
        return _show(said, plan_status(tasks))
    if index is not None:
        return _run_one(tasks, index)
    if on != "dask" and scheduler is not None:
        raise typer.BadParameter("--scheduler is the address of a Dask cluster: give --on dask as well.")
    is_whole = True
    with RunScreen(tasks) as screen:
        if on == "local" and workers == 1:
            _run_here(tasks, screen)
        else:
            is_whole = _run_on_cluster(tasks, screen, _cluster(on, workers, scheduler))
    code = _show(said, plan_status(tasks, screen.failed))
    if screen.ctrl_c.requested:
        errors().print("Stopped. What is finished is kept; the same command goes on.")
        return STOPPED
    if not is_whole:
        errors().print("The scheduler was lost before all movies came back; the same command goes on.")
    return code if is_whole else FAILED


class RunScreen:
    """A context that shows how far a run is: movies with time left, and the frames of the one in work here.

    `failed` are the records of movies that failed, by their folders.
    """

    def __init__(self, tasks: Sequence[MovieTask]) -> None:
        self.ctrl_c = StopOnCtrlC()
        self.failed: dict[Path, MovieRecord] = {}
        self._bar = frame_progress()
        self._movies = self._bar.add_task("Movies", total=len(tasks))
        self._step: TaskID | None = None

    def __enter__(self) -> RunScreen:
        self.ctrl_c.__enter__()
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()
        self.ctrl_c.__exit__(None, None, None)

    def ended(self, task: MovieTask, record: MovieRecord) -> None:
        """Count a movie that is done or failed; one that failed is told at once."""
        if record.state not in ("done", "failed"):
            return
        if record.state == "failed":
            self.failed[task.folder] = record
            self._bar.console.print(Text(f"{task.title}: {record.words}", style="red"))
        failed = len(self.failed)
        self._bar.update(self._movies, advance=1, description=f"Movies ({failed} failed)" if failed else "Movies")

    def step(self, task: MovieTask, stage: str, done: int, total: int) -> None:
        """Show how far the movie in work is."""
        if self._step is None:
            self._step = self._bar.add_task("")
        self._bar.update(self._step, description=f"{task.title}: {stage}", completed=done, total=total)


def _run_here(tasks: Sequence[MovieTask], screen: RunScreen) -> None:
    """Run movies one after the other; Ctrl-C stops the one in work after its frame."""
    with download_bar() as told:
        worker = new_worker()
        worker.loader.on_download = told
        run_here(tasks, Worker(worker.loader, screen.ctrl_c), screen.ended, screen.step)


def _run_on_cluster(tasks: Sequence[MovieTask], screen: RunScreen, cluster: Cluster) -> bool:
    """Return whether all movies came back from a cluster; where its dashboard is, is said first."""
    from napari_sam2.plates.cluster import run_on

    with cluster as (client, plugin):
        errors().print(f"Dask's dashboard: {client.dashboard_link}")
        return run_on(client, tasks, screen.ended, screen.ctrl_c.is_requested, plugin)


def _cluster(on: Place, workers: int, scheduler: str | None) -> Cluster:
    """Return the cluster that was asked for.

    Raises
    ------
    StackError
        If what starts it is not installed.
    """
    try:
        from napari_sam2.plates import cluster
    except ModuleNotFoundError as error:
        raise StackError(
            f"Several workers need Dask's scheduler, and {error.name} is not installed: "
            'python -m pip install "napari-sam2[plates]". One after the other needs nothing: --on local --workers 1.'
        ) from error
    if scheduler is not None:
        return cluster.scheduler_at(scheduler)
    return cluster.slurm_cluster(workers) if on == "slurm" else cluster.local_cluster(workers)


def _run_one(tasks: Sequence[MovieTask], index: int) -> int:
    """Return the exit code after one movie of a plan; table and report are left to `--status`."""
    if index >= len(tasks):
        raise StackError(f"--index {index}: the plan has {len(tasks)} movies, numbered from 0 to {len(tasks) - 1}.")
    screen = RunScreen(tasks[index : index + 1])
    with screen:
        _run_here(tasks[index : index + 1], screen)
    record = plan_status(tasks[index : index + 1], screen.failed).records[0]
    output().print(f"{tasks[index].title}: {record.state}")
    return STOPPED if screen.ctrl_c.requested else FAILED if record.state == "failed" else 0


def _show(plan: Plan, status: PlanStatus) -> int:
    """Return 1 where movies failed, else 0, after showing and writing how all of them stand."""
    written = write_summary(plan, status)
    if status.failures:
        output().print(_failures(status))
    output().print(status.sentence)
    output().print(f"Table: {written[0]}", f"Report: {written[1]}", sep="\n")
    return FAILED if status.failures else 0


def _failures(status: PlanStatus) -> object:
    """Return a table of the first movies that failed, with their words."""
    shown = [
        ["/".join(filter(None, (one.plate, one.well, one.name))), one.words] for one in status.failures[:_MOST_SHOWN]
    ]
    more = len(status.failures) - len(shown)
    return table("Failed" if not more else f"Failed, and {more} more", ["movie", "why"], shown)
