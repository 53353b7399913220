"""Frames looked at by several processes: the same as one finds, in their order; stopped, refused and killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from contextlib import closing

import pytest
from finding_predictor import FindingPredictor

from napari_sam2.engine.finding import FINE
from napari_sam2.engine.found_apart import MOST, shared_out, usual_count
from napari_sam2.engine.jobs import CancelToken, FindRequest
from napari_sam2.samples import sample_movie
from napari_sam2.session import Session, SessionSettings
from sam2_core.errors import StackError

FRAMES = 5


@pytest.fixture(scope="module")
def images():
    return sample_movie("fluorescence").images[:FRAMES]


@pytest.fixture
def session(images):
    with Session.open(images, axes="TYX", settings=SessionSettings(device="cpu")) as opened:
        yield opened


def find_job(session, count, **asked):
    return session.proposals.find_job(FindRequest(tuple(range(FRAMES)), processes=count, **asked))


def found(session, count, **asked):
    updates = [update for update in session.run(find_job(session, count, **asked)) if update.found is not None]
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
    return masks, found.scores, found.source, found.diameter_px, found.remark


def test_a_search_that_is_stopped_ends_and_so_do_its_processes(session):
    token, came = CancelToken(), []

    def take(frame):
        came.append(frame)
        if len(came) == 2:
            token.cancel()

    drain(session.run(find_job(session, 2), token), take)
    assert came[:2] == [0, 1]
    assert len(came) < FRAMES
    with closing(session.run(find_job(session, 2))) as left:
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
        came = []
        with pytest.raises(StackError, match="frame 3 is damaged"):
            drain(session.run(find_job(session, 2, diameter_px=20.0)), came.append)
        assert came == [0, 1, 2]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system kills otherwise")
def test_where_a_process_is_killed_the_session_looks_at_what_is_left(session, caplog):
    came = []
    for update in session.run(find_job(session, 2)):
        if update.found is not None:
            came.append((update.frame_index, update.done, update.total, update.found))
            for process in multiprocessing.active_children():
                os.kill(process.pid, signal.SIGKILL)
    assert [each[:3] for each in came] == [(frame, (frame + 1) * FINE, FRAMES * FINE) for frame in range(FRAMES)]
    assert [parts_of(each[3]) for each in came] == [parts_of(each[3]) for each in found(session, 1)]
    assert "ended by itself" in caplog.text


def test_how_many_processes_look_where_nobody_says_it(monkeypatch):
    monkeypatch.setattr("loky.cpu_count", lambda: 16)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert usual_count("cpu", 1000) == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert [usual_count("cpu", frames) for frames in (1, 15, 16, 1000)] == [1, 1, 2, MOST]
    monkeypatch.setattr("loky.cpu_count", lambda: 3)
    assert usual_count("cpu", 1000) == 3
    assert [usual_count("cpu", 1000, spared) for spared in (1, 2, 3)] == [2, 1, 1]
    assert usual_count("cuda", 1000) == 1
    assert shared_out(FindRequest(tuple(range(1000))), "cpu").processes == 2
    assert shared_out(FindRequest((0,), processes=3), "cpu").processes == 3
    assert usual_count("none that there is", 1000) == 1


def test_a_script_that_says_nothing_of_main_is_not_run_again(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    said = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["began", "0", "1", "2"]


SCRIPT = """
from napari_sam2.engine.jobs import FindRequest
from napari_sam2.samples import sample_movie
from napari_sam2.session import Session

print("began")
with Session.open(sample_movie("fluorescence").images[:3], axes="TYX", device="cpu") as session:
    for update in session.run(session.proposals.find_job(FindRequest((0, 1, 2), processes=2))):
        if update.found is not None:
            print(update.frame_index)
"""


def test_a_predictor_of_somebody_else_looks_here(images):
    with Session.open(images, axes="TYX", predictor=FindingPredictor()) as session:
        assert [each[:3] for each in found(session, 2)] == [each[:3] for each in found(session, 1)]
