"""Work that is done step by step, so that it can be shown and ended in between; knows nothing of what is done."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeAlias, TypeVar

Result = TypeVar("Result")
Steps: TypeAlias = Generator[tuple[int, int], None, Result]
"""Yields (tiles done, tiles in all) and returns a result; closing it ends the work."""


def result_of(steps: Steps[Result], progress: Callable[[int, int], Any] | None = None) -> Result:
    """Return what steps come to; `progress` is told (done, total) after each, and may raise to end them."""
    while True:
        try:
            done, total = next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        if progress is not None:
            progress(done, total)
