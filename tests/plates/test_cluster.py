"""Movies on Dask: a worker that dies, a movie that every worker dies of, a damaged file; results as in one process."""

from __future__ import annotations

import os

import dask
import numpy as np
import pytest
from distributed import Client, LocalCluster
from finding_predictor import FindingPredictor
from label_stacks import labels_of
from small_plates import write_movie

from napari_sam2.plates import movies_of, new_worker, plan_status, read_plan, run_movie
from napari_sam2.plates.cluster import MovieWorkerPlugin, run_on


class DeadlyPredictor(FindingPredictor):
    """Finds bright pieces; its process ends at the square of row 9."""

    def find_steps(self, image, request):
        if (np.asarray(image) > 0).any(axis=1).argmax() == 9:
            os._exit(1)
        return super().find_steps(image, request)


class FaultyPlugin(MovieWorkerPlugin):
    """Gives workers that predictor."""

    def setup(self, worker):
        self.worker = new_worker(DeadlyPredictor())


@pytest.mark.filterwarnings("ignore")
def test_a_movie_that_takes_its_worker_along_and_a_damaged_one_disturb_no_other_and_results_are_those_of_one_process(
    work, write_plan, worker
):
    (work / "raw" / "A02_s1.tif").write_bytes(b"damaged")
    write_movie(work / "raw" / "A04_s1.tif", 4)
    tasks = movies_of(read_plan(write_plan()))
    ended = {}
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(n_workers=1, threads_per_worker=1, memory_limit=0, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        plugin = FaultyPlugin("faulty")
        assert run_on(client, tasks, lambda task, record: ended.update({task.name: record}), plugin=plugin)
    assert [ended[task.name].state for task in tasks] == ["done", "failed", "failed", "done"]
    assert "ended every worker" in ended["A03_s1"].words
    assert [record.state for record in plan_status(tasks).records] == ["done", "failed", "failed", "done"]
    alone = {task.name: task for task in movies_of(read_plan(write_plan(out="alone")))}
    for task in (tasks[0], tasks[3]):
        own = alone[task.name]
        assert run_movie(own, worker).counts == ended[task.name].counts
        assert (labels_of(own.folder / "labels.tif") == labels_of(task.folder / "labels.tif")).all()
        assert (own.folder / "tracks.csv").read_bytes() == (task.folder / "tracks.csv").read_bytes()


@pytest.mark.filterwarnings("ignore")
def test_a_run_that_is_stopped_tells_the_workers_and_leaves_the_rest(work, write_plan):
    (work / "raw" / "A03_s1.tif").unlink()
    tasks = movies_of(read_plan(write_plan()))
    ended = []
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        tell = lambda task, record: ended.append(record.state)  # noqa: E731
        assert not run_on(client, tasks, tell, lambda: True, FaultyPlugin("first"))
        assert len(ended) == 2
        assert ended.count("done") < 2
        assert run_on(client, tasks, plugin=FaultyPlugin("second"))
    assert [record.state for record in plan_status(tasks).records] == ["done"] * 2
