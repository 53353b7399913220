"""An object whose first click shows another size than was told is looked at again, through a window for that size."""

from __future__ import annotations

import numpy as np
import pytest
from bright_predictor import HEIGHT, RADIUS, WIDTH, BrightPredictor, Movie, click, masks, straight

from sam2_core import WindowedPredictor
from sam2_core.windowed.window import FARTHEST, NEAR, STEP, rescaled

TRUE_PX = 2 * RADIUS  # of the disc of equal area, too
FRAMES = 6


def windowed(told_px, second_look=True, shared=True):
    return WindowedPredictor(BrightPredictor(), told_px, span=0.28, shared=shared, second_look=second_look)


def clicked(predictor, **options):
    state = predictor.init_state(Movie(straight((60, 90), (2, 3), FRAMES), straight((120, 150), (1, -2), FRAMES)))
    predictor.add_new_points_or_box(state, 0, 1, points=[[90, 60]], labels=[1], **options)
    return state


def side(state, object_id=1):
    return state.views[object_id].source.height


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("share", [0.45, 0.6, 1.7, 2.2])
def test_a_wrong_size_ends_near_the_window_of_the_right_one(share, shared):
    right = side(clicked(windowed(TRUE_PX, second_look=False, shared=shared)))
    without = side(clicked(windowed(share * TRUE_PX, second_look=False, shared=shared)))
    found = side(clicked(windowed(share * TRUE_PX, shared=shared)))
    assert abs(np.log(found / right)) < 0.55 * np.log(STEP) < abs(np.log(without / right))


@pytest.mark.parametrize("share", [0.7, 1.0, 1.4])
def test_a_size_that_is_near_enough_is_left_as_it_is(share):
    plain, looking = (windowed(share * TRUE_PX, second_look=looks) for looks in (False, True))
    assert side(clicked(looking)) == side(clicked(plain))
    assert len(looking.predictor.states) == len(plain.predictor.states), "nothing is asked twice"


def test_what_is_found_is_whole_on_all_frames():
    predictor = windowed(0.4 * TRUE_PX)
    state = clicked(predictor)
    movie = state.movie
    for frame, by_id in masks(predictor.propagate_in_video(state)).items():
        np.testing.assert_array_equal(by_id[1], movie[frame] == 1)


def test_objects_that_are_looked_at_again_share_tiles_and_depend_on_themselves_alone():
    predictor = windowed(0.5 * TRUE_PX)
    both = clicked(predictor)
    click(predictor, both, 0, 2, 120, 150)
    alone = clicked(predictor)
    assert side(both, 1) == side(both, 2) == side(alone)
    assert both.views[1].source.window(0) == alone.views[1].source.window(0)
    assert all(view.tiling is not None for view in both.views.values())


def test_who_says_how_large_it_is_is_believed():
    predictor = windowed(0.5 * TRUE_PX)
    state = predictor.init_state(Movie(straight((60, 90), (2, 3), FRAMES)))
    usual = predictor.side_on((HEIGHT, WIDTH))
    drawn = np.zeros((HEIGHT, WIDTH), bool)
    drawn[57:63, 87:93] = True
    predictor.add_new_mask(state, 0, 1, drawn)
    predictor.add_new_points_or_box(state, 0, 2, box=(87, 57, 93, 63))
    assert side(state, 1) == side(state, 2) == usual


def test_the_window_is_the_same_where_no_answer_is_asked_for():
    predictor = windowed(0.5 * TRUE_PX)
    assert side(clicked(predictor, need_output=False)) == side(clicked(predictor)) != predictor.side_on((HEIGHT, WIDTH))
    state = predictor.init_state(Movie(straight((60, 90), (2, 3), FRAMES)))
    assert predictor.add_new_points_or_box(state, 0, 1, points=[[90, 60]], labels=[1], need_output=False) is None


def test_a_later_click_stays_in_the_window_that_was_chosen():
    predictor = windowed(0.5 * TRUE_PX)
    state = clicked(predictor)
    before = state.views[1]
    predictor.add_new_points_or_box(state, 0, 1, points=[[92, 61]], labels=[1], clear_old_points=False)
    assert state.views[1] is before


def test_a_click_that_was_taken_back_decides_nothing():
    movie = Movie(straight((60, 90), (2, 3), FRAMES))
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    movie.frames[5][np.hypot(rows - 100, columns - 200) <= 2.5 * RADIUS] = 7
    predictor = windowed(TRUE_PX)
    fresh, other = predictor.init_state(movie), predictor.init_state(movie)
    click(predictor, other, 0, 1, 60, 90)
    assert side(other) == predictor.side_on((HEIGHT, WIDTH))
    predictor.clear_all_prompts_in_frame(other, 0, 1, need_output=False)
    for state in (fresh, other):
        click(predictor, state, 5, 1, 100, 200)
    assert side(other) == side(fresh) > 1.5 * predictor.side_on((HEIGHT, WIDTH))


def test_steps_are_few_and_what_is_no_size_changes_nothing():
    assert rescaled(0.0) == rescaled(1 / NEAR) == rescaled(NEAR) == 1.0
    assert rescaled(100.0) == FARTHEST == 1 / rescaled(0.001)
    factors = {rescaled(ratio) for ratio in np.geomspace(0.2, 5, 500)}
    assert len(factors) <= 9
    assert all(1 / NEAR <= rescaled(ratio) / ratio <= NEAR for ratio in np.geomspace(0.42, 2.4, 100))
