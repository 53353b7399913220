from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_sam2.document.prompt import typical_diameter
from napari_sam2.document.prompt_parts import cut_labels
from napari_sam2.session import Prompt, check_prompts, gathered
from sam2_core.errors import PromptError

SHAPE = (10, 60, 80)


def test_pieces_of_one_object_on_one_frame_are_joined_in_order():
    pieces = [
        Prompt(2, 0, ((1.0, 2.0),), (1,)),
        Prompt(1, 3, ((9.0, 9.0),), (1,)),
        Prompt(2, 0, ((3.0, 4.0),), (0,)),
        Prompt(2, 0, box_yx=(0.0, 0.0, 5.0, 5.0)),
    ]
    first, second = gathered(pieces)
    assert first == Prompt(2, 0, ((1.0, 2.0), (3.0, 4.0)), (1, 0), (0.0, 0.0, 5.0, 5.0))
    assert second.object_id == 1


def test_two_boxes_for_one_object_on_one_frame_are_refused():
    box = Prompt(2, 0, box_yx=(0.0, 0.0, 5.0, 5.0), origin="p.csv, row 3")
    with pytest.raises(PromptError, match=r"p\.csv, row 3: object 2, frame 0: there is already a box"):
        gathered([box, box])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"object_id": 0, "points_yx": ((1.0, 1.0),), "labels": (1,)}, "use 1 or more"),
        ({"object_id": 1, "points_yx": ((1.0, 1.0),)}, "1 points and 0 labels"),
        ({"object_id": 1, "points_yx": ((1.0, 1.0),), "labels": (2,)}, "label is 1"),
        ({"object_id": 1}, "no point, box or mask"),
    ],
)
def test_prompts_that_say_nothing_or_nonsense_are_refused(values, words):
    with pytest.raises(PromptError, match=words):
        Prompt(frame=0, **values)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (Prompt(1, 10, ((5.0, 5.0),), (1,)), "frames 0 to 9"),
        (Prompt(1, 0, ((60.0, 5.0),), (1,)), "60 high and 80 wide"),
        (Prompt(1, 0, ((5.0, -1.0),), (1,)), "x=-1 lies outside"),
        (Prompt(1, 0, box_yx=(5.0, 5.0, 5.0, 9.0)), "is empty"),
        (Prompt(1, 0, box_yx=(5.0, 5.0, 61.0, 9.0)), "reaches out"),
        (Prompt(1, 0, box_yx=(-0.6, 5.0, 60.0, 9.0)), "reaches out"),
        (Prompt(1, 0, mask=np.ones((4, 4), bool)), r"\(4, 4\).*\(60, 80\)"),
        (Prompt(1, 0, mask=np.zeros((60, 80), bool)), "mask is empty"),
    ],
)
def test_prompts_that_do_not_fit_the_movie_are_refused(prompt, words):
    with pytest.raises(PromptError, match=words):
        check_prompts([prompt], SHAPE)


def test_no_prompts_at_all_are_refused_and_good_ones_pass():
    with pytest.raises(PromptError, match="There are no prompts"):
        check_prompts([], SHAPE)
    check_prompts([Prompt(1, 9, ((59.0, 79.0),), (1,), (0.0, 0.0, 60.0, 80.0), np.ones((60, 80), bool))], SHAPE)


@pytest.mark.parametrize(
    ("said", "brought"),
    [((-0.5, 30.0), (0.0, 30.0)), ((59.4, -0.3), (59.0, 0.0)), ((3.25, 79.49), (3.25, 79.0)), ((59.0, 79.0),) * 2],
)
def test_a_click_in_the_outer_half_of_a_pixel_at_the_border_is_in_that_pixel(said, brought):
    clicked = check_prompts([Prompt(1, 0, (said,), (1,)), Prompt(2, 0, ((1.0, 1.0), said), (0, 1))], SHAPE)
    assert [prompt.points_yx for prompt in clicked] == [(brought,), ((1.0, 1.0), brought)]


@pytest.mark.parametrize("outside", [(-0.51, 5.0), (59.5, 5.0), (5.0, 79.6), (float("nan"), 5.0)])
def test_a_click_farther_out_is_refused(outside):
    with pytest.raises(PromptError, match="lies outside the image, which is 60 high and 80 wide"):
        check_prompts([Prompt(1, 0, (outside,), (1,))], SHAPE)


def test_a_box_that_begins_half_a_pixel_outside_begins_at_the_border():
    (boxed,) = check_prompts([Prompt(1, 0, box_yx=(-0.5, -0.2, 59.5, 80.0))], SHAPE)
    assert boxed.box_yx == (0.0, 0.0, 59.5, 80.0)
    with pytest.raises(PromptError, match="is empty"):
        check_prompts([Prompt(1, 0, box_yx=(-0.5, 0.0, 0.0, 9.0))], SHAPE)


def square(rows: slice) -> np.ndarray:
    mask = np.zeros((6, 8), bool)
    mask[rows] = True
    return mask


WHOLE = Prompt(1, 0, ((1.0, 2.0), (3.0, 4.0)), (1, 0), (0.0, 0.0, 5.0, 5.0), square(slice(0, 2)), origin="a.json")


@pytest.mark.parametrize(
    "other",
    [
        {"points_yx": ((1.0, 2.0), (3.0, 4.5))},
        {"labels": (1, 1)},
        {"box_yx": None},
        {"mask": None},
        {"mask": square(slice(0, 3))},
        {"frame": 1},
        {"object_id": 2},
    ],
)
def test_prompts_are_equal_where_they_say_the_same_pixels_included(other):
    again = replace(WHOLE, mask=square(slice(0, 2)), origin="elsewhere")
    assert again == WHOLE
    assert hash(again) == hash(WHOLE)
    assert replace(WHOLE, **other) != WHOLE


def test_a_prompt_is_made_of_parts_and_can_be_made_from_them():
    assert [part.kind for part in WHOLE.parts] == ["clicks", "box", "mask"]
    assert Prompt(1, 0, mask=square(slice(4, 5))).saying(WHOLE.parts) == WHOLE


def test_joining_takes_the_parts_of_both():
    other = Prompt(2, 7, ((5.0, 5.0),), (1,), (1.0, 1.0, 6.0, 4.0))
    joined = WHOLE.joined(other)
    assert joined == Prompt(1, 0, (*WHOLE.points_yx, (5.0, 5.0)), (1, 0, 1), (0.0, 0.0, 6.0, 5.0), WHOLE.mask)
    united = Prompt(1, 0, mask=square(slice(4, 5))).joined(WHOLE)
    np.testing.assert_array_equal(united.mask, square(slice(0, 2)) | square(slice(4, 5)))


def test_completing_adds_only_what_is_not_said():
    said = Prompt(1, 0, ((5.0, 5.0),), (1,))
    assert said.completed(WHOLE) == replace(WHOLE, points_yx=((5.0, 5.0),), labels=(1,))
    assert WHOLE.completed(said) == WHOLE


def test_only_more_clicks_extend_a_prompt():
    fewer = replace(WHOLE, points_yx=WHOLE.points_yx[:1], labels=(1,))
    assert WHOLE.extends(fewer)
    assert WHOLE.extends(replace(WHOLE, points_yx=(), labels=(), mask=WHOLE.mask.copy()))
    for no in (WHOLE, replace(fewer, labels=(0,)), replace(fewer, mask=None), replace(fewer, box_yx=None)):
        assert not WHOLE.extends(no)


def test_the_diameter_is_that_of_the_first_prompt_a_mask_before_a_box():
    disc = Prompt(1, 0, box_yx=(0.0, 0.0, 4.0, 9.0), mask=square(slice(0, 2)))
    assert typical_diameter([disc]) == pytest.approx((4 * 16 / np.pi) ** 0.5)
    assert typical_diameter([Prompt(1, 0, box_yx=(0.0, 0.0, 4.0, 9.0)), replace(disc, frame=3)]) == pytest.approx(6.0)
    assert typical_diameter([Prompt(1, 0, ((1.0, 1.0),), (1,))]) is None


@pytest.mark.parametrize("box", [(3, 9, 5, 30), (0, 60, 0, 80), (59, 60, 79, 80), (0, 0, 0, 0)])
def test_a_mask_is_kept_as_the_bits_of_its_box_and_read_as_an_array(box):
    y0, y1, x0, x1 = box
    pixels = np.zeros(SHAPE[1:], bool)
    pixels[y0:y1:2, x0:x1] = True
    prompt = Prompt(1, 0, mask=pixels)
    np.testing.assert_array_equal(prompt.mask, pixels)
    assert prompt.mask.dtype == bool
    assert len(prompt.drawn.packed) < 100
    assert prompt == Prompt(1, 0, mask=pixels.astype(int) * 3)
    assert hash(prompt) == hash(Prompt(1, 0, mask=pixels.copy()))
    pixels[30, 40] ^= True
    assert prompt != Prompt(1, 0, mask=pixels)
    assert prompt.drawn != Prompt(1, 0, mask=np.zeros((4, 4), bool)).drawn


def test_a_prompt_with_a_mask_can_be_changed_and_nobody_changes_its_pixels():
    pixels = np.eye(8, dtype=bool)
    prompt = Prompt(1, 0, mask=pixels)
    pixels[:] = False
    prompt.mask[:] = False
    moved = replace(prompt, object_id=2)
    assert moved == prompt.owned_by(2)
    np.testing.assert_array_equal(moved.mask, np.eye(8))
    assert replace(prompt, points_yx=((1.0, 1.0),), labels=(1,)).drawn == prompt.drawn
    assert Prompt(1, 0, ((1.0, 1.0),), (1,)).mask is None
    with pytest.raises(PromptError, match="plane"):
        Prompt(1, 0, mask=np.ones((2, 3, 4)))


def test_labels_are_cut_into_masks_whatever_their_numbers():
    labels = np.zeros((20, 30), np.uint32)
    labels[2:5, 3:9], labels[0, 0], labels[10:12, 5] = 7, 4_000_000_000, 3
    labels[15, 29] = 7
    found = cut_labels(labels)
    assert list(found) == [3, 7, 4_000_000_000]
    for value, mask in found.items():
        np.testing.assert_array_equal(mask.mask, labels == value)
