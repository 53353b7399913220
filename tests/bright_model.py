"""A stand-in for a model with a dense head: what is bright is an object, and nothing else is known."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional as F

from sam2_core.config import ModelConfig
from sam2_core.modeling.dense_head import DenseMaps
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.sam2 import MaskPrediction


class BrightModel:
    """What `find_objects` asks of a model, answered by a threshold at a quarter of the input's resolution."""

    device = torch.device("cpu")
    other_views = ()

    def __init__(self, image_size: int = 256, has_head: bool = True) -> None:
        self.image_size = image_size
        self.config = ModelConfig("bright", image_size=image_size, smallest_piece=0.3)
        self.dense_head = object() if has_head else None
        self.encoded = 0
        self.clicked = 0

    def encode_image(self, images):
        self.encoded += len(images)
        bright = F.avg_pool2d(images.mean(dim=1, keepdim=True), 4)
        return ImageFeatures(bright, bright, bright)

    def see_objects(self, features):
        pieces, count = ndimage.label(features.stride4[0, 0].numpy() > 0)
        rows, columns = np.indices(pieces.shape)
        offsets, diameters = np.zeros((2, *pieces.shape), np.float32), np.full(pieces.shape, 8.0, np.float32)
        for piece in range(1, count + 1):
            mask = pieces == piece
            offsets[:, mask] = columns[mask].mean() - columns[mask], rows[mask].mean() - rows[mask]
            diameters[mask] = 4 * np.sqrt(4 * mask.sum() / np.pi)
        foreground = torch.from_numpy(np.where(pieces > 0, 5.0, -5.0).astype(np.float32))
        return DenseMaps(
            foreground[None], foreground[None], torch.from_numpy(offsets)[None], torch.from_numpy(diameters)[None]
        )

    def predict_without_memory(self, features, prompts, multimask, gate=True):
        count = len(prompts.point_labels)
        self.clicked += count
        bright = features.stride4[:, 0].expand(count, -1, -1).numpy()
        logits = np.full((count, 3, *bright.shape[1:]), -5.0, np.float32)
        for index, (x, y) in enumerate(prompts.points_xy_model_px[:, 0].tolist()):
            pieces, _ = ndimage.label(bright[index] > 0)
            mine = pieces[round((y - 1.5) / 4), round((x - 1.5) / 4)]
            if mine:
                logits[index, 1] = np.where(pieces == mine, np.abs(bright[index]) + 2, -np.abs(bright[index]) - 2)
        masks = torch.from_numpy(logits)
        ious = torch.tensor([[0.1, 0.9, 0.1]]).expand(count, 3)
        return MaskPrediction(masks, ious, masks[:, 1:2], torch.zeros(count, 8), torch.ones(count, 1))


def discs(hw, places, diameter, dtype=np.uint8, bright=200, dark=20):
    """Return an image with discs, and their labels (H, W)."""
    rows, columns = np.indices(hw)
    labels = np.zeros(hw, np.int32)
    for label, (x, y) in enumerate(places, start=1):
        labels[(rows - y) ** 2 + (columns - x) ** 2 <= (diameter / 2) ** 2] = label
    return np.where(labels > 0, bright, dark).astype(dtype), labels
