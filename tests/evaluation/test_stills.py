from __future__ import annotations

import numpy as np
import pytest
from truth_predictors import TruthImagePredictor, coordinates

from napari_sam2.evaluation.stills import Still, evaluate_still
from sam2_core.scoring.metrics import iou
from sam2_core.windowed.window import usual_span


@pytest.fixture
def still():
    """Two discs of radius 7 and one, large, of radius 20; typical is 7."""
    rows, columns = np.mgrid[:120, :200]
    labels = np.zeros((120, 200), np.uint16)
    for value, (y, x, radius) in enumerate([(12, 30, 7), (60, 60, 7), (70, 150, 20)], 1):
        labels[np.hypot(rows - y, columns - x) <= radius] = value
    return Still("discs", coordinates(120, 200), labels)


def test_a_perfect_predictor_reaches_one_with_every_prompt(still):
    results = list(evaluate_still(TruthImagePredictor(still.labels), still))
    assert [result.object_id for result in results] == [1, 2, 3]
    for result in results[:2]:
        assert result.ious == {"click": 1.0, "box": 1.0, "clicks3": 1.0}
        assert np.array_equal(result.mask.placed(still.labels.shape), still.labels == result.object_id)


def test_an_empty_predictor_reaches_zero(still):
    nothing = TruthImagePredictor(still.labels, lambda truth, asked: np.zeros_like(truth))
    for result in evaluate_still(nothing, still):
        assert set(result.ious.values()) == {0.0}


def test_truth_outside_the_window_counts_as_missed(still):
    large = next(r for r in evaluate_still(TruthImagePredictor(still.labels), still, ("click",)) if r.object_id == 3)
    assert large.ious["click"] == 1.0  # 41 px fit: 13.9 px are at most 0.3 of the window
    narrow = Still(still.name, still.image, still.labels, diameter_px=20 * usual_span(240))  # a window of 20 px
    large = next(r for r in evaluate_still(TruthImagePredictor(still.labels), narrow, ("click",)) if r.object_id == 3)
    assert large.ious["click"] == pytest.approx(400 / np.count_nonzero(still.labels == 3))


def test_one_click_asks_for_three_masks_and_more_for_one(still):
    predictor = TruthImagePredictor(still.labels, lambda truth, asked: truth & (np.arange(truth.shape[1]) % 2 > 0))
    list(evaluate_still(predictor, still, most=1))
    click, box, first, second, third = predictor.asked
    assert click[4] is True
    assert (box[4], box[0]) == (False, None)
    assert [len(asked[1]) for asked in (first, second, third)] == [1, 2, 3]
    assert [asked[4] for asked in (first, second, third)] == [True, False, False]
    assert np.all(second[3] == 1)  # the logits of the mask that was ranked first
    assert list(second[1]) == [1, 1]  # a miss: a positive click


def test_corrections_fall_on_the_error_also_where_the_window_leaves_the_image(still):
    """The window of a large diameter reaches over the image; clicks must hit the truth that is still missing."""
    wide = Still(still.name, still.image, still.labels, diameter_px=250 * usual_span(240))  # larger than the image

    def half(truth, asked):
        columns = np.nonzero(truth)[1]
        return truth & (np.arange(truth.shape[1]) <= np.median(columns))

    predictor = TruthImagePredictor(still.labels, half)
    list(evaluate_still(predictor, wide, ("clicks3",), most=None))
    for coordinates_xy, labels, *_ in predictor.asked[1:3]:
        x, y = (int(value) for value in coordinates_xy[-1])
        top, left = (120 - 250) // 2, (200 - 250) // 2
        assert labels[-1] == 1
        assert still.labels[y + top, x + left] == 1


def test_excess_is_corrected_by_a_negative_click(still):
    predictor = TruthImagePredictor(still.labels, lambda truth, asked: np.ones_like(truth))
    list(evaluate_still(predictor, still, ("clicks3",), most=1))
    assert [list(asked[1]) for asked in predictor.asked] == [[1], [1, 0], [1, 0, 0]]


def test_boxes_are_those_of_the_object(still):
    predictor = TruthImagePredictor(still.labels)
    list(evaluate_still(predictor, still, ("box",)))
    x0, y0, x1, y1 = predictor.asked[1][2]
    assert (x1 - x0, y1 - y0) == (14, 14)


def test_a_still_without_objects_gives_nothing():
    empty = Still("empty", coordinates(30, 30), np.zeros((30, 30), int))
    assert list(evaluate_still(TruthImagePredictor(empty.labels), empty)) == []
    assert iou(empty.labels > 0, empty.labels > 0) == 1.0
