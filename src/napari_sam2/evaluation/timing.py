"""Seconds that a predictor takes, without the judging around it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


class Stopwatch:
    """Seconds of all the times that it ran: `with watch:`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since = 0.0

    def __enter__(self) -> None:
        self._since = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._since

    def over(self, entries: Iterable[T]) -> Iterator[T]:
        """Yield the entries; only the making of each counts, not what happens between them."""
        iterator = iter(entries)
        while True:
            with self:
                try:
                    entry = next(iterator)
                except StopIteration:
                    return
            yield entry
