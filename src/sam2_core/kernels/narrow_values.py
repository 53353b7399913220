"""Attention kernels: the cheapest one at hand, also for one head whose values are narrower than its keys.

Memories are 64 channels wide and their keys 256: summing them as they are takes a quarter of the multiplications that
summing projected values does. The choice of a kernel:

- CPU, float32: torch's fused kernel wants one width for both. Products over tiles (`tiles`) take 0.4 to 0.65 of its
  time. Where values are as wide as keys they take 0.6 to 0.75 on processors of AMD with 512-bit units and as long as
  the fused kernel on others (measured): only there long sequences of any attention come here.
- CPU, bfloat16, where the processor multiplies it: tiles of bfloat16, 0.6 of the time in float32 (measured).
- CPU, other half precision: without AMX the fused kernel is no faster than in float32 (measured), so the same in
  float32; with AMX the fused kernel (not measured).
- CUDA, float32: the memory-efficient kernel takes narrow values as they are (not measured; the flash kernel knows half
  precision only).
- Half precision there, and other devices: values are padded with zeros to the width of the keys, which is what the
  flash kernel wants; the plain path's kernel without its projection (not measured).

Inference only: nothing here drops out.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sam2_core.kernels.processor import processor
from sam2_core.kernels.products import infers_in_bfloat16, infers_on_cpu, onednn_is_on
from sam2_core.kernels.tiles import in_bfloat16, in_float32

SHORTEST = 512
"""Queries and keys of the shortest attention whose values are as wide as its keys that goes over tiles."""


def suits_tiles(queries: Tensor, keys: Tensor) -> bool:
    """Return whether tiles beat torch's fused kernel: queries (..., Nq, E), keys (..., Nk, E) of any attention."""
    if min(queries.shape[-2], keys.shape[-2]) < SHORTEST or not (infers_on_cpu(queries) and onednn_is_on()):
        return False
    return _for_tiles(queries) and (infers_in_bfloat16(queries) or processor().has_wide_units)


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
        attend = in_bfloat16 if infers_in_bfloat16(queries) and onednn_is_on() else in_float32
        with torch.autocast("cpu", enabled=False):
            return attend(queries, keys, values)
    if queries.device.type == "cuda" and queries.dtype == torch.float32:
        return _fused(queries, keys, values)
    width = values.shape[-1]
    padded = F.pad(values.to(queries.dtype), (0, keys.shape[-1] - width))
    return _fused(queries, keys, padded)[..., :width]


def _for_tiles(x: Tensor) -> bool:
    if x.device.type != "cpu":
        return False
    return x.dtype == torch.float32 or (x.dtype in (torch.bfloat16, torch.float16) and not processor().has_amx)


def _fused(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(queries[:, None], keys[:, None], values[:, None])[:, 0]
