"""A session's jobs inside napari: a worker drains the lane, the main thread accepts, napari shows progress.

Order: `start` makes a token and starts a worker around `session.run(job, token)`; each update reaches `on_update` on
the main thread; the end, a stop included, `on_done`; a failure `on_error`. At most two updates wait for the main
thread, so a slow viewer slows the run down instead of filling memory. A stop goes through the token alone, and so
does napari's own wish to quit.

Nothing is decided here: which job runs when is up to the binding.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from napari.utils.progress import cancelable_progress
from qtpy.QtCore import QObject, Signal

from napari_sam2._qt.background import ListTask, Outcome, start_worker
from napari_sam2._qt.holds import hold

if TYPE_CHECKING:
    from napari_sam2.engine.jobs import AnyJob, CancelToken
    from napari_sam2.engine.updates import Update
    from napari_sam2.session.session import Session

_IN_FLIGHT = 2
_LOOK_AT_TOKEN_S = 0.02
_IN_DOCK = {"propagate": "Tracking", "find": "Finding", "link": "Linking"}
CLOSE_WAIT_S = 30.0
"""How long closing waits for the frame in work; a model that is being loaded cannot be interrupted."""


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a "preview", "propagate" or "link" is in frames, a "find" in hundredths; `total` is 0 at first."""

    kind: str
    done: int = 0
    total: int = 0
    seconds_left: float | None = None


class QtRunner(QObject):
    """Runs one job of a session at a time in napari; `listed` is told in words of one that takes long.

    Signals: `progressed(RunProgress)` from the start on, `failed(Exception)` before `on_error` is called, `stopped()`
    when nothing runs any more.
    """

    progressed = Signal(object)
    failed = Signal(object)
    stopped = Signal()

    def __init__(self, session: Session, parent: QObject | None = None, listed: ListTask | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._listed = listed
        self._run: _Run | None = None

    @property
    def busy(self) -> bool:
        """Whether a job is in work; False from before `on_done` or `on_error` is called."""
        return self._run is not None

    def start(
        self,
        job: AnyJob,
        on_update: Callable[[Update], object],
        on_done: Callable[[], object],
        on_error: Callable[[Exception], object],
    ) -> None:
        """Start a job as a `viewer.Runner` does; one that runs is told to stop, and its late updates are dropped."""
        if self._run is not None:
            self._run.abandon()
        calls = _Calls(on_update, on_done, on_error, self.failed.emit)
        self._run = _Run(self._session, job, calls, self._report, self._over)
        if self._listed is not None and self._run.kind != "preview":  # that is over before anybody reads it
            self._run.unlist = self._listed(run_name(self._session, job), self._run.token.cancel)
        self.progressed.emit(RunProgress(self._run.kind))
        self._run.start()

    def cancel(self) -> None:
        """Ask the job in work to stop before its next frame."""
        if self._run is not None:
            self._run.token.cancel()

    def close(self, wait_s: float = CLOSE_WAIT_S) -> bool:
        """Stop without calling back any more; return whether the worker ended within the time."""
        run, self._run = self._run, None
        return True if run is None else run.abandon(wait_s)

    def _report(self, run: _Run, progress: RunProgress) -> None:
        if run is self._run:
            self.progressed.emit(progress)

    def _over(self, run: _Run) -> None:
        if run is self._run:
            self._run = None
            self.stopped.emit()


@dataclass(frozen=True, slots=True)
class _Calls:
    """Whom to tell, on the main thread."""

    on_update: Callable[[Update], object]
    on_done: Callable[[], object]
    on_error: Callable[[Exception], object]
    failed: Callable[[Exception], object]


class _Run:
    """One job in work: its token, its worker, its bar in napari's activity dock."""

    def __init__(
        self,
        session: Session,
        job: AnyJob,
        calls: _Calls,
        report: Callable[[_Run, RunProgress], None],
        over: Callable[[_Run], None],
    ) -> None:
        from napari_sam2.engine.jobs import CancelToken

        self.token = CancelToken()
        self.kind = run_kind(job)
        self._calls = calls
        self._report = report
        self._over = over
        self._abandoned = False
        self._room = threading.Semaphore(_IN_FLIGHT)
        self._begun, self._ended = threading.Event(), threading.Event()
        self._first: tuple[int, float] | None = None
        with hold("napari makes a progress bar"):
            self._bar = None if self.kind == "preview" else _StopBar(self.token, _IN_DOCK[self.kind])
        self._drain = _Drain(session, job, self.token, self._room, self._begun, self._ended)
        self.unlist: Callable[[], object] | None = None

    def start(self) -> None:
        start_worker(partial(_drained, self._drain), self._hand_over)

    def abandon(self, wait_s: float = 0.0) -> bool:
        """Stop and call nobody any more; return whether the worker has ended within the time."""
        self._abandoned = True
        self.token.cancel()
        self._close_bar()
        # A worker that has not begun sees the token first of all.
        return self._ended.wait(wait_s) if self._begun.is_set() else True

    def _hand_over(self, value: Update | Outcome) -> None:
        if isinstance(value, Outcome):
            self._returned(value)
        else:
            self._yielded(value)

    def _yielded(self, update: Update) -> None:
        self._room.release()
        if self._abandoned:
            return
        with hold("accept an update"):
            self._calls.on_update(update)
        with hold("show progress"):
            progress = self._progress(update)
            if self._bar is not None:
                with hold("napari shows progress"):
                    self._bar.show(progress)
            self._report(self, progress)

    def _returned(self, outcome: Outcome) -> None:
        if self.unlist is not None:
            self.unlist()
        self._close_bar()
        if self._abandoned:
            return
        self._over(self)
        with hold("end of a run"):
            if outcome.failure is None:
                self._calls.on_done()
            else:
                self._calls.failed(outcome.failure)
                self._calls.on_error(outcome.failure)

    def _progress(self, update: Update) -> RunProgress:
        """Return progress with the time left, told from the second update on: the first one carries the loading."""
        now = time.monotonic()
        if self._first is None:
            self._first = (update.done, now)
            return RunProgress(self.kind, update.done, update.total)
        frames = update.done - self._first[0]
        left = (now - self._first[1]) / frames * (update.total - update.done) if frames > 0 else None
        return RunProgress(self.kind, update.done, update.total, left)

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def run_kind(job: AnyJob) -> str:
    """Return what a job does: "preview", "propagate", "find" or "link", which memory has a part in."""
    from napari_sam2.engine.jobs import FindJob, LinkJob, PropagateJob

    if isinstance(job, PropagateJob):
        return "link" if job.is_aside else "propagate"
    if isinstance(job, LinkJob):
        return "link"
    return "find" if isinstance(job, FindJob) else "preview"


def run_name(session: Session, job: AnyJob) -> str:
    """Return a run in words: "Tracking 3 objects in movie"."""
    from napari_sam2.document.plain_values import counted
    from napari_sam2.engine.jobs import PropagateJob

    kind = run_kind(job)
    if kind in ("find", "link"):
        return f"{_IN_DOCK[kind]} cells in {session.stack.name}"
    count = len({span.object_id for span in job.spans}) if isinstance(job, PropagateJob) else 0
    return f"Tracking {counted(count, 'object')} in {session.stack.name}"


@dataclass(frozen=True, slots=True)
class _Drain:
    """What the worker's thread needs."""

    session: Session
    job: AnyJob
    token: CancelToken
    room: threading.Semaphore
    begun: threading.Event
    ended: threading.Event


def _drained(drain: _Drain) -> Iterator[Update | Outcome]:
    """Yield a job's updates, never more than a few ahead of the main thread, and then what it came to."""
    drain.begun.set()
    outcome = Outcome()
    try:
        if not drain.token.cancelled:
            yield from _in_step(drain)
    except Exception as failure:  # noqa: BLE001  # handed over, and shown on the main thread
        outcome = Outcome(failure=failure)
    finally:
        drain.ended.set()
    yield outcome


def _in_step(drain: _Drain) -> Iterator[Update]:
    """Yield the updates as the main thread takes them; the lane's generator is closed in this thread."""
    updates = cast("Generator[Update, None, None]", drain.session.run(drain.job, drain.token))
    with closing(updates):
        for update in updates:
            while not drain.room.acquire(timeout=_LOOK_AT_TOKEN_S):
                if drain.token.cancelled:
                    return
            yield update


class _StopBar(cancelable_progress):  # type: ignore[misc]  # napari ships no types
    """The bar in the activity dock; its Cancel button stops the run at once, not at the next update."""

    def __init__(self, token: CancelToken, text: str) -> None:
        self._token = token
        # tqdm would write to the terminal as well.
        super().__init__(total=0, desc=text, file=io.StringIO())

    def cancel(self) -> None:
        super().cancel()
        self._token.cancel()

    def show(self, progress: RunProgress) -> None:
        if progress.total > 0:
            self.total = progress.total
        if progress.done > self.n:
            self.update(progress.done - self.n)
