"""SAM 2: the boxes put together, as verbs in the order in which a frame passes through them.

1. ``encode_image``: images to features, once a frame.
2. ``condition_without_memory`` or ``memory_tokens`` and ``condition_on_memory``: what the objects remember enters the
   features.
3. ``predict_masks`` (``predict_without_memory`` for both steps in one, ``predict_from_mask`` where a person gave the
   mask): masks, scores and object pointers.
4. ``encode_memory``: the frame and its mask become a memory.

``see_objects`` asks for no prompt: what a model with a dense head sees of all objects of an image.

The model keeps no state between calls: memories are inputs. It neither resizes images, nor picks what to remember
(`inference`). Source: ``sam2/modeling/sam2_base.py`` (facebookresearch/sam2, 2b90b9f).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sam2_core.config import ModelConfig
from sam2_core.errors import ConfigError
from sam2_core.kernels.products import infers_in_bfloat16
from sam2_core.modeling.dense_head import DenseHead, DenseMaps
from sam2_core.modeling.detail_branch import DetailBranch
from sam2_core.modeling.image_encoder import ImageEncoder, ImageFeatures
from sam2_core.modeling.layers import MLP
from sam2_core.modeling.mask_decoder import DecodedMasks, MaskDecoder, choose_by_iou, choose_by_stability
from sam2_core.modeling.memory_attention import MemoryAttention, MemoryTokens
from sam2_core.modeling.memory_encoder import MemoryEncoder
from sam2_core.modeling.position import sine_of_time, sine_position_map
from sam2_core.modeling.prompt_encoder import PromptBatch, build_prompt_encoder
from sam2_core.modeling.views import ImageView, mean_of_views, other_views

Distance = float | Tensor
"""Frames between a memory and the frame that looks at it."""

NO_OBJECT_LOGIT = -1024.0
"""The logit of every pixel of an absent object's mask."""


@dataclass(frozen=True, slots=True)
class MaskPrediction:
    """The masks of O objects on a frame.

    Attributes
    ----------
    low_res_multimasks
        (O, M, S/4, S/4) float32 logits of the M candidates, above 0 inside.
    ious
        (O, M) predicted IoU of each candidate.
    low_res_masks
        (O, 1, S/4, S/4), the chosen candidate.
    object_pointer
        (O, C), what the memory keeps of the object as a whole.
    object_score_logits
        (O, 1), above 0 where the object is on the frame.
    """

    low_res_multimasks: Tensor
    ious: Tensor
    low_res_masks: Tensor
    object_pointer: Tensor
    object_score_logits: Tensor


class Sam2Model(nn.Module):
    """The network, with the official state-dict keys.

    Attributes
    ----------
    weights_path
        The file that its weights were loaded from; None while they are random or being trained.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.weights_path: Path | None = None
        dim, mem_dim = config.d_model, config.mem_dim
        self.image_encoder = ImageEncoder(config)
        self.detail_branch = DetailBranch(config.detail_widths, config.d_model) if config.detail_widths else None
        self.mask_downsample = nn.Conv2d(1, 1, kernel_size=4, stride=4)
        self.memory_attention = MemoryAttention(config)
        self.memory_encoder = MemoryEncoder(config)
        self.sam_prompt_encoder = build_prompt_encoder(config)
        self.sam_mask_decoder = MaskDecoder(config)
        self.obj_ptr_proj = MLP(dim, dim, dim, depth=3)
        self.obj_ptr_tpos_proj = nn.Linear(dim, mem_dim) if config.pointers.temporal_encoding else None
        self.maskmem_tpos_enc = _table(config.num_maskmem, 1, 1, mem_dim)
        self.no_mem_embed = _table(1, 1, dim)
        self.no_mem_pos_enc = _table(1, 1, dim)
        self.no_obj_ptr = _table(1, dim)
        self.no_obj_embed_spatial = _table(1, mem_dim) if config.no_obj_embed_spatial else None
        self.dense_head = DenseHead(config.dense_widths, config.d_model) if config.dense_widths else None

    @property
    def image_size(self) -> int:
        """Side of the square model input in pixels."""
        return self.config.image_size

    @property
    def other_views(self) -> tuple[ImageView, ...]:
        """Views in which a prompted image is looked at besides the plain one."""
        return other_views(self.config)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.no_mem_embed.device

    def encode_image(self, images: Tensor) -> ImageFeatures:
        """Return the features of (B, 3, S, S) images, float, ImageNet-normalised."""
        if not torch.is_grad_enabled():
            images = images.contiguous(memory_format=torch.channels_last)  # and so is all that is made of them
        features = self.image_encoder(images, self.sam_mask_decoder.conv_s0, self.sam_mask_decoder.conv_s1)
        return features if self.detail_branch is None else features.plus(self.detail_branch(images))

    def see_objects(self, features: ImageFeatures) -> DenseMaps:
        """Return what is seen of all objects of B images, without a prompt.

        Raises
        ------
        ConfigError
            This model has no dense head.
        """
        if self.dense_head is None:
            raise ConfigError(f"{self.config.name} has no head that sees objects (dense_widths); prompt a grid instead")
        return DenseMaps.of_channels(self.dense_head(features))

    def condition_without_memory(self, features: ImageFeatures) -> Tensor:
        """Return (B, C, h, w): what a frame looks like to an object that remembers nothing."""
        return features.stride16 + self.no_mem_embed.reshape(1, -1, 1, 1)

    def memory_tokens(
        self, spatial: Sequence[tuple[Tensor, int]], pointers: Sequence[tuple[Tensor, Distance]], pointer_span: int
    ) -> MemoryTokens:
        """Return memories as one sequence.

        Parameters
        ----------
        spatial
            Memory features (O, mem_dim, h, w), each with its row of ``maskmem_tpos_enc``: the last for a conditioning
            frame, 0 for the newest tracked frame, 5 for the oldest of six.
        pointers
            Object pointers (O, C), each with its signed distance in frames, positive in the past as the tracking sees
            it; one number for all objects, or (O,) of them.
        pointer_span
            What the distances are divided by.
        """
        tokens = [features.flatten(2).transpose(1, 2) for features, _ in spatial]  # (O, h*w, mem_dim)
        height, width = spatial[0][0].shape[-2:]
        place = sine_position_map(self.config.mem_dim, height, width, self.device).flatten(2).transpose(1, 2)
        positions = [place + self.maskmem_tpos_enc[slot, 0] for _, slot in spatial]
        if not pointers:
            return MemoryTokens(torch.cat(tokens, dim=1).float(), torch.cat(positions, dim=1), 0)
        pointer_tokens, pointer_positions = self._pointer_tokens(pointers, pointer_span)
        return MemoryTokens(
            torch.cat([*tokens, pointer_tokens], dim=1).float(),
            torch.cat([*(part.expand(len(pointer_tokens), -1, -1) for part in positions), pointer_positions], dim=1),
            pointer_tokens.shape[1],
        )

    def _pointer_tokens(self, pointers: Sequence[tuple[Tensor, Distance]], span: int) -> tuple[Tensor, Tensor]:
        """Return (O, P, mem_dim) tokens and positions."""
        mem_dim, pieces = self.config.mem_dim, self.config.d_model // self.config.mem_dim
        tokens = torch.cat([pointer.unflatten(-1, (pieces, mem_dim)) for pointer, _ in pointers], dim=1)
        if self.obj_ptr_tpos_proj is None:
            return tokens, torch.zeros_like(tokens)
        count = tokens.shape[0]
        columns = [
            torch.as_tensor(distance, dtype=torch.float32, device=self.device).expand(count) for _, distance in pointers
        ]
        times = sine_of_time(torch.stack(columns, dim=1).flatten() / span, self.config.d_model)  # (O * P, C)
        encoded = self.obj_ptr_tpos_proj(times).unflatten(0, (count, -1))
        return tokens, encoded.repeat_interleave(pieces, dim=1)

    def condition_on_memory(self, features: ImageFeatures, memory: MemoryTokens, fast: bool = False) -> Tensor:
        """Return (O, C, h, w): what a frame (batch O or 1) looks like to O objects that remember.

        ``fast`` gives the same up to rounding, sooner, and is for inference.
        """
        return self.memory_attention(features.stride16, memory, fast)

    def predict_masks(
        self, conditioned: Tensor, features: ImageFeatures, prompts: PromptBatch, multimask: bool, gate: bool = True
    ) -> MaskPrediction:
        """Return the masks of O objects.

        Parameters
        ----------
        conditioned
            (O, C, h, w) or (1, C, h, w) from one of the ``condition_*`` verbs.
        features
            Of the frame, batch O or 1; its finer maps are used.
        prompts
            Of O objects; `PromptBatch.empty` where there are none.
        multimask
            Three candidates, the best by predicted IoU; else one, which steps aside for the best candidate where it
            is unstable.
        gate
            Set the masks of absent objects to -1024; training learns from ungated logits.
        """
        return self._choose(self._decode(conditioned, features, prompts), multimask, gate)

    def predict_without_memory(
        self, features: ImageFeatures, prompts: PromptBatch, multimask: bool, gate: bool = True
    ) -> MaskPrediction:
        """Return the masks of O objects that remember nothing, parameters as for `predict_masks`.

        Where the features know other views too, the answer is the mean of what is seen in all of them.
        """
        views = self.other_views if features.views else ()
        turned = (view.prompts(prompts, self.image_size) for view in views)
        decoded = [
            self._decode(self.condition_without_memory(seen), seen, asked)
            for seen, asked in zip((features, *features.views), (prompts, *turned), strict=True)
        ]
        return self._choose(mean_of_views(decoded[0], views, decoded[1:]), multimask, gate)

    def predict_from_mask(self, features: ImageFeatures, masks: Tensor) -> MaskPrediction:
        """Return a person's masks (O, 1, S, S), 0 or 1, as if predicted: logits -10 or +10, and a pointer."""
        logits = masks * 20.0 - 10.0
        size = (logits.shape[-2] // 4, logits.shape[-1] // 4)
        low_res = F.interpolate(logits, size=size, mode="bilinear", align_corners=False, antialias=True)
        prompts = PromptBatch.empty(masks.shape[0], masks.device).with_mask(self.mask_downsample(masks).float())
        decoded = self.predict_masks(features.stride16, features, prompts, multimask=False)
        present = (masks.flatten(1) > 0).any(dim=1, keepdim=True).float()  # (O, 1)
        return MaskPrediction(
            low_res_multimasks=low_res,
            ious=torch.ones_like(present),
            low_res_masks=low_res,
            object_pointer=self._gate_pointer(decoded.object_pointer, present),
            object_score_logits=20.0 * present - 10.0,
        )

    def encode_memory(
        self, features: ImageFeatures, mask_logits: Tensor, object_score_logits: Tensor, binarize: bool = False
    ) -> Tensor:
        """Return memories (O, mem_dim, h, w).

        Parameters
        ----------
        features
            Of the frame, batch O or 1.
        mask_logits
            (O, 1, S, S) at the model input's resolution.
        object_score_logits
            (O, 1).
        binarize
            Remember the thresholded mask: for masks that came from a person's prompts.
        """
        scaling = self.config.memory_encoder
        mask = (mask_logits > 0).float() if binarize else mask_logits.sigmoid()
        memory = self.memory_encoder(features.stride16, mask * scaling.sigmoid_scale + scaling.sigmoid_bias)
        if self.no_obj_embed_spatial is not None:
            absent = 1.0 - (object_score_logits > 0).float()
            memory = memory + (absent @ self.no_obj_embed_spatial)[..., None, None]
        return memory

    def _decode(self, conditioned: Tensor, features: ImageFeatures, prompts: PromptBatch) -> DecodedMasks:
        """Return all masks of O objects; on a CPU in float32, as little is to be gained on what is thresholded."""
        if infers_in_bfloat16(conditioned):
            with torch.autocast("cpu", enabled=False):
                return self._decode(conditioned.float(), features.in_float32(), prompts)
        grid = (conditioned.shape[-2], conditioned.shape[-1])
        encoded = self.sam_prompt_encoder(prompts, grid)
        return self.sam_mask_decoder(conditioned, self.sam_prompt_encoder.dense_position(grid), encoded, features)

    def _choose(self, decoded: DecodedMasks, multimask: bool, gate: bool) -> MaskPrediction:
        logits = decoded.logits.float()
        present = (decoded.object_score_logits > 0).float()
        if gate:
            logits = torch.where(present[..., None, None] > 0, logits, NO_OBJECT_LOGIT)
        every = torch.arange(logits.shape[0], device=logits.device)
        if multimask:
            chosen = choose_by_iou(decoded)
            candidates, ious, pointer_tokens = logits[:, 1:], decoded.ious[:, 1:], decoded.tokens[every, chosen]
        else:
            chosen = self._choose_single(decoded)
            candidates, ious = logits[every, chosen][:, None], decoded.ious[every, chosen][:, None]
            pointer_tokens = decoded.tokens[:, 0]
        return MaskPrediction(
            low_res_multimasks=candidates,
            ious=ious,
            low_res_masks=logits[every, chosen][:, None],
            object_pointer=self._gate_pointer(self.obj_ptr_proj(pointer_tokens), present),
            object_score_logits=decoded.object_score_logits,
        )

    def _choose_single(self, decoded: DecodedMasks) -> Tensor:
        if self.config.mask_decoder.dynamic_multimask and not self.training:
            return choose_by_stability(decoded, self.config.mask_decoder)
        return torch.zeros_like(decoded.ious[:, 0], dtype=torch.long)

    def _gate_pointer(self, pointer: Tensor, present: Tensor) -> Tensor:
        """Return the pointer where the object is present (O, 1), else the one that says it is not."""
        return present * pointer + (1 - present) * self.no_obj_ptr


def _table(*shape: int) -> nn.Parameter:
    return nn.init.trunc_normal_(nn.Parameter(torch.zeros(*shape)), std=0.02)  # type: ignore[return-value]
