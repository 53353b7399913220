"""Prompts that read out nothing: the same run, and no look at the other objects."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from stand_ins import movie

from sam2_core import SAM2VideoPredictor
from sam2_core.inference import tracker

DISC = np.hypot(*np.mgrid[-38:122, -191:33]) < 14


@pytest.fixture
def read_out(monkeypatch):
    """Counts the masks that are brought to the size of the frame."""
    counted: list[int] = []
    bring = tracker.masks_to_video

    def counting(masks, size):
        counted.append(len(masks))
        return bring(masks, size)

    monkeypatch.setattr(tracker, "masks_to_video", counting)
    return counted


def prompted(model, **how):
    """Return a predictor, a state with a clicked and a drawn object, and what the calls returned."""
    predictor = SAM2VideoPredictor(model)
    state = predictor.init_state(movie(4, seed=11))
    clicked = predictor.add_new_points_or_box(state, 0, 1, points=[(112, 35)], labels=[1], **how)
    return predictor, state, (clicked, predictor.add_new_mask(state, 0, 2, DISC, **how))


def test_without_output_nothing_is_read_out(nano, read_out):
    assert prompted(nano, need_output=False)[2] == (None, None)
    assert read_out == []
    clicked, drawn = prompted(nano)[2]
    assert (clicked[1], drawn[1]) == ([1], [1, 2])
    assert read_out == [1, 2]


def test_the_run_is_the_same(nano):
    answers = []
    for need_output in (True, False):
        predictor, state, _ = prompted(nano, need_output=need_output)
        answers.append(torch.stack([logits.clone() for _, _, logits in predictor.propagate_in_video(state)]))
    assert torch.equal(*answers)
    assert (answers[0] > 0).any()
