"""Attention of one head whose values are narrower than its keys, by the cheapest kernel at hand.

Memories are 64 channels wide and their keys 256: summing them as they are takes a quarter of the multiplications that
summing projected values does. The choice of a kernel:

- CPU, float32: torch's fused kernel wants one width for both. Matrix products over tiles and a running softmax take 0.7
  of its time, near what the products alone need (measured).
- CUDA, float32: the memory-efficient kernel takes narrow values as they are (not measured; the flash kernel knows half
  precision only).
- Half precision, and other devices: values are padded with zeros to the width of the keys, which is what the flash
  kernel wants; the plain path's kernel without its projection (not measured).

Inference only: nothing here drops out.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

TILE = 512
"""Queries and keys of a tile: its weights, 1 MB, stay in the cache."""


def attend_narrow(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return (B, Nq, Ev): values (B, Nk, Ev) summed by softmaxed products of queries (B, Nq, E) and keys (B, Nk, E)."""
    if queries.device.type == "cpu" and queries.dtype == torch.float32:
        return _in_tiles(queries, keys, values)
    if queries.device.type == "cuda" and queries.dtype == torch.float32:
        return _fused(queries, keys, values)
    width = values.shape[-1]
    padded = F.pad(values.to(queries.dtype), (0, keys.shape[-1] - width))
    return _fused(queries, keys, padded)[..., :width]


def _fused(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(queries[:, None], keys[:, None], values[:, None])[:, 0]


def _in_tiles(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    scale = 1 / math.sqrt(queries.shape[-1])
    summed = queries.new_empty(*queries.shape[:2], values.shape[-1])
    for own_queries, own_keys, own_values, place in zip(queries, keys, values, summed, strict=True):
        for some, there in zip((own_queries * scale).split(TILE), place.split(TILE), strict=True):
            there.copy_(_running_softmax(some, own_keys, own_values))
    return summed


def _running_softmax(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return (Nq, Ev), tile by tile: when a larger product turns up, what was summed before shrinks to its scale."""
    largest = queries.new_full((len(queries), 1), -math.inf)
    total = queries.new_zeros(len(queries), 1)
    summed = queries.new_zeros(len(queries), values.shape[-1])
    for some_keys, some_values in zip(keys.split(TILE), values.split(TILE), strict=True):
        products = queries @ some_keys.T
        before, largest = largest, torch.maximum(largest, products.amax(dim=1, keepdim=True))
        weights = products.sub_(largest).exp_()
        shrink = (before - largest).exp_()
        total.mul_(shrink).add_(weights.sum(dim=1, keepdim=True))
        summed.mul_(shrink).addmm_(weights, some_values)
    return summed / total
