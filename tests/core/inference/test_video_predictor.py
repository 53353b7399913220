"""The official calls on the smallest model, with stand-in weights: order of events, both readings, bounded memory."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from lost_frame import LostFrame
from predictor_calls import run
from stand_ins import movie

from sam2_core import PromptError, SAM2VideoPredictor, StackError
from sam2_core.inference.memory.memory_bank import PackedMask
from sam2_core.modeling.sam2 import NO_OBJECT_LOGIT

ABSENT = NO_OBJECT_LOGIT


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return movie(24, seed=11)


@pytest.fixture
def predictor(model) -> SAM2VideoPredictor:
    return SAM2VideoPredictor(model)


@pytest.fixture
def official(model) -> SAM2VideoPredictor:
    return SAM2VideoPredictor(model, semantics="official")


def click(
    predictor: SAM2VideoPredictor, state: Any, frame: int, obj: int, x: float = 60, y: float = 50, label: int = 1
):
    return predictor.add_new_points_or_box(state, frame, obj, points=[[x, y]], labels=[label])


def masks_of(model, frames, semantics: str, events, **options) -> list[dict[int, torch.Tensor]]:
    predictor = SAM2VideoPredictor(model, semantics=semantics, **options)
    state = predictor.init_state(frames)
    return events(predictor, state)


def clicked_once(predictor, state) -> dict[int, torch.Tensor]:
    """The run after one click on frame 0."""
    click(predictor, state, 0, 1)
    return run(predictor, state)


def test_a_click_answers_with_every_object_on_the_frame(predictor, frames) -> None:
    state = predictor.init_state(frames)
    click(predictor, state, 0, 5)
    frame, ids, logits = click(predictor, state, 0, 2, 150, 80)
    assert (frame, ids) == (0, [5, 2])
    assert logits.shape == (2, 1, 160, 224)
    _, ids, elsewhere = click(predictor, state, 3, 9)
    assert ids == [5, 2, 9]
    assert (elsewhere[:2] == ABSENT).all()


def test_scripts_may_read_the_state(predictor, frames) -> None:
    state = predictor.init_state(frames)
    click(predictor, state, 0, 4)
    keys = ("num_frames", "video_height", "video_width", "obj_ids")
    assert [state[key] for key in keys] == [24, 160, 224, [4]]
    click(predictor, state, 0, 2)
    run(predictor, state, 0, 2)
    assert (len(state["images"]), state["obj_id_to_idx"], state["obj_idx_to_id"]) == (24, {4: 0, 2: 1}, {0: 4, 1: 2})
    assert state["frames_tracked_per_obj"][1] == {0: {"reverse": False}, 1: {"reverse": False}}
    assert "obj_ids" in state
    assert "output_dict_per_obj" not in state
    assert (state.get("cached_features"), {*keys} - {*state.keys()}, len(dict(state))) == (None, set(), 9)
    predictor.remove_object(state, 2)
    state["obj_ids"].append(99)
    assert state.obj_ids == [4]
    with pytest.raises(KeyError, match="an inference state answers num_frames"):
        state["output_dict_per_obj"]
    assert state == state
    assert state != predictor.init_state(frames)


def test_a_copied_state_goes_its_own_way(predictor, frames) -> None:
    state = predictor.init_state(frames[:6])
    click(predictor, state, 0, 1)
    run(predictor, state, 0, 3)
    click(predictor, state, 4, 1, 150, 80)
    other = copy.deepcopy(state)
    click(predictor, other, 4, 7)
    predictor.clear_all_prompts_in_frame(other, 4, 1)
    run(predictor, other)
    assert (state.obj_ids, list(state.objects[1].prompts), list(state.objects[1].pending)) == ([1], [0, 4], [(4, True)])
    assert list(state.objects[1].bank.tracked) == [1, 2]
    third = copy.deepcopy(state)
    one, same = run(predictor, state), run(predictor, third)
    assert all(torch.equal(one[frame], same[frame]) for frame in range(6))


@pytest.mark.parametrize("which", ["official", "predictor"])
def test_memories_may_be_made_before_a_propagation_which_then_gives_the_same(which, frames, request) -> None:
    tracker = request.getfixturevalue(which)
    state, early = tracker.init_state(frames[:5]), tracker.init_state(frames[:5])
    with pytest.raises(RuntimeError, match="add a prompt"):
        tracker.propagate_in_video_preflight(tracker.init_state(frames[:5]))
    for each in (state, early):
        click(tracker, each, 0, 1)
        click(tracker, each, 2, 1, 64)
    assert tracker.propagate_in_video_preflight(early) is None
    assert not early.objects[1].pending
    assert early.objects[1].bank.conditioning
    for (frame, ids, masks), (same, them, as_before) in zip(
        tracker.propagate_in_video(early), tracker.propagate_in_video(state), strict=True
    ):
        assert (frame, ids) == (same, them)
        assert torch.equal(masks, as_before)


def test_official_attributes_take_effect_when_they_are_set(official, frames) -> None:
    state = official.init_state(frames[:4])
    names = ("non_overlap_masks", "max_cond_frames_in_attn", "add_all_frames_to_correct_as_cond")
    assert [getattr(official, name) for name in names] == [False, -1, False]
    for obj, x in ((1, 60), (2, 62), (3, 64)):
        logits = click(official, state, 0, obj, x)[2]
    assert ((logits > 0).sum(0) > 1).any()
    tracking = official.propagate_in_video(state)
    assert ((next(tracking)[2] > 0).sum(0) > 1).any()
    official.non_overlap_masks = True
    assert not ((next(tracking)[2] > 0).sum(0) > 1).any()
    official.add_all_frames_to_correct_as_cond = True
    click(official, state, 1, 1, 150, 80)
    assert list(state.objects[1].pending) == [(1, True)]
    assert (official.options.non_overlap_masks, official.options.corrections_condition) == (True, True)
    official.to("cpu")
    assert official.non_overlap_masks
    with pytest.raises(ValueError, match="2 frames or more, or -1 for all"):
        official.max_cond_frames_in_attn = 1


def test_what_is_built_in_cannot_be_set_on_a_predictor(predictor) -> None:
    message = r"num_maskmem cannot be set .* hydra_overrides_extra=\['\+\+model.num_maskmem=...'\]"
    with pytest.raises(AttributeError, match=message):
        predictor.num_maskmem = 3
    with pytest.raises(AttributeError, match="object has no attribute 'num_maskmems'"):
        predictor.num_maskmems  # noqa: B018


def test_both_readings_agree_after_one_prompt_and_one_long_run(model, frames) -> None:
    readings = ("official", "interactive")
    one, other = (masks_of(model, frames, name, clicked_once, precision="float32") for name in readings)
    assert sorted(one) == list(range(24))
    for frame in one:
        torch.testing.assert_close(one[frame], other[frame], atol=1e-4, rtol=1e-4)


def test_a_correction_stays_and_the_official_one_is_overwritten(model, frames) -> None:
    def events(predictor, state):
        click(predictor, state, 0, 1)
        before = run(predictor, state)[6]
        clicked = click(predictor, state, 6, 1, 100, 110, label=0)[2]
        return before, clicked, run(predictor, state)[6]

    before, clicked, after = masks_of(model, frames[:9], "interactive", events)
    assert (before - clicked).abs().mean() > 1e-2
    assert torch.equal(clicked, after)
    before, clicked, after = masks_of(model, frames[:9], "official", events)
    assert (before - clicked).abs().mean() > 1e-2
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)


def test_refining_the_first_prompt_after_a_run_takes_effect(model, frames) -> None:
    def events(predictor, state):
        click(predictor, state, 0, 1)
        first = run(predictor, state)
        click(predictor, state, 0, 1, 150, 80)
        return first, run(predictor, state)

    first, second = masks_of(model, frames[:5], "interactive", events)
    assert (first[0] - second[0]).abs().mean() > 1e-2
    assert (first[4] - second[4]).abs().mean() > 1e-3
    first, second = masks_of(model, frames[:5], "official", events)
    assert torch.equal(first[0], second[0])


def test_nothing_is_predicted_before_the_first_prompt(predictor, frames) -> None:
    state = predictor.init_state(frames[:10])
    click(predictor, state, 0, 1)
    click(predictor, state, 4, 2)
    masks = run(predictor, state)
    assert all((masks[frame][1] == ABSENT).all() for frame in range(4))
    assert all((masks[frame][1] != ABSENT).any() for frame in range(4, 10))
    backward = run(predictor, state, 4, reverse=True)
    assert all((backward[frame][1] != ABSENT).any() for frame in range(4))
    again = run(predictor, state)
    assert all(torch.equal(again[frame][1], backward[frame][1]) for frame in range(4))


def test_the_official_reading_does_not_crash_before_the_first_prompt(official, frames) -> None:
    state = official.init_state(frames[:4])
    click(official, state, 0, 1)
    click(official, state, 3, 2)
    assert (run(official, state)[1][1] != ABSENT).any()


@pytest.mark.parametrize(("semantics", "count"), [("interactive", 3), ("official", 4)])
def test_how_many_frames_are_tracked(model, frames, semantics, count) -> None:
    def events(predictor, state):
        click(predictor, state, 2, 1)
        forward = list(run(predictor, state, 2, 3))
        return forward, list(run(predictor, state, 6, 3, reverse=True)), list(run(predictor, state, 0, reverse=True))

    forward, backward, nothing = masks_of(model, frames[:10], semantics, events)
    assert forward == list(range(2, 2 + count))
    assert backward == list(range(6, 6 - count, -1))
    assert nothing == []


def test_a_run_that_is_closed_and_resumed_ends_as_one_that_was_not(model, frames) -> None:
    def broken(predictor, state):
        click(predictor, state, 0, 1)
        first = predictor.propagate_in_video(state)
        for frame, _, _ in first:
            if frame == 4:
                first.close()
        return run(predictor, state, 5)

    undisturbed = masks_of(model, frames[:12], "interactive", clicked_once)
    resumed = masks_of(model, frames[:12], "interactive", broken)
    assert sorted(resumed) == list(range(5, 12))
    assert all(torch.equal(resumed[frame], undisturbed[frame]) for frame in resumed)


def test_an_object_does_not_depend_on_the_others(model, frames) -> None:
    def together(predictor, state):
        click(predictor, state, 0, 1)
        click(predictor, state, 0, 2, 150, 80)
        click(predictor, state, 2, 3, 40, 120)
        return run(predictor, state)

    one, many = (masks_of(model, frames[:10], "interactive", events) for events in (clicked_once, together))
    for frame in one:
        torch.testing.assert_close(one[frame][0], many[frame][0], atol=1e-2, rtol=1e-2)


def test_small_batches_of_objects_give_the_same(model, frames) -> None:
    results = []
    for size in (1, 16):
        predictor = SAM2VideoPredictor(model, objects_per_batch=size, memory_dtype=torch.float32)
        state = predictor.init_state(frames[:6])
        for obj in range(3):
            click(predictor, state, 0, obj + 1, 40 + 50 * obj, 60)
        results.append(run(predictor, state)[5])
    torch.testing.assert_close(*results, atol=1e-3, rtol=1e-3)


def test_objects_come_and_go_between_runs(predictor, frames) -> None:
    state = predictor.init_state(frames[:6])
    click(predictor, state, 0, 1)
    click(predictor, state, 0, 2, 150, 80)
    kept = run(predictor, state)
    left, updated = predictor.remove_object(state, 1)
    assert left == [2]
    assert [frame for frame, _ in updated] == [0]
    assert torch.equal(updated[0][1], kept[0][1:])
    click(predictor, state, 3, 7, 40, 120)
    later = run(predictor, state)
    assert state.obj_ids == [2, 7]
    torch.testing.assert_close(later[5][0], kept[5][1], atol=1e-2, rtol=1e-2)


def test_removing_an_unknown_object_is_an_error_only_when_strict(predictor, frames) -> None:
    state = predictor.init_state(frames[:2])
    click(predictor, state, 0, 1)
    assert predictor.remove_object(state, 8) == ([1], [])
    with pytest.raises(PromptError, match=r"object 8 does not exist; there are \[1\]"):
        predictor.remove_object(state, 8, strict=True)
    assert predictor.remove_object(state, 1) == ([], [])


def test_cleared_prompts_take_their_mask_along(predictor, official, frames) -> None:
    for reading, stays in ((predictor, False), (official, True)):
        state = reading.init_state(frames[:4])
        click(reading, state, 0, 1)
        click(reading, state, 0, 2, 150, 80)
        run(reading, state)
        _, ids, logits = reading.clear_all_prompts_in_frame(state, 0, 2)
        assert ids == [1, 2]
        assert bool((logits[1] != ABSENT).any()) is stays
        assert reading.clear_all_prompts_in_frame(state, 0, 1, need_output=False) is None


def test_reset_forgets_objects_and_keeps_the_stack(predictor, frames) -> None:
    state = predictor.init_state(frames[:3])
    first = click(predictor, state, 0, 1)[2]
    run(predictor, state)
    predictor.reset_state(state)
    assert state.obj_ids == []
    with pytest.raises(PromptError, match="there is nothing to propagate"):
        run(predictor, state)
    assert torch.equal(click(predictor, state, 0, 1)[2], first)


def test_a_run_ends_where_all_objects_are_removed_meanwhile(model, frames) -> None:
    for options in ({}, {"stop_when_unchanged": 1}):
        predictor = SAM2VideoPredictor(model, **options)
        state = predictor.init_state(frames[:4])
        click(predictor, state, 0, 1)
        going = predictor.propagate_in_video(state)
        next(going)
        predictor.reset_state(state)
        assert list(going) == []
        click(predictor, state, 0, 1)
        assert len(list(predictor.propagate_in_video(state))) == 4


def test_ids_and_frames_are_whole_numbers_of_whatever_kind(predictor, frames) -> None:
    state = predictor.init_state(frames[:4])
    for one in (torch.tensor(1), np.array(1), np.int64(1), 1.0):
        assert click(predictor, state, torch.tensor(0), one)[:2] == (0, [1])
    predictor.add_new_mask(state, np.int64(1), torch.tensor(2), np.eye(160, 224))
    assert [type(one) for one in state.obj_ids] == [int, int]
    assert state.select([torch.tensor(2)]).obj_ids == [2]
    predictor.clear_all_prompts_in_frame(state, 1, torch.tensor(2))
    assert predictor.remove_object(state, torch.tensor(2))[0] == [1]
    assert click(predictor, state, 0, "left cell")[1] == [1, "left cell"]  # official calls take texts as well
    assert predictor.remove_object(state, "left cell")[0] == [1]
    for number in (1.5, None, torch.zeros(2)):
        with pytest.raises(PromptError, match=r"object id .* is no whole number"):
            click(predictor, state, 0, number)
    for span in ({"start_frame_idx": 0.5}, {"max_frame_num_to_track": 1.5}):
        with pytest.raises(PromptError, match="is no whole number"):
            next(predictor.propagate_in_video(state, **span))


def test_points_add_up_or_replace(model, frames) -> None:
    """Fed back logits make every answer depend on the ones before, so the points that were used are compared."""
    predictor = SAM2VideoPredictor(model)
    state = predictor.init_state(frames[:2])
    click(predictor, state, 0, 1)
    predictor.add_new_points_or_box(state, 0, 1, points=[[70, 60]], labels=[0], clear_old_points=False)
    assert state.objects[1].prompts[0].points_xy.tolist() == [[60, 50], [70, 60]]
    click(predictor, state, 0, 1, 80, 80)
    assert state.objects[1].prompts[0].points_xy.tolist() == [[80, 80]]


def test_fractions_and_pixels_name_the_same_point(predictor, frames) -> None:
    state = predictor.init_state(frames[:1])
    pixels = click(predictor, state, 0, 1, 56, 40)[2]
    fractions = predictor.add_new_points_or_box(state, 0, 2, points=[[0.25, 0.25]], labels=[1], normalize_coords=False)[
        2
    ]
    torch.testing.assert_close(pixels[0], fractions[1])


def test_a_drawn_mask_comes_back_and_is_remembered(predictor, frames) -> None:
    state = predictor.init_state(frames[:3])
    drawn = np.zeros((160, 224), dtype=bool)
    drawn[40:100, 60:140] = True
    _, _, logits = predictor.add_new_mask(state, 0, 1, drawn)
    inside = (logits[0, 0] > 0).numpy()
    assert (inside & drawn).sum() / (inside | drawn).sum() > 0.9
    assert torch.equal(run(predictor, state)[0], logits)


def test_overlaps_are_resolved_only_when_asked(model, frames) -> None:
    claimed = []
    for exclusive in (False, True):
        predictor = SAM2VideoPredictor(model, non_overlap_masks=exclusive)
        state = predictor.init_state(frames[:1])
        drawn = np.zeros((160, 224), dtype=bool)
        drawn[40:100, 60:140] = True
        predictor.add_new_mask(state, 0, 1, drawn)
        logits = predictor.add_new_mask(state, 0, 2, drawn)[2]
        claimed.append(int((logits > 0).sum(dim=0).max()))
    assert claimed == [2, 1]


class LazyStack:
    """Frames of which only the shape exists; counts what is read."""

    def __init__(self, count: int) -> None:
        self.shape = (count, 64, 64)
        self.read: list[int] = []

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, frame: int) -> np.ndarray:
        self.read.append(frame)
        return np.full((64, 64), frame % 200, dtype=np.uint8)


def test_frames_are_read_when_needed_and_once(predictor) -> None:
    stack = LazyStack(1000)
    state = predictor.init_state(stack)
    click(predictor, state, 500, 1, 30, 30)
    run(predictor, state, 500, 5)
    assert sorted(frame for frame in stack.read if frame) == [500, 501, 502, 503, 504]
    assert stack.read.count(0) <= 2  # what the stack is like: its size, type and intensity
    assert len(state.features) <= predictor.options.cached_frames


def test_only_recent_frames_are_remembered_in_full(predictor) -> None:
    state = predictor.init_state(LazyStack(60))
    click(predictor, state, 0, 1, 30, 30)
    run(predictor, state)
    tracked = state.objects[1].bank.tracked
    whole = [frame for frame, entry in tracked.items() if not isinstance(entry.mask, PackedMask)]
    assert whole == list(range(28, 60))
    assert sorted(tracked) == list(range(1, 60))


def test_a_correction_far_back_finds_its_packed_memories_again(model, frames) -> None:
    results = []
    for keep in (None, 4):
        predictor = SAM2VideoPredictor(model, memory_dtype=torch.float32)
        state = predictor.init_state(frames)
        click(predictor, state, 0, 1)
        if keep is not None:
            state.objects[1].bank._keep = keep
        run(predictor, state)
        results.append(click(predictor, state, 8, 1, 100, 110, label=0)[2])
    whole, packed = ((logits > 0) for logits in results)
    assert (whole == packed).float().mean() > 0.95


def test_an_error_leaves_the_state_as_it_was(predictor, frames) -> None:
    state = predictor.init_state(frames[:3])
    click(predictor, state, 0, 1)
    with pytest.raises(PromptError, match="lies outside the image"):
        click(predictor, state, 0, 2, 900, 50)
    with pytest.raises(PromptError, match=r"frame 1\.5 is no whole number"):
        click(predictor, predictor.init_state(frames[:3]), 1.5, 1)
    with pytest.raises(PromptError, match="frame 3 does not exist: the stack has frames 0 to 2"):
        click(predictor, state, 3, 2)
    with pytest.raises(PromptError, match="160 x 224"):
        predictor.add_new_mask(state, 0, 2, np.zeros((10, 10), dtype=bool))
    assert state.obj_ids == [1]
    assert list(state.objects[1].prompts) == [0]


def test_a_frame_that_cannot_be_read_stops_the_run_and_loses_nothing(predictor) -> None:
    stack = np.zeros((5, 64, 64), dtype=np.float32)
    stack[:, 20:40, 20:40] = 1
    state = predictor.init_state(LostFrame(stack, lost=3), contrast_limits=(0, 1))
    click(predictor, state, 0, 1, 30, 30)
    seen = []
    with pytest.raises(StackError, match="frame 3 cannot be read"):
        seen.extend(frame for frame, _, _ in predictor.propagate_in_video(state))
    assert seen == [0, 1, 2]
    assert sorted(state.objects[1].bank.tracked) == [1, 2]
    assert sorted(state.objects[1].bank.direction) == [0, 1, 2]


def test_precision_is_entered_for_the_call_only(model, frames) -> None:
    predictor = SAM2VideoPredictor(model, precision="bfloat16")
    state = predictor.init_state(frames[:3])
    click(predictor, state, 0, 1)
    for _ in predictor.propagate_in_video(state):
        assert not torch.is_autocast_enabled("cpu")
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"semantics": "offical"}, "semantics must be one of"),
        ({"precision": "half"}, "precision must be auto or one of"),
    ],
)
def test_misspelt_options_say_what_there_is(model, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        SAM2VideoPredictor(model, **options)


def test_options_that_are_left_open_are_those_of_the_reading(model, frames) -> None:
    """Second clicks on frames that a run has passed look past what these frames remember themselves."""
    found = []
    for options in ({}, {"corrections_condition": True, "max_conditioning_frames": 4}):
        predictor = SAM2VideoPredictor(model, **options)
        state = predictor.init_state(frames[:6])
        for frame, x in ((0, 60), (3, 70)):
            click(predictor, state, frame, 1, x)
            run(predictor, state)
            click(predictor, state, frame, 1, x + 30)
        found.append(run(predictor, state))
    for frame, logits in found[0].items():
        torch.testing.assert_close(logits, found[1][frame], rtol=0, atol=0)
