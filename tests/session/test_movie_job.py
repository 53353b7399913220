from __future__ import annotations

import pickle

import numpy as np
import pytest
import tifffile
from disc_predictor import DiscPredictor

from napari_sam2.session import Prompt, Session, SessionSettings
from napari_sam2.session.movie_job import MovieJob, track_movie
from sam2_core.errors import PromptError, StackError

PROMPTS = (Prompt(1, 0, ((10.0, 12.0),), (1,)), Prompt(7, 2, ((25.0, 40.0),), (1,)))


@pytest.fixture
def movie(tmp_path):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, np.zeros((6, 40, 60), np.uint8), metadata={"axes": "TYX"})
    return path


@pytest.fixture
def job(movie, tmp_path):
    return MovieJob(movie, SessionSettings(), PROMPTS, tmp_path / "labels.tif")


def test_a_job_that_another_process_was_given_writes_what_a_session_exports(job, movie, tmp_path):
    report = track_movie(pickle.loads(pickle.dumps(job)), predictor=DiscPredictor())
    assert (report.finished, report.total) == (6, 6)
    assert [(one.object_id, one.first_frame, one.last_frame) for one in report.objects] == [(1, 0, 5), (7, 2, 5)]
    with Session.open(movie, predictor=DiscPredictor()) as session:
        session.set_prompts({(one.object_id, one.frame): one for one in PROMPTS})
        list(session.propagate("forward"))
        session.export_labels(tmp_path / "session.tif")
    assert np.array_equal(tifffile.imread(job.out), tifffile.imread(tmp_path / "session.tif"))
    assert not job.folder.exists(), "the run's own folder is gone when the labels are written"


def test_a_job_that_was_stopped_says_how_far_it_came_and_goes_on(job):
    def two_frames(session, work):
        updates = session.run(work)
        for update in updates:
            session.accept(update)
            if update.leg == "forward" and update.frame_index == 1:
                updates.close()
                return False
        return True

    report = track_movie(job, two_frames, DiscPredictor())
    assert (report.objects, report.finished, report.total) == (None, 2, 6)
    with pytest.raises(StackError, match="--resume"):
        track_movie(job, predictor=DiscPredictor())
    going_on = MovieJob(job.stack, job.settings, PROMPTS, job.out, resume=True)
    assert track_movie(going_on, predictor=DiscPredictor()).finished == 6
    assert set(np.unique(tifffile.imread(job.out)[5])) == {0, 1, 7}


def test_what_cannot_be_tracked_is_said_before_anything_is_written(job, tmp_path):
    narrow = MovieJob(job.stack, job.settings, PROMPTS, job.out, range(2))
    with pytest.raises(PromptError, match="outside the frames that are tracked, 0 to 1"):
        track_movie(narrow, predictor=DiscPredictor())
    assert [path.name for path in tmp_path.iterdir()] == ["movie.tif"]
