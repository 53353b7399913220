"""How long our own code keeps the main thread: off unless asked for, then the longest time per place.

`record_holds` switches the measuring on for what runs inside it, `hold` marks a stretch of code, and time inside an
inner stretch counts for the inner one only. So what napari, Qt or the graphics driver take can be told apart: stretches
that are theirs are named "napari ...". So is what Python takes to collect garbage, whoever is interrupted by that: with
napari and torch loaded one full collection takes some 250 ms.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

THEIRS = "napari"
GARBAGE = f"{THEIRS} (garbage collected)"


@dataclass(slots=True)
class Hold:
    """The longest hold of one place: seconds that passed, seconds that the processor worked for it, and how many."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    count: int = 0


@dataclass(slots=True)
class HoldRecord:
    """What was held where, and for how long at most."""

    places: dict[str, Hold] = field(default_factory=dict)
    inner: list[list[float]] = field(default_factory=list)

    def worst(self) -> tuple[str, Hold]:
        """Return the place of ours that held longest, and how long; ("", no hold) if nothing was entered."""
        ours = ((place, held) for place, held in self.places.items() if not place.startswith(THEIRS))
        return max(ours, key=lambda item: item[1].wall_s, default=("", Hold()))

    def add(self, place: str, wall_s: float, cpu_s: float) -> None:
        """Count one hold."""
        held = self.places.setdefault(place, Hold())
        held.wall_s, held.cpu_s = max(held.wall_s, wall_s), max(held.cpu_s, cpu_s)
        held.count += 1


_record: ContextVar[HoldRecord | None] = ContextVar("napari_sam2_holds", default=None)


@contextmanager
def record_holds() -> Iterator[HoldRecord]:
    """Yield a record that fills while the block runs, in the thread that runs it."""
    record = HoldRecord()
    token, collections = _record.set(record), _Collections(record)
    gc.callbacks.append(collections)
    try:
        yield record
    finally:
        gc.callbacks.remove(collections)
        _record.reset(token)


class _Collections:
    """Counts the collections of garbage in the thread that made it, as a stretch inside of the one in work."""

    def __init__(self, record: HoldRecord) -> None:
        self._record = record
        self._thread = threading.get_ident()
        self._began = (0.0, 0.0)

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        if threading.get_ident() != self._thread:
            return
        now = time.perf_counter(), time.thread_time()
        if phase == "start":
            self._began = now
            return
        wall, cpu = now[0] - self._began[0], now[1] - self._began[1]
        self._record.add(GARBAGE, wall, cpu)
        if self._record.inner:
            self._record.inner[-1][0] += wall
            self._record.inner[-1][1] += cpu


@contextmanager
def hold(place: str) -> Iterator[None]:
    """Run a block and, where a record is kept, count how long it took under the name of the place."""
    record = _record.get()
    if record is None:
        yield
        return
    spent = [0.0, 0.0]
    record.inner.append(spent)
    start, start_cpu = time.perf_counter(), time.thread_time()
    try:
        yield
    finally:
        wall, cpu = time.perf_counter() - start, time.thread_time() - start_cpu
        record.inner.pop()
        record.add(place, wall - spent[0], cpu - spent[1])
        if record.inner:
            record.inner[-1][0] += wall
            record.inner[-1][1] += cpu
