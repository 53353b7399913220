"""A place that was looked at before a click comes there: nothing is looked at again, and the answer is the same."""

from __future__ import annotations

import time

import numpy as np
import pytest
import tifffile

from napari_sam2.engine.engine import SNAPSHOT_EVERY
from napari_sam2.samples import first_clicks, sample_movie
from napari_sam2.session import Session, SessionSettings
from sam2_core.build import build_sam2_video_predictor
from sam2_core.scoring.ground_truth import median_diameter

VIEWS = {"whole frames": ("full", 1.0), "windows of the right size": ("windows", 1.0), "windows": ("windows", 0.4)}
"""What the model looks at, and the size that it is told as a share of that of the cells."""
ASKED = {"whole frames": 0, "windows of the right size": 2, "windows": 4}
"""Runs of the encoder for a click: one for each way to look, as it is and mirrored, in one window or in two."""


class Counted:
    """A call of a model, counted."""

    def __init__(self, call):
        self.runs = 0
        self._call = call

    def __call__(self, *given, **named):
        self.runs += 1
        return self._call(*given, **named)


@pytest.fixture
def predictor():
    return build_sam2_video_predictor("cells-nano", "cells-nano", device="cpu")


@pytest.fixture
def encoder(predictor, monkeypatch):
    counted = Counted(predictor.model.encode_image)
    monkeypatch.setattr(predictor.model, "encode_image", counted)
    return counted


@pytest.fixture
def decoder(predictor, monkeypatch):
    counted = Counted(predictor.model.predict_without_memory)
    monkeypatch.setattr(predictor.model, "predict_without_memory", counted)
    return counted


@pytest.fixture(scope="module")
def movie():
    return sample_movie("fluorescence")


@pytest.fixture(scope="module")
def places(movie):
    """Two cells of the first frame, whole, and far from each other."""
    clicks = [(click.y, click.x) for click in first_clicks(movie) if min(click[2:]) > 40 and max(click[2:]) < 216]
    return clicks[0], max(clicks, key=lambda place: np.hypot(place[0] - clicks[0][0], place[1] - clicks[0][1]))


@pytest.fixture
def opened(predictor, movie, places):
    """Opens two frames of the sample, on the first of which a cell was clicked on."""
    made = []

    def open_in(view):
        choice, share = VIEWS[view]
        settings = SessionSettings(view=choice, object_diameter_px=share * median_diameter([movie.labels[0]]))
        session = Session.open(movie.images[:2], axes="TYX", settings=settings, predictor=predictor)
        made.append(session)
        session.add_points(1, 0, [places[0]])
        list(map(session.accept, session.preview()))
        return session

    yield open_in
    for session in made:
        session.close()


def looked_at(session, place, frame=0):
    """Have the model look at a place, and wait until it has."""
    assert session.work.look_at(frame, place)
    until = time.monotonic() + 60
    while not session.work.look_at(frame, place) and time.monotonic() < until:
        time.sleep(0.01)


def answer_to_click(session, place):
    session.add_points(2, 0, [place])
    (update,) = session.preview()
    session.accept(update)
    return update.patches[0].logits


def tracked(session):
    return [
        (each.frame_index, each.object_ids, [patch.logits.tobytes() for patch in each.patches])
        for each in session.propagate()
    ]


@pytest.mark.parametrize("view", VIEWS)
def test_a_click_where_the_model_looked_asks_the_encoder_nothing_and_has_the_same_answer(opened, places, encoder, view):
    plain = opened(view)
    before = encoder.runs
    expected = answer_to_click(plain, places[1])
    assert encoder.runs - before == ASKED[view]

    ahead = opened(view)
    looked_at(ahead, places[1])
    before = encoder.runs
    np.testing.assert_array_equal(answer_to_click(ahead, places[1]), expected)
    assert encoder.runs == before
    assert tracked(ahead) == tracked(plain), "nor does it change what comes of the click"


def test_a_first_click_just_where_the_model_looked_is_answered_already_and_any_other_is_not(opened, places, decoder):
    session, place = opened("windows"), places[1]
    looked_at(session, place)
    before = decoder.runs
    answer_to_click(session, place)
    assert decoder.runs == before
    session.remove_object(2)
    answer_to_click(session, place)
    assert decoder.runs > before, "what was at hand is used once"

    for beside in ((place[0] + 2, place[1]), places[0]):
        other = opened("windows")
        looked_at(other, place)
        before = decoder.runs
        other.add_points(2 if beside != places[0] else 1, 0, [beside])
        assert [update.object_ids for update in other.preview()]
        assert decoder.runs > before


def test_a_run_of_such_a_click_goes_on_after_a_stop_as_without_a_look(movie, places, predictor, tmp_path):
    tifffile.imwrite(tmp_path / "movie.tif", movie.images)
    settings = SessionSettings(view="windows", object_diameter_px=0.4 * median_diameter([movie.labels[0]]))
    found = []
    for looks in (False, True):
        folder = tmp_path / f"{looks}.sam2"
        with Session.open(tmp_path / "movie.tif", axes="TYX", settings=settings, predictor=predictor) as session:
            session.add_points(1, 0, [places[0]])
            list(map(session.accept, session.preview()))
            session.save(folder)
            if looks:
                looked_at(session, places[1])
            answer_to_click(session, places[1])
            for done, _ in enumerate(session.propagate(), start=1):
                if done == SNAPSHOT_EVERY + 2:
                    break
        with Session.open(folder, images=tmp_path / "movie.tif", predictor=predictor) as session:
            list(session.resume())
            found.append([session.labels(frame) for frame in range(len(movie.images))])
    np.testing.assert_array_equal(found[1], found[0])
    assert {2} <= set(np.unique(found[0][1]))


def test_nothing_comes_of_a_look_but_features(opened, places):
    expected = tracked(opened("windows"))
    session = opened("windows")
    document, masks = session.document, session.masks.frames(1)
    looked_at(session, places[1], frame=1)
    assert session.document is document
    assert session.masks.object_ids() == (1,)
    assert session.masks.frames(1) == masks
    assert tracked(session) == expected


def test_nobody_looks_before_a_prompt_loaded_the_model():
    with Session.open(np.zeros((1, 40, 40), np.uint8), axes="TYX") as session:
        assert not session.work.look_at(0, (10, 10))
        assert not session.work.is_running
