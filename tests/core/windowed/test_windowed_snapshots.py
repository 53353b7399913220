"""Windowed tracking that went through a file goes on as if it had never stopped, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
from predictor_calls import through_files
from stand_ins import movie

from sam2_core import WindowedPredictor
from sam2_core.errors import CheckpointError, StackError

DIAMETERS = {"windows": 24.0, "whole frames": 90.0}


@pytest.fixture(params=DIAMETERS)
def windowed(real, request):
    return WindowedPredictor(real, DIAMETERS[request.param])


@pytest.fixture(scope="module")
def frames():
    return movie(9, seed=11)


@pytest.fixture
def through_file(windowed, frames, tmp_path):
    """Return the state that comes out of a file."""

    def go(state):
        return windowed.restore(frames, through_files(windowed.snapshot(state), tmp_path))

    return go


def left(state):
    return state


def click(predictor, state, frame, object_id, x, y, label=1, **options):
    return predictor.add_new_points_or_box(state, frame, object_id, points=[[x, y]], labels=[label], **options)


def forward(predictor, frames, pause):
    """Two objects, four frames, a correction, four more; a pause before the second run."""
    state = predictor.init_state(frames)
    click(predictor, state, 0, 7, 60, 50)
    predictor.add_new_points_or_box(state, 0, 3, box=[130, 60, 160, 90], points=[[150, 80]], labels=[1])
    list(predictor.propagate_in_video(state, 0, 4))
    click(predictor, state, 3, 7, 70, 60, label=0)
    state = pause(state)
    return state, list(predictor.propagate_in_video(state, 4, 4))


def backward(predictor, frames, pause):
    state = predictor.init_state(frames)
    mask = np.zeros(frames.shape[1:3], bool)
    mask[60:90, 40:70] = True
    predictor.add_new_mask(state, 8, 2, mask)
    click(predictor, state, 8, 1, 150, 80)
    list(predictor.propagate_in_video(state, 8, 4, reverse=True))
    state = pause(state)
    click(predictor, state, 5, 1, 155, 85, label=0)
    state = pause(state)
    return state, list(predictor.propagate_in_video(state, 4, 4, reverse=True))


def assert_same(one, other):
    assert [answer[:2] for answer in one] == [answer[:2] for answer in other]
    for (_, _, logits), (_, _, expected) in zip(one, other, strict=True):
        np.testing.assert_array_equal(np.array(logits), np.array(expected))


@pytest.mark.parametrize("story", [forward, backward])
def test_a_run_goes_on_as_if_it_had_never_stopped(windowed, frames, through_file, story):
    _, expected = story(windowed, frames, left)
    state, found = story(windowed, frames, through_file)
    assert len(found) == 4
    assert_same(found, expected)
    assert len(set(state.views.values())) == (1 if windowed.shows_whole(frames.shape[1:3]) else 2)


def test_without_a_correction_the_restored_half_is_that_of_one_long_run(windowed, frames, through_file):
    def start():
        state = windowed.init_state(frames)
        click(windowed, state, 0, 1, 60, 50)
        click(windowed, state, 0, 2, 150, 80)
        return state

    whole = list(windowed.propagate_in_video(start(), 0, 8))
    state = start()
    run = windowed.propagate_in_video(state)
    assert [next(run)[0] for _ in range(4)] == [0, 1, 2, 3]
    run.close()
    assert_same(list(windowed.propagate_in_video(through_file(state), 4, 4)), whole[4:])


def test_what_is_done_after_a_run_is_the_same_too(windowed, frames, through_file):
    def events(pause):
        state, _ = forward(windowed, frames, left)
        state = pause(state)
        answers = [click(windowed, state, 2, 3, 150, 90, clear_old_points=False)]
        answers += windowed.propagate_in_video(state, 6, reverse=True)
        answers.append(click(windowed, state, 5, 7, 200, 140))  # hands the object over
        answers.append(windowed.clear_all_prompts_in_frame(state, 3, 7))
        return answers + list(windowed.propagate_in_video(state))

    assert_same(events(through_file), events(left))


def test_a_snapshot_of_a_selection_holds_only_that(windowed, frames):
    state, _ = forward(windowed, frames, left)
    part = windowed.restore(frames, windowed.snapshot(state.select([3]), whole_frames=7))
    assert part.obj_ids == [3]
    expected = list(windowed.propagate_in_video(state.select([3]), 8))
    assert_same(list(windowed.propagate_in_video(part, 8)), expected)


def test_prompts_as_earlier_versions_wrote_them_are_read(windowed, frames):
    state, _ = backward(windowed, frames, left)
    snapshot = windowed.snapshot(state)
    for meta in snapshot.meta["objects"]:
        for call in meta["calls"]:
            del call["mask_size" if "mask" in call else "normalized"]
            if "mask" in call:
                del call["adds"]
    restored = windowed.restore(frames, snapshot)
    for object_id in (1, 2):  # handed over: all prompts are made again
        one, other = (click(windowed, each, 3, object_id, 10, 150) for each in (state, restored))
        assert_same([one], [other])


def test_long_steps_are_kept_and_earlier_versions_knew_of_none(real, frames, tmp_path):
    windowed = WindowedPredictor(real, DIAMETERS["windows"])
    jumping = np.stack([np.roll(frame, 30 * index, axis=1) for index, frame in enumerate(frames)])
    state = windowed.init_state(jumping)
    click(windowed, state, 0, 1, 60, 50)
    run = windowed.propagate_in_video(state)
    for _ in range(4):
        next(run)
    places = state.views[1].source.places
    assert places[-1][1].steps > 0
    snapshot = windowed.snapshot(state)
    assert windowed.restore(jumping, through_files(snapshot, tmp_path)).views[1].source.places == places
    snapshot.tensors["places/0"] = snapshot.tensors["places/0"][:, :3]
    without = windowed.restore(jumping, snapshot).views[1].source.places
    assert without == tuple((frame, place._replace(steps=0)) for frame, place in places)


def test_a_snapshot_that_does_not_fit_is_refused(windowed, real, frames):
    state, _ = forward(windowed, frames, left)
    snapshot = windowed.snapshot(state)
    with pytest.raises(StackError, match="num_frames is 9, here it is 8"):
        windowed.restore(frames[:8], snapshot)
    with pytest.raises(CheckpointError, match="its kind is windows, here it is state"):
        real.restore(frames, snapshot)
    with pytest.raises(CheckpointError, match="its kind is state, here it is windows"):
        windowed.restore(frames, real.snapshot(real.init_state(frames)))
    snapshot.meta["views"][0]["state"]["mem_dim"] = 64
    with pytest.raises(CheckpointError, match="its mem_dim is 64, here it is 8"):
        windowed.restore(frames, snapshot)
    del snapshot.tensors["places/0"]
    with pytest.raises(CheckpointError, match="incomplete, it has no 'places/0'"):
        windowed.restore(frames, snapshot)
