"""A state that went through a file goes on as if it had never stopped, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from predictor_calls import through_files
from stand_ins import movie

from sam2_core import CheckpointError, SAM2VideoPredictor, StackError
from sam2_core.inference.memory.memory_bank import PackedMask


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return movie(10, seed=11)


@pytest.fixture(params=["interactive", "official"])
def predictor(model, request) -> SAM2VideoPredictor:
    return SAM2VideoPredictor(model, semantics=request.param)


@pytest.fixture
def through_file(predictor, frames, tmp_path):
    """Return the state that comes out of a file."""

    def go(state, **options):
        return predictor.restore(frames, through_files(predictor.snapshot(state, **options), tmp_path))

    return go


def left(state):
    return state


def click(predictor, state, frame, object_id, x, y, label=1):
    predictor.add_new_points_or_box(state, frame, object_id, points=[[x, y]], labels=[label])


def count(predictor, frames):
    """Return the number to give for so many frames: the official reading yields one more."""
    return frames - (predictor.options.semantics == "official")


def forward(predictor, frames, pause):
    """Two objects, four frames, a correction, four more; a pause before the second run."""
    state = predictor.init_state(frames)
    click(predictor, state, 0, 7, 60, 50)
    predictor.add_new_points_or_box(state, 0, 3, box=[130, 60, 170, 100], points=[[150, 80]], labels=[1])
    list(predictor.propagate_in_video(state, 0, count(predictor, 4)))
    click(predictor, state, 3, 7, 100, 110, label=0)
    state = pause(state)
    return state, list(predictor.propagate_in_video(state, 4, count(predictor, 4)))


def backward(predictor, frames, pause):
    state = predictor.init_state(frames)
    mask = np.zeros(frames.shape[1:3], bool)
    mask[60:100, 40:80] = True
    predictor.add_new_mask(state, 9, 2, mask)
    click(predictor, state, 9, 1, 150, 80)
    list(predictor.propagate_in_video(state, 9, count(predictor, 4), reverse=True))
    state = pause(state)
    click(predictor, state, 6, 1, 100, 110, label=0)
    state = pause(state)
    return state, list(predictor.propagate_in_video(state, 5, count(predictor, 4), reverse=True))


def assert_same(one, other):
    assert [answer[:2] for answer in one] == [answer[:2] for answer in other]
    for (frame, _, logits), (_, _, expected) in zip(one, other, strict=True):
        assert torch.equal(logits, expected), f"frame {frame}"


@pytest.mark.parametrize("story", [forward, backward])
def test_a_run_goes_on_as_if_it_had_never_stopped(predictor, frames, through_file, story) -> None:
    _, expected = story(predictor, frames, left)
    _, found = story(predictor, frames, through_file)
    assert len(found) == 4
    assert_same(found, expected)


def test_without_a_correction_the_restored_half_is_that_of_one_long_run(predictor, frames, through_file) -> None:
    def start():
        state = predictor.init_state(frames)
        click(predictor, state, 0, 1, 60, 50)
        click(predictor, state, 0, 2, 150, 80)
        return state

    whole = list(predictor.propagate_in_video(start(), 0, count(predictor, 8)))
    state = start()
    list(predictor.propagate_in_video(state, 0, count(predictor, 4)))
    assert_same(list(predictor.propagate_in_video(through_file(state), 4, count(predictor, 4))), whole[4:])


def test_a_small_snapshot_is_enough_to_go_on_where_a_run_stopped(predictor, frames, through_file) -> None:
    def events(pause):
        state = predictor.init_state(frames)
        click(predictor, state, 0, 1, 60, 50)
        list(predictor.propagate_in_video(state, 0, count(predictor, 9)))
        return list(predictor.propagate_in_video(pause(state), 9))

    assert_same(events(lambda state: through_file(state, whole_frames=7)), events(left))


def test_what_is_done_after_a_run_is_the_same_too(predictor, frames, through_file) -> None:
    def events(pause):
        state, _ = forward(predictor, frames, left)
        state = pause(state)
        answer = predictor.add_new_points_or_box(state, 2, 3, [[150, 90]], [1], clear_old_points=False)
        again = list(predictor.propagate_in_video(state, 6, reverse=True))
        cleared = predictor.clear_all_prompts_in_frame(state, 3, 7)
        return [answer, *again, cleared, *predictor.propagate_in_video(state)]

    assert_same(events(through_file), events(left))


def test_frames_that_were_packed_stay_packed(model, frames) -> None:
    predictor = SAM2VideoPredictor(model)
    state, _ = forward(predictor, frames, left)
    (tracked, _) = state.objects.values()
    tracked.bank.tracked[1] = tracked.bank.tracked[1].packed()
    size = {name: array.nbytes for name, array in predictor.snapshot(state).tensors.items()}
    assert size["0/packed/bits"] == 16 * 16 / 8
    assert sum(size.values()) < 60_000
    small = predictor.snapshot(state, whole_frames=2)
    restored = predictor.restore(frames, small).objects[7].bank
    whole = [frame for frame, entry in restored.tracked.items() if not isinstance(entry.mask, PackedMask)]
    assert whole == [6, 7]
    assert sorted(restored.tracked) == [1, 2, 4, 5, 6, 7]
    for frame, entry in restored.tracked.items():
        assert torch.equal(entry.low_res_logits > 0, tracked.bank.tracked[frame].low_res_logits > 0)
        assert torch.equal(entry.object_pointer, tracked.bank.tracked[frame].object_pointer)


def test_an_empty_state_has_a_snapshot(predictor, frames, through_file) -> None:
    state = through_file(predictor.init_state(frames))
    assert state.obj_ids == []
    click(predictor, state, 0, 1, 60, 50)
    assert len(list(predictor.propagate_in_video(state))) == 10


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("image_size", 1024, "its image_size is 1024, here it is 64; load the model"),
        ("mem_dim", 64, "its mem_dim is 64, here it is 8"),
        ("model", "sam2.1_hiera_t", "its model is sam2.1_hiera_t, here it is tiny"),
        ("version", 99, "its version is 99, here it is 1"),
        ("semantics", "other", "its semantics is other"),
    ],
)
def test_a_snapshot_of_another_model_is_refused(predictor, frames, key, value, message) -> None:
    snapshot = predictor.snapshot(predictor.init_state(frames))
    snapshot.meta[key] = value
    with pytest.raises(CheckpointError, match=message):
        predictor.restore(frames, snapshot)


def test_a_snapshot_of_other_frames_or_with_holes_is_refused(predictor, frames) -> None:
    state, _ = forward(predictor, frames, left)
    snapshot = predictor.snapshot(state)
    with pytest.raises(StackError, match="num_frames is 10, here it is 9"):
        predictor.restore(frames[:9], snapshot)
    with pytest.raises(StackError, match=r"size is \[160, 224\], here it is \[160, 200\]"):
        predictor.restore(frames[:, :, :200], snapshot)
    del snapshot.tensors["0/recent"]
    with pytest.raises(CheckpointError, match="incomplete, it has no 'recent'"):
        predictor.restore(frames, snapshot)
