"""Frames looked at by several processes: the same as one finds, in their order; stopped, refused and killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import closing

import pytest

from napari_sam2.engine.finding import FINE
from napari_sam2.engine.jobs import FindRequest
from napari_sam2.samples import sample_movie
from napari_sam2.session import Session, SessionSettings
from napari_sam2.session.found_apart import MOST, find_apart, usual_count
from sam2_core.errors import StackError

FRAMES = 5


@pytest.fixture(scope="module")
def images():
    return sample_movie("fluorescence").images[:FRAMES]


@pytest.fixture
def session(images):
    with Session.open(images, axes="TYX", settings=SessionSettings(device="cpu")) as opened:
        yield opened


def found(session, count, **asked):
    job = session.proposals.find_job(FindRequest(tuple(range(FRAMES)), **asked))
    updates = [update for update in find_apart(session, job, count, lambda: False) if update.found is not None]
    return [(update.frame_index, update.done, update.total, update.found) for update in updates]


@pytest.mark.parametrize("asked", [{}, {"diameter_px": 20.0, "min_score": 0.6}])
def test_several_processes_find_the_same_in_the_same_order(session, asked):
    one, several = found(session, 1, **asked), found(session, 2, **asked)
    assert [each[:3] for each in several] == [each[:3] for each in one]
    assert [each[0] for each in several] == list(range(FRAMES))
    for (*_, alone), (*_, apart) in zip(one, several, strict=True):
        assert alone.masks
        assert parts_of(apart) == parts_of(alone)
    assert not multiprocessing.active_children()


def drain(updates, take):
    """Hand over each frame that is through."""
    for update in updates:
        if update.found is not None:
            take(update.frame_index)


def parts_of(found):
    masks = [(mask.rows, mask.columns, mask.inside.tobytes()) for mask in found.masks]
    return masks, found.scores, found.source, found.diameter_px, found.is_told, found.remark


def test_a_search_that_is_stopped_ends_and_so_do_its_processes(session):
    job, came = session.proposals.find_job(FindRequest(tuple(range(FRAMES)))), []
    drain(find_apart(session, job, 2, lambda: len(came) == 2), came.append)
    assert came == [0, 1]
    with closing(find_apart(session, job, 2, lambda: False)) as left:
        next(left)
    assert not multiprocessing.active_children()


def test_a_frame_that_cannot_be_read_is_met_in_its_turn(images, monkeypatch):
    with Session.open(images, axes="TYX", settings=SessionSettings(device="cpu")) as session:
        movie = session.movie
        read = type(movie).__getitem__

        def damaged(self, frame):
            if frame == 3:
                raise StackError("frame 3 is damaged")
            return read(self, frame)

        monkeypatch.setattr(type(movie), "__getitem__", damaged)
        job, came = session.proposals.find_job(FindRequest(tuple(range(FRAMES)), diameter_px=20.0)), []
        with pytest.raises(StackError, match="frame 3 is damaged"):
            drain(find_apart(session, job, 2, lambda: False), came.append)
        assert came == [0, 1, 2]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system kills otherwise")
def test_where_a_process_is_killed_the_session_looks_at_what_is_left(session, caplog):
    job, came = session.proposals.find_job(FindRequest(tuple(range(FRAMES)))), []
    for update in find_apart(session, job, 2, lambda: False):
        if update.found is not None:
            came.append((update.frame_index, update.done, update.total, update.found))
            for process in multiprocessing.active_children():
                os.kill(process.pid, signal.SIGKILL)
    assert [each[:3] for each in came] == [(frame, (frame + 1) * FINE, FRAMES * FINE) for frame in range(FRAMES)]
    assert [parts_of(each[3]) for each in came] == [parts_of(each[3]) for each in found(session, 1)]
    assert "ended by itself" in caplog.text


def test_how_many_processes_look_where_nobody_says_it(monkeypatch):
    settings = SessionSettings(device="cpu")
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert usual_count(settings, 1000) == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert [usual_count(settings, frames) for frames in (1, 15, 16, 1000)] == [1, 1, 2, MOST]
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert usual_count(settings, 1000) == 2
    assert usual_count(SessionSettings(device="cuda"), 1000) == 1
    assert usual_count(SessionSettings(device="none that there is"), 1000) == 1
