"""Attention kernels: the cheapest one at hand, also for one head whose values are narrower than its keys.

Memories are 64 channels wide and their keys 256: summing them as they are takes a quarter of the multiplications that
summing projected values does. The choice of a kernel:

- CPU, float32: torch's fused kernel wants one width for both. Products over tiles (`products`) and a running softmax
  take 0.4 of its time; 0.6 to 0.75 of it where values are as wide as keys, so long sequences of any attention may come
  here. What fits into the cache as a whole takes 0.8 of the time of tiles (measured with torch 2.13 and oneDNN).
- CPU, half precision: without AMX the fused kernel is no faster than in float32 (measured), so the same in float32;
  with AMX the fused kernel (not measured).
- CUDA, float32: the memory-efficient kernel takes narrow values as they are (not measured; the flash kernel knows half
  precision only).
- Half precision there, and other devices: values are padded with zeros to the width of the keys, which is what the
  flash kernel wants; the plain path's kernel without its projection (not measured).

Inference only: nothing here drops out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from sam2_core.kernels.products import infers_on_cpu, linear, onednn_is_on

TILE = 512
"""Queries and keys of a tile: its weights, 1 MB, stay in the cache."""
AT_ONCE = 2**19
"""So many weights, 2 MB, need no tiles: 256 queries and seven memories of 16 x 16."""
FAINTEST = -64.0
"""Exponents below count as this one: a weight of 1e-28 beside 1 is nothing, and smaller ones become subnormal numbers,
with which processors take ten times as long.
"""


def suits_tiles(queries: Tensor, keys: Tensor) -> bool:
    """Return whether tiles beat torch's fused kernel: queries (..., Nq, E), keys (..., Nk, E) of any attention."""
    long = min(queries.shape[-2], keys.shape[-2]) >= TILE
    return long and infers_on_cpu(queries) and _for_tiles(queries) and onednn_is_on()


def weighted_values(q: Tensor, k: Tensor, v: Tensor, dropout: float = 0.0) -> Tensor:
    """Return `scaled_dot_product_attention` of (B, heads, N, E) each.

    Long sequences in float32 on a CPU go through tiles. Where autocast trains on a CPU it is in float32: there the
    bfloat16 backward pass takes four times as long as the float32 one (torch 2.13).
    """
    if dropout == 0 and suits_tiles(q, k):
        return attend_narrow(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1)).unflatten(0, q.shape[:2])
    slow = q.device.type == "cpu" and torch.is_grad_enabled() and torch.is_autocast_enabled("cpu")
    if not slow:
        return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
    with torch.autocast("cpu", enabled=False):
        return F.scaled_dot_product_attention(q.float(), k.float(), v.float(), dropout_p=dropout)


def attend_narrow(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return (B, Nq, Ev): values (B, Nk, Ev) summed by softmaxed products of queries (B, Nq, E) and keys (B, Nk, E)."""
    if _for_tiles(queries):
        with torch.autocast("cpu", enabled=False):
            return _in_float32(queries, keys, values)
    if queries.device.type == "cuda" and queries.dtype == torch.float32:
        return _fused(queries, keys, values)
    width = values.shape[-1]
    padded = F.pad(values.to(queries.dtype), (0, keys.shape[-1] - width))
    return _fused(queries, keys, padded)[..., :width]


def _for_tiles(x: Tensor) -> bool:
    if x.device.type != "cpu":
        return False
    return x.dtype == torch.float32 or (x.dtype in (torch.bfloat16, torch.float16) and not _has_amx())


@lru_cache(1)
def _has_amx() -> bool:
    known = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return known is not None and bool(known())


def _fused(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(queries[:, None], keys[:, None], values[:, None])[:, 0]


def _in_float32(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return the sums in the dtype of the queries, made in float32, one sequence after the other."""
    scale = 1 / math.sqrt(queries.shape[-1])
    summed = queries.new_empty(*queries.shape[:2], values.shape[-1])
    attend = _at_once if queries.shape[1] * keys.shape[1] <= AT_ONCE else _in_tiles
    for own_queries, own_keys, own_values, place in zip(queries, keys, values, summed, strict=True):
        attend(own_queries.float() * scale, own_keys.float(), own_values.float(), place)
    return summed


def _at_once(queries: Tensor, keys: Tensor, values: Tensor, place: Tensor) -> None:
    """Write the sums (Nq, Ev) to their place."""
    products = linear(queries, keys)
    products.sub_(products.amax(dim=1, keepdim=True)).clamp_(min=FAINTEST)
    place.copy_(linear(torch.softmax(products, dim=1), values.T))


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
        weights = products.sub_(largest).clamp_(min=FAINTEST).exp_()
        shrink = (before - largest).exp_()
        total.mul_(shrink).add_(weights.sum(dim=1, keepdim=True))
        summed.mul_(shrink).add_(linear(weights, some_columns))
    return summed / total
