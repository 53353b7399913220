"""Several states run as one: the same answers as one after the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from stand_ins import movie

from sam2_core import PromptError, SAM2VideoPredictor, StackError
from sam2_core.inference import tracker


@pytest.fixture(params=[16, 2])
def predictor(model, request) -> SAM2VideoPredictor:
    return SAM2VideoPredictor(model, objects_per_batch=request.param)


@pytest.fixture(scope="module")
def movies() -> list[np.ndarray]:
    """Three movies of one length: two sizes, and one with its frames in another order."""
    first = movie(9, seed=11)
    return [first, first[:, :120, 40:180], np.ascontiguousarray(first[::-1])]


def click(predictor, state, frame, object_id, x=60, y=50, label=1):
    predictor.add_new_points_or_box(state, frame, object_id, points=[[x, y]], labels=[label])


def begun(predictor, movies):
    """Three states: two objects from the start, one object from frame 2, one object with a correction to come."""
    states = [predictor.init_state(frames) for frames in movies]
    click(predictor, states[0], 0, 5)
    click(predictor, states[0], 0, 2, 150, 80)
    click(predictor, states[1], 2, 1)
    click(predictor, states[2], 0, 9)
    return states


def one_by_one(predictor, states, start, count=None, reverse=False):
    runs = [predictor.propagate_in_video(state, start, count, reverse) for state in states]
    return [(answers[0][0], [logits for _, _, logits in answers]) for answers in zip(*runs, strict=True)]


def events(predictor, movies, run):
    """A run, a correction in one of the states, a run from there, and one back."""
    states = begun(predictor, movies)
    found = list(run(predictor, states, 0))
    click(predictor, states[2], 4, 9, 100, 110, label=0)
    found += run(predictor, states, 4, 4)
    return found + list(run(predictor, states, 4, reverse=True))


def assert_same_masks(found, expected) -> None:
    """The same masks but for a pixel in a thousand: rounding grows from frame to frame through thresholded memories."""
    assert [frame for frame, _ in found] == [frame for frame, _ in expected]
    for (_, answers), (_, others) in zip(found, expected, strict=True):
        for one, wanted in zip(answers, others, strict=True):
            assert float(((one > 0) != (wanted > 0)).float().mean()) < 1e-3
            torch.testing.assert_close(one, wanted, atol=0.03, rtol=0)


def test_states_run_together_as_one_after_the_other(predictor, movies) -> None:
    together = events(predictor, movies, SAM2VideoPredictor.propagate_together)
    assert [frame for frame, _ in together] == [*range(9), *range(4, 8), *range(4, -1, -1)]
    assert {tuple(len(logits) for logits in found) for _, found in together} == {(2, 1, 1)}
    assert_same_masks(together, events(predictor, movies, one_by_one))


@pytest.fixture
def batches(predictor, monkeypatch) -> list[int]:
    """Counts the images of each pass of the encoder."""
    encode, counted = predictor.model.encode_image, []
    monkeypatch.setattr(predictor.model, "encode_image", lambda images: counted.append(len(images)) or encode(images))
    return counted


def test_small_images_of_a_frame_are_encoded_as_one_batch(predictor, movies, batches, monkeypatch) -> None:
    together = events(predictor, movies, SAM2VideoPredictor.propagate_together)
    assert max(batches) == len(movies)
    monkeypatch.setattr(tracker, "PIXELS_AT_ONCE", 0)
    batches.clear()
    apart = events(predictor, movies, SAM2VideoPredictor.propagate_together)
    assert max(batches) == 1
    assert_same_masks(together, apart)


def test_features_of_a_batch_are_those_of_each_image_alone(predictor, movies, batches) -> None:
    states, fresh = begun(predictor, movies), [predictor.init_state(frames) for frames in movies]
    for frame, _ in predictor.propagate_together(states, 3):
        assert batches.pop() == len(movies)
        for state, other in zip(states, fresh, strict=True):
            list(predictor.encode_frames(other, [frame]))
            assert batches.pop() == 1
            found, alone = state.features.get(frame), other.features.get(frame)
            for level in ("stride16", "stride8", "stride4"):
                torch.testing.assert_close(getattr(found, level), getattr(alone, level), atol=1e-4, rtol=1e-4)


def test_the_start_is_the_earliest_prompt_of_all(predictor, movies) -> None:
    states = begun(predictor, movies)
    assert next(predictor.propagate_together(states[1:2]))[0] == 2
    assert next(predictor.propagate_together(states[1:]))[0] == 0


def test_a_run_that_is_left_can_be_gone_on_with(predictor, movies) -> None:
    whole = list(predictor.propagate_together(begun(predictor, movies)))
    states = begun(predictor, movies)
    run = predictor.propagate_together(states)
    half = [next(run) for _ in range(4)]
    run.close()
    for (_, found), (_, expected) in zip([*half, *predictor.propagate_together(states, 4)], whole, strict=True):
        assert all(torch.equal(one, wanted) for one, wanted in zip(found, expected, strict=True))


def test_what_cannot_be_run_together_says_why(predictor, movies) -> None:
    states = begun(predictor, movies)
    short = predictor.init_state(movies[0][:5])
    click(predictor, short, 0, 1)
    with pytest.raises(StackError, match=r"stacks of \[5, 9\] frames"):
        next(predictor.propagate_together([*states, short]))
    with pytest.raises(PromptError, match="nothing to propagate"):
        next(predictor.propagate_together([*states, predictor.init_state(movies[0])]))
