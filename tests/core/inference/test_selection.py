"""Some objects of a state as if they were all: the mapping by itself, and the calls of the predictor on it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from predictor_calls import rounding
from predictor_calls import run_by_object as run
from stand_ins import movie

from sam2_core import PromptError, SAM2VideoPredictor
from sam2_core.inference.memory.selection import Selected

PLACES = {1: (60, 50), 2: (150, 80), 3: (100, 120)}


@pytest.fixture(scope="module")
def predictor(model) -> SAM2VideoPredictor:
    return SAM2VideoPredictor(model)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return movie(8, seed=11)


def click(predictor, state, frame, object_id, label=1):
    return predictor.add_new_points_or_box(state, frame, object_id, points=[PLACES[object_id]], labels=[label])


def clicked(predictor, frames, *object_ids):
    state = predictor.init_state(frames)
    for object_id in object_ids:
        click(predictor, state, 0, object_id)
    return state


def test_a_selection_reads_and_writes_through() -> None:
    whole = {3: "c", 1: "a", 2: "b"}
    some = Selected(whole, [1, 3, 9])
    assert dict(some) == {3: "c", 1: "a"}
    assert len(some) == 2
    assert 2 not in some
    some[7] = "g"
    whole[9] = "i"
    assert list(some) == [3, 1, 7, 9]
    del some[3]
    assert whole == {1: "a", 2: "b", 7: "g", 9: "i"}
    with pytest.raises(PromptError, match=r"object 2 is not among the selected ones, \[1, 7, 9\]"):
        some[2] = "x"
    with pytest.raises(KeyError):
        del some[2]
    some.clear()
    assert whole == {2: "b"}


def test_a_selected_object_runs_as_if_it_were_alone(predictor, frames) -> None:
    alone = run(predictor, clicked(predictor, frames, 2))
    every = run(predictor, clicked(predictor, frames, 1, 2, 3))
    part = run(predictor, clicked(predictor, frames, 1, 2, 3).select([2]))
    for frame in range(8):
        assert list(part[frame]) == [2]
        np.testing.assert_array_equal(part[frame][2], alone[frame][2])
        bound = rounding(predictor)
        torch.testing.assert_close(part[frame][2], every[frame][2], atol=bound, rtol=bound)


def test_the_others_are_not_touched(predictor, frames) -> None:
    state = clicked(predictor, frames, 1, 2, 3)
    run(predictor, state.select([3, 1]))
    assert [list(tracked.bank.tracked) for tracked in state.objects.values()] == [list(range(1, 8)), [], [*range(1, 8)]]
    assert list(state.objects[2].pending) == [(0, True)]
    run(predictor, state.select([2]), 0, 3)
    assert list(state.objects[2].bank.tracked) == [1, 2]


def test_a_correction_through_a_selection_is_one_in_the_whole(predictor, frames) -> None:
    state, plain = clicked(predictor, frames, 1, 2), clicked(predictor, frames, 1)
    part = state.select([1])
    for each in (part, plain):
        run(predictor, each)
        click(predictor, each, 4, 1, label=0)
    frame, ids, logits = click(predictor, part, 5, 1)
    assert (frame, ids, len(logits)) == (5, [1], 1)
    click(predictor, plain, 5, 1)
    assert sorted(state.objects[1].prompts) == [0, 4, 5]
    one, other = run(predictor, part, 4), run(predictor, plain, 4)
    assert all(np.array_equal(one[frame][1], other[frame][1]) for frame in other)


def test_new_objects_appear_and_removed_ones_go(predictor, frames) -> None:
    state = clicked(predictor, frames, 1, 2)
    part = state.select([1, 3])
    assert part.obj_ids == [1]
    assert click(predictor, part, 0, 3)[1] == [1, 3]
    assert state.obj_ids == [1, 2, 3]
    assert state.objects[3] is part.objects[3]
    assert predictor.clear_all_prompts_in_frame(part, 0, 1)[1] == [1, 3]
    assert predictor.remove_object(part, 1)[0] == [3]
    assert state.obj_ids == [2, 3]
    predictor.reset_state(part)
    assert state.obj_ids == [2]


def test_objects_that_were_not_selected_are_out_of_reach(predictor, frames) -> None:
    state = clicked(predictor, frames, 1, 2)
    part = state.select([1])
    with pytest.raises(PromptError, match="object 2 is not among the selected ones"):
        click(predictor, part, 1, 2)
    with pytest.raises(PromptError, match=r"object 2 does not exist; there are \[1\]"):
        predictor.clear_all_prompts_in_frame(part, 0, 2)
    assert predictor.remove_object(part, 2) == ([1], [])
    assert list(state.objects[2].prompts) == [0]
