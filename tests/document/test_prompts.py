from __future__ import annotations

import numpy as np
import pytest

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
