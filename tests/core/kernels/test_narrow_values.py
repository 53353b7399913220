"""Attention over narrow values against its formula in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from sam2_core.kernels import tiles
from sam2_core.kernels.narrow_values import attend_narrow
from sam2_core.kernels.processor import processor
from sam2_core.kernels.tiles import AT_ONCE, TILE, in_bfloat16

needs_bfloat16 = pytest.mark.skipif(not processor().takes_bfloat16, reason="this processor imitates bfloat16")


@pytest.fixture(params=[AT_ONCE, 0], ids=["at once where it fits", "in tiles"])
def either_way(request, monkeypatch) -> None:
    monkeypatch.setattr(tiles, "AT_ONCE", request.param)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def by_formula(queries, keys, values):
    queries, keys, values = queries.double(), keys.double(), values.double()
    weights = (queries @ keys.transpose(1, 2) / math.sqrt(queries.shape[-1])).softmax(dim=-1)
    return weights @ values


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize(("num_queries", "num_keys"), [(1, 1), (16, 3), (TILE, TILE), (TILE + 7, 2 * TILE + 5)])
@pytest.mark.parametrize("strength", [0.1, 3.0])
def test_it_is_the_weighted_sum(num_queries, num_keys, strength, generator) -> None:
    queries = strength * torch.randn(2, num_queries, 16, generator=generator)
    keys = strength * torch.randn(2, num_keys, 16, generator=generator)
    values = torch.randn(2, num_keys, 4, generator=generator)
    found = attend_narrow(queries, keys, values)
    torch.testing.assert_close(found.double(), by_formula(queries, keys, values), atol=1e-5, rtol=1e-5)


def one_key_far_above(places, generator):
    """Queries, keys and values in which one key wins, at each place in turn, and the value that belongs to it."""
    queries = torch.full((1, 2, 4), 40.0)
    keys = torch.randn(1, 3 * TILE, 4, generator=generator)
    values = torch.randn(1, 3 * TILE, 2, generator=generator)
    for place in places:
        sharp = keys.clone()
        sharp[:, place] = 40.0
        yield (queries, sharp, values), values[:, [place, place]]


@pytest.mark.usefixtures("either_way")
def test_large_products_do_not_overflow_wherever_they_lie(generator) -> None:
    for given, expected in one_key_far_above((0, TILE + 1, 3 * TILE - 1), generator):
        torch.testing.assert_close(attend_narrow(*given), expected)


def test_one_set_of_queries_serves_many_objects(generator) -> None:
    queries = torch.randn(1, 5, 8, generator=generator)
    keys, values = torch.randn(3, 9, 8, generator=generator), torch.randn(3, 9, 2, generator=generator)
    together = attend_narrow(queries.expand(3, -1, -1), keys, values)
    for i in range(3):
        assert torch.equal(together[i : i + 1], attend_narrow(queries, keys[i : i + 1], values[i : i + 1]))


@needs_bfloat16
@pytest.mark.parametrize(("num_queries", "num_keys"), [(1, 1), (16, 3), (TILE + 7, 2 * TILE + 5)])
@pytest.mark.parametrize("strength", [0.1, 3.0])
def test_in_bfloat16_it_is_as_near_as_rounding_allows(num_queries, num_keys, strength, generator) -> None:
    """The bound is twice what rounding queries, keys and values alone does."""
    queries = strength * torch.randn(2, num_queries, 64, generator=generator)
    keys = strength * torch.randn(2, num_keys, 64, generator=generator)
    values = torch.randn(2, num_keys, 16, generator=generator)
    exact = by_formula(queries, keys, values)
    rounded = by_formula(queries.bfloat16(), keys.bfloat16(), values.bfloat16()).bfloat16()
    found = in_bfloat16(queries, keys, values)
    assert found.dtype == torch.bfloat16
    assert (found - exact).square().mean().sqrt() < 2 * (rounded - exact).square().mean().sqrt() + 1e-3


@needs_bfloat16
def test_in_bfloat16_a_weight_far_above_the_guess_is_no_other(generator) -> None:
    """The guess looks at few keys; the largest product here is one of another key."""
    for given, expected in one_key_far_above((1, TILE + 1, 3 * TILE - 1), generator):
        assert torch.equal(in_bfloat16(*given), expected.bfloat16())


@needs_bfloat16
@pytest.mark.parametrize("above", [4.0, 16.0, 64.0, 96.0])
def test_in_bfloat16_a_guess_may_be_too_low(above, generator) -> None:
    """Some queries see a key that the guess does not look at, so much above most, and another a little above it."""
    keys, values = torch.zeros(1, 2 * TILE, 64), torch.randn(1, 2 * TILE, 16, generator=generator)
    keys[0, TILE + 3, 0], keys[0, TILE + 5, 0] = 1.0, 1.0 + 2**-6
    queries = torch.randn(1, 40, 64, generator=generator)
    queries[0, ::3, 0] = above * math.sqrt(64)
    found, exact = in_bfloat16(queries, keys, values).double(), by_formula(queries, keys, values)
    torch.testing.assert_close(found, exact, atol=1e-2, rtol=1e-2)


@needs_bfloat16
@pytest.mark.parametrize("strength", [50.0, 1e4, 1e9])
def test_in_bfloat16_products_may_be_so_large_that_they_are_rounded_to_tens(strength, generator) -> None:
    """Each query has one key of its own, so that what is right does not hang on how products are rounded."""
    keys = torch.zeros(1, TILE + 5, 64)
    keys[0, 3:67] = torch.diag(torch.linspace(1, 300, 64))
    queries = strength * math.sqrt(64) * torch.eye(64)[None]
    values = torch.randn(1, TILE + 5, 16, generator=generator)
    found = in_bfloat16(queries, keys, values).double()
    torch.testing.assert_close(found, by_formula(queries, keys, values), atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_values_padded_for_a_fused_kernel_give_the_same(dtype, generator) -> None:
    queries, keys = (torch.randn(2, 9, 16, generator=generator, dtype=dtype) for _ in range(2))
    values = torch.randn(2, 9, 4, generator=generator)
    found = attend_narrow(queries, keys, values)
    assert found.dtype == dtype
    assert found.shape == (2, 9, 4)
    bound = 1e-12 if dtype == torch.float64 else 0.03
    torch.testing.assert_close(found.double(), by_formula(queries, keys, values), atol=bound, rtol=bound)


def test_fused_kernels_may_be_given_narrow_values(generator) -> None:
    """What float32 on CUDA relies on: the call takes values of another width."""
    queries, keys = (torch.randn(2, 1, 9, 16, generator=generator) for _ in range(2))
    values = torch.randn(2, 1, 9, 4, generator=generator)
    found = F.scaled_dot_product_attention(queries, keys, values)[:, 0]
    torch.testing.assert_close(found, attend_narrow(queries[:, 0], keys[:, 0], values[:, 0]), atol=1e-5, rtol=1e-5)
