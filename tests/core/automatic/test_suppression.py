"""Suppression of overlapping boxes, against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from plain_suppression import batched_nms

from sam2_core.automatic.suppression import best_of_overlapping


def test_of_two_that_overlap_the_better_stays_and_what_only_the_dropped_one_met_stays_too() -> None:
    boxes = [(0, 0, 10, 10), (2, 0, 12, 10), (6, 0, 16, 10)]  # neighbours overlap by 8/12 and 6/14, the outer by 4/16
    assert best_of_overlapping(boxes, [0.9, 0.8, 0.7], 0.5) == [0, 2]
    assert best_of_overlapping(boxes, [0.7, 0.9, 0.8], 0.5) == [1, 2]
    assert best_of_overlapping(boxes, [0.7, 0.9, 0.8], 0.4) == [1]


def test_an_overlap_at_the_threshold_is_allowed() -> None:
    assert best_of_overlapping([(0, 0, 2, 1), (0, 0, 1, 1)], [1, 1], 0.5) == [0, 1]


def test_boxes_without_an_area_stay() -> None:
    assert best_of_overlapping([(3, 3, 3, 3), (3, 3, 3, 3)], [0.5, 0.6], 0.7) == [1, 0]
    assert best_of_overlapping([], [], 0.7) == []


@pytest.mark.parametrize("seed", range(4))
def test_it_decides_as_torchvision_does(seed) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 60, (300, 2))
    boxes = np.hstack([corners, corners + rng.integers(0, 30, (300, 2))])
    scores = rng.integers(0, 40, 300) / 40  # many are equal
    for threshold in (0.3, 0.5, 0.7):
        plain = batched_nms(torch.tensor(boxes).float(), torch.tensor(scores).float(), torch.zeros(300), threshold)
        assert best_of_overlapping(boxes, scores, threshold) == plain.tolist()
