"""Model space and image space, held to plain formulas written out once more."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from sam2_core.inference.transforms import (
    box_to_points,
    mask_to_model,
    masks_to_video,
    points_to_model_px,
    prepare_image,
    prepare_video_frame,
)

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def normalised(resized_hwc: np.ndarray) -> np.ndarray:
    return ((resized_hwc.astype(np.float32) - MEAN) / STD).transpose(2, 0, 1)


@pytest.mark.parametrize("shape", [(48, 80), (300, 200), (64, 64)])
def test_uint8_video_frame_is_pillows_bicubic_bit_by_bit(rng: np.random.Generator, shape: tuple[int, int]) -> None:
    frame = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected = normalised(np.array(Image.fromarray(frame).resize((64, 64))) / 255.0)
    prepared = prepare_video_frame(frame, 64)
    assert prepared.dtype == torch.float32
    assert prepared.is_contiguous()
    np.testing.assert_array_equal(prepared.numpy(), expected)


def test_float_video_frame_differs_from_uint8_by_rounding_only(rng: np.random.Generator) -> None:
    frame = rng.integers(80, 176, (50, 70, 3), dtype=np.uint8)  # nothing to cut off at black and white
    from_bytes = prepare_video_frame(frame, 96)
    from_floats = prepare_video_frame((frame / 255).astype(np.float32), 96)
    spread = (from_bytes - from_floats).abs() * torch.tensor(STD)[:, None, None]
    assert spread.max() <= 1.3 / 255  # one rounding per direction of the resize, the first one sharpened by the second


def test_float_video_frame_stays_within_the_range_of_an_image() -> None:
    frame = np.zeros((40, 40, 3), np.float32)
    frame[:, 20:] = 1.0  # bicubic interpolation overshoots at an edge
    back = prepare_video_frame(frame, 96).numpy().transpose(1, 2, 0) * STD + MEAN
    assert back.min() >= -1e-6
    assert back.max() <= 1 + 1e-6


def antialiased_weights(size_in: int, size_out: int) -> np.ndarray:
    """Weights of triangle-filtered resampling, (out, in)."""
    scale = size_in / size_out
    support = max(scale, 1.0)
    centres = (np.arange(size_out) + 0.5) * scale
    distance = np.abs(np.arange(size_in) + 0.5 - centres[:, None]) / support
    weights = np.clip(1 - distance, 0, None)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("shape", [(48, 80), (130, 200), (64, 64)])
def test_single_image_is_antialiased_bilinear(rng: np.random.Generator, shape: tuple[int, int]) -> None:
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    rows, columns = antialiased_weights(shape[0], 64), antialiased_weights(shape[1], 64)
    expected = normalised(np.einsum("ah,bw,hwc->abc", rows, columns, image / 255.0))
    np.testing.assert_allclose(prepare_image(image, 64).numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(prepare_image((image / 255).astype(np.float32), 64).numpy(), expected, atol=1e-5)


def test_preparing_leaves_the_callers_pixels_alone(rng: np.random.Generator) -> None:
    image = rng.random((32, 32, 3)).astype(np.float32)
    before = image.copy()
    prepare_image(image, 32)
    prepare_video_frame(image, 32)
    np.testing.assert_array_equal(image, before)


def test_points_scale_x_by_width_and_y_by_height() -> None:
    points = points_to_model_px([[20.0, 5.0], [200.0, 50.0]], (50, 200), 256)
    torch.testing.assert_close(points, torch.tensor([[25.6, 25.6], [256.0, 256.0]]))
    same = points_to_model_px(np.array([[[0.1, 0.1]]]), (50, 200), 256, normalize=False)
    torch.testing.assert_close(same, torch.tensor([[[25.6, 25.6]]]))


def test_points_are_divided_then_multiplied_in_float32(rng: np.random.Generator) -> None:
    points = rng.uniform(0, 700, (50, 2))
    single = points.astype(np.float32)
    expected = single / np.array([701, 463], np.float32) * np.float32(1024)
    np.testing.assert_array_equal(points_to_model_px(points, (463, 701), 1024).numpy(), expected)


def test_box_becomes_its_two_corners() -> None:
    assert box_to_points([1, 2, 3, 4]).tolist() == [[1, 2], [3, 4]]
    assert box_to_points(np.arange(8).reshape(2, 4)).tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]


def test_masks_are_bilinear_between_pixel_centres() -> None:
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    wide = masks_to_video(ramp, (4, 8))
    expected = torch.tensor([0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0])
    torch.testing.assert_close(wide[0, 0, 0], expected)
    assert masks_to_video(ramp, (4, 4)) is ramp


def test_drawn_mask_reaches_the_model_as_zero_and_one(rng: np.random.Generator) -> None:
    mask = rng.random((90, 130)) > 0.5
    rows, columns = antialiased_weights(90, 64), antialiased_weights(130, 64)
    share = np.einsum("ah,bw,hw->ab", rows, columns, mask.astype(float))
    prepared = mask_to_model(mask, 64)
    assert prepared.shape == (1, 1, 64, 64)
    clear = np.abs(share - 0.5) > 1e-5
    np.testing.assert_array_equal(prepared[0, 0].numpy()[clear], (share >= 0.5)[clear])
    assert set(prepared.unique().tolist()) == {0.0, 1.0}


def test_mask_of_the_models_size_is_not_resized(rng: np.random.Generator) -> None:
    mask = rng.random((64, 64)) > 0.5
    np.testing.assert_array_equal(mask_to_model(mask, 64)[0, 0].numpy(), mask.astype(np.float32))
