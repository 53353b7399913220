"""Frames of a clip one after another: what objects remember and what a model says of each frame.

For training and validation alike.

Order per frame: features of the objects' images -> conditioned by nothing or by memory -> masks -> memory of the
frame. Memories are selected as the predictors do (`memory_bank.select_memories`), forward in time. Unlike them
everything stays differentiable and all objects of a batch have the same history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from sam2_core.inference.memory.memory_bank import SelectionRule, select_memories
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.memory_attention import MemoryTokens
from sam2_core.modeling.prompt_encoder import PromptBatch
from sam2_core.modeling.sam2 import MaskPrediction, Sam2Model

POINTER_SPAN = 15
ABSENT_LOGIT = -1024.0


@dataclass(frozen=True, slots=True)
class FrameMemory:
    """What O objects remember of one frame: features (O, mem_dim, h, w) and pointer (O, C)."""

    frame: int
    conditioning: bool
    features: Tensor
    pointer: Tensor


def recall(model: Sam2Model, memories: Sequence[FrameMemory], frame: int) -> MemoryTokens:
    """Return the memory tokens that a frame attends to."""
    known = {entry.frame: entry for entry in memories}
    seeds = [entry.frame for entry in memories if entry.conditioning]
    rule = SelectionRule(model.config.num_maskmem, model.config.pointers.max_in_memory)
    chosen = select_memories(seeds, known, frame, False, rule)
    spatial = [(known[seen].features, slot) for seen, slot in chosen.spatial]
    pointers = [(known[seen].pointer, float(distance)) for seen, distance in chosen.pointers]
    return model.memory_tokens(spatial, pointers, POINTER_SPAN)


def condition(model: Sam2Model, features: ImageFeatures, memories: Sequence[FrameMemory], frame: int) -> Tensor:
    """Features (O, C, h, w) as objects with these memories see them; without memories as at a first prompt."""
    if not memories:
        return model.condition_without_memory(features)
    return model.condition_on_memory(features, recall(model, memories, frame))


def memorise(
    model: Sam2Model, features: ImageFeatures, prediction: MaskPrediction, frame: int, conditioning: bool
) -> FrameMemory:
    """The memory of a frame from its prediction; masks of objects that score as absent are remembered as empty.

    Masks of conditioning frames are thresholded, as the predictors do with prompted ones.
    """
    scores = prediction.object_score_logits
    logits = torch.where(scores[..., None, None] > 0, prediction.low_res_masks, ABSENT_LOGIT)
    size = (features.stride16.shape[-2] * 16, features.stride16.shape[-1] * 16)
    enlarged = functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)
    encoded = model.encode_memory(features, enlarged, scores, binarize=conditioning)
    return FrameMemory(frame, conditioning, encoded, prediction.object_pointer)


def first_prediction(
    model: Sam2Model, features: ImageFeatures, prompts: PromptBatch, gate: bool = True
) -> MaskPrediction:
    """Masks of objects on their first frame: several candidates for at most one point, one for a box or more points."""
    return model.predict_without_memory(features, prompts, prompts.point_labels.shape[1] <= 1, gate)


def tracked_prediction(
    model: Sam2Model, features: ImageFeatures, memories: Sequence[FrameMemory], frame: int, gate: bool = True
) -> MaskPrediction:
    """Masks of objects on a frame without prompts, from their memories."""
    prompts = PromptBatch.empty(features.stride16.shape[0], model.device)
    return model.predict_masks(condition(model, features, memories, frame), features, prompts, True, gate)
