"""Finding on the real predictor: what it looks at is what tracking looks at, and the encoder looks once."""

from __future__ import annotations

import numpy as np
import pytest
from small_models import fresh_model, passes

from napari_sam2.engine.finding import SoFar, find
from napari_sam2.engine.jobs import LEAST_SCORE, CancelToken, FindRequest
from napari_sam2.session import Session, SessionSettings
from sam2_core.finding import FindingOptions
from sam2_core.inference.video_predictor import SAM2VideoPredictor


@pytest.fixture(scope="module")
def predictor():
    return SAM2VideoPredictor(fresh_model("cells-nano"))


@pytest.fixture
def images():
    frames = np.random.default_rng(5).integers(0, 40, (2, 96, 96)).astype(np.uint8)
    rows, columns = np.indices((96, 96))
    frames[:, (rows - 39) ** 2 + (columns - 39) ** 2 < 81] += 150
    return frames


def opened(images, predictor):
    return Session.open(images, axes="TYX", settings=SessionSettings(view="full"), predictor=predictor)


def logits(session):
    session.add_points(1, 0, [(38, 38)])
    (update,) = session.preview()
    return update.patches[0].logits.tobytes()


def test_a_frame_that_both_see_whole_is_encoded_once_for_finding_and_tracking(images, predictor):
    with opened(images, predictor) as session:
        alone = logits(session)
    with opened(images, predictor) as session:
        for encoded in passes(predictor.model.image_encoder.trunk):
            session.proposals.find(0, diameter_px=16, min_score=0)
            found = len(encoded)
            after = logits(session)
            views = len(predictor.model.other_views)
            assert (found, len(encoded)) == (1, 1 + views)
    assert after == alone


def test_what_is_found_does_not_depend_on_what_was_tracked_before(images, predictor):
    def masks(session):
        session.proposals.find(0, diameter_px=16, min_score=0)
        return {one.mask for one in session.document.proposals.values()}

    with opened(images, predictor) as session:
        alone = masks(session)
    with opened(images, predictor) as session:
        logits(session)
        session.edits.undo()
        assert masks(session) == alone


def test_what_counts_where_nobody_says_is_what_finding_takes():
    assert FindingOptions().least_score == LEAST_SCORE


def test_progress_of_several_passes_never_goes_back_and_ends_before_the_whole():
    so_far = SoFar(2)
    passes_of_tiles = [(0, 0), *((done, 4) for done in range(1, 5)), *((done, 9) for done in range(1, 10)), (1, 1)]
    told = [so_far.at(*step) for step in passes_of_tiles]
    assert told == sorted(told)
    assert told[4] < told[5] < told[-2] < told[-1] < 1
    assert so_far.passes == 3


def test_progress_is_even_where_as_many_passes_come_as_are_expected_also_of_one_tile_each():
    so_far = SoFar(5)
    told = [so_far.at(1, 1) for _ in range(5)]
    assert told[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert 0.8 < told[4] < 1
    assert so_far.passes == 5


def discs(diameter):
    rows, columns = np.indices((256, 256))
    image = np.full((256, 256), 30, np.uint8)
    for x in range(40, 256, 70):
        for y in range(40, 256, 70):
            image[(rows - y) ** 2 + (columns - x) ** 2 < diameter**2 / 4] = 180
    return image


def size_of(frames, at=None):
    """The size with which objects were sought on frames of a movie."""
    with Session.open(np.stack(frames), axes="TYX", settings=SessionSettings(model="cells-nano")) as session:
        return session.proposals.find(at or list(range(len(frames)))).diameter_px


def test_the_smallest_size_that_a_movie_tells_holds_for_all_of_it():
    movie = [discs(48), discs(24), discs(24)]
    assert size_of(movie, at=[0]) == pytest.approx(48, rel=0.25)
    assert size_of(movie) == pytest.approx(24, rel=0.25)


def test_specks_on_a_frame_are_not_what_is_sought():
    specks = [discs(8), discs(48), discs(48)]
    assert size_of(specks, at=[0]) < 14
    assert size_of(specks) == pytest.approx(48, rel=0.25)


def test_a_frame_that_shows_nothing_tells_no_size():
    movie = np.stack([np.full((256, 256), 30, np.uint8), discs(24), discs(24)])
    with Session.open(movie, axes="TYX", settings=SessionSettings(model="cells-nano")) as session:
        proposed = session.proposals.find([0, 1, 2])
    assert proposed.diameter_px == pytest.approx(24, rel=0.25)
    assert proposed.remark == ""


def test_where_frames_are_looked_at_again_no_long_part_is_told_as_the_end(monkeypatch):
    monkeypatch.setattr("sam2_core.finding.finding.is_sure", lambda look: False)
    settings = SessionSettings(model="cells-nano")
    with Session.open(np.stack([discs(16)] * 2), axes="TYX", settings=settings) as session:
        told = [update.done for update in session.run(session.proposals.find_job(FindRequest((0, 1), 16.0)))]
    assert told == sorted(told)
    for parts in ([one for one in told if one < 100], [one - 100 for one in told if 100 <= one < 200]):
        assert len(parts) > 8, "it was looked at once only"
        assert sum(part >= 97 for part in parts) < len(parts) / 3


def test_a_search_can_be_cancelled_between_the_frames_that_tell_the_size(predictor):
    movie, token = np.stack([discs(24)] * 3), CancelToken()
    with opened(movie, predictor) as session:
        job = session.proposals.find_job(FindRequest((0, 1, 2)))
        for encoded in passes(predictor.model.image_encoder.trunk):
            updates = find(predictor, movie, None, job, token)
            assert [next(updates).done for _ in range(2)] == [0, 0]
            of_one = len(encoded)
            token.cancel()
            assert not list(updates)
            assert len(encoded) == of_one > 0
