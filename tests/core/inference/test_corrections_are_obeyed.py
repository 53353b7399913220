"""What a person says wins over what is remembered: clicks and boxes are obeyed, and behind them the error is gone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sam2_core import build_sam2_video_predictor
from sam2_core.inference.obedience import contradictions
from sam2_core.modeling.prompt_encoder import PromptBatch

ROWS, COLUMNS = np.mgrid[:128, :128]
A = [(40, 40)] * 3 + [(75 + step, 75) for step in range(6)]
B = [(20, 100)] * 3 + [(40, 42 + step) for step in range(6)]


def disc(y, x):
    return np.hypot(ROWS - y, COLUMNS - x) < 10


@pytest.fixture(scope="module")
def swapped():
    """Cell A jumps away on frame 3, and B comes to its place."""
    frames = []
    for frame, places in enumerate(zip(A, B, strict=True)):
        image = 200 + 30 * np.random.default_rng(frame).standard_normal((128, 128))
        for y, x in places:
            away = (np.hypot(ROWS - y, COLUMNS - x) - 10) / 0.8
            image += 3000 / (1 + np.exp(np.clip(away, -60, 60)))
        frames.append(image)
    return np.clip(frames, 0, 65535).astype(np.uint16)


def run(predictor, state, **how):
    return {frame: (logits[0, 0] > 0).numpy() for frame, _, logits in predictor.propagate_in_video(state, **how)}


@pytest.mark.parametrize(
    "said",
    [{"points": [[75, 75], [42, 40]], "labels": [1, 0]}, {"box": [64, 64, 86, 86]}, None],
    ids=["clicks", "box", "mask"],
)
def test_a_mask_that_slipped_to_another_cell_is_corrected_from_there_on(swapped, said):
    predictor = build_sam2_video_predictor("configs/cells/cells_nano.yaml", "cells-nano", device="cpu")
    state = predictor.init_state(swapped)
    predictor.add_new_points_or_box(state, 0, 1, points=[[40, 40]], labels=[1])
    slipped = run(predictor, state)
    assert (slipped[3] & disc(*B[3])).sum() > 0.6 * disc(*B[3]).sum(), "it did not slip"
    if said is None:
        predictor.add_new_mask(state, 3, 1, disc(*A[3]))
    else:
        predictor.add_new_points_or_box(state, 3, 1, **said)
    corrected = run(predictor, state, start_frame_idx=3)
    for frame in (3, 4, 8):
        wrong, right = disc(*B[frame]), disc(*A[frame])
        assert (corrected[frame] & wrong).sum() < 0.1 * wrong.sum(), frame
        assert (corrected[frame] & right).sum() > 0.7 * (corrected[frame] | right).sum(), frame


def prompts(points, labels):
    return PromptBatch(torch.tensor([points], dtype=torch.float32), torch.tensor([labels]))


def test_contradictions_are_clicks_on_the_wrong_side_holes_around_them_and_masks_out_of_their_box():
    logits = torch.full((1, 64, 64), -5.0)
    logits[0, 10:30, 10:30] = 5.0  # pixels 40 to 120 of the model
    assert contradictions(logits, prompts([[80, 80], [200, 200]], [1, 0])) == 0
    assert contradictions(logits, prompts([[80, 80], [200, 200]], [0, 1])) == 2
    assert contradictions(logits, prompts([[80, 80]], [-1])) == 0, "padding says nothing"
    pierced = logits.clone()
    pierced[0, 19:22, 19:22] = -5.0
    assert contradictions(pierced, prompts([[80, 80]], [0])) == 0.5
    assert contradictions(logits, prompts([[40, 40], [120, 120]], [2, 3])) == 0
    assert contradictions(logits, prompts([[40, 40], [80, 80]], [2, 3])) == 1
    assert contradictions(logits * -1, prompts([[40, 40], [120, 120]], [2, 3])) == 1
