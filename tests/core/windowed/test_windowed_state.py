"""Some objects of windowed tracking as if they were all, and points that add up, with the smallest real model."""

from __future__ import annotations

import numpy as np
import pytest
from predictor_calls import rounding
from predictor_calls import run_by_object as run

from sam2_core import WindowedPredictor
from sam2_core.errors import PromptError

PLACES_YX = {1: (30, 40), 2: (55, 75), 3: (60, 30)}
DIAMETERS = {"windows": 8.0, "whole frames": 60.0}


@pytest.fixture(params=DIAMETERS)
def windowed(real, request):
    return WindowedPredictor(real, DIAMETERS[request.param])


@pytest.fixture
def noise(rng):
    return rng.integers(0, 255, (5, 90, 120)).astype(np.uint8)


def click(predictor, state, frame, object_id, label=1, **options):
    y, x = PLACES_YX[object_id]
    return predictor.add_new_points_or_box(state, frame, object_id, points=[[x, y]], labels=[label], **options)


def clicked(predictor, frames, *object_ids):
    state = predictor.init_state(frames)
    for object_id in object_ids:
        click(predictor, state, 0, object_id)
    return state


def test_a_selected_object_runs_as_if_it_were_alone(windowed, noise):
    alone = run(windowed, clicked(windowed, noise, 2))
    every = run(windowed, clicked(windowed, noise, 1, 2, 3))
    part = run(windowed, clicked(windowed, noise, 1, 2, 3).select([2]))
    for frame in range(5):
        assert list(part[frame]) == [2]
        np.testing.assert_array_equal(part[frame][2], alone[frame][2])
        bound = rounding(windowed)
        np.testing.assert_allclose(part[frame][2], every[frame][2], atol=bound, rtol=bound)


def test_what_is_done_in_a_selection_happened_in_the_whole(windowed, noise):
    state, plain = clicked(windowed, noise, 1, 2), clicked(windowed, noise, 1)
    part = state.select([1, 3])
    for each in (part, plain):
        run(windowed, each)
        answer = click(windowed, each, 2, 1, label=0)
        assert answer[:2] == (2, [1])
        assert click(windowed, each, 0, 3)[1][-1] == 3
    assert state.obj_ids == [1, 2, 3]
    assert [call.frame for call in state.calls[1]] == [0, 2]
    one, other = run(windowed, part), run(windowed, plain)
    for frame in other:
        for object_id in (1, 3):
            np.testing.assert_allclose(one[frame][object_id], other[frame][object_id], atol=1e-4, rtol=1e-4)
    assert list(run(windowed, state)[3]) == [1, 2, 3]


def test_objects_that_were_not_selected_are_out_of_reach(windowed, noise):
    state = clicked(windowed, noise, 1, 2)
    part = state.select([1])
    with pytest.raises(PromptError, match="object 2 is not among the selected ones"):
        click(windowed, part, 1, 2)
    assert [call.frame for call in state.calls[2]] == [0]
    assert windowed.remove_object(part, 2) == ([1], [])
    assert windowed.clear_all_prompts_in_frame(part, 0, 1)[1] == [1]
    with pytest.raises(PromptError, match="there is nothing to propagate"):
        run(windowed, part)
    windowed.reset_state(part)
    assert state.obj_ids == [2]
    assert list(run(windowed, state)[4]) == [2]


def test_large_objects_share_whole_frames_whoever_adds_them(real, noise):
    windowed = WindowedPredictor(real, DIAMETERS["whole frames"])
    state = clicked(windowed, noise, 1)
    click(windowed, state.select([2]), 0, 2)
    assert state.views[1] is state.views[2]
    assert state.views[1].state.obj_ids == [1, 2]


def test_a_selection_of_a_selection(windowed, noise):
    state = clicked(windowed, noise, 1, 2, 3)
    part = state.select([3, 2]).select([2, 1])
    assert part.obj_ids == [2]
    assert list(run(windowed, part)[1]) == [2]


def test_points_add_up_or_replace_as_without_windows(real, noise):
    windowed = WindowedPredictor(real, 8.0)
    state = windowed.init_state(noise)
    first = click(windowed, state, 0, 1)[2]
    window = state.views[1].source.window(0)
    region = window.region((90, 120))
    plain = real.init_state(noise[:, *region])
    y, x = PLACES_YX[1][0] - window.y0, PLACES_YX[1][1] - window.x0
    real.add_new_points_or_box(plain, 0, 1, points=[[x, y]], labels=[1])
    for replaces, dx, label in ((False, 3, 0), (False, -2, 1), (True, 4, 1)):
        point = np.array([[PLACES_YX[1][1] + dx, PLACES_YX[1][0]]], np.float32)
        _, _, seen = windowed.add_new_points_or_box(state, 0, 1, point, [label], clear_old_points=replaces)
        _, _, expected = real.add_new_points_or_box(plain, 0, 1, [[x + dx, y]], [label], clear_old_points=replaces)
        np.testing.assert_array_equal(seen[0][:, *region], expected[0].numpy())
        assert not np.array_equal(seen[0], first[0])
    with pytest.raises(PromptError, match="a box must be the first prompt"):
        windowed.add_new_points_or_box(state, 0, 1, box=[38, 28, 44, 34], clear_old_points=False)
