"""Holes, specks and overlaps, against a flood fill written out pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sam2_core.inference.postprocess import (
    clean_image_masks,
    fill_holes,
    remove_small_pieces,
    resolve_overlaps,
    spread_small_components,
)


def small_components(mask: np.ndarray, max_area: int) -> np.ndarray:
    """True where a component of `mask` (h, w), joined over 8 neighbours, has at most `max_area` pixels."""
    result, seen = np.zeros_like(mask), np.zeros_like(mask)
    for start in zip(*np.nonzero(mask), strict=True):
        if seen[start]:
            continue
        seen[start] = True
        component, queue = [], [start]
        while queue:
            y, x = queue.pop()
            component.append((y, x))
            for ny in range(max(y - 1, 0), min(y + 2, mask.shape[0])):
                for nx in range(max(x - 1, 0), min(x + 2, mask.shape[1])):
                    if mask[ny, nx] and not seen[ny, nx]:
                        seen[ny, nx] = True
                        queue.append((ny, nx))
        if len(component) <= max_area:
            for pixel in component:
                result[pixel] = True
    return result


masks = hnp.arrays(bool, st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9)))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(masks, st.integers(1, 12))
def test_holes_of_every_object_match_a_flood_fill(inside: np.ndarray, max_area: int) -> None:
    logits = torch.from_numpy(np.where(inside, 3.0, -3.0).astype(np.float32))[:, None]
    holes = np.stack([small_components(~plane, max_area) for plane in inside])
    filled = fill_holes(logits, max_area)[:, 0].numpy()
    np.testing.assert_array_equal(filled, np.where(holes, np.float32(0.1), logits[:, 0]))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(masks, st.integers(0, 12))
def test_local_steps_find_the_same_components_as_a_flood_fill(inside: np.ndarray, max_area: int) -> None:
    expected = np.stack([small_components(plane, max_area) for plane in inside])
    found = spread_small_components(torch.from_numpy(inside)[:, None], max_area)[:, 0]
    np.testing.assert_array_equal(found.numpy(), expected)


def test_local_steps_agree_with_the_count_on_crowded_masks(rng: np.random.Generator) -> None:
    """Long winding components beside small ones; what tracking asks for."""
    for density in (0.3, 0.42, 0.6):
        logits = torch.from_numpy((rng.random((6, 1, 64, 64)) < density).astype(np.float32))
        small = spread_small_components(logits <= 0, 8)
        assert torch.equal(torch.where(small, 0.1, logits), fill_holes(logits, 8))
        assert small.any()


@settings(derandomize=True, deadline=None, max_examples=200)
@given(masks, st.sampled_from([0.2, 0.5, 1.0]))
def test_pieces_that_are_small_beside_the_largest_of_their_object_are_removed(inside: np.ndarray, share: float) -> None:
    logits = torch.from_numpy(np.where(inside, 3.0, -3.0).astype(np.float32))[:, None]
    kept = remove_small_pieces(logits, share)[:, 0].numpy()
    for plane, before, after in zip(inside, logits[:, 0].numpy(), kept, strict=True):
        largest = next(size for size in range(plane.size + 1) if small_components(plane, size).sum() == plane.sum())
        small = small_components(plane, int(np.ceil(share * largest)) - 1)
        np.testing.assert_array_equal(after, np.where(small, np.float32(-0.1), before))


def ring(hole_pixels: int) -> torch.Tensor:
    logits = torch.full((1, 1, 16, 16), -5.0)
    logits[..., 2:14, 2:14] = 5.0
    logits[..., 7, 3 : 3 + hole_pixels] = 0.0  # a logit of exactly 0 is background
    return logits


def test_area_limit_counts_the_largest_hole_in() -> None:
    assert (fill_holes(ring(8), 8)[..., 7, 3:11] == 0.1).all()
    assert torch.equal(fill_holes(ring(9), 8), ring(9))


def test_diagonal_gap_joins_a_hole_to_the_outside() -> None:
    logits = torch.full((1, 1, 8, 8), -1.0)
    logits[..., 2:6, 2:6] = 1.0
    logits[..., 2, 2] = -1.0
    logits[..., 3, 3] = -1.0  # touches the gap by a corner only
    assert torch.equal(fill_holes(logits, 8), logits)


def test_objects_are_never_joined_to_each_other() -> None:
    logits = torch.full((3, 1, 4, 4), -1.0)
    logits[:, :, 1:3, 1:3] = 1.0  # 4 pixels in each of three objects at the same place
    assert (fill_holes(-logits, 4) >= 0).all()
    assert torch.equal(fill_holes(-logits, 3), -logits)


def test_no_area_means_no_work_and_input_is_left_alone() -> None:
    logits = ring(3)
    assert fill_holes(logits, 0) is logits
    assert remove_small_pieces(logits, 0.0) is logits
    before = logits.clone()
    fill_holes(logits, 8)
    assert torch.equal(logits, before)


def test_no_objects_and_absent_objects_pass() -> None:
    assert fill_holes(torch.zeros(0, 1, 8, 8), 8).shape == (0, 1, 8, 8)
    absent = torch.full((2, 1, 16, 16), -1024.0)
    assert torch.equal(fill_holes(absent, 8), absent)
    assert remove_small_pieces(torch.zeros(0, 1, 8, 8), 0.3).shape == (0, 1, 8, 8)
    assert torch.equal(remove_small_pieces(absent, 0.3), absent)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_number_type_is_kept(dtype: torch.dtype) -> None:
    filled = fill_holes(ring(3).to(dtype), 8)
    assert filled.dtype == dtype
    assert (filled[..., 7, 3:6] > 0).all()


def test_image_masks_are_repaired_from_what_came_in() -> None:
    logits = torch.full((1, 3, 24, 24), -5.0)
    logits[..., 2:14, 2:14] = 5.0
    logits[..., 5:8, 5:8] = -5.0
    logits[..., 6, 6] = 5.0  # a speck within a hole of 8 pixels
    logits[..., 20, 20] = 5.0
    cleaned = clean_image_masks(logits, max_hole_area=8, max_speck_area=2)
    assert cleaned[0, :, 5, 5].tolist() == [10.0] * 3
    assert cleaned[0, :, 6, 6].tolist() == [-10.0] * 3
    assert cleaned[0, :, 20, 20].tolist() == [-10.0] * 3
    shifted = clean_image_masks(logits, max_hole_area=8, max_speck_area=0, threshold=1.0)
    assert shifted[0, :, 5, 5].tolist() == [11.0] * 3
    assert clean_image_masks(logits, 0, 0) is logits


def test_every_pixel_is_left_to_the_strongest_object(rng: np.random.Generator) -> None:
    logits = torch.from_numpy(rng.normal(0, 20, (4, 1, 9, 7)).astype(np.float32))
    resolved = resolve_overlaps(logits)
    strongest = logits.numpy().argmax(axis=0)
    for index in range(4):
        keeps = strongest == index
        np.testing.assert_array_equal(resolved[index][torch.from_numpy(keeps)], logits[index][torch.from_numpy(keeps)])
        others = logits[index][torch.from_numpy(~keeps)].numpy()
        np.testing.assert_array_equal(resolved[index][torch.from_numpy(~keeps)], np.minimum(others, -10.0))
    assert ((resolved > 0).sum(dim=0) <= 1).all()


def test_of_equal_objects_the_first_keeps_the_pixel() -> None:
    resolved = resolve_overlaps(torch.full((2, 1, 2, 2), 4.0))
    assert resolved[:, 0, 0, 0].tolist() == [4.0, -10.0]


def test_one_object_has_nobody_to_overlap() -> None:
    logits = torch.full((1, 1, 2, 2), 4.0)
    assert resolve_overlaps(logits) is logits


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_repairs_on_a_gpu_equal_those_on_the_cpu(rng: np.random.Generator) -> None:
    logits = torch.from_numpy(rng.normal(0, 1, (5, 1, 64, 64)).astype(np.float32))
    assert torch.equal(fill_holes(logits.cuda(), 8).cpu(), fill_holes(logits, 8))
    assert torch.equal(remove_small_pieces(logits.cuda(), 0.3).cpu(), remove_small_pieces(logits, 0.3))
