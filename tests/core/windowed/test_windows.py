"""Windows that follow objects: with a predictor that finds bright discs, and with the smallest real model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bright_predictor import HEIGHT, RADIUS, WIDTH, BrightPredictor, Movie, click, masks, straight

from napari_sam2.stacks import ModelMovie, open_stack
from sam2_core import WindowedPredictor
from sam2_core.errors import PromptError


@pytest.fixture
def bright():
    return BrightPredictor()


@pytest.fixture
def windowed(bright):
    return WindowedPredictor(bright, object_diameter_px=2 * RADIUS, span=0.28, shared=False)


def test_a_disc_that_crosses_the_field_is_followed(windowed, bright):
    movie = Movie(straight((30, 20), (5, 8), 25))
    state = windowed.init_state(movie)
    click(windowed, state, 0, 1, 30, 20)
    found = masks(windowed.propagate_in_video(state))
    assert list(found) == list(range(25))
    for frame, by_id in found.items():
        np.testing.assert_array_equal(by_id[1], movie[frame] == 1)
    (shown,) = bright.states
    assert shown.frames.height == shown.frames.width == windowed.side < HEIGHT / 3


def test_without_following_the_disc_would_leave_the_window(windowed):
    state = windowed.init_state(Movie(straight((30, 20), (5, 8), 25)))
    click(windowed, state, 0, 1, 30, 20)
    first = state.views[1].source.window(0)
    assert not first.holds((212.0, 150.0, 213.0, 151.0))


def test_the_object_stays_in_the_middle_of_its_window(windowed, bright):
    movie = Movie(straight((60, 60), (3, 4), 20))
    state = windowed.init_state(movie)
    click(windowed, state, 0, 1, 60, 60)
    masks(windowed.propagate_in_video(state))
    for frame in range(1, 20):
        centre = state.views[1].source.window(frame).centre_xy
        assert np.abs(np.subtract(centre, (60 + 4 * frame, 60 + 3 * frame))).max() <= 1


def test_at_the_border_and_beyond(windowed):
    movie = Movie(straight((30, 20), (-4, -2), 20))
    state = windowed.init_state(movie)
    click(windowed, state, 0, 1, 30, 20)
    found = masks(windowed.propagate_in_video(state))
    for frame, by_id in found.items():
        np.testing.assert_array_equal(by_id[1], movie[frame] == 1)
    assert not found[19][1].any()
    assert state.views[1].source.window(19) == state.views[1].source.window(15)


def test_a_hidden_object_is_found_where_it_was_last_seen(windowed):
    path = straight((50, 50), (2, 2), 12)
    movie = Movie(path)
    movie.frames[5:8] = 0
    state = windowed.init_state(movie)
    click(windowed, state, 0, 1, 50, 50)
    found = masks(windowed.propagate_in_video(state))
    assert [found[frame][1].any() for frame in range(12)] == [True] * 5 + [False] * 3 + [True] * 4


class Still:
    """What moves in images that do not say it: nothing."""

    def step(self, frame, to_frame, place_xy):
        return None


class Leap:
    """Whatever is asked about moves by as much."""

    def __init__(self, right, down):
        self.way = right, down

    def step(self, frame, to_frame, place_xy):
        return self.way


def test_a_mask_that_jumps_moves_the_window_by_a_limited_step(windowed):
    state = windowed.init_state(Movie(straight((100, 60), (0, 0), 4)))
    click(windowed, state, 0, 1, 100, 60)
    view, logits = state.views[1], np.full((1, 1, windowed.side, windowed.side), -1.0)
    logits[0, 0, windowed.side // 2, -2] = 1.0
    view.follow(0, 1, logits, Still())
    before, after = view.source.window(0), view.source.window(1)
    assert after.x0 - before.x0 == round(0.35 * windowed.side)
    assert after.y0 == before.y0


def test_a_window_goes_along_with_a_long_step_of_what_it_shows_whether_its_object_is_seen_or_not(windowed):
    state = windowed.init_state(Movie(straight((100, 60), (0, 0), 4)))
    click(windowed, state, 0, 1, 100, 60)
    view, nothing = state.views[1], np.full((1, 1, windowed.side, windowed.side), -1.0)
    disc = nothing.copy()
    disc[0, 0, windowed.side // 2, windowed.side // 2] = 1.0
    view.follow(0, 1, disc, Leap(30.0, 20.0))
    view.follow(1, 2, nothing, Leap(30.0, 20.0))
    view.follow(2, 3, nothing, Still())
    assert [view.source.placed(frame).aim_xy for frame in range(4)] == [(60, 100), (90, 120), (120, 140), (120, 140)]
    assert [view.source.placed(frame).steps for frame in range(4)] == [0, 1, 2, 2]
    view.follow(0, 1, disc, Still())
    assert view.source.placed(1).steps == 0


def test_a_step_backwards_counts_against_one_forwards(windowed):
    state = windowed.init_state(Movie(straight((100, 60), (0, 0), 4)))
    click(windowed, state, 2, 1, 100, 60)
    view, nothing = state.views[1], np.full((1, 1, windowed.side, windowed.side), -1.0)
    view.follow(2, 1, nothing, Leap(-30.0, 0.0))
    view.follow(2, 3, nothing, Leap(30.0, 0.0))
    assert [view.source.placed(frame).steps for frame in (1, 2, 3)] == [-1, 0, 1]


def test_two_objects_have_windows_of_their_own_and_keep_their_ids(windowed, bright):
    movie = Movie(straight((40, 30), (2, 5), 15), straight((150, 220), (-2, -6), 15))
    state = windowed.init_state(movie)
    click(windowed, state, 0, 7, 40, 30)
    click(windowed, state, 0, 3, 150, 220)
    assert state.obj_ids == [7, 3]
    for frame, object_ids, logits in windowed.propagate_in_video(state):
        assert object_ids == [7, 3]
        assert logits.shape == (2, 1, HEIGHT, WIDTH)
        np.testing.assert_array_equal(logits[0][0] > 0, movie[frame] == 1)
        np.testing.assert_array_equal(logits[1][0] > 0, movie[frame] == 2)
    assert len(bright.states) == 2


def test_backward_and_absent_on_the_other_side_of_the_prompt(windowed):
    movie = Movie(straight((40, 30), (2, 7), 20))
    state = windowed.init_state(movie)
    click(windowed, state, 12, 1, 64, 114)
    backward = masks(windowed.propagate_in_video(state, start_frame_idx=15, reverse=True))
    assert list(backward) == list(range(15, -1, -1))
    assert [backward[frame][1].any() for frame in (15, 14, 13)] == [False] * 3
    forward = masks(windowed.propagate_in_video(state, start_frame_idx=3, max_frame_num_to_track=12))
    assert list(forward) == list(range(3, 15))
    assert not any(forward[frame][1].any() for frame in range(3, 12))
    for frame in range(13):
        np.testing.assert_array_equal(backward[frame][1], movie[frame] == 1)
    for frame in range(12, 15):
        np.testing.assert_array_equal(forward[frame][1], movie[frame] == 1)


def test_the_window_has_no_place_where_the_object_is_not_met(windowed):
    state = windowed.init_state(Movie(straight((40, 30), (2, 7), 12)))
    click(windowed, state, 8, 1, 56, 86)
    masks(windowed.propagate_in_video(state, start_frame_idx=2))
    assert [state.views[1].source.is_placed(frame) for frame in range(12)] == [False] * 8 + [True] * 4


def test_on_a_prompted_frame_the_window_stays_where_the_prompt_was_answered(windowed):
    movie = Movie(straight((100, 40), (0, 2), 10))
    movie.frames[5:] = np.roll(movie.frames[5:], 40, axis=2)
    state = windowed.init_state(movie)
    click(windowed, state, 0, 1, 100, 40)
    click(windowed, state, 5, 1, 100, 90)
    answered = state.views[1].source.window(5)
    found = masks(windowed.propagate_in_video(state))
    assert state.views[1].source.window(5) == answered
    np.testing.assert_array_equal(found[9][1], movie[9] == 1)


def test_a_correction_on_an_earlier_frame_is_seen_in_the_window_of_that_frame(windowed, bright):
    movie = Movie(straight((40, 30), (3, 6), 12))
    state = windowed.init_state(movie)
    click(windowed, state, 0, 1, 40, 30)
    masks(windowed.propagate_in_video(state))
    before = state.views[1].source.window(6)
    frame, object_ids, logits = click(windowed, state, 6, 1, 58, 66)
    assert (frame, object_ids) == (6, [1])
    assert state.views[1].source.window(6) == before
    assert bright.points[-1] == (6, [[66 - before.x0, 58 - before.y0]])
    np.testing.assert_array_equal(logits[0][0] > 0, movie[6] == 1)
    found = masks(windowed.propagate_in_video(state, start_frame_idx=6))
    assert state.views[1].source.window(6) == before
    np.testing.assert_array_equal(found[11][1], movie[11] == 1)


def test_a_correction_outside_the_window_hands_the_object_over(windowed, bright):
    movie = Movie(straight((40, 30), (0, 2), 12), straight((160, 220), (0, 0), 12))
    state = windowed.init_state(movie)
    click(windowed, state, 0, 1, 40, 30)
    masks(windowed.propagate_in_video(state))
    _, _, logits = click(windowed, state, 5, 1, 160, 220)
    np.testing.assert_array_equal(logits[0][0] > 0, movie[5] == 2)
    assert [frame for frame, _ in bright.points] == [0, 0, 5]
    found = masks(windowed.propagate_in_video(state, start_frame_idx=5))
    np.testing.assert_array_equal(found[11][1], movie[11] == 2)


def test_image_features_are_those_of_the_place_where_the_window_is_now(windowed, bright):
    movie = Movie(straight((40, 30), (0, 4), 8))
    state = windowed.init_state(movie)
    click(windowed, state, 0, 1, 40, 30)
    masks(windowed.propagate_in_video(state))
    features = bright.states[0].features
    features.put(5, "frame 5 as it was")
    masks(windowed.propagate_in_video(state))
    assert features.get(5) == "frame 5 as it was"
    movie.frames[4:] = np.roll(movie.frames[4:], 9, axis=1)
    state.movie = windowed.init_state(movie).movie
    state.views[1].source.movie = state.movie
    masks(windowed.propagate_in_video(state))
    assert features.get(5) is None


def test_a_box_or_mask_larger_than_usual_gets_a_larger_window(windowed, bright):
    movie = Movie(straight((100, 100), (0, 0), 2))
    state = windowed.init_state(movie)
    windowed.add_new_points_or_box(state, 0, 1, box=[60, 90, 140, 110])
    assert bright.states[-1].frames.height == 1.6 * 80
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[70:130, 95:105] = True
    windowed.add_new_mask(state, 0, 2, mask)
    assert bright.states[-1].frames.height == 1.6 * 60
    click(windowed, state, 0, 3, 100, 100)
    assert bright.states[-1].frames.height == windowed.side


def test_large_objects_share_whole_frames(bright):
    windowed = WindowedPredictor(bright, object_diameter_px=100)
    movie = Movie(straight((40, 30), (2, 5), 6), straight((150, 220), (-2, -6), 6))
    state = windowed.init_state(movie)
    click(windowed, state, 0, 1, 40, 30)
    click(windowed, state, 0, 2, 150, 220)
    assert len(bright.states) == 1
    assert (bright.states[0].frames.height, bright.states[0].frames.width) == (HEIGHT, WIDTH)
    found = masks(windowed.propagate_in_video(state))
    np.testing.assert_array_equal(found[5][2], movie[5] == 2)


def test_clicks_outside_the_object_are_kept_at_the_edge_of_the_window(windowed, bright):
    state = windowed.init_state(Movie(straight((100, 100), (0, 0), 2)))
    windowed.add_new_points_or_box(state, 0, 1, points=[[100, 100], [250, 100]], labels=[1, 0])
    window = state.views[1].source.window(0)
    assert bright.points[-1][1] == [[100 - window.x0, 100 - window.y0], [windowed.side - 1, 100 - window.y0]]


def test_fractions_of_the_frame_are_pixels_in_the_window(windowed, bright):
    state = windowed.init_state(Movie(straight((100, 65), (0, 0), 2)))
    windowed.add_new_points_or_box(state, 0, 1, points=[[0.25, 0.5]], labels=[1], normalize_coords=False)
    window = state.views[1].source.window(0)
    assert bright.points[-1][1] == [[65 - window.x0, 100 - window.y0]]


def test_what_is_wrong_is_said_in_terms_of_the_frame_and_changes_nothing(windowed):
    state = windowed.init_state(Movie(straight((100, 65), (0, 0), 2)))
    with pytest.raises(PromptError, match="nothing to propagate"):
        next(windowed.propagate_in_video(state))
    with pytest.raises(PromptError, match=r"x=300.*width 260"):
        click(windowed, state, 0, 1, 10, 300)
    with pytest.raises(PromptError, match="200 x 260"):
        windowed.add_new_mask(state, 0, 1, np.ones((5, 5)))
    with pytest.raises(PromptError, match="object 9 does not exist"):
        windowed.remove_object(state, 9, strict=True)
    assert state.obj_ids == []
    assert windowed.remove_object(state, 9) == ([], [])


def test_objects_are_removed_cleared_and_reset(windowed, bright):
    state = windowed.init_state(Movie(straight((40, 30), (2, 5), 6), straight((150, 220), (-2, -6), 6)))
    click(windowed, state, 0, 1, 40, 30)
    click(windowed, state, 0, 2, 150, 220)
    assert windowed.clear_all_prompts_in_frame(state, 0, 1, need_output=False) is None
    found = masks(windowed.propagate_in_video(state))
    assert not found[3][1].any()
    assert found[3][2].any()
    assert windowed.remove_object(state, 1) == ([2], [])
    windowed.reset_state(state)
    assert state.obj_ids == []


def test_closing_a_run_closes_the_runs_of_all_windows(windowed, bright):
    state = windowed.init_state(Movie(straight((40, 30), (2, 5), 6), straight((150, 220), (-2, -6), 6)))
    click(windowed, state, 0, 1, 40, 30)
    click(windowed, state, 0, 2, 150, 220)
    run = windowed.propagate_in_video(state)
    next(run)
    run.close()
    assert bright.closed == 2


def test_objects_that_begin_on_different_frames_are_followed_both_ways(windowed):
    movie = Movie(straight((40, 30), (2, 7), 12), straight((150, 220), (-2, -6), 12))
    state = windowed.init_state(movie)
    click(windowed, state, 0, 4, 40, 30)
    click(windowed, state, 6, 9, 138, 184)
    forward = masks(windowed.propagate_in_video(state, start_frame_idx=0, max_frame_num_to_track=12))
    backward = masks(windowed.propagate_in_video(state.select([9]), 6, 7, reverse=True))
    assert (list(forward), list(backward)) == (list(range(12)), list(range(6, -1, -1)))
    for frame, found in forward.items():
        np.testing.assert_array_equal(found[4], movie[frame] == 1)
        assert frame < 6 or np.array_equal(found[9], movie[frame] == 2)
    for frame, found in backward.items():
        np.testing.assert_array_equal(found[9], movie[frame] == 2)


@pytest.fixture
def noise():
    seed = 8
    print(f"seed {seed}")
    return np.random.default_rng(seed).integers(0, 5000, (6, 90, 120)).astype(np.uint16)


def steps(predictor, movie):
    """Play prompts, a run, a correction and a second run; return all logits as arrays."""
    state = predictor.init_state(movie)
    predictor.add_new_points_or_box(state, 0, 1, points=[[40, 30], [90, 60]], labels=[1, 0])
    predictor.add_new_points_or_box(state, 1, 2, box=[60, 40, 90, 70])
    runs = [list(predictor.propagate_in_video(state))]
    predictor.add_new_points_or_box(state, 3, 1, points=[[44, 33]], labels=[1])
    runs.append(list(predictor.propagate_in_video(state, start_frame_idx=4, reverse=True)))
    return [(frame, object_ids, np.asarray(logits)) for run in runs for frame, object_ids, logits in run]


def test_a_window_that_covers_everything_is_the_same_as_the_whole_frame(real, noise):
    movie = ModelMovie(open_stack(noise).movie())
    for (frame, object_ids, plain), (other, other_ids, seen) in zip(
        steps(real, movie), steps(WindowedPredictor(real, 60.0), movie), strict=True
    ):
        assert (frame, object_ids) == (other, other_ids)
        np.testing.assert_array_equal(plain, seen)


def test_a_window_that_stays_is_the_same_as_a_movie_of_that_part(real, noise):
    movie = ModelMovie(open_stack(noise).movie())
    windowed = WindowedPredictor(real, 10.0)
    state = windowed.init_state(movie)
    _, _, logits = click(windowed, state, 2, 5, 40, 60)
    window = state.views[5].source.window(2)
    rows, columns = window.region((90, 120))
    part = np.stack([movie[index][rows, columns] for index in range(6)])
    plain = real.init_state(part)
    _, _, expected = real.add_new_points_or_box(plain, 2, 5, points=[[60 - window.x0, 40 - window.y0]], labels=[1])
    np.testing.assert_array_equal(logits[0][:, rows, columns], expected[0].numpy())
    assert (np.delete(logits[0][0], np.arange(rows.start, rows.stop), axis=0) == -1024).all()


def test_real_windows_run_correct_and_run_again_on_stored_16_bit_frames(real, noise):
    windowed = WindowedPredictor(real, 8.0)
    answers = steps(windowed, noise)
    assert [frame for frame, _, _ in answers] == [0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0]
    assert all(logits.shape == (2, 1, 90, 120) and np.isfinite(logits).all() for _, _, logits in answers)
    state = windowed.init_state(noise)
    click(windowed, state, 0, 1, 30, 40)
    limits = state.views[1].state.frames.contrast_limits
    assert limits == real.init_state(noise).frames.contrast_limits


def test_the_smallest_model_gives_the_same_twice(real, noise):
    torch.manual_seed(0)
    first, second = (steps(WindowedPredictor(real, 8.0), noise) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one[2], other[2])
