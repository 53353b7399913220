from __future__ import annotations

import pytest

from napari_sam2.session import Prompt, checked_range, plan_legs
from sam2_core.errors import PromptError, StackError


def click(object_id, frame):
    return Prompt(object_id, frame, ((5.0, 5.0),), (1,))


def test_forward_runs_from_the_first_prompt_to_the_end_of_the_range():
    (leg,) = plan_legs([click(1, 3), click(2, 5)], range(10), "forward")
    assert (leg.frames, leg.begin, leg.reverse) == (range(3, 10), 3, False)
    assert [leg.shows(2, frame) for frame in (3, 4, 5, 9)] == [False, False, True, True]


def test_backward_runs_from_the_last_prompt_to_the_start():
    (leg,) = plan_legs([click(1, 3), click(1, 7)], range(2, 10), "backward")
    assert (list(leg.frames), leg.begin, leg.reverse) == ([7, 6, 5, 4, 3, 2], 7, True)
    assert leg.shows(1, 7)


def test_both_directions_cover_every_object_frame_once():
    prompts = [click(1, 0), click(2, 4), click(3, 5), click(3, 8)]
    forward, backward = plan_legs(prompts, range(10), "both")
    for object_id in (1, 2, 3):
        for frame in range(10):
            deciding = [leg for leg in (forward, backward) if frame in leg.frames and leg.shows(object_id, frame)]
            assert len(deciding) == 1, (object_id, frame)
    assert (list(backward.frames), backward.begin) == ([4, 3, 2, 1, 0], 5)
    assert set(backward.anchors) == {2, 3}


def test_both_directions_from_the_first_frame_need_no_second_run():
    assert len(plan_legs([click(1, 0), click(2, 0)], range(10), "both")) == 1


def test_a_prompt_outside_the_range_is_refused():
    with pytest.raises(PromptError, match=r"object 2, frame 1: .* 3 to 9"):
        plan_legs([click(1, 3), click(2, 1)], range(3, 10), "forward")


def test_what_is_left_of_a_leg_keeps_its_objects():
    (leg,) = plan_legs([click(1, 3)], range(10), "backward")
    rest = leg.from_frame(1)
    assert (list(rest.frames), rest.begin, rest.anchors) == ([1, 0], 1, {1: 3})


@pytest.mark.parametrize(("start", "stop"), [(5, 5), (-1, 3), (0, 11), (10, None), (4, 2)])
def test_impossible_ranges_are_refused(start, stop):
    with pytest.raises(StackError, match="10 frames"):
        checked_range(10, start, stop)


def test_range_defaults_to_the_whole_movie():
    assert checked_range(10, None, None) == range(10)
    assert checked_range(10, 2, 5) == range(2, 5)
