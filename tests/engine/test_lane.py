from __future__ import annotations

import gc
import threading
import weakref

import pytest

from napari_sam2.engine.jobs import CancelToken
from napari_sam2.engine.lane import WAITING, Lane
from sam2_core.errors import StackError


@pytest.fixture
def lane():
    made = Lane()
    yield made
    made.close()


def test_items_are_made_on_the_lane_and_come_in_order_where_they_are_asked_for(lane):
    def job():
        for index in range(20):
            yield index, threading.current_thread().name

    found = list(lane.run(job, CancelToken()))
    assert [index for index, _ in found] == list(range(20))
    assert {name for _, name in found} == {"napari-sam2 lane"}
    assert list(lane.run(job, CancelToken())) == found, "one thread serves all jobs"


def test_at_most_two_items_wait(lane):
    made = []
    blocked = threading.Event()

    def job():
        for index in range(10):
            made.append(index)
            if index == WAITING + 1:
                blocked.set()
            yield index

    running = lane.run(job, CancelToken())
    assert next(running) == 0
    assert blocked.wait(30)
    assert made == list(range(WAITING + 2)), "one taken, two waiting, one in the hand of the job"
    assert list(running) == list(range(1, 10))


def test_what_the_job_raises_is_raised_behind_what_it_yielded(lane):
    def job():
        yield 1
        raise StackError("frame 2 cannot be read")

    running = lane.run(job, CancelToken())
    assert next(running) == 1
    with pytest.raises(StackError, match="frame 2"):
        next(running)
    assert list(lane.run(lambda: [5], CancelToken())) == [5], "the lane goes on"


def test_leaving_early_cancels_and_closes_the_job_on_the_lane(lane):
    closed_on = []

    def job():
        try:
            yield from range(1000)
        finally:
            closed_on.append(threading.current_thread().name)

    token = CancelToken()
    running = lane.run(job, token)
    next(running)
    running.close()
    assert token.cancelled
    assert closed_on == ["napari-sam2 lane"]


def test_a_job_that_was_cancelled_before_its_turn_is_not_begun(lane):
    token = CancelToken()
    token.cancel()
    begun = []
    assert list(lane.run(lambda: begun.append(1) or [1], token)) == []
    assert begun == []


def test_two_jobs_asked_for_at_once_run_one_after_the_other(lane):
    order = []
    first_runs, go_on = threading.Event(), threading.Event()

    def first():
        order.append("first begins")
        first_runs.set()
        go_on.wait(30)
        order.append("first ends")
        yield 1

    def second():
        order.append("second")
        yield 2

    other = threading.Thread(target=lambda: list(lane.run(first, CancelToken())))
    other.start()
    assert first_runs.wait(30)
    another = threading.Thread(target=lambda: list(lane.run(second, CancelToken())))
    another.start()
    go_on.set()
    other.join()
    another.join()
    assert order == ["first begins", "first ends", "second"]


def test_what_is_offered_is_drawn_when_nothing_else_is_to_be_done(lane):
    done, names = threading.Event(), []

    def look():
        names.append(threading.current_thread().name)
        yield
        done.set()

    assert lane.offer(look)
    assert done.wait(30)
    assert names == ["napari-sam2 lane"]
    running = lane.run(lambda: iter(range(5)), CancelToken())
    next(running)
    assert not lane.offer(look), "a job is under way"
    assert list(running) == [1, 2, 3, 4]


def test_a_job_ends_what_was_offered_at_its_next_item(lane):
    looks, go_on, closed = threading.Event(), threading.Event(), []

    def look():
        try:
            looks.set()
            go_on.wait(30)
            yield
            raise AssertionError("it went on")
        finally:
            closed.append(True)

    assert lane.offer(look)
    assert looks.wait(30)
    assert not lane.offer(look), "one at a time"
    asked = threading.Thread(target=lambda: closed.append(list(lane.run(lambda: [1], CancelToken()))))
    asked.start()
    while not lane._open:
        pass
    go_on.set()
    asked.join(30)
    assert closed == [True, [1]]


def test_what_is_offered_and_fails_is_told_to_nobody_and_the_lane_goes_on(lane):
    def look():
        yield
        raise StackError("frame 2 cannot be read")

    assert lane.offer(look)
    assert list(lane.run(lambda: [1], CancelToken())) == [1]
    lane.close()
    assert not lane.offer(look)


def test_a_closed_lane_has_no_thread_and_takes_no_job():
    lane = Lane("closed lane")
    assert list(lane.run(lambda: [1], CancelToken())) == [1]
    lane.close()
    lane.close()
    assert "closed lane" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(StackError, match="closed"):
        list(lane.run(lambda: [1], CancelToken()))


def test_closing_ends_a_job_that_nobody_takes_from():
    lane = Lane()
    running = lane.run(lambda: iter(range(100)), CancelToken())
    assert next(running) == 0
    lane.close()
    assert len(list(running)) <= WAITING + 1


def test_a_second_iteration_in_the_middle_of_the_first_is_refused_instead_of_waiting_for_ever(lane):
    running = lane.run(lambda: iter(range(100)), CancelToken())
    next(running)
    with pytest.raises(StackError, match="under way in this thread"):
        next(lane.run(lambda: [1], CancelToken()))
    running.close()
    assert list(lane.run(lambda: [1], CancelToken())) == [1]


def test_a_lane_that_nobody_holds_ends_its_thread_and_keeps_nothing_of_the_last_job():
    class Model:
        """Stands for what a job is made of."""

    lane, model = Lane(), Model()
    kept = weakref.ref(model)

    def job(model):
        yield threading.current_thread()

    (thread,) = lane.run(lambda model=model: job(model), CancelToken())
    del model
    gc.collect()
    assert kept() is None, "while the lane waits for the next job"
    del lane
    gc.collect()
    thread.join(30)
    assert not thread.is_alive()
