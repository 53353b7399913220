"""A frame and a mask become a memory: the mask is brought to stride 16, added to the features, mixed, and narrowed.

Source: ``sam2/modeling/memory_encoder.py`` (facebookresearch/sam2, 2b90b9f).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from sam2_core.config import ModelConfig
from sam2_core.kernels.products import ROWS, Linear, PointwiseConv2d, in_pieces
from sam2_core.modeling.layers import LayerNorm2d


class MaskDownSampler(nn.Module):
    """Four strided convolutions from the model input's resolution to stride 16."""

    def __init__(self, out_dim: int) -> None:
        super().__init__()
        widths = (1, 4, 16, 64, 256)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1), LayerNorm2d(after), nn.GELU()]
        self.encoder = nn.Sequential(*layers, PointwiseConv2d(widths[-1], out_dim))

    def forward(self, mask: Tensor) -> Tensor:
        """Return (O, C, S/16, S/16) for (O, 1, S, S)."""
        return self.encoder(mask)


class ConvNextBlock(nn.Module):
    """Depth-wise 7 x 7, norm, two point-wise layers, scaled by ``gamma`` and added."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim)
        self.norm = LayerNorm2d(dim)
        self.pwconv1 = Linear(dim, 4 * dim)
        self.pwconv2 = Linear(4 * dim, dim)
        self.gamma = nn.Parameter(torch.full((dim,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """Return (O, C, h, w)."""
        mixed = self.norm(self.dwconv(x)).permute(0, 2, 3, 1)  # (O, h, w, C)
        mixed = in_pieces(self._pointwise, mixed.flatten(0, 2), ROWS).view_as(mixed)
        return x + mixed.permute(0, 3, 1, 2)

    def _pointwise(self, x: Tensor) -> Tensor:
        return self.gamma * self.pwconv2(self.pwconv1(x, "gelu"))


class Fuser(nn.Module):
    """ConvNeXt blocks one after another."""

    def __init__(self, dim: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ConvNextBlock(dim) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        """Return (O, C, h, w)."""
        for layer in self.layers:
            x = layer(x)
        return x


class MemoryEncoder(nn.Module):
    """Features (not memory-conditioned) and a mask in, a memory of ``mem_dim`` channels out."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.mask_downsampler = MaskDownSampler(config.d_model)
        self.pix_feat_proj = PointwiseConv2d(config.d_model, config.d_model)
        self.fuser = Fuser(config.d_model, config.memory_encoder.fuser_layers)
        self.out_proj = PointwiseConv2d(config.d_model, config.mem_dim)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Return (O, mem_dim, h, w) for features (O or 1, C, h, w) and scaled masks (O, 1, 16h, 16w)."""
        fused = self.fuser(self.pix_feat_proj(features) + self.mask_downsampler(mask))
        return self.out_proj(fused)
