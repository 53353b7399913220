from __future__ import annotations

import math

import numpy as np
import pytest

from sam2_core.scoring.clicks import corrective_click
from sam2_core.scoring.metrics import FrameScore, iou, movie_metrics, object_means, score_frame, still_metrics


def test_iou_is_that_of_sets(rng):
    for _ in range(20):
        first, second = rng.random((2, 15, 17)) < rng.random()
        a, b = set(np.flatnonzero(first)), set(np.flatnonzero(second))
        assert iou(first, second) == pytest.approx(len(a & b) / len(a | b) if a | b else 1.0)


def test_what_lies_outside_of_what_is_compared_counts_as_missed():
    seen = np.ones((2, 3), bool)
    assert iou(seen, seen, unseen=6) == 0.5


def test_stills_report_the_mean_and_the_share_of_good_ones():
    metrics = still_metrics([1.0, 0.5, 0.3, 0.0])
    assert (metrics.objects, metrics.mean_iou, metrics.recall) == (4, pytest.approx(0.45), 0.5)
    assert math.isnan(still_metrics([]).mean_iou)


def test_movies_count_every_object_frame_behind_the_prompt(rng):
    values = rng.random(25)
    scores = [FrameScore(1, k, k, float(v), True) for k, v in enumerate(values)]
    scores += [FrameScore(2, k + 3, k, 0.0, False) for k in range(4)]
    behind = [*values[1:], 0, 0, 0]
    metrics = movie_metrics(scores)
    assert (metrics.objects, metrics.object_frames) == (2, 27)
    assert metrics.j == pytest.approx(np.mean(behind))
    assert metrics.recall == pytest.approx(np.mean(np.array(behind) >= 0.5))
    assert metrics.j10 == pytest.approx(np.mean([*values[1:11], 0, 0, 0]))
    assert metrics.mean_iou_all == pytest.approx(np.mean([*values, 0, 0, 0, 0]))
    assert metrics.shown_with_mask == pytest.approx(24 / 27)
    assert object_means(scores) == {1: pytest.approx(np.mean(values[1:])), 2: 0.0}


def test_presence_is_counted_apart_from_j():
    shown = np.zeros((4, 4), bool)
    shown[1:3, 1:3] = True
    empty = np.zeros_like(shown)
    scores = [
        score_frame(1, 0, 0, shown, shown),
        score_frame(1, 1, 1, shown, shown),
        score_frame(1, 2, 2, shown, empty),  # there, but lost
        score_frame(1, 3, 3, empty, empty),  # gone, and so seen
        score_frame(1, 4, 4, empty, empty),
        score_frame(1, 5, 5, empty, shown),  # gone, but a mask
    ]
    metrics = movie_metrics(scores)
    assert (metrics.j, metrics.shown_with_mask, metrics.gone_frames) == (0.5, 0.5, 3)
    assert metrics.gone_without_mask == pytest.approx(2 / 3)


def test_nothing_to_count_is_nan():
    metrics = movie_metrics([])
    assert metrics.objects == 0
    assert math.isnan(metrics.j)
    assert math.isnan(metrics.gone_without_mask)


def test_a_correction_is_a_positive_click_in_a_miss_and_a_negative_one_in_an_excess():
    truth = np.zeros((30, 30), bool)
    truth[5:14, 5:25] = True
    found = truth.copy()
    found[5:14, 5:12] = False  # 63 px are missing
    found[20:25, 3:8] = True  # 25 px too many
    click = corrective_click(truth, found)
    assert (click.yx, click.label) == ((8, 8), 1)
    found[18:28, 3:13] = True  # now the excess is larger
    click = corrective_click(truth, found)
    assert (click.yx, click.label) == ((22, 7), 0)
    assert corrective_click(truth, truth) is None


def test_regions_are_compared_one_by_one():
    truth = np.zeros((20, 40), bool)
    found = np.zeros_like(truth)
    truth[2:6, 2:6] = truth[12:16, 2:6] = truth[2:6, 12:16] = True  # three misses of 16 px
    found[10:15, 25:30] = True  # one excess of 25 px
    assert corrective_click(truth, found).label == 0


def test_a_miss_wins_a_tie():
    truth = np.zeros((20, 20), bool)
    found = np.zeros_like(truth)
    truth[2:7, 2:7], found[12:17, 12:17] = True, True
    assert corrective_click(truth, found).label == 1
