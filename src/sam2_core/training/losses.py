"""Losses for masks, predicted IoUs and object scores.

All take ungated logits. Each returns one value per object (and candidate), so that the caller can choose candidates
and leave out absent objects; `segmentation_loss` does both: the best of the candidates (least mask loss) is trained,
the others a little.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from sam2_core.modeling.sam2 import MaskPrediction


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Factors of the parts; `others` is the share of all candidates' mean mask loss added to the best one's.

    dense: of the dense head's loss, where that is trained too. obeyed: of what a correction left wrong.
    nothing: whether an absent object means a prompt that lies on nothing: its predicted IoU should be 0, and its score
    is not asked for.
    """

    cross_entropy: float = 2.0
    dice: float = 1.0
    iou: float = 1.0
    score: float = 2.0
    others: float = 0.25
    dense: float = 0.5
    obeyed: float = 0.0
    nothing: bool = False


def cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean binary cross-entropy over pixels, (O, M), of logits (O, M, h, w) against soft masks (O, 1, h, w)."""
    target = truth.expand_as(logits)
    per_pixel = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return per_pixel.mean(dim=(2, 3))


def dice(logits: Tensor, truth: Tensor) -> Tensor:
    """1 - (2 overlap + 1) / (sum + 1) over pixels, (O, M)."""
    inside = logits.sigmoid()
    overlap = (inside * truth).sum(dim=(2, 3))
    total = inside.sum(dim=(2, 3)) + truth.sum(dim=(2, 3))
    return 1.0 - (2.0 * overlap + 1.0) / (total + 1.0)


def true_iou(logits: Tensor, truth: Tensor) -> Tensor:
    """IoU of the thresholded logits (O, M, h, w) with masks (O, 1, h, w), (O, M); 1 where both are empty."""
    predicted, target = logits > 0, truth > 0.5
    overlap = (predicted & target).sum(dim=(2, 3))
    union = (predicted | target).sum(dim=(2, 3))
    return torch.where(union > 0, overlap / union.clamp(min=1), torch.ones_like(union, dtype=logits.dtype))


def resize_to_loss(logits: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (O, M, h, w) enlarged and masks (O, 1, S, S) averaged to the grid on which masks are compared."""
    size = logits.shape[-1] * 2
    enlarged = functional.interpolate(logits.float(), size=(size, size), mode="bilinear", align_corners=False)
    return enlarged, functional.adaptive_avg_pool2d(masks, (size, size))


def obedience_loss(logits: Tensor, masks: Tensor, wrong: Tensor) -> Tensor:
    """What a correction left wrong: mean cross-entropy of all candidates over the pixels that were wrong before it.

    logits: (O, M, h, w). masks, wrong: (O, 1, S, S) float 0/1. Each object with anything wrong counts alike; 0 where
    there is none.
    """
    enlarged, truth = resize_to_loss(logits, masks)
    _, region = resize_to_loss(logits, wrong)
    per_pixel = functional.binary_cross_entropy_with_logits(enlarged, truth.expand_as(enlarged), reduction="none")
    area = region.sum(dim=(2, 3))  # (O, 1)
    left = (per_pixel * region).sum(dim=(2, 3)) / area.clamp(min=1.0)  # (O, M)
    counts = (area >= 1.0).float()
    return (left.mean(dim=1, keepdim=True) * counts).sum() / counts.sum().clamp(min=1.0)


def segmentation_loss(
    prediction: MaskPrediction, masks: Tensor, present: Tensor, weights: LossWeights
) -> dict[str, Tensor]:
    """Parts and `total` of the loss of one decoding, and what the best and the picked candidate reach.

    prediction: ungated. masks (O, 1, S, S), present (O,) bool. Masks and IoUs count where the object is present, the
    score everywhere (but see `LossWeights.nothing`).
    """
    logits, truth = resize_to_loss(prediction.low_res_multimasks, masks)
    mask_loss = weights.cross_entropy * cross_entropy(logits, truth) + weights.dice * dice(logits, truth)  # (O, M)
    reached = true_iou(logits, truth).detach()  # (O, M)
    here = present.float()
    count = here.sum().clamp(min=1.0)
    best = mask_loss.amin(dim=1) + weights.others * mask_loss.mean(dim=1)
    iou_loss = (prediction.ious.float() - reached * here[:, None]).abs().mean(dim=1)
    all_of_them = torch.ones_like(here)
    judged, asked = (all_of_them, here) if weights.nothing else (here, all_of_them)
    scores = prediction.object_score_logits.float().flatten()
    score_loss = functional.binary_cross_entropy_with_logits(scores, here, reduction="none")
    parts = {
        "mask": (best * here).sum() / count,
        "iou": (iou_loss * judged).sum() / judged.sum().clamp(min=1.0),
        "score": (score_loss * asked).sum() / asked.sum().clamp(min=1.0),
    }
    picked = reached.gather(1, prediction.ious.argmax(dim=1, keepdim=True)).flatten()
    return parts | {
        "total": parts["mask"] + weights.iou * parts["iou"] + weights.score * parts["score"],
        "best_iou": (reached.amax(dim=1) * here).sum() / count,
        "picked_iou": (picked * here).sum() / count,
    }
