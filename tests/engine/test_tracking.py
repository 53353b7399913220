from __future__ import annotations

import numpy as np
import pytest
from disc_predictor import DiscPredictor

from napari_sam2.session import Prompt, Resume, labels_from_logits, plan_legs, track
from napari_sam2.stacks import ModelMovie, open_stack


@pytest.fixture
def movie():
    return ModelMovie(open_stack(np.zeros((10, 40, 60), np.uint8)).movie())


def run(predictor, movie, prompts, direction="forward", **options):
    legs = plan_legs(prompts, range(len(movie)), direction)
    return [result for leg in legs for result in track(predictor, movie, prompts, leg, **options)]


def centre_yx(labels, value):
    return tuple(np.argwhere(labels == value).mean(axis=0))


def test_each_object_is_labelled_with_its_id_and_followed(movie):
    prompts = [Prompt(3, 0, ((10.0, 12.0),), (1,)), Prompt(7, 0, ((30.0, 40.0),), (1,))]
    results = run(DiscPredictor(), movie, prompts)
    assert [result.frame_index for result in results] == list(range(10))
    assert set(np.unique(results[9].labels)) == {0, 3, 7}
    assert centre_yx(results[9].labels, 3) == (10.0, 21.0)
    assert results[0].labels.dtype == np.uint16


def test_points_and_boxes_reach_the_model_as_xy(movie):
    predictor = DiscPredictor()
    run(predictor, movie, [Prompt(1, 0, ((10.0, 12.0), (11.0, 13.0)), (1, 0), (4.0, 5.0, 20.0, 30.0))])
    (_, frame, object_id, points, labels, box) = predictor.calls[1]
    assert (frame, object_id, points.tolist(), labels.tolist()) == (0, 1, [[12.0, 10.0], [13.0, 11.0]], [1, 0])
    assert box.tolist() == [5.0, 4.0, 30.0, 20.0]


def test_a_mask_goes_in_before_the_points_drawn_over_it(movie):
    predictor = DiscPredictor()
    mask = np.zeros((40, 60), bool)
    mask[5:9, 5:9] = True
    run(predictor, movie, [Prompt(1, 0, ((6.0, 6.0),), (1,), mask=mask)])
    assert [call[0] for call in predictor.calls[:3]] == ["init_state", "mask", "points"]


def test_forward_an_object_is_absent_before_its_prompt(movie):
    results = run(DiscPredictor(), movie, [Prompt(1, 0, ((9.0, 9.0),), (1,)), Prompt(2, 4, ((30.0, 30.0),), (1,))])
    assert [2 in result.labels for result in results] == [False] * 4 + [True] * 6


def test_both_directions_give_every_object_on_every_frame(movie):
    prompts = [Prompt(1, 0, ((9.0, 9.0),), (1,)), Prompt(2, 4, ((30.0, 30.0),), (1,))]
    results = run(DiscPredictor(), movie, prompts, "both")
    assert [result.frame_index for result in results if result.leg == "backward"] == [3, 2, 1, 0]
    assert all(2 in result.labels and 1 not in result.labels for result in results if result.leg == "backward")


def test_backward_from_the_first_frame_still_gives_that_frame(movie):
    (result,) = run(DiscPredictor(), movie, [Prompt(1, 0, ((9.0, 9.0),), (1,))], "backward")
    assert result.frame_index == 0
    assert 1 in result.labels


def test_overlap_goes_to_the_higher_logit_and_hidden_objects_stay_out():
    logits = np.array([[[[2.0, 1.0, -1.0, 3.0]]], [[[1.0, 2.0, -2.0, 4.0]]]])
    assert labels_from_logits(logits, [5, 6], np.dtype(np.uint16)).tolist() == [[5, 6, 0, 6]]
    assert labels_from_logits(logits, [5, 0], np.dtype(np.uint16)).tolist() == [[5, 5, 0, 5]]


def test_tensors_are_taken_as_well_as_arrays():
    torch = pytest.importorskip("torch")
    logits = torch.tensor([[[[0.5, -0.5]]]], dtype=torch.bfloat16, requires_grad=True)
    assert labels_from_logits(logits, [9], np.dtype(np.uint16)).tolist() == [[9, 0]]


def test_large_ids_get_a_wider_type(movie):
    results = run(DiscPredictor(), movie, [Prompt(70_000, 0, ((9.0, 9.0),), (1,))])
    assert results[0].labels.dtype == np.uint32
    assert results[0].labels.max() == 70_000


def test_cancel_stops_after_the_frame_in_work(movie):
    seen = []
    predictor = DiscPredictor(on_frame=seen.append)
    results = run(predictor, movie, [Prompt(1, 0, ((9.0, 9.0),), (1,))], is_cancelled=lambda: len(seen) >= 4)
    assert [result.frame_index for result in results] == [0, 1, 2, 3]
    assert seen == [0, 1, 2, 3]


def test_resume_prompts_with_the_last_masks_and_the_original_prompts(movie):
    prompts = [Prompt(1, 0, ((9.0, 9.0),), (1,)), Prompt(2, 6, ((30.0, 30.0),), (1,))]
    whole = run(DiscPredictor(), movie, prompts)
    predictor = DiscPredictor()
    rest = run(predictor, movie, prompts, resume=Resume(4, whole[4].labels))
    assert [result.frame_index for result in rest] == [5, 6, 7, 8, 9]
    assert [call[:3] for call in predictor.calls[1:5]] == [
        ("points", 0, 1), ("points", 6, 2), ("mask", 4, 1), ("propagate", 4, 6)
    ]  # fmt: skip
    for old, new in zip(whole[5:], rest, strict=True):
        np.testing.assert_array_equal(old.labels, new.labels)


def test_resume_after_the_last_frame_has_nothing_left(movie):
    prompts = [Prompt(1, 0, ((9.0, 9.0),), (1,))]
    assert run(DiscPredictor(), movie, prompts, resume=Resume(9, np.zeros((40, 60), np.uint16))) == []
