"""Attention on a CPU, tile by tile: the weights of a tile stay in the cache, its products are by the fastest kernel.

Two ways, each one sequence after the other. In float32 with a running softmax: exact up to rounding, with weights that
are powers of two, which torch makes in a third of the time of powers of e (Zen 4, torch 2.13).

In bfloat16 the weights come out of the product itself: oneDNN has a sigmoid that it applies before it rounds, and far
below 0 a sigmoid is the exponential. So a product, less a guess of its query's largest (that of some keys), less `FAR`,
is a weight, and is looked at no more. Queries whose guess was too far off for that are made again from their largest,
and where that is so large that bfloat16 does not know it well enough, in float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sam2_core.kernels.products import linear

TILE = 1024
"""Queries and keys of a tile."""
AT_ONCE = 2**19
"""So many weights, 2 MB, need no tiles: 256 queries and seven memories of 16 x 16."""
FAINTEST = -90.0
"""Exponents of two below count as this one: a weight of 1e-27 beside 1 is nothing, and smaller ones become subnormal
numbers, with which processors take ten times as long. In bfloat16 they are zero without more ado.
"""
ASKED = 17
"""Of so many keys one is asked for the guess; odd, so that all columns of a map are."""
FAR = 60.0
"""Exponents of e between the guess and 0. A product may be 52 more than the guess; what is 27 less is nothing."""
MOST = math.exp(-8.0)
"""A query's sum of weights, of its own and in all: below it a sigmoid is the exponential to 0.03 %, less than bfloat16
rounds."""
LEAST = math.exp(-FAR - 8.0)
"""And above it: the guess was at most so much too high as leaves room for weights of e^-19 beside the largest."""


def in_float32(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return (B, Nq, Ev), of the dtype of queries: values (B, Nk, Ev) summed by softmaxed products of them and keys."""
    summed = queries.new_empty(*queries.shape[:2], values.shape[-1])
    attend = _at_once if queries.shape[1] * keys.shape[1] <= AT_ONCE else _in_tiles
    for own_queries, own_keys, own_values, place in zip(queries, keys, values, summed, strict=True):
        attend(_for_powers_of_two(own_queries), own_keys.float(), own_values.float(), place)
    return summed


def in_bfloat16(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return the same in bfloat16, for a processor that multiplies it."""
    summed = torch.empty(*queries.shape[:2], values.shape[-1], dtype=torch.bfloat16)
    scaled = (queries.float() / math.sqrt(queries.shape[-1])).bfloat16().contiguous()  # else oneDNN takes minutes
    for own_queries, own_keys, own_values, place in zip(scaled, keys, values, summed, strict=True):
        _in_narrow_tiles(own_queries, own_keys.bfloat16(), own_values.bfloat16(), place)
    return summed


def _for_powers_of_two(queries: Tensor) -> Tensor:
    """Return float32 queries whose products with keys are the exponents of two of the weights."""
    return queries.float() * (math.log2(math.e) / math.sqrt(queries.shape[-1]))


def _at_once(queries: Tensor, keys: Tensor, values: Tensor, place: Tensor) -> None:
    """Write the sums (Nq, Ev) to their place."""
    products = linear(queries, keys)
    weights = products.sub_(products.amax(dim=1, keepdim=True)).clamp_(min=FAINTEST).exp2_()
    place.copy_(linear(weights, values.T).div_(weights.sum(dim=1, keepdim=True)))


def _in_tiles(queries: Tensor, keys: Tensor, values: Tensor, place: Tensor) -> None:
    """Write the sums (Nq, Ev) to their place."""
    key_tiles = keys.contiguous().split(TILE)
    columns = [tile.T.contiguous() for tile in values.split(TILE)]  # (Ev, TILE) each
    for some, there in zip(queries.split(TILE), place.split(TILE), strict=True):
        there.copy_(_running_softmax(some, key_tiles, columns))


def _running_softmax(queries: Tensor, key_tiles: Sequence[Tensor], columns: Sequence[Tensor]) -> Tensor:
    """Return (Nq, Ev), tile by tile: when a larger product turns up, what was summed before shrinks to its scale."""
    largest = queries.new_full((len(queries), 1), -math.inf)
    total = queries.new_zeros(len(queries), 1)
    summed = queries.new_zeros(len(queries), len(columns[0]))
    for some_keys, some_columns in zip(key_tiles, columns, strict=True):
        products = linear(queries, some_keys)
        before, largest = largest, torch.maximum(largest, products.amax(dim=1, keepdim=True))
        weights = products.sub_(largest).clamp_(min=FAINTEST).exp2_()
        shrink = (before - largest).exp2_()
        total.mul_(shrink).add_(weights.sum(dim=1, keepdim=True))
        summed.mul_(shrink).add_(linear(weights, some_columns))
    return summed / total


def _in_narrow_tiles(queries: Tensor, keys: Tensor, values: Tensor, place: Tensor) -> None:
    """Write the sums (Nq, Ev) of bfloat16 queries, keys and values to their place."""
    key_tiles = keys.contiguous().split(TILE)
    counted = torch.cat([values, values.new_ones(len(values), 1)], dim=1)  # the last column sums the weights
    columns = [tile.T.contiguous() for tile in counted.split(TILE)]  # (Ev + 1, TILE) each
    asked = keys[::ASKED].T
    missed = []
    for some, there in zip(queries.split(TILE), place.split(TILE), strict=True):
        total = _from_a_guess(some, torch.mm(some, asked).amax(dim=1), key_tiles, columns, there)
        missed.append(~_is_near(total))
    again = torch.nonzero(torch.cat(missed)).flatten()
    for some in again.split(TILE) if len(again) else ():
        largest = torch.stack([linear(queries[some], tile).amax(dim=1) for tile in key_tiles]).amax(dim=0)
        there = place.new_empty(len(some), place.shape[1])
        is_near = _is_near(_from_a_guess(queries[some], largest, key_tiles, columns, there))
        place[some] = there
        far = some[~is_near]  # products of thousands, which bfloat16 rounds to tens
        if len(far):
            there = place.new_empty(len(far), place.shape[1])
            _in_tiles(queries[far].float() * math.log2(math.e), keys.float(), values.float(), there)
            place[far] = there


def _is_near(total: Tensor) -> Tensor:
    """Return (Nq,) whether a guess was near enough to the largest product, by the sums of weights."""
    return (total > LEAST) & (total < MOST)


def _from_a_guess(
    queries: Tensor, guess: Tensor, key_tiles: Sequence[Tensor], columns: Sequence[Tensor], place: Tensor
) -> Tensor:
    """Write the sums (Nq, Ev), by weights relative to a guess (Nq,) and to `FAR`, and return those of weights (Nq,)."""
    summed = torch.zeros(len(columns[0]), len(queries))
    offset = -guess - FAR
    for some_keys, some_columns in zip(key_tiles, columns, strict=True):
        weights = torch.ops.mkldnn._linear_pointwise(some_keys, queries, offset, "sigmoid", [], "")  # (Nk, Nq)
        summed += torch.mm(some_columns, weights)
    place.copy_((summed[:-1] / summed[-1]).T)
    return summed[-1]
