from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from stand_ins import movie

from sam2_core import PromptError, SAM2ImagePredictor, SAM2VideoPredictor, StackError

ONE = ([[60, 50]], [1])


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return movie(1, seed=5)[0]


@pytest.fixture
def predictor(model, image) -> SAM2ImagePredictor:
    predictor = SAM2ImagePredictor(model)
    predictor.set_image(image)
    return predictor


def test_shapes_are_the_official_ones(predictor) -> None:
    masks, ious, low = predictor.predict(*ONE)
    assert (masks.shape, ious.shape, low.shape) == ((3, 160, 224), (3,), (3, 16, 16))
    assert masks.dtype == np.float32
    assert set(np.unique(masks)) <= {0.0, 1.0}
    masks, ious, low = predictor.predict(*ONE, multimask_output=False)
    assert (masks.shape, ious.shape, low.shape) == ((1, 160, 224), (1,), (1, 16, 16))
    boxes = [[30, 20, 110, 90], [100, 60, 200, 150]]
    masks, ious, low = predictor.predict(box=boxes, multimask_output=False)
    assert (masks.shape, ious.shape, low.shape) == ((2, 1, 160, 224), (2, 1), (2, 1, 16, 16))


def test_masks_are_the_logits_above_the_threshold(predictor) -> None:
    masks = predictor.predict(*ONE)[0]
    logits, _, low = predictor.predict(*ONE, return_logits=True)
    assert np.array_equal(masks > 0, logits > 0)
    assert np.abs(low).max() <= 32


def test_several_boxes_answer_like_each_alone(predictor) -> None:
    boxes = [[30, 20, 110, 90], [100, 60, 200, 150]]
    together = predictor.predict(box=boxes, return_logits=True)
    for i, box in enumerate(boxes):
        alone = predictor.predict(box=box, return_logits=True)
        for many, one in zip(together, alone, strict=True):
            np.testing.assert_allclose(many[i], one, atol=1e-4)


def test_a_video_predictor_lends_its_model(model, predictor, image) -> None:
    other = SAM2ImagePredictor(SAM2VideoPredictor(model))
    other.set_image(image)
    np.testing.assert_array_equal(other.predict(*ONE)[0], predictor.predict(*ONE)[0])


def test_boxes_come_in_the_official_shapes(predictor) -> None:
    boxes = np.array([[30, 20, 110, 90], [100, 60, 200, 150]])
    expected = predictor.predict(box=boxes)[0]
    for given in (boxes[None], boxes.reshape(2, 2, 2)):
        np.testing.assert_array_equal(predictor.predict(box=given)[0], expected)
    np.testing.assert_array_equal(predictor.predict(None, [1], box=boxes)[0], expected)


def test_points_for_several_objects_at_once(predictor) -> None:
    together = predictor.predict([[[60, 50]], [[150, 80]]], [[1], [1]], return_logits=True)[0]
    alone = predictor.predict([[150, 80]], [1], return_logits=True)[0]
    np.testing.assert_allclose(together[1], alone, atol=1e-4)


def test_objects_of_fewer_points_are_padded(predictor) -> None:
    """As the official encoder has it: label -1 is no point, wherever it lies, and 2 and 3 are the corners of a box."""
    points, labels = [[[60, 50], [0, 0]], [[30, 20], [110, 90]]], [[1, -1], [2, 3]]
    together = predictor.predict(points, labels, return_logits=True)[0]
    elsewhere = predictor.predict([[60, 50], [-9, 999]], [1, -1], return_logits=True)[0]
    np.testing.assert_allclose(together[0], elsewhere, atol=1e-4)
    np.testing.assert_allclose(together[1], predictor.predict(box=[30, 20, 110, 90], return_logits=True)[0], atol=1e-4)
    assert np.abs(elsewhere - predictor.predict([[60, 50], [200, 150]], [1, 0], return_logits=True)[0]).max() > 1e-3


def test_empty_points_are_a_prompt_and_no_points_are_none(predictor) -> None:
    nothing = predictor.predict(return_logits=True)[0]
    empty = predictor.predict(np.zeros((0, 2)), np.zeros(0), return_logits=True)[0]
    assert not np.array_equal(empty, nothing)
    np.testing.assert_array_equal(predictor.predict([], [], return_logits=True)[0], empty)
    two = predictor.predict(np.zeros((2, 0, 2)), np.zeros((2, 0)), return_logits=True)[0]
    np.testing.assert_allclose(two, np.stack([empty, empty]), atol=1e-4)
    box = {"box": [[30, 20, 110, 90], [100, 60, 200, 150]], "return_logits": True}
    np.testing.assert_array_equal(predictor.predict([], [], **box)[0], predictor.predict(**box)[0])


def test_a_box_with_a_click_differs_from_the_box_alone(predictor) -> None:
    box = [30, 20, 110, 90]
    alone = predictor.predict(box=box, return_logits=True)[0]
    both = predictor.predict([[60, 50]], [0], box=box, return_logits=True)[0]
    assert np.abs(alone - both).max() > 1e-2


def test_an_earlier_answer_is_fed_back(predictor) -> None:
    _, ious, low = predictor.predict(*ONE)
    refined = predictor.predict(*ONE, mask_input=low[ious.argmax()][None], return_logits=True)[0]
    assert np.abs(refined - predictor.predict(*ONE, return_logits=True)[0]).max() > 1e-2
    with pytest.raises(PromptError, match=r"mask_input has the shape \(1, 1, 8, 8\); expected \(1, 16, 16\)"):
        predictor.predict(*ONE, mask_input=np.zeros((1, 8, 8)))


def test_a_batch_of_images_answers_image_by_image(model, image) -> None:
    other = np.ascontiguousarray(image[:100, ::-1])
    predictor = SAM2ImagePredictor(model)
    predictor.set_image_batch([image, other])
    masks, ious, low = predictor.predict_batch([[[60, 50]], None], [[1], None], [None, [10, 10, 60, 60]])
    assert [part.shape for part in masks] == [(3, 160, 224), (3, 100, 224)]
    assert len(ious) == len(low) == 2
    predictor.set_image(other)
    np.testing.assert_array_equal(predictor.predict(box=[10, 10, 60, 60])[0], masks[1])
    with pytest.raises(PromptError, match="2 prompts for 1 images"):
        predictor.predict_batch([None, None])


def test_gray_and_colour_and_pillow_are_the_same_image(model, image) -> None:
    gray = image[..., 0]
    answers = []
    for given in (gray, np.repeat(gray[..., None], 3, axis=2), Image.fromarray(gray)):
        predictor = SAM2ImagePredictor(model)
        predictor.set_image(given)
        answers.append(predictor.predict(*ONE, return_logits=True)[0])
    np.testing.assert_allclose(answers[1], answers[0], atol=1e-4)
    np.testing.assert_allclose(answers[2], answers[0], atol=1e-4)


def test_sixteen_bits_are_stretched_to_the_given_limits(model, image) -> None:
    gray = image[..., 0]
    predictor = SAM2ImagePredictor(model)
    predictor.set_image(gray)
    expected = predictor.predict(*ONE, return_logits=True)[0]
    predictor.set_image(gray.astype(np.uint16) * 16 + 100, contrast_limits=(100, 100 + 255 * 16))
    np.testing.assert_allclose(predictor.predict(*ONE, return_logits=True)[0], expected, atol=1e-3)


def test_the_embedding_has_one_cell_for_sixteen_pixels(predictor) -> None:
    assert predictor.get_image_embedding().shape == (1, 32, 4, 4)


def test_without_an_image_it_says_so(predictor) -> None:
    predictor.reset_predictor()
    for call in (predictor.predict, predictor.get_image_embedding):
        with pytest.raises(PromptError, match=r"call set_image\(image\) first"):
            call()


def test_an_image_that_cannot_be_used_leaves_no_old_one_behind(predictor, image) -> None:
    with pytest.raises(StackError, match="complex"):
        predictor.set_image(np.ones((8, 8), dtype=np.complex64))
    with pytest.raises(PromptError, match="no image is set"):
        predictor.predict(*ONE)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ({"point_coords": [[5, 5]]}, "labels are missing"),
        ({"point_coords": [[500, 5]], "point_labels": [1]}, "outside the image"),
        ({"box": [10, 10, 10, 40]}, "is empty"),
        (
            {"point_coords": [[[5, 5]]] * 3, "point_labels": [[1]] * 3, "box": [[1, 1, 9, 9]] * 2},
            "2 boxes but points for 3",
        ),
    ],
)
def test_prompts_that_cannot_be_used(predictor, prompt, message) -> None:
    with pytest.raises(PromptError, match=message):
        predictor.predict(**prompt)


def test_holes_are_filled_when_asked(model, image) -> None:
    rough, filled = (SAM2ImagePredictor(model, max_hole_area=area) for area in (0, 1000))
    answers = []
    for predictor in (rough, filled):
        predictor.set_image(image)
        answers.append(predictor.predict(*ONE)[0].sum())
    assert answers[1] > answers[0]
    assert not torch.is_inference_mode_enabled()
