"""A frame looks into an object's memory.

Each layer: the frame attends to itself, then to the memory (spatial memories with their place and age, then object
pointers), then a feed-forward. The first self-attention does not depend on the object, so one frame's features may
come in with batch 1 and meet the memories of O objects: the batch grows where the first memory is read. There are two
ways of reading, equal up to rounding: plain, which is the definition and what training uses, and fast
(`RotaryAttention.read`). Source: ``sam2/modeling/memory_attention.py`` (facebookresearch/sam2, 2b90b9f).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from sam2_core.config import ModelConfig
from sam2_core.kernels.products import ROWS, Linear, in_pieces
from sam2_core.modeling.attention import RotaryAttention
from sam2_core.modeling.position import axial_rotation, sine_position_map


@dataclass(frozen=True, slots=True)
class MemoryTokens:
    """What O objects remember, as one sequence.

    Attributes
    ----------
    tokens, positions
        (O, K, mem_dim) each: whole stride-16 grids one after another, then the pointers cut into pieces of ``mem_dim``.
    num_pointer_tokens
        Tokens at the end that have no place on the grid.
    """

    tokens: Tensor
    positions: Tensor
    num_pointer_tokens: int


class MemoryAttentionLayer(nn.Module):
    """Self-attention, attention to the memory, feed-forward; normed before each, dropout only in training."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim, attention = config.d_model, config.memory_attention
        self.self_attn = RotaryAttention(dim, 1, dropout=attention.dropout)
        self.cross_attn_image = RotaryAttention(dim, 1, kv_dim=config.mem_dim, dropout=attention.dropout)
        self.linear1 = Linear(dim, attention.feedforward_dim)
        self.linear2 = Linear(attention.feedforward_dim, dim)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(dim) for _ in range(3))
        self.dropout = nn.Dropout(attention.dropout)

    def forward(self, x: Tensor, keys: Tensor, memory: MemoryTokens, rotation: Tensor, fast: bool) -> Tensor:
        """Return (O, h*w, C) for x (O, h*w, C) or (1, h*w, C) and keys (O, K, mem_dim)."""
        normed = self.norm1(x)
        x = x + self.dropout(self.self_attn(normed, normed, normed, rotation))
        read = self.cross_attn_image.read if fast else self._read_plain
        x = x + self.dropout(read(self.norm2(x), keys, memory.tokens, rotation, memory.num_pointer_tokens))
        fed = in_pieces(self._feed_forward, x.flatten(0, 1), ROWS).view_as(x)
        return x + self.dropout(fed)

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.linear1(self.norm3(x), "relu")))

    def _read_plain(self, q: Tensor, k: Tensor, v: Tensor, rotation: Tensor, num_unrotated_keys: int) -> Tensor:
        return self.cross_attn_image(q.expand(len(k), -1, -1), k, v, rotation, num_unrotated_keys)


class MemoryAttention(nn.Module):
    """The layers and a last norm."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(MemoryAttentionLayer(config) for _ in range(config.memory_attention.num_layers))
        self.norm = nn.LayerNorm(config.d_model)
        self.theta = config.memory_attention.rope_theta

    def forward(self, features: Tensor, memory: MemoryTokens, fast: bool = False) -> Tensor:
        """Return memory-conditioned features (O, C, h, w) for (O, C, h, w) or (1, C, h, w)."""
        channels, height, width = features.shape[1:]
        position = sine_position_map(channels, height, width, features.device)
        rotation = axial_rotation(channels, height, width, self.theta, features.device)
        x = (features + 0.1 * position).flatten(2).transpose(1, 2)  # (O, h*w, C)
        keys = memory.tokens + memory.positions
        for layer in self.layers:
            x = layer(x, keys, memory, rotation, fast)
        return self.norm(x).transpose(1, 2).unflatten(-1, (height, width))
