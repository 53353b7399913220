"""Corners of the official calls: limits of attention, objects that come and go during a run, one frame, soft masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from predictor_calls import run, through_files
from stand_ins import movie

from sam2_core import PromptError, SAM2ImagePredictor, SAM2VideoPredictor

READINGS = ("official", "interactive")


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return movie(8, seed=12)


def click(predictor, state, frame: int, obj: int, x: float = 60, label: int = 1):
    return predictor.add_new_points_or_box(state, frame, obj, points=[[x, 50]], labels=[label], clear_old_points=False)


def tracked_with(model, frames, semantics: str, **options) -> torch.Tensor:
    """Masks of the last frame, behind prompts on six frames."""
    predictor = SAM2VideoPredictor(model, semantics=semantics, precision="float32", **options)
    state = predictor.init_state(frames)
    for frame in range(6):
        click(predictor, state, frame, 1, 60 + 10 * frame)
    return run(predictor, state)[7]


def test_a_limit_of_minus_one_is_none(model, frames) -> None:
    every = tracked_with(model, frames, "official")
    assert torch.equal(tracked_with(model, frames, "official", max_conditioning_frames=-1), every)
    assert not torch.equal(tracked_with(model, frames, "official", max_conditioning_frames=2), every)
    interactive = tracked_with(model, frames, "interactive")
    assert not torch.equal(tracked_with(model, frames, "interactive", max_conditioning_frames=-1), interactive)


@pytest.mark.parametrize("limit", [0, 1, -2])
def test_other_limits_below_two_are_refused(model, limit: int) -> None:
    with pytest.raises(ValueError, match="2 frames or more, or -1 for all"):
        SAM2VideoPredictor(model, max_conditioning_frames=limit)


@pytest.mark.parametrize("semantics", READINGS)
@pytest.mark.parametrize("where", [3, 0])
def test_an_object_that_comes_during_a_run_joins_the_next(model, frames, semantics: str, where: int) -> None:
    predictor = SAM2VideoPredictor(model, semantics=semantics)
    state = predictor.init_state(frames[:5])
    click(predictor, state, 0, 1)
    click(predictor, state, 0, 2, 150)
    for frame, ids, logits in predictor.propagate_in_video(state):
        assert (ids, len(logits)) == ([1, 2], 2)
        if frame == 1:
            assert click(predictor, state, where, 11, 90)[1] == [1, 2, 11]
    assert [ids for _, ids, _ in predictor.propagate_in_video(state, start_frame_idx=3)] == [[1, 2, 11]] * 2


@pytest.mark.parametrize("semantics", READINGS)
def test_an_object_that_goes_during_a_run_is_left_out(model, frames, semantics: str) -> None:
    predictor = SAM2VideoPredictor(model, semantics=semantics)
    state = predictor.init_state(frames[:4])
    click(predictor, state, 0, 1)
    click(predictor, state, 0, 2, 150)
    seen = []
    for frame, ids, logits in predictor.propagate_in_video(state):
        assert len(logits) == len(ids)
        seen.append(ids)
        if frame == 1:
            predictor.remove_object(state, 1)
    assert seen == [[1, 2], [1, 2], [2], [2]]


@pytest.mark.parametrize("semantics", READINGS)
def test_a_correction_on_a_stack_of_one_frame_is_a_mask(model, frames, semantics: str) -> None:
    predictor = SAM2VideoPredictor(model, semantics=semantics)
    state = predictor.init_state(frames[:1])
    click(predictor, state, 0, 1)
    run(predictor, state)
    logits = click(predictor, state, 0, 1, 150, label=0)[2]
    assert torch.isfinite(logits).all()


def test_a_corrected_prompt_is_looked_at_where_corrections_condition_officially(model, frames) -> None:
    def corrected(semantics: str) -> tuple[torch.Tensor, torch.Tensor]:
        predictor = SAM2VideoPredictor(model, semantics=semantics, corrections_condition=True, precision="float32")
        state = predictor.init_state(frames[:3])
        click(predictor, state, 0, 1)
        run(predictor, state)
        logits = click(predictor, state, 0, 1, 150, label=0)[2]
        return logits, run(predictor, state)[0]

    official, stays = corrected("official")
    assert torch.equal(official, stays)
    assert not torch.equal(official, corrected("interactive")[0])


def prompted_twice(predictor, state) -> tuple[torch.Tensor, torch.Tensor]:
    """Answers to a prompt on a frame that a run has not reached, and to another one behind the run."""
    click(predictor, state, 0, 1)
    answers = []
    for frame, _, _ in predictor.propagate_in_video(state):
        if frame == 1:
            answers.append(click(predictor, state, 4, 1, 150)[2].clone())
    answers.append(predictor.add_new_points_or_box(state, 4, 1, points=[[40, 120]], labels=[1])[2])
    assert not torch.equal(*answers)
    return answers[0], answers[1]


@pytest.mark.parametrize(
    ("options", "standing"),
    [
        ({"semantics": "official"}, 0),
        ({"semantics": "interactive"}, 1),
        ({"semantics": "interactive", "corrections_condition": False}, 1),
    ],
)
def test_of_two_answers_on_a_frame_officially_the_first_conditions(model, frames, options, standing: int) -> None:
    predictor = SAM2VideoPredictor(model, **options)
    state, other = predictor.init_state(frames[:6]), predictor.init_state(frames[:6])
    answers = prompted_twice(predictor, state)
    restored = predictor.restore(frames[:6], predictor.snapshot(state))
    masks, again = run(predictor, state), run(predictor, restored)
    assert torch.equal(masks[4], answers[standing])
    assert list(state.objects[1].bank.conditioning) == [0, 4]
    assert all(torch.equal(masks[frame], again[frame]) for frame in masks)

    prompted_twice(predictor, other)
    cleared = predictor.clear_all_prompts_in_frame(other, 4, 1)[2]
    assert not any(torch.equal(cleared, answer) for answer in answers)
    assert torch.equal(run(predictor, other)[4], cleared)


def test_a_tensor_is_a_mask_from_one_half_on(model, frames) -> None:
    predictor = SAM2VideoPredictor(model)
    drawn = np.zeros(frames.shape[1:3], np.float32)
    drawn[40:80, 50:120] = 1.0
    answers = []
    for mask in (drawn, torch.from_numpy(drawn * 0.9 + 0.05), torch.from_numpy(drawn * 20 - 10)):
        answers.append(predictor.add_new_mask(predictor.init_state(frames), 0, 1, mask)[2])
    assert torch.equal(answers[1], answers[0])
    assert torch.equal(answers[2], answers[0])


def test_officially_a_tensor_is_cut_at_the_size_of_the_model(model, frames, tmp_path) -> None:
    predictor = SAM2VideoPredictor(model, semantics="official", precision="float32")
    soft = torch.rand(frames.shape[1:3], generator=torch.Generator().manual_seed(3)) ** 2
    size = (model.image_size, model.image_size)
    drawn = torch.nn.functional.interpolate(soft[None, None], size=size, mode="bilinear", antialias=True) >= 0.5
    of_that_size = np.zeros((2, *size, 3), np.uint8)

    def low_res(movie: np.ndarray, mask: torch.Tensor) -> torch.Tensor:
        state = predictor.init_state(movie)
        predictor.add_new_mask(state, 0, 1, mask)
        kept = predictor.restore(movie, through_files(predictor.snapshot(state), tmp_path)).objects[1].prompts[0]
        assert kept.mask.dtype == (np.bool_ if mask.dtype == torch.bool else np.float32)
        np.testing.assert_array_equal(kept.mask, mask)
        return state.objects[1].pending[0, True].low_res_logits

    assert 0 < drawn.sum() < drawn.numel()
    assert torch.equal(low_res(frames[:2], soft), low_res(of_that_size, drawn[0, 0]))
    assert not torch.equal(low_res(frames[:2], soft), low_res(frames[:2], soft >= 0.5))
    flat = low_res(of_that_size, torch.full(size, 0.25))
    torch.testing.assert_close(flat, torch.full_like(flat, 20 * 0.25 - 10))


def test_of_a_batch_of_images_the_last_one_answers(model, frames) -> None:
    first, last = frames[0], np.ascontiguousarray(frames[5, :100])
    predictor = SAM2ImagePredictor(model)
    predictor.set_image(last)
    expected = predictor.predict([[60, 50]], [1])[0]
    predictor.set_image_batch([first, last])
    np.testing.assert_array_equal(predictor.predict([[60, 50]], [1])[0], expected)
    assert predictor.get_image_embedding().shape == (2, 32, 4, 4)


def test_what_is_asked_too_early_is_the_official_error_too(model, frames) -> None:
    video, image = SAM2VideoPredictor(model, semantics="official"), SAM2ImagePredictor(model)
    state = video.init_state(frames)
    calls = (
        lambda: next(video.propagate_in_video(state)),
        lambda: video.remove_object(state, 1, strict=True),
        lambda: image.predict([[60, 50]], [1]),
        image.get_image_embedding,
    )
    for call in calls:
        with pytest.raises(RuntimeError) as met:
            call()
        assert isinstance(met.value, PromptError)


def test_keywords_of_the_predictor_and_of_the_model_are_told_apart() -> None:
    predictor = SAM2ImagePredictor.from_pretrained("cells-nano", device="cpu", image_size=128, mask_threshold=1.0)
    assert (predictor.image_size, predictor.mask_threshold) == (128, 1.0)
