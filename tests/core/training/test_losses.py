"""Losses against plain formulas written out with numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sam2_core.modeling.sam2 import MaskPrediction
from sam2_core.training.losses import (
    LossWeights,
    cross_entropy,
    dice,
    obedience_loss,
    resize_to_loss,
    segmentation_loss,
    true_iou,
)


def logits_and_truth() -> tuple[torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 3, 8, 8, generator=source) * 2
    return logits, (torch.rand(2, 1, 8, 8, generator=source) > 0.5).float()


def prediction_of(logits: torch.Tensor, ious: torch.Tensor, scores: torch.Tensor) -> MaskPrediction:
    return MaskPrediction(logits, ious, logits[:, :1], torch.zeros(len(logits), 4), scores)


def test_cross_entropy_dice_and_iou_are_their_formulas():
    logits, truth = logits_and_truth()
    values, target = logits.double().numpy(), np.broadcast_to(truth.double().numpy(), logits.shape)
    inside = 1 / (1 + np.exp(-values))
    entropy = -(target * np.log(inside) + (1 - target) * np.log(1 - inside)).mean(axis=(2, 3))
    overlap, total = (inside * target).sum(axis=(2, 3)), (inside + target).sum(axis=(2, 3))
    hard = values > 0
    union = (hard | (target > 0)).sum(axis=(2, 3))
    np.testing.assert_allclose(cross_entropy(logits, truth).numpy(), entropy, rtol=1e-5)
    np.testing.assert_allclose(dice(logits, truth).numpy(), 1 - (2 * overlap + 1) / (total + 1), rtol=1e-5)
    np.testing.assert_allclose(true_iou(logits, truth).numpy(), (hard & (target > 0)).sum(axis=(2, 3)) / union)


def test_the_best_candidate_is_trained_and_the_iou_of_all():
    logits, truth = logits_and_truth()
    masks = truth.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)  # (O, 1, 32, 32)
    ious, scores = torch.rand(2, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([[2.0], [-1.0]])
    weights = LossWeights(others=0.0, score=3.0)
    parts = segmentation_loss(prediction_of(logits, ious, scores), masks, torch.tensor([True, True]), weights)
    large, small = resize_to_loss(logits, masks)
    mask_loss = 2 * cross_entropy(large, small) + dice(large, small)
    assert parts["mask"] == pytest.approx(float(mask_loss.amin(dim=1).mean()), rel=1e-5)
    assert parts["iou"] == pytest.approx(float((ious - true_iou(large, small)).abs().mean()), rel=1e-5)
    score = np.log1p(np.exp(np.array([-2.0, 1.0]))).mean()
    assert parts["score"] == pytest.approx(score, rel=1e-5)
    assert parts["total"] == pytest.approx(float(parts["mask"] + parts["iou"] + 3.0 * parts["score"]), rel=1e-5)


def test_absent_objects_train_the_score_alone():
    logits, _ = logits_and_truth()
    logits.requires_grad_()
    scores = torch.zeros(2, 1, requires_grad=True)
    masks = torch.zeros(2, 1, 32, 32)
    prediction = prediction_of(logits, torch.rand(2, 3), scores)
    segmentation_loss(prediction, masks, torch.tensor([False, False]), LossWeights())["total"].backward()
    assert logits.grad is not None
    assert scores.grad is not None
    assert logits.grad.abs().max() == 0
    assert (scores.grad > 0).all()


def test_what_a_correction_left_wrong_is_counted_where_it_was_wrong():
    truth = torch.zeros(2, 1, 16, 16)
    truth[:, :, :8] = 1.0
    wrong = torch.zeros(2, 1, 16, 16)
    wrong[0, :, 8:12] = 1.0  # of the first object alone
    obeys, stays = torch.full((2, 1, 8, 8), -8.0), torch.full((2, 1, 8, 8), -8.0)
    stays[:, :, 4:6] = 8.0
    elsewhere = obeys.clone()
    elsewhere[1] = 8.0
    assert obedience_loss(obeys, truth, wrong) < 0.01
    assert 6.0 < obedience_loss(stays, truth, wrong) < 8.1
    assert obedience_loss(elsewhere, truth, wrong) < 0.01
    half = torch.cat([obeys, stays], dim=1)
    assert float(obedience_loss(half, truth, wrong)) == pytest.approx(
        float(obedience_loss(stays, truth, wrong)) / 2, rel=0.01
    )
    assert obedience_loss(stays, truth, torch.zeros_like(wrong)) == 0.0


def test_where_a_prompt_lies_on_nothing_the_iou_should_be_0_and_the_score_is_not_asked():
    logits, truth = logits_and_truth()
    masks = truth.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    masks[1] = 0.0
    ious = torch.tensor([[0.5, 0.25, 1.0], [0.75, 0.5, 0.25]])
    scores = torch.tensor([[2.0], [-1.0]], requires_grad=True)
    weights = LossWeights(nothing=True)
    parts = segmentation_loss(prediction_of(logits, ious, scores), masks, torch.tensor([True, False]), weights)
    reached = true_iou(*resize_to_loss(logits, masks))
    expected = ((ious[0] - reached[0]).abs().mean() + ious[1].mean()) / 2
    assert parts["iou"] == pytest.approx(float(expected), rel=1e-5)
    parts["score"].backward()
    assert scores.grad is not None
    assert scores.grad[0] != 0
    assert scores.grad[1] == 0
