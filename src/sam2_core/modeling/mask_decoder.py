"""Image features and prompt tokens in; candidate masks, their predicted IoUs, and an object score out.

Token 0 of the four mask tokens is the single mask, tokens 1 to 3 the candidates for an ambiguous prompt. Choosing
among them is a matter of the two ``choose_*`` functions. Source: ``sam2/modeling/sam/mask_decoder.py``,
``sam2/modeling/sam/transformer.py`` (facebookresearch/sam2, 2b90b9f).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sam2_core.config import MaskDecoderConfig, ModelConfig
from sam2_core.kernels.products import PointwiseConv2d, infers_on_cpu
from sam2_core.modeling.attention import Attention
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.layers import MLP, LayerNorm2d

REUSED_BYTES = 24 * 2**20
"""The largest map of a few objects: glibc keeps what was less than 32 MiB for the next map, and hands larger ones back
to the system, which clears every page of the next anew (half as long again for all of the decoder, measured)."""


@dataclass(frozen=True, slots=True)
class DecodedMasks:
    """Everything that the decoder says of O objects: M = 4 masks, the single one first.

    Attributes
    ----------
    logits
        (O, M, 4h, 4w), above 0 inside.
    ious
        (O, M) predicted IoU in [0, 1].
    tokens
        (O, M, C) mask tokens after the transformer; the chosen one becomes the object pointer.
    object_score_logits
        (O, 1), above 0 where the object is on the image.
    """

    logits: Tensor
    ious: Tensor
    tokens: Tensor
    object_score_logits: Tensor


class TwoWayBlock(nn.Module):
    """Tokens look at themselves, then at the image; the image looks back.

    The image may come with batch 1: then what it shows to the tokens is computed once for all objects.
    """

    def __init__(self, dim: int, config: MaskDecoderConfig, is_first: bool) -> None:
        super().__init__()
        self.is_first = is_first
        self.self_attn = Attention(dim, config.num_heads)
        self.norm1 = nn.LayerNorm(dim)
        self.cross_attn_token_to_image = Attention(dim, config.num_heads, downsample_rate=2)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MLP(dim, config.mlp_dim, dim, depth=2)
        self.norm3 = nn.LayerNorm(dim)
        self.norm4 = nn.LayerNorm(dim)
        self.cross_attn_image_to_token = Attention(dim, config.num_heads, downsample_rate=2)

    def forward(
        self, tokens: Tensor, image: Tensor, token_position: Tensor, image_position: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return new tokens (O, N, C) and image (O, h*w, C) for tokens and an image (O or 1, h*w, C)."""
        if self.is_first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            placed = tokens + token_position
            tokens = tokens + self.self_attn(placed, placed, tokens)
        tokens = self.norm1(tokens)
        placed_image = image + image_position
        tokens = self.norm2(tokens + self.cross_attn_token_to_image(tokens + token_position, placed_image, image))
        tokens = self.norm3(tokens + self.mlp(tokens))
        image = self.norm4(
            image + self.cross_attn_image_to_token.read_few(placed_image, tokens + token_position, tokens)
        )
        return tokens, image


class TwoWayTransformer(nn.Module):
    """A few two-way blocks and a last look of the tokens at the image."""

    def __init__(self, dim: int, config: MaskDecoderConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayBlock(dim, config, is_first=index == 0) for index in range(config.depth))
        self.final_attn_token_to_image = Attention(dim, config.num_heads, downsample_rate=2)
        self.norm_final_attn = nn.LayerNorm(dim)

    def forward(self, image: Tensor, image_position: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return tokens (O, N, C) and image (O, h*w, C) for a map (O or 1, C, h, w), its positions and tokens."""
        image = image.flatten(2).transpose(1, 2)  # (O, h*w, C)
        image_position = image_position.flatten(2).transpose(1, 2)
        token_position = tokens
        for layer in self.layers:
            tokens, image = layer(tokens, image, token_position, image_position)
        attended = self.final_attn_token_to_image(tokens + token_position, image + image_position, image)
        return self.norm_final_attn(tokens + attended), image


class MaskDecoder(nn.Module):
    """The two-way transformer, the upscaling of its image to stride 4, and the heads."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim, decoder = config.d_model, config.mask_decoder
        masks = decoder.num_multimask_outputs + 1
        self.transformer = TwoWayTransformer(dim, decoder)
        self.iou_token = nn.Embedding(1, dim)
        self.mask_tokens = nn.Embedding(masks, dim)
        self.obj_score_token = nn.Embedding(1, dim)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(dim, dim // 4, kernel_size=2, stride=2),
            LayerNorm2d(dim // 4),
            nn.GELU(),
            nn.ConvTranspose2d(dim // 4, dim // 8, kernel_size=2, stride=2),
            nn.GELU(),
        )
        self.conv_s0 = PointwiseConv2d(dim, dim // 8)
        self.conv_s1 = PointwiseConv2d(dim, dim // 4)
        self.output_hypernetworks_mlps = nn.ModuleList(MLP(dim, dim, dim // 8, depth=3) for _ in range(masks))
        self.iou_prediction_head = MLP(dim, dim, masks, decoder.head_depth)
        self.pred_obj_score_head = MLP(dim, dim, 1, depth=3)

    def forward(
        self, image: Tensor, image_position: Tensor, prompts: tuple[Tensor, Tensor], fine: ImageFeatures
    ) -> DecodedMasks:
        """Return all masks of O objects.

        On a CPU that infers, a few objects at a time: maps above `REUSED_BYTES` cost more to get than to compute.

        Parameters
        ----------
        image
            (O, C, h, w) or (1, C, h, w), the stride-16 features, memory-conditioned or not.
        image_position
            (1, C, h, w).
        prompts
            Sparse tokens (O, N, C) and a dense map that broadcasts to (O, C, h, w).
        fine
            The image's stride-8 and stride-4 maps, batch O or 1.
        """
        sparse, dense = prompts
        count = max(1, REUSED_BYTES // (4 * fine.stride4[0].numel()))
        if len(sparse) <= count or torch.compiler.is_compiling() or not infers_on_cpu(sparse):
            return self._decode(image, image_position, prompts, fine)
        parts = [
            self._decode(_of(image, some), image_position, (sparse[some], _of(dense, some)), _fine_of(fine, some))
            for some in (slice(start, start + count) for start in range(0, len(sparse), count))
        ]
        return DecodedMasks(
            torch.cat([part.logits for part in parts]),
            torch.cat([part.ious for part in parts]),
            torch.cat([part.tokens for part in parts]),
            torch.cat([part.object_score_logits for part in parts]),
        )

    def _decode(
        self, image: Tensor, image_position: Tensor, prompts: tuple[Tensor, Tensor], fine: ImageFeatures
    ) -> DecodedMasks:
        sparse, dense = prompts
        heads = torch.cat([self.obj_score_token.weight, self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([heads.expand(sparse.shape[0], -1, -1), sparse], dim=1)
        source = image + dense  # batch 1 where nothing yet differs between the objects
        decoded, flat = self.transformer(source, image_position, tokens)
        mask_tokens = decoded[:, 2 : 2 + self.mask_tokens.num_embeddings]
        upscaled = self._upscale(flat.transpose(1, 2).unflatten(-1, source.shape[-2:]), fine)
        weights = torch.stack([mlp(mask_tokens[:, m]) for m, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1)
        logits = (weights @ upscaled.flatten(2)).unflatten(-1, upscaled.shape[-2:])  # (O, M, 4h, 4w)
        ious = self.iou_prediction_head(decoded[:, 1]).sigmoid()
        return DecodedMasks(logits, ious, mask_tokens, self.pred_obj_score_head(decoded[:, 0]))

    def _upscale(self, image: Tensor, fine: ImageFeatures) -> Tensor:
        to_stride8, norm, activation, to_stride4, last_activation = self.output_upscaling
        upscaled = activation(norm(to_stride8(image) + fine.stride8))
        return last_activation(to_stride4(upscaled) + fine.stride4)


def _of(maps: Tensor, objects: slice) -> Tensor:
    """Return the maps (O, ...) of some objects; what is the same for all (batch 1) stays so."""
    return maps if len(maps) == 1 else maps[objects]


def _fine_of(fine: ImageFeatures, objects: slice) -> ImageFeatures:
    return ImageFeatures(*(_of(maps, objects) for maps in fine.maps))


def choose_by_iou(decoded: DecodedMasks) -> Tensor:
    """Return (O,): which of the candidates 1 to 3 has the best predicted IoU, as an index into all masks."""
    return decoded.ious[:, 1:].argmax(dim=1) + 1


def choose_by_stability(decoded: DecodedMasks, config: MaskDecoderConfig) -> Tensor:
    """Return (O,): the single mask 0 where it is stable under a shift of its threshold, else the best candidate.

    Stability is the area above ``+delta`` over the area above ``-delta``; an empty mask is stable.
    """
    single = decoded.logits[:, 0].flatten(1)
    above = (single > config.stability_delta).sum(dim=1)
    below = (single > -config.stability_delta).sum(dim=1)
    stability = torch.where(below > 0, above / below, 1.0)
    return torch.where(stability >= config.stability_threshold, 0, choose_by_iou(decoded))


def upscale_masks(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (O, M, H, W) logits, stretched bilinearly."""
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
