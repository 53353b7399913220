"""Hiera, the trunk of the image encoder: attention within windows, four stages, each at half the resolution of the
last.

Maps are channels-last (B, H, W, C) inside. Source: ``sam2/modeling/backbones/hieradet.py`` (facebookresearch/sam2,
2b90b9f).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sam2_core.config import HieraConfig
from sam2_core.kernels.narrow_values import weighted_values
from sam2_core.kernels.products import ROWS, Linear, in_pieces
from sam2_core.modeling.layers import MLP
from sam2_core.modeling.position import stretching


class PatchEmbed(nn.Module):
    """Patches of 7 x 7 pixels at stride 4."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, embed_dim, kernel_size=7, stride=4, padding=3)

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, H/4, W/4, C) for (B, 3, H, W)."""
        return self.proj(images).permute(0, 2, 3, 1)


class MultiScaleAttention(nn.Module):
    """Self-attention over a map or window; at the start of a stage its queries are max-pooled 2 x 2."""

    def __init__(self, dim: int, dim_out: int, num_heads: int, pool_queries: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.pool_queries = pool_queries
        self.qkv = Linear(dim, 3 * dim_out)
        self.proj = Linear(dim_out, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, H', W', dim_out) for (B, H, W, dim), half the size when queries are pooled."""
        batch, height, width, _ = x.shape
        q, k, v = self.qkv(x).chunk(3, dim=-1)  # each (B, H, W, dim_out)
        if self.pool_queries:
            q = max_pool(q)
            height, width = q.shape[1:3]
        q, k, v = (part.flatten(1, 2).unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for part in (q, k, v))
        out = weighted_values(q, k, v)  # (B, heads, H'*W', dim_out/heads)
        return self.proj(out.transpose(1, 2).reshape(batch, height, width, -1))


class MultiScaleBlock(nn.Module):
    """One transformer block; the first of a stage changes width and resolution on the way."""

    def __init__(self, dim: int, dim_out: int, num_heads: int, window_size: int, pool_queries: bool) -> None:
        super().__init__()
        self.window_size = window_size
        self.pool_queries = pool_queries
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = MultiScaleAttention(dim, dim_out, num_heads, pool_queries)
        self.norm2 = nn.LayerNorm(dim_out, eps=1e-6)
        self.mlp = MLP(dim_out, 4 * dim_out, dim_out, depth=2, activation="gelu")
        self.proj = Linear(dim, dim_out) if dim != dim_out else None

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, H', W', dim_out) for (B, H, W, dim)."""
        normed = self.norm1(x)
        x = self._shortcut(x, normed) + (self._within_windows(normed) if self.window_size else self.attn(normed))
        return x + self.mlp(self.norm2(x))

    def _within_windows(self, x: Tensor) -> Tensor:
        """Return (B, H', W', dim_out), each window attending to itself."""
        windows, padded = split_windows(x, self.window_size)
        attended = in_pieces(self.attn, windows, max(1, ROWS // self.window_size**2))
        shrink = 2 if self.pool_queries else 1
        whole = join_windows(attended, self.window_size // shrink, tuple(side // shrink for side in padded))
        return whole[:, : x.shape[1] // shrink, : x.shape[2] // shrink]

    def _shortcut(self, x: Tensor, normed: Tensor) -> Tensor:
        if self.proj is None:
            return x
        projected = self.proj(normed)
        return max_pool(projected) if self.pool_queries else projected


class Hiera(nn.Module):
    """The trunk: images in, one map per stage out, finest first."""

    def __init__(self, config: HieraConfig) -> None:
        super().__init__()
        self.stage_ends = config.stage_ends
        self.patch_embed = PatchEmbed(config.embed_dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, config.embed_dim, *config.window_pos_embed_bkg_spatial_size))
        window = config.window_spec[0]
        self.pos_embed_window = nn.Parameter(torch.zeros(1, config.embed_dim, window, window))
        self.blocks = nn.ModuleList(_blocks(config))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        nn.init.trunc_normal_(self.pos_embed_window, std=0.02)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return maps (B, C_i, H_i, W_i) at strides 4, 8, 16, 32 for (B, 3, H, W)."""
        x = self.patch_embed(images)
        x = x + self.position(x.shape[1], x.shape[2])
        maps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.stage_ends:
                maps.append(x.permute(0, 3, 1, 2))
        return maps

    def position(self, height: int, width: int) -> Tensor:
        """Return (1, height, width, C): a coarse map stretched over the grid plus one repeated in every window."""
        coarse = _stretched(self.pos_embed.permute(0, 2, 3, 1), height, width)
        window = self.pos_embed_window.permute(0, 2, 3, 1)  # (1, window, window, C)
        rows, columns = -(-height // window.shape[1]), -(-width // window.shape[2])
        return coarse + window.tile(1, rows, columns, 1)[:, :height, :width]


def _stretched(x: Tensor, height: int, width: int) -> Tensor:
    """Return (1, height, width, C) for (1, h, w, C), bicubic: two products, for interpolation is linear."""
    with torch.autocast(x.device.type, enabled=False):
        down, across = (stretching(*sizes, x.device) for sizes in ((x.shape[1], height), (x.shape[2], width)))
        return across @ (down @ x.flatten(2)).unflatten(2, x.shape[2:])


def _blocks(config: HieraConfig) -> list[MultiScaleBlock]:
    """Return all blocks; the first block of a stage still has the window of the stage before it."""
    blocks = []
    dim, num_heads, stage = config.embed_dim, config.num_heads, 0
    for index in range(sum(config.stages)):
        window = 0 if index in config.global_att_blocks else config.window_spec[stage]
        starts_stage = index - 1 in config.stage_ends
        dim_out = dim
        if starts_stage:
            dim_out, num_heads, stage = dim * 2, num_heads * 2, stage + 1
        blocks.append(MultiScaleBlock(dim, dim_out, num_heads, window, pool_queries=starts_stage))
        dim = dim_out
    return blocks


def max_pool(x: Tensor) -> Tensor:
    """Return the 2 x 2 max-pooled map, channels last."""
    return F.max_pool2d(x.permute(0, 3, 1, 2), kernel_size=2, stride=2).permute(0, 2, 3, 1)


def split_windows(x: Tensor, window: int) -> tuple[Tensor, tuple[int, int]]:
    """Return (B * windows, window, window, C) and the size after padding with zeros at the bottom and right."""
    batch, height, width, channels = x.shape
    if height % window or width % window:
        x = F.pad(x, (0, 0, 0, -width % window, 0, -height % window))
    rows, columns = x.shape[1] // window, x.shape[2] // window
    x = x.view(batch, rows, window, columns, window, channels).transpose(2, 3)
    return x.reshape(-1, window, window, channels), (rows * window, columns * window)


def join_windows(windows: Tensor, window: int, padded: tuple[int, ...]) -> Tensor:
    """Return the whole map (B, H, W, C), padding included, of windows (B * windows, window, window, C)."""
    rows, columns = padded[0] // window, padded[1] // window
    x = windows.view(-1, rows, columns, window, window, windows.shape[-1]).transpose(2, 3)
    return x.reshape(x.shape[0], rows * window, columns * window, -1)
