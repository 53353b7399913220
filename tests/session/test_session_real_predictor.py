"""Sessions on the real predictor with random weights: what is computed depends on the prompts, not on the way there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

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
