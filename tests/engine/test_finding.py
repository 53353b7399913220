"""Finding on the real predictor: what it looks at is what tracking looks at, and the encoder looks once."""

from __future__ import annotations

import numpy as np
import pytest
from small_models import fresh_model, passes

from napari_sam2.engine.finding import Way
from napari_sam2.engine.jobs import LEAST_SCORE
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
    way = Way()
    passes_of_tiles = [(0, 0), *((done, 4) for done in range(1, 5)), *((done, 9) for done in range(1, 10)), (1, 1)]
    told = [way.at(*step) for step in passes_of_tiles]
    assert told == sorted(told)
    assert told[4] == pytest.approx(0.8)
    assert told[4] < told[5] < told[-1] < 1


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
