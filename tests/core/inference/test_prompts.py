"""Prompts at the door: what is accepted, what it becomes, and what the errors say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from sam2_core.errors import PromptError
from sam2_core.inference.prompt_inputs import (
    checked_boxes,
    checked_points,
    mask_prompt,
    merge,
    point_prompt,
    to_model_points,
)

SIZE = (50, 200)  # height, width


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_lists_arrays_and_tensors_say_the_same(kind: Any) -> None:
    prompt = point_prompt(kind([[10, 20], [30.5, 40]]), kind([1, 0]), kind([1, 2, 3, 4]), SIZE)
    assert prompt.points_xy.tolist() == [[10, 20], [30.5, 40]]
    assert prompt.points_xy.dtype == np.float32
    assert prompt.labels.tolist() == [1, 0]
    assert prompt.labels.dtype == np.int32
    assert prompt.box_xyxy is not None
    assert prompt.box_xyxy.tolist() == [1, 2, 3, 4]


def test_box_alone_and_points_alone() -> None:
    box = point_prompt(None, None, [[1, 2], [3, 4]], SIZE)
    assert box.points_xy.shape == (0, 2)
    assert box.box_xyxy is not None
    assert box.box_xyxy.shape == (4,)
    assert point_prompt(torch.zeros(1, 3, 2), torch.ones(1, 3), None, SIZE).points_xy.shape == (3, 2)


@pytest.mark.parametrize(
    ("points", "labels", "box", "message"),
    [
        (None, None, None, "the prompt is empty"),
        ([], [], None, "no points"),
        ([[1, 2]], None, None, "labels are missing"),
        (None, [1], None, "points are missing"),
        ([1, 2], [1], None, r"shape \(2,\)"),
        ([[1, 2, 3]], [1], None, r"shape \(1, 3\)"),
        ([[[1, 2]], [[3, 4]]], [[1], [1]], None, r"one object takes \(N, 2\)"),
        ([[1, 2], [3]], [1, 1], None, "differing lengths"),
        ([["a", "b"]], [1], None, "expected numbers"),
        ([[1, 2]], [1, 0], None, "one label per point"),
        ([[1, 2]], [4], None, "label 4 is unknown"),
        ([[1, 2]], [0.5], None, r"label 0\.5 is unknown"),
        ([[1, 2]], [-2], None, "label -2 is unknown"),
        ([[np.nan, 2]], [1], None, "NaN"),
        ([[1, np.inf]], [1], None, "infinite"),
        ([[10, 20], [201, 20]], [1, 1], None, r"\(x=201, y=20\).*width 200 and height 50"),
        ([[10, 51]], [1], None, r"\(x=10, y=51\)"),
        ([[-1, 5]], [1], None, r"\(x=-1, y=5\)"),
        (None, None, [5, 5, 5, 9], "is empty"),
        (None, None, [5, 5, 2, 9], "is inverted"),
        (None, None, [5, 5, 9], r"shape \(3,\)"),
        (None, None, [], "four numbers"),
        (None, None, [5, 5, 9, np.nan], "NaN"),
        (None, None, [[1, 2, 3, 4], [1, 2, 3, 4]], "2 boxes for one object"),
        (None, None, [300, 5, 310, 9], "lies outside"),
    ],
)
def test_each_mistake_has_its_own_error(points: Any, labels: Any, box: Any, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        point_prompt(points, labels, box, SIZE)


def test_a_point_on_the_very_edge_is_inside() -> None:
    assert point_prompt([[0, 0], [200, 50]], [1, 1], None, SIZE).points_xy.shape == (2, 2)


def test_a_box_may_reach_over_the_edge() -> None:
    box = point_prompt(None, None, [-5, -5, 20, 20], SIZE).box_xyxy
    assert box is not None
    assert box.tolist() == [-5, -5, 20, 20]


def test_official_semantics_leave_only_image_and_number_unchecked() -> None:
    assert point_prompt([[500, 500]], [1], None, SIZE, strict=False).points_xy.tolist() == [[500, 500]]
    assert point_prompt(None, None, [300, 5, 310, 9], SIZE, strict=False).box_xyxy is not None
    assert point_prompt([], [], None, SIZE, strict=False).points_xy.shape == (0, 2)
    with pytest.raises(PromptError, match="the prompt is empty"):
        point_prompt(None, None, None, SIZE, strict=False)
    with pytest.raises(PromptError, match="label 7"):
        point_prompt([[500, 500]], [7], None, SIZE, strict=False)


def test_normalised_points_are_held_to_one() -> None:
    prompt = point_prompt([[0.5, 1.0]], [1], None, SIZE, normalized=True)
    assert to_model_points(prompt, SIZE, 256)[0].tolist() == [[[128.0, 256.0]]]
    with pytest.raises(PromptError, match=r"width 1 and height 1 \(normalised"):
        point_prompt([[0.5, 1.5]], [1], None, SIZE, normalized=True)


def test_model_reads_a_box_before_the_points() -> None:
    prompt = point_prompt([[100, 25]], [0], [0, 0, 200, 50], SIZE)
    points, labels = to_model_points(prompt, SIZE, 64)
    assert points.tolist() == [[[0, 0], [64, 64], [32, 32]]]
    assert labels.tolist() == [[2, 3, 0]]
    assert (points.dtype, labels.dtype) == (torch.float32, torch.int32)


def test_later_points_follow_the_earlier_ones() -> None:
    old = point_prompt([[10, 10]], [1], [0, 0, 20, 20], SIZE)
    new = point_prompt([[30, 10], [40, 10]], [0, 1], None, SIZE)
    labels = to_model_points(merge(old, new), SIZE, 64)[1]
    assert labels.tolist() == [[2, 3, 1, 0, 1]]
    assert merge(old, new).points_xy[:, 0].tolist() == [10, 30, 40]
    assert merge(None, new) is new


def test_a_box_must_be_the_first_prompt() -> None:
    box = point_prompt(None, None, [0, 0, 20, 20], SIZE)
    with pytest.raises(PromptError, match="clear_old_points=True"):
        merge(point_prompt([[10, 10]], [1], None, SIZE), box)
    with pytest.raises(ValueError, match="first prompt"):  # scripts written for the reference expect a ValueError
        merge(None, box)


def test_pixels_and_fractions_do_not_mix() -> None:
    pixels = point_prompt([[10, 10]], [1], None, SIZE)
    fractions = point_prompt([[0.1, 0.1]], [1], None, SIZE, normalized=True)
    with pytest.raises(PromptError, match="normalize_coords"):
        merge(pixels, fractions)


def test_batches_of_points_and_boxes_for_single_images() -> None:
    points, labels = checked_points([[[1, 2]], [[3, 4]]], [[1], [0]], (200, 50))
    assert points.shape == (2, 1, 2)
    assert labels.tolist() == [[1], [0]]
    assert checked_boxes([[1, 2, 3, 4], [5, 6, 7, 8]]).shape == (2, 4)
    assert checked_boxes([1, 2, 3, 4]).shape == (1, 4)
    two = np.arange(8).reshape(2, 4)
    assert all(np.array_equal(checked_boxes(boxes), two) for boxes in (two[None], two.reshape(2, 2, 2)))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_a_mask_is_where_the_array_is_not_zero(dtype: type) -> None:
    drawn = np.zeros(SIZE, dtype)
    drawn[10:20, 30:50] = 1
    assert mask_prompt(drawn, SIZE).mask.sum() == 200
    assert mask_prompt(torch.from_numpy(drawn), SIZE).mask.dtype == np.bool_


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((1, 50, 200)), r"shape \(1, 50, 200\)"),
        (np.zeros((200, 50)), "200 x 50 .*image 50 x 200"),
        (np.full(SIZE, np.nan), "NaN"),
        (np.full(SIZE, "a"), "type"),
        ([[1, 2], [3]], "differing lengths"),
        (None, "shape"),
    ],
)
def test_unusable_masks(mask: Any, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        mask_prompt(mask, SIZE)
