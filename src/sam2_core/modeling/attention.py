"""Attention with projections: the plain one of the mask decoder, and the one with rotary positions of the memory
attention.

Both keep their inputs as (B, N, C) sequences. Windows and pooling belong to `hiera`, kernels to `narrow_values`.
Source: ``sam2/modeling/sam/transformer.py`` (facebookresearch/sam2, 2b90b9f).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sam2_core.kernels.narrow_values import attend_narrow, weighted_values
from sam2_core.kernels.products import Linear, linear, product_dtype
from sam2_core.modeling.position import rotate, rotate_in_place


class Attention(nn.Module):
    """Multi-head attention whose inner width may be smaller than its outer one, keys of any width."""

    def __init__(
        self, dim: int, num_heads: int, downsample_rate: int = 1, kv_dim: int | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        inner = dim // downsample_rate
        if inner % num_heads:
            raise ValueError(f"inner width {inner} is not a multiple of {num_heads} heads")
        self.num_heads = num_heads
        self.dropout = dropout
        self.q_proj = Linear(dim, inner)
        self.k_proj = Linear(kv_dim or dim, inner)
        self.v_proj = Linear(kv_dim or dim, inner)
        self.out_proj = Linear(inner, dim)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return (B, Nq, dim) for queries (B, Nq, dim), keys and values (B, Nk, kv_dim); any may have batch 1."""
        return self.attend(self.split(self.q_proj(q)), self.split(self.k_proj(k)), self.split(self.v_proj(v)))

    def split(self, x: Tensor) -> Tensor:
        """Return (B, heads, N, dim / heads)."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return the projected sum of values for projected, split queries, keys and values, batch B or 1 each."""
        batch = max(len(q), len(k))
        q, k, v = (part.expand(batch, -1, -1, -1) for part in (q, k, v))
        out = weighted_values(q, k, v, self.dropout if self.training else 0.0)
        return self.out_proj(out.transpose(1, 2).flatten(-2))

    def read_few(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return what `forward` does, up to rounding and without dropout, cheaper where many queries meet few keys.

        On a CPU that infers by oneDNN keys and values carry the projections of the queries and of the sums, so
        nothing as long as the queries is projected: two products with heads * Nk channels are left. q may have batch 1.
        """
        if self.num_heads * k.shape[1] >= self.q_proj.out_features or product_dtype(q) is None:
            return self(q, k, v)
        keys, values = self.split(self.k_proj(k)), self.split(self.v_proj(v))  # (B, heads, Nk, e)
        keys = keys / math.sqrt(keys.shape[-1])
        for_queries = (keys @ self.q_proj.weight.unflatten(0, (self.num_heads, -1))).flatten(1, 2)
        offsets = (keys @ self.q_proj.bias.view(self.num_heads, -1, 1)).flatten(1)
        for_sums = (values @ self.out_proj.weight.T.unflatten(0, (self.num_heads, -1))).flatten(1, 2)
        read = q.new_empty(len(k), q.shape[1], q.shape[2])
        for place, queries, some_keys, offset, sums in zip(
            read, q.expand(len(k), -1, -1), for_queries, offsets, for_sums, strict=True
        ):
            products = linear(queries, some_keys, offset).T.contiguous()  # torch is slow along few neighbours
            weights = products.unflatten(0, (self.num_heads, -1)).softmax(1).flatten(0, 1).T
            place.copy_(linear(weights, sums.T, self.out_proj.bias))
        return read


class RotaryAttention(Attention):
    """Attention whose queries and keys are turned by their place on the grid."""

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, rotation: Tensor | None = None, num_unrotated_keys: int = 0
    ) -> Tensor:
        """Return (B, Nq, dim).

        Parameters
        ----------
        q, k, v
            (B, Nq, dim), (B, Nk, kv_dim), (B, Nk, kv_dim); Nk less the unrotated keys is a multiple of the table's
            rows.
        rotation
            Table of `sam2_core.modeling.position.axial_rotation` for the grid of the queries.
        num_unrotated_keys
            Keys at the end that have no place on the grid (object pointers).
        """
        queries, keys, values = self.split(self.q_proj(q)), self.split(self.k_proj(k)), self.split(self.v_proj(v))
        if rotation is not None:
            queries = rotate(queries, rotation)
            keys = _rotate_first(keys, keys.shape[-2] - num_unrotated_keys, rotation)
        return self.attend(queries, keys, values)

    def read(self, q: Tensor, k: Tensor, v: Tensor, rotation: Tensor, num_unrotated_keys: int) -> Tensor:
        """Return what `forward` does, up to rounding and without dropout, for one head and narrow values, cheaper.

        Weights sum to one, so it is the same to project the sum of the values as to sum projected ones; both
        projections after one another are one matrix. q may have batch 1 where k and v have batch B: it is projected
        and turned once.
        """
        queries, keys = self.q_proj(q), self.k_proj(k)
        rotate_in_place(queries, rotation)
        rotate_in_place(keys[:, : keys.shape[1] - num_unrotated_keys], rotation)
        summed = attend_narrow(queries.expand(len(keys), -1, -1), keys, v)  # (B, Nq, kv_dim)
        weight = self.out_proj.weight @ self.v_proj.weight
        return linear(summed, weight, linear(self.v_proj.bias, self.out_proj.weight, self.out_proj.bias))


def _rotate_first(keys: Tensor, placed: int, rotation: Tensor) -> Tensor:
    if placed == keys.shape[-2]:
        return rotate(keys, rotation)
    return torch.cat([rotate(keys[..., :placed, :], rotation), keys[..., placed:, :]], dim=-2)
