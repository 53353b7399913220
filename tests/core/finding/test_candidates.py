from __future__ import annotations

import numpy as np
import pytest
import torch

from sam2_core.finding.candidates import SUREST_LOGIT, PatchMaker, agreement, common_answer, stability
from sam2_core.modeling.mask_decoder import upscale_masks
from sam2_core.windowed.window import Window, paste


@pytest.mark.parametrize("window", [Window(30, 20, 100, 100), Window(-40, -30, 100, 100), Window(50, 0, 37, 37)])
def test_a_patch_is_what_the_whole_tile_stretched_to_the_frame_shows(rng, window):
    frame_hw = (110, 140)
    logits = rng.normal(-2, 1, (64, 64)).astype(np.float32)
    logits[20:44, 24:60] = rng.normal(1, 1, (24, 36))
    whole = np.zeros(frame_hw, bool)
    side = (window.height, window.width)
    paste((upscale_masks(torch.from_numpy(logits)[None, None], side) > 0)[0, 0].numpy(), window, whole)
    box, mask = PatchMaker(64, window.width).patch(logits, window, frame_hw)
    x0, y0, x1, y1 = box
    np.testing.assert_array_equal(whole[y0:y1, x0:x1], mask)
    assert mask.sum() == whole.sum()
    assert mask.any(axis=0)[[0, -1]].all()
    assert mask.any(axis=1)[[0, -1]].all()


def test_a_mask_that_is_empty_or_beside_the_frame_makes_no_patch():
    logits = np.full((64, 64), -3.0, np.float32)
    maker = PatchMaker(64, 100)
    assert maker.patch(logits, Window(0, 0, 100, 100), (50, 50)) is None
    logits[60:, 60:] = 3
    assert maker.patch(logits, Window(0, 0, 100, 100), (50, 50)) is None
    assert maker.patch(logits, Window(0, 0, 100, 100), (100, 100)) is not None


def test_stability_and_agreement_count_pixels():
    logits = torch.full((1, 2, 4, 4), -2.0)
    logits[0, 0, :2] = 2.0
    logits[0, 0, 2] = 0.5
    instance = torch.zeros(1, 4, 4, dtype=torch.bool)
    instance[0, :2] = True
    assert stability(logits)[0].tolist() == pytest.approx([8 / 12, 0])
    assert agreement(logits > 0, instance)[0].tolist() == pytest.approx([8 / 12, 0])


def squares(*boxes, inside=3.0):
    """Answers (1, M, 20, 20), each above 0 in (y0, y1, x0, x1)."""
    logits = torch.full((1, len(boxes), 20, 20), -3.0)
    for place, (y0, y1, x0, x1) in enumerate(boxes):
        logits[0, place, y0:y1, x0:x1] = inside
    return logits


def test_answers_about_the_same_object_decide_together_and_the_better_one_has_more_of_a_say():
    logits = squares((0, 10, 0, 10), (0, 10, 0, 12))
    ahead, behind = (common_answer(logits, torch.tensor([quality]))[0] for quality in ([0.9, 0.8], [0.8, 0.9]))
    assert not (ahead[:10, 10:12] > 0).any()
    assert (behind[:10, 10:12] > 0).all()
    assert (ahead[:10, 10:12] > -3).all(), "the other answer had no say"
    assert (ahead[:10, :10] == 3).all()


def test_an_answer_about_another_object_has_no_say():
    logits = squares((0, 10, 0, 10), (0, 10, 0, 20), (0, 5, 0, 5))
    assert torch.equal(common_answer(logits, torch.tensor([[0.9, 0.89, 0.89]]))[0], logits[0, 0])


def test_how_sure_a_common_answer_is_has_a_bound_and_empty_ones_stay_empty():
    sure = squares((0, 10, 0, 10), (0, 10, 0, 10), inside=50.0)
    assert common_answer(sure, torch.tensor([[0.9, 0.9]])).max() == SUREST_LOGIT
    assert torch.equal(
        common_answer(squares((0, 0, 0, 0), (0, 0, 0, 0)), torch.zeros(1, 2))[0], torch.full((20, 20), -3.0)
    )
