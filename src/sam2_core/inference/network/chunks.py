"""How many objects go through the network at once: as many as a memory budget allows, fewer once it was too many.

A `Chunks` counts once, when objects are tracked for the first time, and remembers when memory ran out: from then on
chunks are half as large. What was computed before is kept, and the chunk is tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from sam2_core.config import ModelConfig
from sam2_core.inference.network.device_memory import give_back, is_out_of_memory, objects_that_fit

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


class Chunks:
    """The size of a batch of objects on one device; it begins with `objects_per_batch`, or by the device's memory."""

    def __init__(self, config: ModelConfig, objects_per_batch: int | None = None) -> None:
        if objects_per_batch is not None and objects_per_batch < 1:
            raise ValueError(f"objects_per_batch is {objects_per_batch}; give at least 1, or None to go by the memory")
        self._config = config
        self._size = objects_per_batch
        self._was_told = False

    def size(self, device: torch.device) -> int:
        """Return how many objects go at once, at least 1."""
        if self._size is None:
            self._size = objects_that_fit(self._config, device)
        return self._size

    def run(
        self, items: Sequence[Item], work: Callable[[Sequence[Item]], list[Result]], device: torch.device
    ) -> list[Result]:
        """Return the results of all items in order, made chunk by chunk.

        Raises
        ------
        torch.OutOfMemoryError
            Memory ran out with a single item; any other error of ``work`` comes through as it is.
        """
        done: list[Result] = []
        while len(done) < len(items):
            some = items[len(done) : len(done) + self.size(device)]
            results = _attempt(work, some)
            if results is None:
                self._halve(len(some), device)
            else:
                done += results
        return done

    def _halve(self, count: int, device: torch.device) -> None:
        self._size = count // 2
        give_back(device)
        if not self._was_told:
            logger.warning(
                "the memory of %s ran out with %d objects at once; going on with %d at a time, which is slower and "
                "gives the same masks",
                device,
                count,
                self._size,
            )
        self._was_told = True


def _attempt(work: Callable[[Sequence[Item]], list[Result]], some: Sequence[Item]) -> list[Result] | None:
    """Return the results, None where memory ran out with more than one item.

    The error is gone when this returns, and with it the tensors that its traceback held: only then can memory be given
    back (https://docs.pytorch.org/docs/stable/notes/faq.html).
    """
    try:
        return work(some)
    except RuntimeError as error:
        if len(some) == 1 or not is_out_of_memory(error):
            raise
    return None
