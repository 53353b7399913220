"""Sessions on the real predictor with random weights: what is computed depends on the prompts, not on the way there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_sam2.engine import prompted_state
from napari_sam2.engine.engine import SNAPSHOT_EVERY
from napari_sam2.session import PropagateRequest, Session, SessionSettings
from sam2_core.build import build_model
from sam2_core.config import load_config
from sam2_core.inference.video_predictor import SAM2VideoPredictor

FRAMES = 24
VIEWS = {"full": SessionSettings(view="full"), "windows": SessionSettings(view="windows", object_diameter_px=9)}


@pytest.fixture(scope="module")
def predictor():
    torch.manual_seed(3)
    return SAM2VideoPredictor(build_model(load_config("cells_nano", image_size=64)))


@pytest.fixture(scope="module")
def images():
    """Bright squares that wander over noise; seed 5."""
    frames = np.random.default_rng(5).integers(0, 40, (FRAMES, 96, 128)).astype(np.uint8)
    for index in range(FRAMES):
        frames[index, 20 + index : 30 + index, 30 + index : 40 + index] += 150
        frames[index, 60:70, 90 - index : 100 - index] += 120
    return frames


def opened(images, predictor, view):
    return Session.open(images, axes="TYX", settings=VIEWS[view], predictor=predictor)


def prompted(images, predictor, view):
    session = opened(images, predictor, view)
    session.add_points(1, 2, [(27, 37)])
    session.add_box(2, 3, (59, 86, 71, 98))
    return session


def found(updates):
    """Everything that updates say, bit by bit."""
    said = {}
    for update in updates:
        for one, patch, score in zip(update.object_ids, update.patches, update.object_score_logits, strict=True):
            mask = None if patch is None else (patch.y0, patch.x0, patch.logits.tobytes())
            said[update.leg, update.frame_index, one] = (mask, score)
    return said


@pytest.mark.parametrize("view", VIEWS)
def test_a_stopped_run_goes_on_bit_by_bit_after_reopening(images, predictor, view, tmp_path):
    with prompted(images, predictor, view) as straight:
        whole = found(straight.propagate())
        masks = dict(straight.masks.items())
    with prompted(images, predictor, view) as session:
        folder = session.save(tmp_path / "work.sam2")
        first = []
        for update in session.propagate():
            first.append(update)
            if (update.leg, update.frame_index) == ("forward", 21):
                break
    with Session.open(folder, images=images, predictor=predictor) as again:
        assert again.interrupted_run == PropagateRequest("both")
        rest = found(again.resume())
        assert dict(again.masks.items()) == masks
    assert len(rest) < len(whole) - len(found(first)) + 1
    assert found(first) | rest == whole
    assert any(mask is not None for mask, _ in whole.values())


@pytest.mark.parametrize("view", VIEWS)
def test_the_order_of_edits_and_runs_does_not_matter(images, predictor, view):
    with prompted(images, predictor, view) as straight:
        list(straight.propagate())
        masks = dict(straight.masks.items())
    with opened(images, predictor, view) as session:
        session.add_box(2, 3, (59, 86, 71, 98))
        session.add_points(3, 8, [(50, 20)])
        list(session.propagate("backward"))
        session.add_points(1, 2, [(30, 40)])
        list(session.propagate("forward"))
        session.undo()
        session.add_points(1, 2, [(27, 37)])
        session.add_points(1, 10, [(35, 45)], [0])
        list(session.propagate(objects="stale"))
        session.undo()
        session.remove_object(3)
        list(session.propagate("forward"))
        list(session.propagate())
        again = dict(session.masks.items())
    assert again.keys() == masks.keys()
    for key, mask in masks.items():
        assert replace(again[key], score=0) == replace(mask, score=0), key
        assert again[key].score == pytest.approx(mask.score, abs=1e-4), key


def test_a_correction_that_is_taken_back_and_made_again_says_the_same(images, predictor):
    with prompted(images, predictor, "full") as session:
        list(session.propagate(frames=range(13)))  # short, so that no memory is packed in between
        session.add_points(1, 10, [(35, 45)])
        first = found(session.preview())
        list(session.propagate(objects="stale", frames=range(13)))
        session.undo()
        session.add_points(1, 10, [(20, 20)])
        list(session.preview())
        session.undo()
        session.redo()
        session.undo()
        session.add_points(1, 10, [(35, 45)])
        assert found(session.preview()) == first


def square(top, left):
    """A mask as a person draws it."""
    mask = np.zeros((96, 128), bool)
    mask[top : top + 10, left : left + 10] = True
    return mask


@pytest.fixture
def given(monkeypatch):
    """The keys of the prompts that a predictor is given, in their order."""
    keys, give = [], prompted_state.give_prompt

    def recording(predictor, state, prompt, said=None):
        keys.append((prompt.object_id, prompt.frame))
        return give(predictor, state, prompt, said)

    monkeypatch.setattr(prompted_state, "give_prompt", recording)
    return keys


def without_scores(masks):
    """Scores of objects that went through the model in other company differ in the last digits."""
    return {key: replace(mask, score=0) for key, mask in masks.items()}


def drawn(images, predictor, view):
    """A session in which objects 1, on two frames, and 2 were drawn, and 3 is clicked."""
    session = opened(images, predictor, view)
    session.edit_mask(1, 0, square(20, 30))
    session.edit_mask(1, 6, square(26, 36))
    session.edit_mask(2, 0, square(60, 90))
    session.add_points(3, 0, [(40, 64)])
    return session


@pytest.mark.parametrize("view", VIEWS)
def test_drawn_masks_wait_for_a_job_that_is_about_them(images, predictor, view, given):
    with drawn(images, predictor, view) as straight:
        list(straight.propagate())
        masks = dict(straight.masks.items())
    assert sorted(given) == [(1, 0), (1, 6), (2, 0), (3, 0)]
    given.clear()
    with drawn(images, predictor, view) as session:
        list(session.preview())
        assert given == [(3, 0)]
        session.add_points(1, 6, [(30, 40)])
        list(session.preview())
        assert sorted(given[1:]) == [(1, 0), (1, 6)], "a click on a drawn object is about all of it"
        session.undo()
        list(session.propagate(objects=[3]))
        assert (2, 0) not in given
        list(session.propagate())
        assert given.count((2, 0)) == 1
        again = dict(session.masks.items())
    assert without_scores(again) == without_scores(masks)


@pytest.mark.parametrize("view", VIEWS)
def test_what_waited_when_a_run_was_stopped_waits_after_reopening(images, predictor, view, tmp_path, given):
    with drawn(images, predictor, view) as straight:
        list(straight.propagate())
        masks = dict(straight.masks.items())
    with drawn(images, predictor, view) as session:
        folder = session.save(tmp_path / "work.sam2")
        for update in session.propagate(objects=[3]):
            if update.frame_index == SNAPSHOT_EVERY + 3:
                break
    with Session.open(folder, images=images, predictor=predictor) as session:
        given.clear()
        list(session.resume())
        assert not given, "the snapshot was not gone on from, or asked for what waits"
        list(session.propagate())
        assert sorted(set(given)) == [(1, 0), (1, 6), (2, 0)]
        assert without_scores(dict(session.masks.items())) == without_scores(masks)


@pytest.mark.parametrize("view", VIEWS)
def test_a_session_that_is_opened_again_asks_for_what_is_new(images, predictor, view, tmp_path, given):
    with prompted(images, predictor, view) as session:
        list(session.propagate())
        folder = session.save(tmp_path / "work.sam2")
        session.add_points(3, 8, [(50, 20)])
        list(session.propagate())
        masks = dict(session.masks.items())
    with Session.open(folder, images=images, predictor=predictor) as session:
        given.clear()
        session.add_points(3, 8, [(50, 20)])
        list(session.propagate())
        assert given == [(3, 8)]
        assert without_scores(dict(session.masks.items())) == without_scores(masks)
        session.add_points(1, 10, [(35, 45)], [0])
        list(session.preview())
        assert given[1:] == [(1, 2), (1, 10)], "a correction looks back at what was said before"
