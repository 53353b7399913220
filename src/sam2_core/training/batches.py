"""The batches of a run, step by step: drawn here and now, or ahead of time by other processes.

What a step draws follows from the recipe's seed and the number of the step alone, so both ways give the same batches,
and a resumed run goes on with those that it would have seen. A GPU waits for a single drawing process; on a small CPU,
other processes would only take time from the training.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from sam2_core.training.clips import ClipBatch, draw_batch
from sam2_core.training.pack import TrainingPack
from sam2_core.training.recipes import Recipe, Task

AHEAD_PER_WORKER = 3


_Parcel = tuple[NDArray[np.uint8], NDArray[np.uint16], NDArray[np.int64], NDArray[np.int64]]
"""A batch as it travels between processes: images, labels, ids and image index."""


def draw_step(pack: TrainingPack, recipe: Recipe, step: int) -> tuple[Task, ClipBatch]:
    """The task and the batch of a step (from 0)."""
    rng = np.random.default_rng([recipe.seed, step])
    tasks = recipe.phase_at(step).tasks
    odds = np.array([task.odds for task in tasks])
    task = tasks[rng.choice(len(tasks), p=odds / odds.sum())]
    return task, draw_batch(pack, task.clips, rng)


def batches(pack: TrainingPack, recipe: Recipe, steps: range, workers: int = 0) -> Iterator[tuple[Task, ClipBatch]]:
    """Yields the task and the batch of each step; `workers` processes draw ahead, none of them with 0."""
    if workers == 0:
        yield from (draw_step(pack, recipe, step) for step in steps)
        return
    context = multiprocessing.get_context("spawn")  # forking is not safe beside torch's threads
    with ProcessPoolExecutor(workers, context, _start, (pack, recipe)) as pool:
        waiting: deque[Future[tuple[Task, _Parcel]]] = deque()
        for step in steps:
            waiting.append(pool.submit(_drawn_elsewhere, step))
            if len(waiting) > AHEAD_PER_WORKER * workers:
                yield _unpacked(waiting.popleft())
        while waiting:
            yield _unpacked(waiting.popleft())


_SOURCE: list[tuple[TrainingPack, Recipe]] = []  # of a worker process: what it draws from


def _start(pack: TrainingPack, recipe: Recipe) -> None:
    torch.set_num_threads(1)
    _SOURCE[:] = [(pack, recipe)]


def _drawn_elsewhere(step: int) -> tuple[Task, _Parcel]:
    task, batch = draw_step(*_SOURCE[0], step)
    images = (batch.images * 255.0).round().to(torch.uint8).numpy()
    return task, (images, batch.labels.numpy().astype(np.uint16), batch.ids.numpy(), batch.image_index.numpy())


def _unpacked(future: Future[tuple[Task, _Parcel]]) -> tuple[Task, ClipBatch]:
    task, (images, labels, ids, image_index) = future.result()
    seen, named = torch.from_numpy(images).float() / 255.0, torch.from_numpy(labels.astype(np.int64))
    return task, ClipBatch(seen, named, torch.from_numpy(ids), torch.from_numpy(image_index))
