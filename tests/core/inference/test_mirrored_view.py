"""Our own models look at what is prompted in a mirror too, so a mirrored image gets the mirrored masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from small_models import reconfigured
from stand_ins import movie

from sam2_core import SAM2ImagePredictor, SAM2VideoPredictor
from sam2_core.inference.feature_folder import FeatureFolder
from sam2_core.modeling.prompt_encoder import PromptBatch
from sam2_core.modeling.sam2 import Sam2Model

FRAMES = 4
SIDE = 64  # of the model input and of what is looked at: no resampling, which knows left and right
AT = (32, 35)  # x, y of a disc in what is looked at
PROMPTS: dict[str, dict[str, Any]] = {
    "click": {"points": [AT], "labels": [1]},
    "two clicks": {"points": [AT, (3, 60)], "labels": [1, 0]},
    "box": {"box": (14, 18, 49, 52)},
    "box and click": {"points": [(60, 8)], "labels": [0], "box": (14, 18, 49, 52)},
}


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.ascontiguousarray(movie(FRAMES, seed=11)[:, :SIDE, 80 : 80 + SIDE])


@pytest.fixture(scope="module")
def one_view(nano) -> Sam2Model:
    """The same model, which looks into no mirror."""
    return reconfigured(nano, mirrored_view=False)


def in_a_mirror(images: np.ndarray) -> np.ndarray:
    """Images (..., H, W, 3), left and right exchanged."""
    return np.ascontiguousarray(images[..., ::-1, :])


def mirrored(prompt: dict[str, Any]) -> dict[str, Any]:
    """The prompt on the mirrored image: a pixel's coordinate is that of its left edge."""
    found = dict(prompt)
    if "points" in found:
        found["points"] = [(SIDE - 1 - x, y) for x, y in found["points"]]
    if "box" in found:
        x0, y0, x1, y1 = found["box"]
        found["box"] = (SIDE - 1 - x1, y0, SIDE - 1 - x0, y1)
    return found


def image_logits(model, image, prompt) -> np.ndarray:
    predictor = SAM2ImagePredictor(model)
    predictor.set_image(image)
    names = {"points": "point_coords", "labels": "point_labels", "box": "box"}
    prompt = {names[key]: value for key, value in prompt.items()}
    return predictor.predict(**prompt, multimask_output=False, return_logits=True)[0][0]


def video_logits(model, frames, prompt, **options) -> np.ndarray:
    predictor = SAM2VideoPredictor(model, **options)
    _, _, logits = predictor.add_new_points_or_box(predictor.init_state(frames), 0, 1, **prompt)
    return logits[0, 0].numpy()


def left_and_right_differ(ask, model, frames, prompt) -> float:
    """The largest difference of logits between an image, and its mirrored image mirrored back."""
    there = ask(model, frames, prompt)
    assert (there > 0).any()
    return float(np.abs(there - ask(model, in_a_mirror(frames), mirrored(prompt))[:, ::-1]).max())


@pytest.mark.parametrize("kind", PROMPTS)
def test_an_image_and_its_mirror_image_get_the_same_mask(nano, one_view, frames, kind):
    assert left_and_right_differ(image_logits, nano, frames[0], PROMPTS[kind]) < 1e-3
    assert left_and_right_differ(image_logits, one_view, frames[0], PROMPTS[kind]) > 0.1


@pytest.mark.parametrize("kind", PROMPTS)
def test_a_prompted_frame_and_its_mirror_image_get_the_same_mask(nano, one_view, frames, kind):
    assert left_and_right_differ(video_logits, nano, frames, PROMPTS[kind]) < 1e-3
    assert left_and_right_differ(video_logits, one_view, frames, PROMPTS[kind]) > 0.1


def test_each_candidate_is_the_mean_of_both_views(nano, one_view, frames):
    image, prompt = frames[0], PROMPTS["box"]
    low_res = []
    for model, seen, asked in (
        (nano, image, prompt),
        (one_view, image, prompt),
        (one_view, in_a_mirror(image), mirrored(prompt)),
    ):
        predictor = SAM2ImagePredictor(model)
        predictor.set_image(seen)
        low_res.append(predictor.predict(box=asked["box"], multimask_output=True)[1:])
    (iou, both), (plain_iou, plain), (mirror_iou, mirror) = low_res
    np.testing.assert_allclose(both, (plain + mirror[..., ::-1]) / 2, atol=1e-3)
    np.testing.assert_allclose(iou, (plain_iou + mirror_iou) / 2, atol=1e-4)


def test_several_objects_and_a_rough_mask_are_mirrored_too(nano, frames):
    image = frames[0]
    predictor = SAM2ImagePredictor(nano)
    predictor.set_image(image)
    boxes = np.array([(14, 18, 49, 52), (0, 0, 30, 30)], dtype=np.float32)
    together, _, rough = predictor.predict(box=boxes, multimask_output=False, return_logits=True)
    for index, box in enumerate(boxes):
        alone = predictor.predict(box=box, multimask_output=False, return_logits=True)[0]
        np.testing.assert_allclose(together[index], alone, atol=1e-3)
    again = predictor.predict(mask_input=rough[0], multimask_output=False, return_logits=True)[0][0]
    predictor.set_image(in_a_mirror(image))
    other = predictor.predict(mask_input=rough[0][..., ::-1].copy(), multimask_output=False, return_logits=True)[0][0]
    np.testing.assert_allclose(again, other[:, ::-1], atol=1e-3)


def test_a_prompt_mirrored_twice_is_the_prompt():
    points = torch.tensor([[[10.0, 2.0], [30.0, 50.0], [7.0, 9.0], [0.0, 0.0]]])
    labels = torch.tensor([[2, 3, 1, 0]], dtype=torch.int32)
    rough = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    prompts = PromptBatch(points, labels, rough)
    once = prompts.mirrored(SIDE)
    assert once.points_xy_model_px.tolist() == [[[33, 2], [53, 50], [56, 9], [63, 0]]]
    twice = once.mirrored(SIDE)
    assert torch.equal(twice.points_xy_model_px, points)
    assert torch.equal(twice.point_labels, labels)
    assert torch.equal(twice.mask_logits, rough)


def test_a_correction_on_a_tracked_frame_looks_into_no_mirror(nano, frames, encoded):
    """What is remembered was seen in one view."""
    predictor = SAM2VideoPredictor(nano)
    state = predictor.init_state(frames)
    predictor.add_new_points_or_box(state, 0, 1, **PROMPTS["click"])
    list(predictor.propagate_in_video(state))
    encoded.clear()
    predictor.add_new_points_or_box(state, FRAMES - 1, 1, **PROMPTS["two clicks"])
    assert not encoded
    assert state.features.get(FRAMES - 1).views == ()


def test_a_frame_is_mirrored_once_and_only_where_it_is_prompted(nano, frames, encoded):
    predictor = SAM2VideoPredictor(nano)
    state = predictor.init_state(frames)
    for object_id in (1, 2):
        for kind in ("click", "two clicks"):
            predictor.add_new_points_or_box(state, 0, object_id, **PROMPTS[kind])
    assert encoded == [1, 1]
    list(predictor.propagate_in_video(state))
    assert len(encoded) == FRAMES + 1


@pytest.mark.parametrize("exact", [True, False])
def test_the_mirrored_view_is_found_on_disk_with_the_frame(nano, frames, tmp_path, encoded, exact):
    plain = video_logits(nano, frames, PROMPTS["box"])
    folder = FeatureFolder(tmp_path, exact=exact)
    cold = video_logits(nano, frames, PROMPTS["box"], feature_cache=folder)
    encoded.clear()
    warm = video_logits(nano, frames, PROMPTS["box"], feature_cache=folder)
    assert not encoded
    np.testing.assert_array_equal(warm, cold)
    np.testing.assert_allclose(cold, plain, atol=1e-6 if exact else 0.1)
