from __future__ import annotations

import numpy as np
import pytest

from sam2_core.finding.splitting import split
from sam2_core.finding.votes import DenseInstance

ROWS, COLUMNS = np.indices((48, 48))
LEFT, RIGHT = (((COLUMNS - x) / 5) ** 2 + ((ROWS - 20) / 6) ** 2 <= 1 for x in (16.5, 24.5))
ROUND = (COLUMNS - 20.5) ** 2 + (ROWS - 20) ** 2 <= 49


def as_one(mask):
    logits = np.where(mask, 3.0, -3.0).astype(np.float32)
    return DenseInstance(mask, logits, (20.0, 20.0), (20.0, 20.0), 14.0, 0.95), logits


def votes(share):
    """Offsets that point from the middle of all towards that of the half, by a share of the way."""
    to_x = 20.5 + share * np.where(COLUMNS < 20.5, -4, 4)
    return np.stack([to_x - COLUMNS, 20 - ROWS]).astype(np.float32)


def border(ridge):
    return np.where(np.abs(COLUMNS - 20.5) < 1, ridge - 2.0, -2.0).astype(np.float32)


def test_two_discs_that_one_instance_covers_become_a_seed_each():
    instance, logits = as_one(LEFT | RIGHT)
    first, second = split(instance, logits, border(0.5), votes(0.4))
    for part, truth in zip(sorted((first, second), key=lambda each: each.inside_xy), (LEFT, RIGHT), strict=True):
        assert (part.mask & truth).sum() / (part.mask | truth).sum() > 0.85
        assert truth[int(part.inside_xy[1]), int(part.inside_xy[0])]
        assert part.diameter == pytest.approx(np.sqrt(4 / np.pi * truth.sum()), rel=0.1)
        np.testing.assert_array_equal(part.logits > 0, part.mask)
    assert not (first.mask & second.mask).any()
    np.testing.assert_array_equal(first.mask | second.mask, instance.mask)


@pytest.mark.parametrize(
    ("mask", "ridge", "share"),
    [
        (LEFT | RIGHT, 0.0, 0.4),  # a bean: a waist, but no border
        (LEFT | RIGHT, 0.5, 0.1),  # and votes for one centre
        (ROUND, 0.5, 0.4),  # no waist
        (np.zeros_like(ROUND), 0.5, 0.4),  # nothing
    ],
)
def test_what_lacks_any_sign_of_two_stays_one(mask, ridge, share):
    instance, logits = as_one(mask)
    assert split(instance, logits, border(ridge), votes(share)) == (instance,)
