"""Tracking with the fast way of reading memories and with the plain one: the same masks."""

from __future__ import annotations

import pytest
import torch
from small_models import tiny_model
from stand_ins import movie

from sam2_core import SAM2VideoPredictor, build_sam2
from sam2_core.modeling.sam2 import Sam2Model


@pytest.fixture(scope="module", params=["tiny", "cells-nano"])
def model(request) -> Sam2Model:
    if request.param == "cells-nano":
        return build_sam2("cells-nano", "cells-nano", device="cpu")
    return tiny_model()


@pytest.fixture(scope="module")
def frames():
    return movie(10, seed=11)


CLICKS = {5: (0, 60, 50), 2: (0, 150, 80), 9: (3, 100, 110)}


def tracked(predictor, frames, object_ids=tuple(CLICKS)):
    """A run, a correction, and a run from there: objects whose memories differ in number."""
    state = predictor.init_state(frames)
    for object_id in object_ids:
        frame, x, y = CLICKS[object_id]
        predictor.add_new_points_or_box(state, frame, object_id, points=[[x, y]], labels=[1])
    answers = {(0, frame): logits for frame, _, logits in predictor.propagate_in_video(state)}
    predictor.add_new_points_or_box(state, 5, 2, points=[[40, 120]], labels=[0])
    return answers | {(1, frame): logits for frame, _, logits in predictor.propagate_in_video(state, 5)}


def agree(found, expected, bound=2e-3) -> None:
    assert found.keys() == expected.keys()
    for key, logits in expected.items():
        torch.testing.assert_close(
            found[key], logits, atol=bound, rtol=bound / 2, msg=lambda text, key=key: f"{key} {text}"
        )


def test_both_ways_track_the_same(model, frames) -> None:
    exact = {"memory_dtype": torch.float32, "precision": "float32"}
    ways = (SAM2VideoPredictor(model, attention=way, **exact) for way in ("fast", "plain"))
    agree(*(tracked(predictor, frames) for predictor in ways))


@pytest.mark.parametrize(("precision", "bound"), [("float32", 2e-3), ("bfloat16", 0.1)])
def test_an_object_is_tracked_the_same_alone(model, frames, precision, bound) -> None:
    predictor = SAM2VideoPredictor(model, memory_dtype=torch.float32, precision=precision)
    together, alone = tracked(predictor, frames), tracked(predictor, frames, (2,))
    agree({key: logits[1:2] for key, logits in together.items()}, alone, bound)


def test_another_word_is_refused(model) -> None:
    with pytest.raises(ValueError, match="attention must be fast or plain, is 'quick'"):
        SAM2VideoPredictor(model, attention="quick")
