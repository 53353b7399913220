"""A run leaves an object alone from where nothing changes any more, and only there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from predictor_calls import run
from stand_ins import movie

from sam2_core import SAM2VideoPredictor

FRAMES = 14
FIRST, SECOND = (35, 112), (38, 191)  # y, x of two discs of the movie on frame 0
OTHER = (100, 71)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return movie(FRAMES, seed=11)


def disc(y: int, x: int, radius: int = 14) -> np.ndarray:
    yy, xx = np.mgrid[:160, :224]
    return np.hypot(yy - y, xx - x) < radius


def begun(model, frames, **options):
    """Return a predictor and a state with two objects, tracked to the end."""
    predictor = SAM2VideoPredictor(model, **options)
    state = predictor.init_state(frames)
    predictor.add_new_mask(state, 0, 1, disc(*FIRST))
    predictor.add_new_mask(state, 0, 2, disc(*SECOND))
    run(predictor, state)
    return predictor, state


def assert_same(one, other) -> None:
    """The same logits but for what the size of a batch makes of them, and the same masks but for a pixel or two."""
    assert one.keys() == other.keys()
    assert sum(bool((logits > 0).any()) for logits in one.values()) > 1
    for frame, logits in one.items():
        assert int(((logits > 0) != (other[frame] > 0)).sum()) <= 2
        torch.testing.assert_close(logits, other[frame], atol=2e-3, rtol=1e-4)


def test_an_object_of_which_nothing_changed_rests_and_the_answers_are_those_of_a_full_run(nano, frames, tracked):
    answers = []
    for option in (None, 3):
        predictor, state = begun(nano, frames, stop_when_unchanged=option)
        predictor.add_new_mask(state, 0, 1, disc(*FIRST))
        tracked.clear()
        answers.append(run(predictor, state.select([1])))
        assert sum(tracked) == (FRAMES - 1 if option is None else 3)
    assert_same(*answers)


def test_a_correction_that_the_next_run_overwrites_stops_it_early(nano, frames, tracked):
    """In the official reading a prompt on a tracked frame does not condition; a run over that frame tracks it anew."""
    answers = []
    for option in (None, 4):
        predictor, state = begun(nano, frames, semantics="official", stop_when_unchanged=option)
        before = run(predictor, state)
        predictor.add_new_points_or_box(state, 5, 1, points=[FIRST[::-1]], labels=[0])
        tracked.clear()
        answers.append(run(predictor, state.select([1]), 5))
        assert sum(tracked) == (FRAMES - 5 if option is None else 5)
    assert_same(*answers)
    assert_same(answers[1], {frame: logits[:1] for frame, logits in before.items() if frame >= 5})


def test_a_correction_that_changes_masks_is_carried_to_the_end(nano, frames, tracked):
    answers = []
    for option in (None, 3):
        predictor, state = begun(nano, frames, stop_when_unchanged=option)
        predictor.add_new_mask(state, 1, 1, disc(*SECOND))
        tracked.clear()
        answers.append(run(predictor, state.select([1]), 1))
        assert sum(tracked) == FRAMES - 2
    assert_same(*answers)


def test_each_object_rests_by_itself(nano, frames, tracked):
    answers = []
    for option in (None, 3):
        predictor, state = begun(nano, frames, stop_when_unchanged=option)
        predictor.add_new_mask(state, 0, 1, disc(*OTHER))
        tracked.clear()
        answers.append(run(predictor, state))
    assert sum(tracked) == FRAMES - 1 + 3  # object 2 did not change
    assert_same(*answers)


def test_no_object_rests_before_a_later_prompt_that_changed(nano, frames):
    answers = []
    for option in (None, 4):  # as many as follow frame 9: what looks the same there may rest
        predictor, state = begun(nano, frames, stop_when_unchanged=option)
        predictor.add_new_mask(state, 0, 1, disc(*FIRST))
        predictor.add_new_mask(state, 9, 1, disc(*OTHER))
        answers.append(run(predictor, state))
    assert_same(*answers)


@pytest.mark.parametrize("restored", [False, True])
@pytest.mark.parametrize("start", [0, 1])
def test_what_a_closed_run_has_not_reached_stays_outdated(nano, frames, restored, start):
    answers = []
    for option in (None, 3):
        predictor, state = begun(nano, frames, stop_when_unchanged=option)
        predictor.add_new_mask(state, 0, 1, disc(*OTHER))
        run(predictor, state, start, 7)
        if restored:
            state = predictor.restore(frames, predictor.snapshot(state))
        answers.append(run(predictor, state, start))
    assert_same(*answers)


def test_frames_that_were_never_tracked_are_computed(nano, frames, tracked):
    predictor = SAM2VideoPredictor(nano, stop_when_unchanged=2)
    state = predictor.init_state(frames)
    predictor.add_new_mask(state, 0, 1, disc(*FIRST))
    run(predictor, state, 0, 8)
    tracked.clear()
    answer = run(predictor, state)
    assert sum(tracked) == 2 + FRAMES - 8
    assert_same(answer, {frame: logits[:1] for frame, logits in run(*begun(nano, frames)).items()})


def test_a_run_the_other_way_compares_with_none_of_this_one(nano, frames, tracked):
    predictor = SAM2VideoPredictor(nano, stop_when_unchanged=2)
    state = predictor.init_state(frames)
    predictor.add_new_mask(state, 7, 1, disc(*FIRST))
    run(predictor, state)
    tracked.clear()
    run(predictor, state, 7, reverse=True)
    run(predictor, state, 7, reverse=True)
    assert sum(tracked) == 7 + 2


def test_masks_that_overlap_enough_agree(nano, frames, tracked):
    predictor, state = begun(nano, frames, stop_when_unchanged=3, unchanged_iou=0.0)
    predictor.add_new_mask(state, 0, 1, disc(*OTHER))
    tracked.clear()
    run(predictor, state.select([1]))
    assert sum(tracked) == 3


def test_a_number_of_frames_below_one_is_refused(nano):
    with pytest.raises(ValueError, match="stop_when_unchanged is 0"):
        SAM2VideoPredictor(nano, stop_when_unchanged=0)
