"""Simulated prompts: clicks fall where a person would click."""

from __future__ import annotations

import numpy as np
import torch

from sam2_core.training.simulated_prompts import (
    click_inside,
    clicks_on_both,
    corrective_click,
    measured_depth,
    noisy_box,
    peeled_depth,
)


def discs() -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    centres = ((20, 30, 12), (40, 25, 6), (32, 32, 20), (60, 60, 3))
    return torch.stack([(torch.hypot(rows - y, columns - x) < r).float() for y, x, r in centres])[:, None]


def at(masks: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    column, row = points[:, 0, 0].long(), points[:, 0, 1].long()
    return masks[torch.arange(len(masks)), 0, row, column]


def test_clicks_fall_inside_and_tend_to_the_middle():
    masks = discs()
    clicks = torch.stack([click_inside(masks, np.random.default_rng(seed)) for seed in range(40)])
    for seed, points in enumerate(clicks):
        assert (at(masks, points) > 0).all(), f"seed {seed}"
    from_centre = (clicks[:, 2, 0] - 32.0).norm(dim=1)
    assert from_centre.median() < 6
    assert from_centre.max() > 1


def test_a_corrective_click_falls_in_the_error_region_with_its_label():
    truth = discs()
    missed = truth.clone()
    missed[:, :, :, :30] = 0
    spilled = torch.maximum(truth, torch.roll(truth, 8, dims=3))
    for seed in range(10):
        rng = np.random.default_rng(seed)
        for predicted in (missed, spilled):
            points, labels = corrective_click(predicted, truth, rng)
            wrong = predicted != truth
            has_error = wrong.flatten(1).any(dim=1)
            assert at(wrong.float(), points)[has_error].all(), f"seed {seed}"
            assert torch.equal(labels[:, 0], at(truth, points).long()), f"seed {seed}"
    assert corrective_click(spilled, truth, np.random.default_rng(0))[1].min() == 0


def test_a_perfect_mask_is_clicked_inside():
    points, labels = corrective_click(discs(), discs(), np.random.default_rng(0))
    assert (labels == 1).all()
    assert at(discs(), points).all()


def test_a_click_on_what_is_too_much_and_one_on_what_is_missing_come_together():
    truth = discs()
    moved = torch.roll(truth, 8, dims=3)
    gone = torch.cat([truth[:1], torch.zeros_like(truth[:1]), truth[:1]])
    points, labels = clicks_on_both(moved, truth, np.random.default_rng(0))
    assert labels.tolist() == [[0, 1]] * 4
    assert at((moved > truth).float(), points[:, :1]).all()
    assert at((truth > moved).float(), points[:, 1:]).all()
    _, labels = clicks_on_both(torch.stack([truth[0], truth[0], truth[0] * 0]), gone, np.random.default_rng(0))
    assert labels.tolist() == [[-1, 1], [0, -1], [-1, 1]]


def test_boxes_are_exact_without_noise_and_stay_near_with_it():
    points, labels = noisy_box(discs(), np.random.default_rng(0), noise=0.0)
    assert points[2].tolist() == [[13.0, 13.0], [51.0, 51.0]]
    assert labels[0].tolist() == [2, 3]
    noisy, _ = noisy_box(discs(), np.random.default_rng(0))
    assert not torch.equal(noisy, points)
    assert (noisy - points).abs().max() < 20
    assert noisy.min() >= 0
    assert noisy.max() <= 63


def test_depth_on_a_gpu_is_close_to_the_distance():
    rows, columns = np.mgrid[:64, :64]
    shapes = [
        np.hypot(rows - 30, columns - 34) < 20,
        (abs(rows - 20) < 9) & (abs(columns - 40) < 24),
        rows + columns < 50,
    ]
    inside = torch.from_numpy(np.stack(shapes))[:, None]
    exact, peeled = measured_depth(inside), peeled_depth(inside)
    assert ((peeled > 0) == inside).all()
    assert (peeled - exact).abs().max() <= 0.2 * exact.max()
    for index in range(3):
        deepest = peeled[index].flatten().argmax()
        assert exact[index].flatten()[deepest] >= 0.85 * exact[index].max()
