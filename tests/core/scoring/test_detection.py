"""AP, F1 and SEG: worked out by hand, and the numbers of StarDist's own implementation on label images drawn here."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sam2_core.scoring.detection import (
    AP_THRESHOLDS,
    ScoreBin,
    calibration,
    detection_metrics,
    frame_detection,
    matched_pairs,
    pair_ious,
    rightly_found,
)


def strip(*values: int) -> np.ndarray:
    return np.array([values], np.int32)


def test_ious_of_every_pair_whatever_the_ids_are():
    truth = strip(7, 7, 7, 0, 0, 2, 2, 0)
    found = strip(0, 9, 9, 9, 0, 9, 4, 4)
    pairs = pair_ious(truth, found)
    assert pairs.truth_ids.tolist() == [2, 7]
    assert pairs.found_ids.tolist() == [4, 9]
    assert pairs.ious.tolist() == [[1 / 3, 1 / 5], [0, 2 / 5]]
    assert pairs.covered.tolist() == [[1 / 2, 1 / 2], [0, 2 / 3]]


def test_objects_are_paired_one_to_one_and_as_many_as_possible():
    ious = np.array([[0.9, 0.6], [0.6, 0.0]])  # the best pair alone would leave one out
    assert matched_pairs(ious, 0.5).tolist() == [[0, 1], [1, 0]]
    assert matched_pairs(ious, 0.7).tolist() == [[0, 0]]
    assert matched_pairs(np.array([[0.5]]), 0.5).tolist() == [[0, 0]]  # at least, not above
    assert matched_pairs(np.zeros((0, 3)), 0.5).shape == (0, 2)


def test_one_hit_one_miss_one_extra():
    truth = strip(1, 1, 1, 1, 0, 2, 2, 0, 0, 0)
    found = strip(0, 5, 5, 5, 0, 0, 0, 0, 6, 6)  # IoU 3/4; nothing; an extra
    frame = frame_detection(truth, found)
    assert frame.matched == (1, 1, 1, 1, 1, 1, 0, 0, 0, 0)
    assert (frame.truth, frame.found) == (2, 2)
    assert frame.ap(0) == pytest.approx(1 / 3)
    assert frame.f1 == pytest.approx(1 / 2)
    metrics = detection_metrics([frame])
    assert (metrics.ap50, metrics.ap75) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert metrics.ap == pytest.approx(6 / 10 / 3)
    assert metrics.seg == pytest.approx((3 / 4 + 0) / 2)


def test_seg_asks_for_more_than_half_of_the_truth():
    half = frame_detection(strip(1, 1, 1, 1), strip(2, 2, 0, 0))
    assert half.seg_ious == (0.0,)
    assert half.matched[0] == 1
    large = frame_detection(strip(1, 1, 1, 0, 0, 0, 0, 0), strip(2, 2, 2, 2, 2, 2, 2, 2))
    assert large.seg_ious == (3 / 8,)
    assert large.matched[0] == 0


def test_frames_weigh_the_same_in_ap_and_objects_in_seg():
    good, empty = frame_detection(strip(1, 0, 2, 0), strip(3, 0, 4, 0)), frame_detection(strip(1, 0), strip(0, 0))
    metrics = detection_metrics([good, empty])
    assert (metrics.frames, metrics.truth, metrics.found) == (2, 3, 2)
    assert metrics.ap50 == metrics.f1 == 0.5
    assert metrics.seg == pytest.approx(2 / 3)


def test_nothing_where_nothing_is_is_right_and_something_is_wrong():
    nothing = np.zeros((3, 4), np.uint16)
    assert detection_metrics([frame_detection(nothing, nothing)]).ap == 1.0
    assert detection_metrics([frame_detection(nothing, nothing + 1)]).ap50 == 0.0
    assert math.isnan(detection_metrics([]).ap50)
    assert math.isnan(detection_metrics([frame_detection(nothing, nothing)]).seg)


def squares() -> tuple[np.ndarray, np.ndarray]:
    """36 squares, and what was found of them: shrunk, missed, merged, with ids of their own."""
    truth = np.zeros((72, 72), np.int32)
    found = np.zeros_like(truth)
    for number in range(36):
        y, x = 12 * (number // 6) + 1, 12 * (number % 6) + 1
        truth[y : y + 10, x : x + 10] = 3 * number + 5
        if number % 7 != 6:
            found[y + number % 4 : y + 10, x : x + 10 - number // 9] = 100 - number
    found[1:11, 60:71] = 0
    found[37:40, 37:57] = 200
    return truth, found


def test_the_numbers_of_a_published_implementation():
    """Those that `stardist.matching.matching` (stardist 650d3a1) gives for the same two images."""
    frame = frame_detection(*squares())
    assert (frame.truth, frame.found) == (36, 31)
    assert frame.matched == (28, 28, 23, 17, 17, 10, 10, 6, 6, 3)
    accuracy = [0.717949, 0.717949, 0.522727, 0.34, 0.34, 0.175439, 0.175439, 0.098361, 0.098361, 0.046875]
    assert [frame.ap(index) for index in range(len(AP_THRESHOLDS))] == pytest.approx(accuracy, abs=1e-6)
    assert frame.f1 == pytest.approx(0.835821, abs=1e-6)
    rolled = np.zeros((100, 100), np.int32)  # of its documentation: ten rows of ten, rolled by five
    rolled[10:20, 10:20] = 1
    moved = frame_detection(rolled, np.roll(rolled, 5, axis=0))
    assert (moved.matched[0], moved.ap(0), moved.f1) == (0, 0.0, 0.0)


def test_scores_are_worth_the_share_that_is_right():
    assert rightly_found(strip(1, 1, 0, 2, 2, 2), strip(7, 7, 0, 8, 0, 0)) == {7}
    bins = calibration([0.82, 0.88, 0.12, 1.0, 0.9], [True, False, False, True, True], bins=10)
    assert bins == (
        ScoreBin(0.1, 0.2, 1, pytest.approx(0.12), 0.0),
        ScoreBin(0.8, 0.9, 2, pytest.approx(0.85), 0.5),
        ScoreBin(0.9, 1.0, 2, pytest.approx(0.95), 1.0),
    )
    assert calibration([], []) == ()
