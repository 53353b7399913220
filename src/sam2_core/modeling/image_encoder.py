"""Images in, feature maps out: the Hiera trunk and a neck that brings its stages to one width.

The neck makes no position maps: whoever needs one computes the one stride-16 map (`sam2_core.modeling.position`).
Source: ``sam2/modeling/backbones/image_encoder.py`` (facebookresearch/sam2, 2b90b9f).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sam2_core.config import ModelConfig
from sam2_core.kernels.products import PointwiseConv2d, in_a_row
from sam2_core.modeling.hiera import Hiera


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """What the encoder knows about B images; the finer maps are already narrowed for the mask decoder.

    Attributes
    ----------
    stride16, stride8, stride4
        (B, C, h, w), (B, C/4, 2h, 2w) and (B, C/8, 4h, 4w).
    views
        Of the same images in each other view of the model, where that was asked for (`views.look`). They concern these
        images as they are: what is selected, joined or added here has none.
    """

    stride16: Tensor
    stride8: Tensor
    stride4: Tensor
    views: tuple[ImageFeatures, ...] = field(default=(), kw_only=True)

    @property
    def maps(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of all levels, the coarsest first."""
        return self.stride16, self.stride8, self.stride4

    @classmethod
    def joined(cls, parts: Sequence[ImageFeatures]) -> ImageFeatures:
        """Return the features of several batches as one batch."""
        return cls(*(torch.cat(level) for level in zip(*(part.maps for part in parts), strict=True)))

    def select(self, index: Tensor) -> ImageFeatures:
        """Return the features of images ``index`` (O,), batch O."""
        return ImageFeatures(*(level[index] for level in self.maps))

    def apart(self) -> list[ImageFeatures]:
        """Return the features of each image by itself, batch 1, in memory of its own: one may be kept longer."""
        return [self.select(index) for index in torch.arange(len(self.stride16), device=self.stride16.device).split(1)]

    def in_float32(self) -> ImageFeatures:
        """Return the same features in float32."""
        return ImageFeatures(*(level.float() for level in self.maps))

    def plus(self, other: ImageFeatures) -> ImageFeatures:
        """Return the sum of two, map by map."""
        return ImageFeatures(*(one + another for one, another in zip(self.maps, other.maps, strict=True)))

    def expand(self, count: int) -> ImageFeatures:
        """Return one image's features seen ``count`` times, without a copy."""
        return ImageFeatures(*(level.expand(count, *level.shape[1:]) for level in self.maps))


class FpnNeck(nn.Module):
    """One lateral convolution a stage, deepest first; stride 16 also receives the stretched stride-32 map."""

    def __init__(self, stage_dims: tuple[int, ...], d_model: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.ModuleDict({"conv": PointwiseConv2d(dim, d_model)}) for dim in reversed(stage_dims)
        )

    def forward(self, maps: list[Tensor], to_finest: PointwiseConv2d, to_finer: PointwiseConv2d) -> ImageFeatures:
        """Return features of the trunk's four maps, finest first; those at strides 4 and 8 go through another layer."""
        finest, finer, middle, deepest = maps
        laterals = (cast(PointwiseConv2d, each.get_submodule("conv")) for each in self.convs)
        from_deepest, from_middle, from_finer, from_finest = laterals
        stretched = F.interpolate(from_deepest(deepest).float(), scale_factor=2.0, mode="nearest")
        return ImageFeatures(
            from_middle(middle) + stretched,
            in_a_row(from_finer, to_finer, finer),
            in_a_row(from_finest, to_finest, finest),
        )


class ImageEncoder(nn.Module):
    """Trunk and neck."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.trunk = Hiera(config.trunk)
        self.neck = FpnNeck(config.trunk.stage_dims, config.d_model)

    def forward(self, images: Tensor, to_finest: PointwiseConv2d, to_finer: PointwiseConv2d) -> ImageFeatures:
        """Return the features of (B, 3, S, S) images, S a multiple of 32.

        The last two arguments are the decoder's layers that narrow the maps at strides 4 and 8.
        """
        return self.neck(self.trunk(images), to_finest, to_finer)
