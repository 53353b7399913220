"""The tracking job on the real predictor with random weights: the calls fit, and every planned frame comes once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam2.session import Prompt, Resume, plan_legs, track
from napari_sam2.stacks import ModelMovie, open_stack
from sam2_core.build import build_model
from sam2_core.config import load_config
from sam2_core.inference.video_predictor import SAM2VideoPredictor

MASK = np.zeros((48, 64), bool)
MASK[10:30, 30:50] = True
PROMPTS = [
    Prompt(2, 1, ((20.0, 30.0), (5.0, 5.0)), (1, 0)),
    Prompt(5, 3, ((30.0, 40.0),), (1,), (20.0, 30.0, 40.0, 50.0)),
    Prompt(7, 3, ((20.0, 40.0),), (1,), mask=MASK),
    Prompt(2, 4, mask=MASK),
]


@pytest.fixture(scope="module")
def predictor():
    torch.manual_seed(0)
    return SAM2VideoPredictor(build_model(load_config("cells_nano", image_size=64)))


@pytest.fixture
def movie():
    seed = 2
    print(f"seed {seed}")
    frames = np.random.default_rng(seed).integers(0, 5000, (6, 48, 64)).astype(np.uint16)
    return ModelMovie(open_stack(frames).movie())


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_every_planned_frame_comes_once_and_in_order(predictor, movie, direction):
    for leg in plan_legs(PROMPTS, range(len(movie)), direction):
        results = list(track(predictor, movie, PROMPTS, leg))
        assert [result.frame_index for result in results] == list(leg.frames)
        for result in results:
            assert result.labels.shape == (48, 64)
            shown = {object_id for object_id in (2, 5, 7) if leg.shows(object_id, result.frame_index)}
            assert set(np.unique(result.labels)) <= shown | {0}


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_stopped_run_goes_on_behind_its_last_frame(predictor, movie, direction):
    (leg,) = plan_legs(PROMPTS, range(len(movie)), direction)
    labels = np.where(MASK, 5, 0).astype(np.uint16)
    results = list(track(predictor, movie, PROMPTS, leg, Resume(leg.frames[1], labels)))
    assert [result.frame_index for result in results] == list(leg.frames)[2:]


def test_backward_from_the_first_frame_gives_that_frame(predictor, movie):
    prompts = [Prompt(1, 0, ((20.0, 30.0),), (1,))]
    (leg,) = plan_legs(prompts, range(len(movie)), "backward")
    assert [result.frame_index for result in track(predictor, movie, prompts, leg)] == [0]
