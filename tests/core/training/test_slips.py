"""Masks that slipped: over the nearest cell, onto it, without a part, over what lies beside."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sam2_core.training.clips import ClipBatch
from sam2_core.training.slips import WAYS, Slip

SIDE = 64


def disc(row: float, column: float, radius: float = 6.0) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.hypot(rows - row, columns - column) < radius


@pytest.fixture
def batch() -> ClipBatch:
    """Cell 1 between 2, which is near, and 3, which is far; cell 4 alone in a clip of its own."""
    labels = np.zeros((2, 2, SIDE, SIDE), np.int64)
    for frame in range(2):
        for one, column in ((1, 20.0), (2, 34.0), (3, 55.0)):
            labels[frame, 0][disc(30.0, column + frame)] = one
        labels[frame, 1][disc(30.0, 30.0)] = 4
    images = torch.zeros(2, 2, SIDE, SIDE)
    return ClipBatch(images, torch.from_numpy(labels), torch.tensor([1, 4]), torch.tensor([0, 1]))


def slip_of(batch: ClipBatch, way: str) -> Slip:
    drawn = Slip.drawn(batch, 1, np.random.default_rng(0))
    return Slip(1, drawn.partners, torch.full((2,), list(WAYS).index(way)), torch.zeros(2))


def test_the_nearest_cell_takes_part_and_a_cell_alone_has_no_partner(batch):
    slip = Slip.drawn(batch, 1, np.random.default_rng(0))
    assert slip.partners.tolist() == [2, 0]
    ways = {int(Slip.drawn(batch, 0, np.random.default_rng(seed)).ways[1]) for seed in range(20)}
    assert {list(WAYS)[way] for way in ways} == {"part", "spilled"}


@pytest.mark.parametrize("frame", [0, 1])
def test_a_slip_is_over_both_cells_on_the_other_without_a_part_or_beside(batch, frame):
    one, two = batch.labels[frame, 0] == 1, batch.labels[frame, 0] == 2
    assert torch.equal(slip_of(batch, "both").masks(batch, frame)[0, 0] > 0, one | two)
    assert torch.equal(slip_of(batch, "other").masks(batch, frame)[0, 0] > 0, two)
    part = slip_of(batch, "part").masks(batch, frame)[0, 0] > 0
    assert not (part & ~one).any()
    assert 0.3 < part.sum() / one.sum() < 0.7
    spilled = slip_of(batch, "spilled").masks(batch, frame)[0, 0] > 0
    assert not (one & ~spilled).any()
    assert 1.1 < spilled.sum() / one.sum() < 1.8
    assert (spilled & ~one).nonzero()[:, 1].float().mean() > one.nonzero()[:, 1].float().mean()
