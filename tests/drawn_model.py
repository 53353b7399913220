"""A model for `SAM2ImagePredictor` that draws its answers (`drawn_masks`), with the configuration of a real one."""

from __future__ import annotations

import torch
from drawn_masks import draw

from sam2_core.config import load_config
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.prompt_encoder import PromptBatch
from sam2_core.modeling.sam2 import MaskPrediction


class DrawnModel:
    """What the image predictor uses of a `Sam2Model`; it counts how many points it was asked in each call."""

    device = torch.device("cpu")
    other_views = ()

    def __init__(self, size: int = 256) -> None:
        self.image_size = size
        self.config = load_config("sam2.1_hiera_t", size)
        self.asked: list[int] = []
        self.encoded: list[torch.Tensor] = []

    def encode_image(self, images: torch.Tensor) -> ImageFeatures:
        self.encoded.append(images)
        return ImageFeatures(*(torch.zeros(1, 1, 1, 1) for _ in range(3)))

    def predict_without_memory(self, features, prompts: PromptBatch, multimask: bool, gate: bool) -> MaskPrediction:
        points = prompts.points_xy_model_px[:, 0]
        self.asked.append(len(points))
        logits, ious = draw(points, prompts.mask_logits, multimask, self.image_size)
        return MaskPrediction(logits, ious, logits[:, :1], torch.zeros(len(points), 1), torch.zeros(len(points), 1))
