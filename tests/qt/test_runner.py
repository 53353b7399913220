from __future__ import annotations

import gc
import threading
from typing import Any

import pytest
from napari.utils.progress import progress
from pytestqt.qtbot import QtBot
from stand_in_session import StandInSession

from napari_sam2._qt.holds import GARBAGE, hold, record_holds
from napari_sam2._qt.runner import QtRunner, RunProgress
from napari_sam2.document.document import Document
from napari_sam2.engine.jobs import PreviewJob, PropagateJob, PropagateRequest

PROPAGATE = PropagateJob(Document(), 0, PropagateRequest())


class Heard:
    """What the callbacks of one run were told, and in which thread."""

    def __init__(self) -> None:
        self.frames: list[int] = []
        self.done = 0
        self.errors: list[Exception] = []
        self.threads: set[threading.Thread] = set()

    def start(self, runner: QtRunner, job: Any = PROPAGATE) -> None:
        runner.start(job, self._update, self._done, self.errors.append)

    def _update(self, update: Any) -> None:
        self.frames.append(update.frame_index)
        self.threads.add(threading.current_thread())

    def _done(self) -> None:
        self.done += 1


@pytest.fixture
def session() -> StandInSession:
    return StandInSession(frames=20)


@pytest.fixture
def runner(session: StandInSession, no_bars: None, workers_end: None) -> Any:
    runner = QtRunner(session)
    yield runner
    runner.close()


@pytest.fixture
def no_bars() -> Any:
    """When all is over, no bar is left in napari's dock."""
    yield
    assert not progress._all_instances


def test_updates_come_in_order_on_the_main_thread_and_the_end_once(
    runner: QtRunner, session: StandInSession, qtbot: QtBot
) -> None:
    heard, reports = Heard(), []
    runner.progressed.connect(reports.append)
    session.let_pass(20)
    with qtbot.waitSignal(runner.stopped):
        heard.start(runner)
    assert heard.frames == list(range(20))
    assert heard.done == 1
    assert heard.threads == {threading.main_thread()}
    assert not runner.busy
    assert reports[0] == RunProgress("propagate")
    assert (reports[-1].done, reports[-1].total) == (20, 20)
    assert reports[-1].seconds_left == 0


def test_a_stop_ends_within_one_frame_and_says_so(runner: QtRunner, session: StandInSession, qtbot: QtBot) -> None:
    heard = Heard()
    heard.start(runner)
    session.let_pass(3)
    qtbot.waitUntil(lambda: len(heard.frames) == 3)
    with qtbot.waitSignal(runner.stopped):
        runner.cancel()
        session.let_pass(1)
    assert len(session.computed) <= 4
    assert heard.done == 1
    assert heard.errors == []


def test_what_runs_ahead_is_bounded_while_the_main_thread_is_busy(
    runner: QtRunner, session: StandInSession, qtbot: QtBot
) -> None:
    heard = Heard()
    session.let_pass(20)
    heard.start(runner)
    # No event loop turns here, so nothing is delivered; the worker must come to rest by itself.
    before = -1
    while before != len(session.computed):
        before = len(session.computed)
        threading.Event().wait(0.05)
    assert len(session.computed) <= 3
    qtbot.waitUntil(lambda: heard.done == 1)
    assert heard.frames == list(range(20))


def test_a_new_job_replaces_the_one_in_work_and_its_updates_are_dropped(
    runner: QtRunner, session: StandInSession, qtbot: QtBot
) -> None:
    first, second = Heard(), Heard()
    first.start(runner)
    session.let_pass(2)
    qtbot.waitUntil(lambda: len(first.frames) == 2)
    second.start(runner, PreviewJob(Document(), 1))
    session.let_pass(40)
    qtbot.waitUntil(lambda: second.done == 1)
    assert first.frames == [0, 1]
    assert first.done == 0
    assert second.frames == list(range(20))


@pytest.mark.parametrize("failure", [RuntimeError("out of memory"), OSError("disk is gone")])
def test_a_failure_is_told_once_whatever_it_is(
    runner: QtRunner, session: StandInSession, qtbot: QtBot, failure: Exception
) -> None:
    heard = Heard()
    session.failure = failure
    session.let_pass(1)
    with qtbot.waitSignal(runner.stopped):
        heard.start(runner)
    assert heard.errors == [failure]
    assert heard.done == 0


def test_closing_waits_for_the_frame_in_work_and_calls_back_nobody(
    runner: QtRunner, session: StandInSession, qtbot: QtBot
) -> None:
    heard = Heard()
    heard.start(runner)
    session.let_pass(1)
    qtbot.waitUntil(lambda: len(heard.frames) == 1)
    assert runner.close()
    assert len(session.closed_in) == 1
    assert "MainThread" not in session.closed_in
    qtbot.wait(20)
    assert heard.done == 0


def test_closing_right_after_the_start_does_not_hang(runner: QtRunner, session: StandInSession, qtbot: QtBot) -> None:
    started: list[bool] = []
    # Inside a turning event loop, as after a click: the worker's thread has not begun yet.
    from qtpy.QtCore import QTimer

    def start_and_close() -> None:
        Heard().start(runner)
        started.append(runner.close(wait_s=5))

    QTimer.singleShot(0, start_and_close)
    qtbot.waitUntil(lambda: started == [True], timeout=4000)
    assert session.computed == []


def test_the_bar_in_the_activity_dock_counts_frames_and_its_cancel_stops(
    runner: QtRunner, session: StandInSession, qtbot: QtBot
) -> None:
    heard = Heard()
    heard.start(runner)
    session.let_pass(4)
    qtbot.waitUntil(lambda: len(heard.frames) == 4)
    (bar,) = progress._all_instances
    assert (bar.n, bar.total) == (4, 20)
    with qtbot.waitSignal(runner.stopped):
        bar.cancel()
    assert not progress._all_instances


def test_holds_of_the_main_thread_are_recorded_only_when_asked_for(
    runner: QtRunner, session: StandInSession, qtbot: QtBot
) -> None:
    session.let_pass(40)
    with qtbot.waitSignal(runner.stopped):
        Heard().start(runner)
    with record_holds() as record, qtbot.waitSignal(runner.stopped):
        Heard().start(runner)
    assert record.places["accept an update"].count == 20
    place, worst = record.worst()
    assert not place.startswith("napari")
    assert worst.wall_s > 0


def test_time_of_an_inner_stretch_counts_for_it_alone() -> None:
    with record_holds() as record, hold("outer"), hold("napari draws"):
        sum(range(300_000))
    assert record.places["outer"].cpu_s < record.places["napari draws"].cpu_s
    assert record.worst()[0] == "outer"


def test_what_garbage_takes_is_told_apart_from_whom_it_interrupts() -> None:
    with record_holds() as record, hold("ours"):
        gc.collect()
    assert record.places[GARBAGE].count >= 1
    assert record.places["ours"].cpu_s < record.places[GARBAGE].cpu_s
    assert record.worst()[0] == "ours"
