"""From stored values to three channels in a fixed range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sam2_core.errors import StackError
from sam2_core.inference.frames.contrast import estimate_limits, frame_to_rgb, sampled_indices


def test_bytes_pass_as_they_are(rng: np.random.Generator) -> None:
    gray = rng.integers(0, 256, (5, 6), dtype=np.uint8)
    rgba = rng.integers(0, 256, (5, 6, 4), dtype=np.uint8)
    np.testing.assert_array_equal(frame_to_rgb(gray), np.stack([gray] * 3, axis=2))
    np.testing.assert_array_equal(frame_to_rgb(gray[:, :, None]), np.stack([gray] * 3, axis=2))
    np.testing.assert_array_equal(frame_to_rgb(rgba), rgba[:, :, :3])
    two = frame_to_rgb(rgba[:, :, :2])
    np.testing.assert_array_equal(two[:, :, :2], rgba[:, :, :2])
    np.testing.assert_array_equal(two[:, :, 2], rgba[:, :, :2].mean(axis=2).astype(np.uint8))


def test_bytes_follow_limits_that_were_asked_for() -> None:
    rgb = frame_to_rgb(np.array([[10, 60, 110, 255]], np.uint8), (10, 110))
    assert rgb.dtype == np.float32
    np.testing.assert_allclose(rgb[0, :, 0], [0, 0.5, 1, 1])


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.uint32, np.float16, np.float32, np.float64])
def test_other_types_are_stretched_between_the_limits(dtype: type) -> None:
    rgb = frame_to_rgb(np.array([[0, 100, 150, 200, 300]], dtype), (100, 200))
    assert rgb.dtype == np.float32
    np.testing.assert_allclose(rgb[0, :, 1], [0, 0, 0.5, 1, 1])


def test_each_channel_has_its_own_limits() -> None:
    frame = np.full((2, 2, 2), 50.0)
    rgb = frame_to_rgb(frame, [(0, 100), (50, 60)])
    assert rgb[0, 0].tolist() == [0.5, 0.0, 0.25]
    with pytest.raises(StackError, match="3 contrast limits for a frame with 2 channels"):
        frame_to_rgb(frame, [(0, 1)] * 3)


def test_limits_are_percentiles_that_a_few_hot_pixels_cannot_move(rng: np.random.Generator) -> None:
    frame = rng.uniform(1000, 2000, (200, 200))
    frame[0, :5] = 65000
    ((low, high),) = estimate_limits([frame])
    assert 1000 <= low <= 1010
    assert 1990 <= high <= 2000


def test_limits_cover_all_given_frames_and_each_channel() -> None:
    dark, bright = np.zeros((20, 20, 2)), np.zeros((20, 20, 2))
    dark[:, :, 0], bright[:, :, 0] = 1, 9
    dark[:, :, 1], bright[:, :, 1] = -4, -2
    np.testing.assert_allclose(estimate_limits([dark, bright]), [(1, 9), (-4, -2)], atol=0.1)


def test_large_frames_are_sampled_without_losing_their_range(rng: np.random.Generator) -> None:
    frame = rng.integers(200, 4000, (1500, 1500)).astype(np.uint16)
    ((low, high),) = estimate_limits([frame])
    assert low == pytest.approx(np.percentile(frame, 0.1), abs=5)
    assert high == pytest.approx(np.percentile(frame, 99.9), abs=5)


def test_nearly_empty_constant_and_boolean_frames() -> None:
    sparse = np.zeros((100, 100), np.uint16)
    sparse[50, 50] = 700
    assert estimate_limits([sparse]) == ((0.0, 700.0),)
    constant = np.full((4, 4), 0.5)
    assert estimate_limits([constant]) == ((0.5, 1.5),)
    assert frame_to_rgb(constant).max() == 0
    boolean = np.eye(4, dtype=bool)
    np.testing.assert_array_equal(frame_to_rgb(boolean)[:, :, 2], np.eye(4))


def test_large_whole_numbers_keep_their_contrast() -> None:
    frame = np.array([[2**31, 2**31 + 50, 2**31 + 100]], np.uint32)
    np.testing.assert_allclose(frame_to_rgb(frame, (2**31, 2**31 + 100))[0, :, 0], [0, 0.5, 1])


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros(4), r"shape \(4,\)"),
        (np.zeros((0, 4)), r"shape \(0, 4\)"),
        (np.zeros((4, 4, 4, 3)), r"expected \(H, W\)"),
        (np.zeros((9, 9, 5)), "5 channels.*choose up to three"),
        (np.zeros((3, 9, 9)), "9 channels.*move the channels to the end"),
        (np.zeros((9, 9, 4), np.uint16), "not RGBA; choose three"),
        (np.zeros((4, 4), complex), "type complex128"),
        (np.full((4, 4), "a"), "type <U1"),
    ],
)
def test_what_cannot_be_shown(frame: np.ndarray, message: str) -> None:
    with pytest.raises(StackError, match=message):
        frame_to_rgb(frame)


@pytest.mark.parametrize("limits", [5, (1, 2, 3), (5, 5), (7, 5), (0, np.nan), "bright", [(0, 1), (3, 2)], [[[0, 1]]]])
def test_unusable_limits(limits: Any) -> None:
    with pytest.raises(StackError, match="contrast limits"):
        frame_to_rgb(np.zeros((4, 4)), limits)


def test_sampled_indices_are_spread_over_the_stack() -> None:
    assert sampled_indices(1) == [0]
    assert sampled_indices(5) == [0, 1, 2, 3, 4]
    spread = sampled_indices(2000)
    assert (len(spread), spread[0], spread[-1]) == (16, 0, 1999)
    assert set(np.diff(spread)) <= {133, 134}
