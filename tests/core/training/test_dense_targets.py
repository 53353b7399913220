"""What the dense head is taught: worked out by hand on squares, and learnt by a head on drawn discs."""

from __future__ import annotations

import pytest
import torch

from sam2_core.modeling.dense_head import OFFSET_UNIT, SIZE_UNIT, DenseMaps
from sam2_core.training.dense_targets import USUAL_PX, DenseTargets, dense_loss


def squares() -> torch.Tensor:
    labels = torch.zeros(2, 64, 64, dtype=torch.long)
    labels[0, 16:48, 16:32] = 3  # two that touch, of 16 x 32 px
    labels[0, 16:48, 32:48] = 1
    labels[0, 60:64, 0:8] = 2  # cut by the window
    return labels


def test_targets_of_two_that_touch():
    targets = DenseTargets.of(squares())
    assert targets.foreground.shape == (2, 16, 16)
    assert targets.foreground[0].sum() == 64 + 2
    assert targets.foreground[1].sum() == 0
    assert targets.boundary[0, 8].tolist()[3:9] == pytest.approx([0, 0.75, 0, 0, 0.75, 0.75])  # 3 of 4 px at each side
    # the centre of the left one is at x 23.5, y 31.5 of the window: 5.5 and 7.5 on the map
    assert targets.offsets[0, :, 4, 4].tolist() == pytest.approx([1.5, 3.5])
    assert targets.offsets[0, :, 4, 8].tolist() == pytest.approx([1.5, 3.5])
    assert targets.offsets[:, :, 0, 0].abs().max() == 0
    disc = (4 * 512 / torch.pi) ** 0.5
    assert targets.diameters[0, 6, 6] == pytest.approx(disc)
    assert targets.weights[0, 6, 6] == pytest.approx(USUAL_PX / disc)
    assert targets.diameters[0, 15, 1] == 0
    assert targets.weights[0, 15, 1] > 1
    assert DenseTargets.apart(targets.joined()).offsets.equal(targets.offsets)


def test_the_truth_is_best_and_a_share_of_the_diameter_off_counts_the_same_for_all():
    targets = DenseTargets.of(squares())
    size = (targets.diameters.clamp(min=1) / SIZE_UNIT).log2()[:, None]
    logits = [40 * (level[:, None] - 0.5) for level in (targets.foreground, targets.boundary)]
    truth = torch.cat([*logits, targets.offsets / OFFSET_UNIT, size], dim=1)
    best = dense_loss(truth, targets)
    assert best["offsets"] == pytest.approx(0, abs=1e-6)
    assert best["size"] == pytest.approx(0, abs=1e-6)
    maps = DenseMaps.of_channels(truth)
    torch.testing.assert_close(maps.offsets, targets.offsets)
    torch.testing.assert_close(maps.diameters[0, 6, 6], targets.diameters[0, 6, 6])
    off = truth.clone()
    off[:, 2] += 0.2 / targets.weights.clamp(min=0.1) * (USUAL_PX / 4) / OFFSET_UNIT  # a fifth of each diameter
    assert dense_loss(off, targets)["offsets"] == pytest.approx(0.2 - 0.025, rel=1e-3)  # smooth up to 0.05


def test_an_empty_window_asks_for_silence_alone():
    channels = torch.randn(1, 5, 16, 16, generator=torch.Generator().manual_seed(0), requires_grad=True)
    dense_loss(channels, DenseTargets.of(torch.zeros(1, 64, 64, dtype=torch.long)))["total"].backward()
    assert channels.grad is not None
    assert (channels.grad[:, :2] > 0).all()
    assert channels.grad[:, 2:].abs().max() == 0


def test_both_sides_of_an_outline_weigh_the_same():
    labels = torch.zeros(1, 64, 64, dtype=torch.long)
    labels[0, 16:48, 16:48] = 1
    channels = torch.zeros(1, 5, 16, 16, requires_grad=True)
    dense_loss(channels, DenseTargets.of(labels))["foreground"].backward()
    assert channels.grad is not None
    pull = channels.grad[0, 0, 8]
    assert pull[3] == -pull[4]
    assert pull[4] == pytest.approx(3 * float(pull[6]))
