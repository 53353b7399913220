"""Prompts in, tokens and a map out.

Points and box corners become sparse tokens, a rough mask becomes a dense map. Our own models add a rendering of the
clicks and boxes to the dense map (`ClickMapPromptEncoder`): a small network learns to follow a blob on a map far
sooner than two tokens. Source of the official part: ``sam2/modeling/sam/prompt_encoder.py`` (facebookresearch/sam2,
2b90b9f).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from sam2_core.config import ModelConfig, PromptEncoderConfig
from sam2_core.modeling.layers import LayerNorm2d
from sam2_core.modeling.position import RandomFourierPosition

PADDING, OUTSIDE, INSIDE, BOX_TOP_LEFT, BOX_BOTTOM_RIGHT = -1, 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class PromptBatch:
    """The prompts of O objects in model space.

    Attributes
    ----------
    points_xy_model_px
        (O, N, 2) float, x first, pixels of the model input; a pixel's centre is at its index plus 0.5, which the
        encoder adds.
    point_labels
        (O, N) integers: -1 padding, 0 outside, 1 inside, 2 and 3 the top left and bottom right corner of a box.
    mask_logits
        (O, 1, S/4, S/4) rough mask as logits, or None.
    is_padded
        Whether a padding point follows the others; officially so unless no points are given at all, not even none.
    """

    points_xy_model_px: Tensor
    point_labels: Tensor
    mask_logits: Tensor | None = None
    is_padded: bool = True

    @classmethod
    def empty(cls, count: int, device: torch.device | str = "cpu") -> PromptBatch:
        """Return what an unprompted frame uses: one padding point for each of ``count`` objects."""
        points = torch.zeros(count, 1, 2, device=device)
        return cls(points, torch.full((count, 1), PADDING, dtype=torch.int32, device=device))

    @classmethod
    def without_points(cls, count: int, device: torch.device | str = "cpu") -> PromptBatch:
        """Return prompts of no points at all, for ``count`` objects."""
        empty = cls.empty(count, device)
        return cls(empty.points_xy_model_px[:, :0], empty.point_labels[:, :0], is_padded=False)

    def with_mask(self, mask_logits: Tensor | None) -> PromptBatch:
        """Return the same points with a rough mask."""
        return replace(self, mask_logits=mask_logits)

    def mirrored(self, image_size: int) -> PromptBatch:
        """Return the same prompts on the image mirrored left to right; corners of a box that are neighbours swap x."""
        x, y = self.points_xy_model_px.unbind(dim=-1)
        x, labels = image_size - 1 - x, self.point_labels
        next_x, last_x = x.roll(-1, dims=1), x.roll(1, dims=1)
        begins = (labels == BOX_TOP_LEFT) & (labels.roll(-1, dims=1) == BOX_BOTTOM_RIGHT)
        x = torch.where(begins, next_x, torch.where(begins.roll(1, dims=1), last_x, x))
        rough = None if self.mask_logits is None else self.mask_logits.flip(-1)
        return PromptBatch(torch.stack([x, y], dim=-1), labels, rough, self.is_padded)


class PromptEncoder(nn.Module):
    """The official prompt encoder."""

    def __init__(self, config: PromptEncoderConfig, d_model: int) -> None:
        super().__init__()
        self.pe_layer = RandomFourierPosition(d_model)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, d_model) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, d_model)
        self.mask_downscaling = downscaling(1, config.mask_in_chans, d_model)
        self.no_mask_embed = nn.Embedding(1, d_model)

    def forward(self, prompts: PromptBatch, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return sparse tokens (O, N + 1, C) and a dense map that broadcasts to (O, C, h, w), the stride-16 `grid`."""
        return self.sparse(prompts, grid), self.dense(prompts, grid)

    def sparse(self, prompts: PromptBatch, grid: tuple[int, int]) -> Tensor:
        """Return (O, N + 1, C): a token a point, and a padding token; (O, N, C) where nothing is padded.

        Source: ``PromptEncoder.forward``, which pads points and makes no token where none are given.
        """
        points, labels = prompts.points_xy_model_px + 0.5, prompts.point_labels
        if prompts.is_padded:
            points = torch.cat([points, points.new_zeros(points.shape[0], 1, 2)], dim=1)
            labels = torch.cat([labels, labels.new_full((labels.shape[0], 1), PADDING)], dim=1)
        kinds = torch.cat([kind(labels.new_zeros(1)) for kind in self.point_embeddings])  # (4, C)
        unit_xy = torch.stack([points[..., 0] / (16 * grid[1]), points[..., 1] / (16 * grid[0])], dim=-1)
        placed = self.pe_layer(unit_xy) + kinds[labels.clamp(min=0).long()]
        return torch.where((labels == PADDING)[..., None], self.not_a_point_embed.weight, placed)

    def dense(self, prompts: PromptBatch, grid: tuple[int, int]) -> Tensor:
        """Return the rough masks as (O, C, h, w), or (1, C, 1, 1) where there are none."""
        if prompts.mask_logits is None:
            return self.no_mask_embed.weight[:, :, None, None]
        return self.mask_downscaling(prompts.mask_logits)

    def dense_position(self, grid: tuple[int, int]) -> Tensor:
        """Return (1, C, h, w): the position of every cell of the grid, as the decoder wants it."""
        return self.pe_layer.grid(*grid)


class ClickMapPromptEncoder(PromptEncoder):
    """The prompt encoder of our own models: clicks and boxes are also drawn on a stride-4 map of three channels."""

    def __init__(self, config: PromptEncoderConfig, d_model: int) -> None:
        super().__init__(config, d_model)
        self.sigma = config.click_map_sigma
        self.click_downscaling = downscaling(3, config.mask_in_chans, d_model)

    def dense(self, prompts: PromptBatch, grid: tuple[int, int]) -> Tensor:
        """Return (O, C, h, w): the rough mask's map plus that of the drawn prompts."""
        drawn = draw_prompts(prompts, (4 * grid[0], 4 * grid[1]), self.sigma)
        return super().dense(prompts, grid) + self.click_downscaling(drawn)


def draw_prompts(prompts: PromptBatch, size: tuple[int, int], sigma: float) -> Tensor:
    """Return (O, 3, 4h, 4w) in [0, 1]: inside clicks, outside clicks as Gaussian blobs, and filled boxes with soft
    edges.

    ``sigma`` is in stride-4 pixels.
    """
    points = (prompts.points_xy_model_px + 0.5) / 4 - 0.5  # centres in stride-4 pixels
    labels = prompts.point_labels
    if labels.shape[1] == 0:
        return points.new_zeros(len(labels), 3, *size)
    y = torch.arange(size[0], device=points.device, dtype=points.dtype)
    x = torch.arange(size[1], device=points.device, dtype=points.dtype)
    along_x = torch.exp(-((x - points[..., 0:1]) ** 2) / (2 * sigma**2))  # (O, N, W)
    along_y = torch.exp(-((y - points[..., 1:2]) ** 2) / (2 * sigma**2))  # (O, N, H)
    blobs = along_y[..., :, None] * along_x[..., None, :]  # (O, N, H, W)
    inside, outside = ((blobs * (labels == kind)[..., None, None]).amax(dim=1) for kind in (INSIDE, OUTSIDE))
    rising = torch.where((labels == BOX_TOP_LEFT)[..., None, None], _beyond(points, y, x, 1.0), 0).amax(dim=1)
    falling = torch.where((labels == BOX_BOTTOM_RIGHT)[..., None, None], _beyond(points, y, x, -1.0), 0).amax(dim=1)
    return torch.stack([inside, outside, rising * falling], dim=1)


def _beyond(corners: Tensor, y: Tensor, x: Tensor, sign: float) -> Tensor:
    """Return (O, N, H, W): 1 right of and below each corner (left of and above it for sign -1), soft over one pixel."""
    along_x = torch.sigmoid(4 * sign * (x - corners[..., 0:1]) + 2)
    along_y = torch.sigmoid(4 * sign * (y - corners[..., 1:2]) + 2)
    return along_y[..., :, None] * along_x[..., None, :]


def downscaling(in_chans: int, mask_in_chans: int, out_chans: int) -> nn.Sequential:
    """Return the small convolution stack that takes a stride-4 map to stride 16."""
    return nn.Sequential(
        nn.Conv2d(in_chans, mask_in_chans // 4, kernel_size=2, stride=2),
        LayerNorm2d(mask_in_chans // 4),
        nn.GELU(),
        nn.Conv2d(mask_in_chans // 4, mask_in_chans, kernel_size=2, stride=2),
        LayerNorm2d(mask_in_chans),
        nn.GELU(),
        nn.Conv2d(mask_in_chans, out_chans, kernel_size=1),
    )


def build_prompt_encoder(config: ModelConfig) -> PromptEncoder:
    """Return the prompt encoder that the configuration asks for."""
    kind = ClickMapPromptEncoder if config.prompt_encoder.click_map else PromptEncoder
    return kind(config.prompt_encoder, config.d_model)
