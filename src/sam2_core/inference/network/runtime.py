"""How the network runs on the machine at hand: how many objects at once, and whether it is compiled.

A predictor keeps one `Runtime` from call to call. Numbers do not depend on it beyond rounding. The encoder is
compiled, and what one batch of objects passes on a frame that nobody prompted, as one function of tensors.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sam2_core.inference.network.chunks import Chunks
from sam2_core.inference.network.compiled import CompiledCall, bucket, check_compile
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.mask_decoder import upscale_masks
from sam2_core.modeling.memory_attention import MemoryTokens
from sam2_core.modeling.prompt_encoder import PromptBatch
from sam2_core.modeling.sam2 import Sam2Model


class Tracked(NamedTuple):
    """What O objects look like on a frame.

    Attributes
    ----------
    low_res_masks
        (O, 1, S/4, S/4) logits.
    object_pointers, object_score_logits
        (O, C) and (O, 1).
    memories
        (O, mem_dim, S/16, S/16).
    """

    low_res_masks: Tensor
    object_pointers: Tensor
    object_score_logits: Tensor
    memories: Tensor


class Runtime:
    """A model as it is run here: in batches of that size (`Chunks`), compiled or not (`compiled.check_compile`)."""

    def __init__(self, model: Sam2Model, objects_per_batch: int | None = None, compile: str | None = None) -> None:
        check_compile(compile)
        self.model = model
        self.chunks = Chunks(model.config, objects_per_batch)
        self._encode = None if compile is None else CompiledCall(self._maps, compile)
        self._track = None if compile is None else CompiledCall(self._track_frame, compile)

    def encode_image(self, image: Tensor) -> ImageFeatures:
        """Return the features of one image (1, 3, S, S)."""
        return self.model.encode_image(image) if self._encode is None else ImageFeatures(*self._encode(image))

    def batch_size(self, count: int, is_full: bool) -> int:
        """Return to how many objects a batch of so many is padded: to few sizes where it will be compiled."""
        return bucket(count) if is_full and self._track is not None else count

    def track(self, features: ImageFeatures, memory: MemoryTokens, fast: bool, is_full: bool) -> Tracked:
        """Return what objects look like on a frame, given its features and what they remember.

        Full memories have the same sizes frame after frame: those are compiled.
        """
        if is_full and self._track is not None:
            return Tracked(*self._track(features, memory, fast))
        return self._track_frame(features, memory, fast)

    def _maps(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.model.encode_image(image).maps

    def _track_frame(self, features: ImageFeatures, memory: MemoryTokens, fast: bool) -> Tracked:
        model = self.model
        conditioned = model.condition_on_memory(features, memory, fast)
        nothing = PromptBatch.empty(conditioned.shape[0], conditioned.device)
        takes_best = model.config.mask_decoder.takes_best(0, remembers=True)
        prediction = model.predict_masks(conditioned, features, nothing, takes_best)
        high_res = upscale_masks(prediction.low_res_masks, (model.image_size, model.image_size))
        memories = model.encode_memory(features, high_res, prediction.object_score_logits)
        return Tracked(prediction.low_res_masks, prediction.object_pointer, prediction.object_score_logits, memories)


def gathered(tensors: list[Tensor], device: torch.device) -> Tensor:
    """Return tensors stacked on a device, in one transfer where they lie together."""
    together = len({tensor.device for tensor in tensors}) == 1
    parts = tensors if together else [tensor.to(device, non_blocking=True) for tensor in tensors]
    return torch.stack(parts).to(device, non_blocking=True)
