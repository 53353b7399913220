"""Movies on Dask: one task each, a model per worker that is kept between tasks, results written by the workers.

`run_on` takes any `distributed.Client`: of a cluster on this machine (`local_cluster`), of Slurm (`slurm_cluster`), or
of a scheduler that somebody started. What passes through the scheduler are paths, settings and records. The movie of a
worker that dies goes to another one, which goes on with it; one that takes several workers with it has failed. A worker
that offers the resource GPU does one movie for each.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import secrets
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, cast

from distributed import Client, Future, KilledWorker, LocalCluster, get_worker
from distributed.diagnostics.plugin import WorkerPlugin
from distributed.worker import Worker as DaskWorker

from napari_sam2.plates.movies import MovieTask
from napari_sam2.plates.one_movie import new_worker, record_failure, run_movie
from napari_sam2.plates.record import MovieRecord, read_record
from napari_sam2.plates.running import Ended
from sam2_core.errors import StackError

_LOOK_SECONDS = 0.2
_CONNECT_SECONDS = 10
_GPU = "GPU"


class MovieWorkerPlugin(WorkerPlugin):
    """What a Dask worker keeps for one run: the model, and a wish to stop.

    Parameters
    ----------
    name
        Of the run; several may share a scheduler.
    threads
        With which torch computes; as it finds best where None.
    is_local
        Whether workers are processes of this program: they leave Ctrl-C to it, and each takes a graphics card of its
        own where there are several.
    """

    def __init__(self, name: str, threads: int | None = None, is_local: bool = False) -> None:
        self.name = name
        self._threads, self._is_local = threads, is_local
        self.worker = new_worker()

    def setup(self, worker: DaskWorker) -> None:
        """Settle threads, Ctrl-C and device of a worker."""
        import torch

        self.worker = new_worker()
        if self._threads is not None:
            torch.set_num_threads(self._threads)
        if self._is_local and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        cards = torch.cuda.device_count() if self._is_local else 0
        if cards > 1 and str(worker.name).isdecimal():
            self.worker.device = f"cuda:{int(str(worker.name)) % cards}"

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "_threads": self._threads, "_is_local": self._is_local}


def run_on(
    client: Client,
    tasks: Sequence[MovieTask],
    ended: Ended = lambda *_: None,
    is_stopped: Callable[[], bool] = lambda: False,
    plugin: MovieWorkerPlugin | None = None,
) -> bool:
    """Return whether all movies came back, done or failed; False where it was stopped or the scheduler was lost.

    Parameters
    ----------
    client
        Whose workers have napari-sam2 installed, and see the files of the plan under the same paths.
    ended
        Is told of each movie that ended.
    is_stopped
        Asked several times a second; workers then stop after the frame in work.
    plugin
        What the workers keep; made where None.
    """
    plugin = plugin or MovieWorkerPlugin(f"napari-sam2-{secrets.token_hex(4)}")
    client.register_plugin(plugin)
    offers = client.scheduler_info(n_workers=-1)["workers"].values()
    needs = {_GPU: 1} if any(offer["resources"].get(_GPU) for offer in offers) else None
    run = _Run(client, plugin.name, needs)
    is_whole = True
    try:
        for task, future in run.arriving(tasks, is_stopped):
            record = _record(task, future)
            if record is None and isinstance(future.exception(), KilledWorker):
                run.submit(task)
                continue
            is_whole = is_whole and record is not None
            if record is not None:
                ended(task, record)
        return is_whole and not is_stopped()
    finally:
        with suppress(OSError, ValueError, asyncio.TimeoutError):  # of a scheduler that is gone
            client.cancel(list(run.futures))
            client.unregister_worker_plugin(plugin.name)


class _Run:
    """The tasks of one run that are on their way: each comes back once, or again where it was sent again."""

    def __init__(self, client: Client, name: str, needs: dict[str, int] | None) -> None:
        self.futures: set[Future[MovieRecord]] = set()
        self._client, self._name, self._needs = client, name, needs
        self._came: queue.SimpleQueue[tuple[MovieTask, Future[MovieRecord]]] = queue.SimpleQueue()

    def submit(self, task: MovieTask) -> None:
        """Send a movie to whichever worker is free."""
        future = self._client.submit(_run_there, self._name, task, pure=False, resources=self._needs)
        self.futures.add(future)
        future.add_done_callback(partial(self._put, task))

    def arriving(
        self, tasks: Sequence[MovieTask], is_stopped: Callable[[], bool]
    ) -> Iterator[tuple[MovieTask, Future[MovieRecord]]]:
        """Yield movies with their futures as they end; workers are told once when it is to be stopped."""
        for task in tasks:
            self.submit(task)
        is_told = False
        while self.futures:
            if is_stopped() and not is_told:
                self._client.run(_stop_there, self._name, on_error="ignore")
                is_told = True
            with suppress(queue.Empty):
                task, future = self._came.get(timeout=_LOOK_SECONDS)
                yield task, future
                self.futures.discard(future)
                future.release()  # else Dask would do it again if the worker that keeps the answer died

    def _put(self, task: MovieTask, future: Future[MovieRecord]) -> None:
        self._came.put((task, future))


@contextmanager
def local_cluster(workers: int) -> Iterator[tuple[Client, MovieWorkerPlugin]]:
    """Give a client of worker processes on this machine, which share its cores and its graphics cards.

    Dask's own limit of memory is off: it counts the pages of mapped files, which the system takes back when it likes.
    """
    threads = max(1, (os.cpu_count() or 1) // workers) if "OMP_NUM_THREADS" not in os.environ else None
    plugin = MovieWorkerPlugin(f"napari-sam2-{secrets.token_hex(4)}", threads, is_local=True)
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=0,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.ERROR,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client, plugin


@contextmanager
def slurm_cluster(workers: int) -> Iterator[tuple[Client, MovieWorkerPlugin]]:
    """Give a client of workers that Slurm starts, as `jobqueue.yaml` of dask-jobqueue says.

    Raises
    ------
    StackError
        If dask-jobqueue is not installed.
    """
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise StackError(
            "--on slurm asks Slurm for workers through dask-jobqueue, which is not installed; "
            "python -m pip install dask-jobqueue, or run an array with --index (docs/plates.md)."
        ) from error
    with SLURMCluster() as cluster, Client(cluster) as client:
        cluster.scale(jobs=workers)
        yield client, MovieWorkerPlugin(f"napari-sam2-{secrets.token_hex(4)}")


@contextmanager
def scheduler_at(address: str) -> Iterator[tuple[Client, MovieWorkerPlugin]]:
    """Give a client of a scheduler that somebody started.

    Raises
    ------
    StackError
        If none answers there.
    """
    try:
        client = Client(address, timeout=_CONNECT_SECONDS)
    except (TimeoutError, OSError, ValueError) as error:
        raise StackError(
            f"No Dask scheduler answers at {address} ({error}); start one with `dask scheduler`, which prints it."
        ) from error
    with client:
        yield client, MovieWorkerPlugin(f"napari-sam2-{secrets.token_hex(4)}")


def _run_there(name: str, task: MovieTask) -> MovieRecord:
    """Run a movie on the worker that this is called on."""
    plugin = cast(MovieWorkerPlugin, get_worker().plugins[name])
    return run_movie(task, plugin.worker)


def _stop_there(name: str, dask_worker: DaskWorker) -> None:
    """Have a worker stop after the frame in work, and begin no other movie."""
    plugin = cast(MovieWorkerPlugin, dask_worker.plugins[name])
    plugin.worker.token.cancel()


def _record(task: MovieTask, future: Future[MovieRecord]) -> MovieRecord | None:
    """Return the record of a movie that came back; None where nobody knows what became of it.

    When a worker dies, Dask blames all that it was given, also what it had not begun yet: this has no record.
    """
    try:
        return future.result()
    except CancelledError:
        return None
    except KilledWorker:
        if read_record(task).state != "running":
            return None
        return record_failure(task, "It ended every worker that began it; is there enough memory for it?")
    except Exception as error:  # noqa: BLE001 - a worker without this program, for example
        return record_failure(task, f"The worker could not begin it ({type(error).__name__}: {error}).")
