"""What a run reads and leaves in the memory of an object, and what is there again when a correction is taken back."""

from __future__ import annotations

import pytest
import torch

from sam2_core import WindowedPredictor
from sam2_core.inference.features import LruFeatures
from sam2_core.inference.frames.opened_frames import open_frames
from sam2_core.inference.memory.inference_state import InferenceState, TrackedObject
from sam2_core.inference.memory.memory_bank import MemoryBank, MemoryEntry


def entry(score=0.0):
    return MemoryEntry(torch.zeros(1, 4, 4), torch.zeros(2), torch.tensor([score]))


A, B, C, D, E, F = (entry(float(number)) for number in range(6))


def tracked_object(tracked, conditioning=()):
    bank = MemoryBank()
    bank.tracked.update(tracked)
    bank.conditioning.update(conditioning)
    return TrackedObject(bank)


def state_of(rng, **objects):
    state = InferenceState(open_frames(rng.integers(0, 9, (3, 8, 8)).astype("u1")), LruFeatures(), torch.device("cpu"))
    state.objects.update({int(name.removeprefix("n")): one for name, one in objects.items()})
    return state


def test_a_run_sees_only_what_holds_and_conditioning_frames_in_order():
    one = tracked_object({3: A, 4: B, 7: C}, {9: D, 5: E})
    with one.remembering(lambda frame: frame == 4):
        assert one.bank.tracked == {4: B}
        assert list(one.bank.conditioning) == [5, 9]
        one.bank.tracked[7] = F
        one.bank.condition(3, F)
        assert list(one.bank.conditioning) == [3, 5, 9], "a prompt that the run takes up itself"
    assert one.bank.tracked == {4: B, 7: F}


def test_what_was_hidden_comes_back_also_when_a_run_fails():
    one = tracked_object({3: A})

    def fail():
        with one.remembering(lambda frame: False):
            assert not one.bank.tracked
            raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        fail()
    assert one.bank.tracked == {3: A}


def test_a_refined_mask_comes_back_where_the_memory_is_the_same(rng):
    one, other = tracked_object({4: A}), tracked_object({})
    one.bank.direction[4] = True
    visit = one.visit(4)
    one.bank.tracked.clear()
    one.bank.direction.clear()
    state_of(rng, n1=one).put_back(1, 4, visit)
    assert (one.bank.tracked, one.bank.direction) == ({4: A}, {4: True})
    state_of(rng, n1=other).put_back(1, 4, visit)
    assert other.bank.tracked == {}
    assert one.visit(5) is None
    state_of(rng, n1=one).put_back(2, 4, visit)


def test_a_prompt_where_a_run_came_by_may_mean_what_it_means_elsewhere():
    one = tracked_object({4: A})
    one.bank.direction[4] = False
    one.forget_visit(4)
    one.forget_visit(5)
    assert one.bank.direction == {}


def test_scores_are_those_seen_last():
    one = tracked_object({4: B})
    assert one.score(4) == 1
    one.pending[4, True] = D
    assert one.score(4) == 3
    one.pending[4, False] = A
    assert (one.seen(4), one.seen(4, True), one.seen(4, False)) == (A, D, A)
    one.drop_pending(4)
    assert (one.seen(4), one.pending) == (B, {})
    assert one.score(5) is None


def test_objects_go_through_the_model_by_id_whoever_came_first(rng):
    one, two, three = (tracked_object({}) for _ in range(3))
    state = state_of(rng, n3=three, n1=one, n2=two)
    part = state.select([3, 1])
    state.sort_objects()
    assert list(state.objects.items()) == [(1, one), (2, two), (3, three)]
    assert part.obj_ids == [1, 3]
    assert state.memory_of(2) is two
    assert state.memory_of(4) is None


@pytest.fixture
def noise(rng):
    return rng.integers(0, 255, (4, 90, 120)).astype("u1")


def clicked(predictor, movie, *object_ids):
    state = predictor.init_state(movie)
    for object_id in object_ids:
        predictor.add_new_points_or_box(state, 0, object_id, points=[[40, 30]], labels=[1])
    return state


def test_through_windows_the_memory_is_that_of_the_objects_view(real, noise):
    windowed = WindowedPredictor(real, 8.0)
    state = clicked(windowed, noise, 2, 1)
    before = state.memory_of(1)
    assert before is state.views[1].state.objects[1]
    assert state.memory_of(3) is None
    windowed.add_new_points_or_box(state, 1, 1, box=[10, 10, 80, 80])
    assert state.memory_of(1) is not before, "a larger window, and a memory of its own"


def test_objects_that_share_a_view_go_through_the_model_by_id(real, noise):
    state = clicked(WindowedPredictor(real, 60.0), noise, 2, 1)
    assert state.views[1].state.obj_ids == [2, 1]
    state.sort_objects()
    assert state.views[1].state.obj_ids == [1, 2]


def test_a_window_has_no_place_where_nothing_is_said_any_more(real, noise):
    windowed = WindowedPredictor(real, 8.0)
    state = clicked(windowed, noise, 1)
    source = state.views[1].source
    windowed.clear_all_prompts_in_frame(state, 0, 1)
    assert source.is_placed(0)
    state.put_back(1, 0, None)
    assert not source.is_placed(0)
    shared = clicked(WindowedPredictor(real, 60.0), noise, 1, 2)
    shared.put_back(1, 0, None)
    assert shared.views[1].source.is_placed(0), "somebody else looks there too"


def test_a_correction_that_is_taken_back_leaves_the_frame_as_it_was_tracked(real, noise):
    windowed = WindowedPredictor(real, 8.0)
    state = windowed.init_state(noise)
    windowed.add_new_points_or_box(state, 0, 1, points=[[40, 30]], labels=[1])
    list(windowed.propagate_in_video(state))
    memory = state.memory_of(1)
    kept, place = memory.bank.tracked[2], state.views[1].source.placed(2)
    visit = memory.visit(2)
    windowed.add_new_points_or_box(state, 2, 1, points=[[40, 30]], labels=[0])
    list(windowed.propagate_in_video(state, 2))
    windowed.clear_all_prompts_in_frame(state, 2, 1)
    assert 2 not in memory.bank.tracked
    state.put_back(1, 2, visit)
    assert memory.bank.tracked[2] is kept
    assert memory.bank.direction[2] is False
    assert state.views[1].source.placed(2) == place
