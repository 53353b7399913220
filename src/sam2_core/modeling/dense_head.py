"""A small head that sees every object of an image at once: where objects are, where they end, how large they are.

Only our own models have it (`ModelConfig.dense_widths`). It reads the three feature maps of the encoder, coarsest
first, and says at stride 4, of each pixel: whether an object is there, whether it is near an outline, where the centre
of its object lies, and how large that is. It makes no instances of it: that is the work of those who find objects.

Sources of the idea: offsets to the centre, Neven et al. 2019 (arXiv:1906.11109); gradients towards it in Cellpose
(Stringer et al. 2021); a size that is estimated from the image, the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sam2_core.kernels.products import PointwiseConv2d
from sam2_core.modeling.image_encoder import ImageFeatures

OFFSET_UNIT = 8.0
"""Map pixels that one unit of the network's offsets stands for."""
SIZE_UNIT = 32.0
"""Diameter in pixels of the model's input where the network's size is 0; 1 more is twice as large."""


@dataclass(frozen=True, slots=True)
class DenseMaps:
    """What the head says of B images (B, 3, S, S), float32, at stride 4: h = w = S / 4.

    The centre of map pixel (0, 0) is the point (1.5, 1.5) of the model's input, where pixel centres are whole numbers.

    Attributes
    ----------
    foreground
        (B, h, w) logits, above 0 inside any object.
    boundary
        (B, h, w) logits, above 0 inside of an object, within 3 px of the model's input of its outline.
    offsets
        (B, 2, h, w), x and y from the pixel to the centre of mass of its object, in map pixels. Means nothing outside.
    diameters
        (B, h, w): of a disc of the area of the pixel's object, in px of the model's input. Means nothing outside.
    """

    foreground: Tensor
    boundary: Tensor
    offsets: Tensor
    diameters: Tensor

    @classmethod
    def of_channels(cls, channels: Tensor) -> DenseMaps:
        """Return the maps that the network's channels (B, 5, h, w) stand for."""
        channels = channels.float()
        diameters = SIZE_UNIT * torch.exp2(channels[:, 4].clamp(-5.0, 5.0))
        return cls(channels[:, 0], channels[:, 1], channels[:, 2:4] * OFFSET_UNIT, diameters)


class DenseHead(nn.Module):
    """Three feature maps in, five channels out, from coarse to fine.

    Parameters
    ----------
    widths
        Channels at strides 16, 8 and 4.
    d_model
        Channels of the features: ``d_model`` at stride 16, a quarter at 8, an eighth at 4.
    """

    def __init__(self, widths: tuple[int, ...], d_model: int) -> None:
        super().__init__()
        channels = (d_model, d_model // 4, d_model // 8)
        self.inputs = nn.ModuleList(PointwiseConv2d(*pair) for pair in zip(channels, widths, strict=True))
        self.narrow = nn.ModuleList(PointwiseConv2d(*pair) for pair in pairwise(widths))
        self.blocks = nn.ModuleList(_Block(width) for width in widths)
        self.output = nn.Conv2d(widths[-1], 5, 3, padding=1)

    def forward(self, features: ImageFeatures) -> Tensor:
        """Return (B, 5, h, w): foreground and boundary logits, offsets in `OFFSET_UNIT`, log2 of the size."""
        seen: Tensor | None = None
        for level, maps in enumerate(features.maps):
            mixed = self.inputs[level](maps)
            if seen is not None:
                narrowed = self.narrow[level - 1](seen)
                mixed = mixed + F.interpolate(narrowed, scale_factor=2.0, mode="bilinear", align_corners=False)
            seen = self.blocks[level](mixed)
        output: Tensor = self.output(seen)
        return output


class _Block(nn.Module):
    """Two convolutions beside what they look at."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width, h, w) for the same."""
        return F.gelu(x + self.second(F.gelu(self.first(F.gelu(x)))))
