"""Windows in one batch and one after the other: the same masks, the same places."""

from __future__ import annotations

import numpy as np
import pytest
from predictor_calls import rounding
from stand_ins import movie
from whole_frames import StandInPredictor

from sam2_core import PromptError, WindowedPredictor


class OneAfterTheOther(StandInPredictor):
    """The calls of a predictor, but many states are not run as one batch."""

    def __init__(self, predictor):
        self.image_size = predictor.image_size
        self.init_state = predictor.init_state
        self.add_new_points_or_box = predictor.add_new_points_or_box
        self.propagate_in_video = predictor.propagate_in_video


def story(predictor, frames):
    """Objects in windows of two sizes, one of them from frame 2 on; a correction, and a run back."""
    windowed = WindowedPredictor(predictor, 20.0)
    state = windowed.init_state(frames)
    for object_id, (x, y) in enumerate([(60, 50), (150, 80), (100, 120)], start=1):
        windowed.add_new_points_or_box(state, 0, object_id, points=[[x, y]], labels=[1])
    windowed.add_new_points_or_box(state, 2, 7, box=[20, 30, 100, 90])
    answers = list(windowed.propagate_in_video(state))
    windowed.add_new_points_or_box(state, 3, 2, points=[[150, 90]], labels=[0])
    answers += windowed.propagate_in_video(state, 4, 5, reverse=True)
    return state, answers


def test_objects_may_be_removed_between_two_frames(real):
    windowed = WindowedPredictor(real, 20.0)
    state = windowed.init_state(movie(6, seed=11))
    for object_id, (x, y) in enumerate([(60, 50), (150, 80)], start=1):
        windowed.add_new_points_or_box(state, np.int64(0), np.array(object_id), points=[[x, y]], labels=[1])
    assert [type(one) for one in state.obj_ids] == [int, int]
    assert len(set(state.views.values())) == 2
    going = windowed.propagate_in_video(state)
    next(going)
    windowed.remove_object(state, np.int64(1))
    assert next(going)[:2] == (1, [2])
    windowed.reset_state(state)
    assert list(going) == []
    for call in (
        lambda: windowed.add_new_points_or_box(state, 1.5, 1, points=[[60, 50]], labels=[1]),
        lambda: windowed.add_new_points_or_box(state, 1, None, points=[[60, 50]], labels=[1]),
        lambda: windowed.add_new_points_or_box(state, 6, 1, points=[[60, 50]], labels=[1]),
    ):
        with pytest.raises(PromptError, match=r"no whole number|does not exist"):
            call()
        assert state.obj_ids == []


def test_one_batch_of_windows_gives_what_one_after_the_other_does(real):
    frames = movie(6, seed=11)
    state, found = story(real, frames)
    other, expected = story(OneAfterTheOther(real), frames)
    assert state.obj_ids == [1, 2, 3, 7]
    assert len({view.source.height for view in state.views.values()}) == 2
    for object_id, view in state.views.items():
        assert view.source.places == other.views[object_id].source.places
    for (frame, ids, logits), (other_frame, other_ids, wanted) in zip(found, expected, strict=True):
        assert (frame, ids) == (other_frame, other_ids)
        bound = rounding(real)
        np.testing.assert_allclose(np.array(logits), np.array(wanted), atol=bound, rtol=bound)
