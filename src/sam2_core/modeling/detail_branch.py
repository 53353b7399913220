"""A small convolutional branch beside the trunk: edges and textures, which a transformer learns late from few images.

Only our own models have it (`ModelConfig.detail_widths`); official ones load and run without. It looks at the same
images, goes down to stride 32 and back up to stride 4, and what it finds is added to the trunk's three feature maps.
Its last layers begin at zero, so a model that gets the branch later begins where it was.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sam2_core.kernels.products import PointwiseConv2d
from sam2_core.modeling.image_encoder import ImageFeatures


class DetailBranch(nn.Module):
    """A U-shaped network.

    Parameters
    ----------
    widths
        Channels at strides 2, 4, 8, 16 and 32.
    d_model
        Channels of the features that it adds to: ``d_model`` at stride 16, a quarter at 8, an eighth at 4.
    """

    def __init__(self, widths: tuple[int, ...], d_model: int) -> None:
        super().__init__()
        inputs = (3, *widths[:-1])
        self.down = nn.ModuleList(_block(*pair, stride=2) for pair in zip(inputs, widths, strict=True))
        self.up = nn.ModuleList(_block(deep + here, here) for here, deep in pairwise(widths[1:]))
        targets = (d_model // 8, d_model // 4, d_model)
        self.out = nn.ModuleList(PointwiseConv2d(*pair) for pair in zip(widths[1:-1], targets, strict=True))
        for layer in self.out:
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> ImageFeatures:
        """Return what is to be added to the features of (B, 3, S, S) images."""
        seen = []
        for block in self.down:
            images = block(images)
            seen.append(images)
        deeper, found = seen[-1], []
        for level in (2, 1, 0):  # strides 16, 8, 4
            enlarged = F.interpolate(deeper, scale_factor=2.0, mode="bilinear", align_corners=False)
            deeper = self.up[level](torch.cat([enlarged, seen[level + 1]], dim=1))
            found.append(self.out[level](deeper))
        return ImageFeatures(*found)


def _block(in_dim: int, out_dim: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_dim, out_dim, 3, stride, padding=1),
        nn.GroupNorm(1, out_dim),
        nn.GELU(),
        nn.Conv2d(out_dim, out_dim, 3, padding=1),
        nn.GroupNorm(1, out_dim),
        nn.GELU(),
    )
