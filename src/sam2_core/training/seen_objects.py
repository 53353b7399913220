"""What the dense head sees of stills, as prompts, and what is true of it: how finding asks the decoder.

Finding gives the decoder a click in the middle of an instance and the instance as a rough mask, and ranks answers by
the IoU that the decoder predicts. A person's corrections teach the opposite, that a rough mask is wrong where the click
lies. So the decoder is asked like this in training too, of real instances of its own head, those that are no object
included: there the right IoU is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sam2_core.finding.candidates import ROUGH_LOGIT
from sam2_core.finding.votes import STRIDE, dense_instances
from sam2_core.modeling.dense_head import DenseMaps

MOST = 8
"""Instances of a window that are asked about."""
LEAST_IOU = 0.1
"""With the object that it meets best; an instance below that is of nothing."""


@dataclass(frozen=True, slots=True)
class SeenObjects:
    """Instances of windows of S x S px, as prompts, and the objects that they mean.

    Attributes
    ----------
    image_index
        (O,) the window of each.
    points
        (O, 1, 2) x, y in px of the window: inside of the instance.
    rough
        (O, 1, S/4, S/4) logits of the instance.
    masks
        (O, 1, S, S) float 0/1: the object that it meets best; empty where there is none.
    """

    image_index: Tensor
    points: Tensor
    rough: Tensor
    masks: Tensor


def seen_objects(maps: DenseMaps, labels: Tensor, rng: np.random.Generator) -> SeenObjects | None:
    """Return up to `MOST` instances of each window in random order; None where the head sees nothing.

    maps: of B windows. labels: (B, S, S) int64, of every object in them.
    """
    instances, index, points = [], [], []
    for window, planes in enumerate(zip(maps.foreground, maps.offsets, maps.diameters / STRIDE, strict=True)):
        seen = dense_instances(*(plane.detach().float().cpu().numpy() for plane in planes))
        for each in rng.permutation(len(seen))[:MOST]:
            instances.append(seen[each].mask)
            index.append(window)
            points.append(seen[each].inside_xy)
    if not instances:
        return None
    masks = torch.from_numpy(np.stack(instances)).to(labels.device)
    where = torch.tensor(index, device=labels.device)
    places = torch.tensor(points, dtype=torch.float32, device=labels.device)[:, None]
    rough = (masks[:, None].float() * 2.0 - 1.0) * ROUGH_LOGIT
    return SeenObjects(where, places * STRIDE + 0.5 * (STRIDE - 1), rough, _meant(masks, labels[where]))


def _meant(instances: Tensor, labels: Tensor) -> Tensor:
    """Return the object (O, 1, S, S) of labels (O, S, S) that each instance (O, S/4, S/4) meets best."""
    whole = functional.interpolate(instances[:, None].float(), scale_factor=STRIDE, mode="nearest")[:, 0] > 0
    best = torch.zeros(len(labels), dtype=torch.int64, device=labels.device)
    for each, (instance, owners) in enumerate(zip(whole, labels, strict=True)):
        areas = torch.bincount(owners.flatten())
        met = torch.bincount(owners[instance], minlength=areas.numel())
        iou = met / (areas + instance.sum() - met)
        iou[0] = 0.0
        if iou.max() >= LEAST_IOU:
            best[each] = iou.argmax()
    return ((labels == best.view(-1, 1, 1)) & (best > 0).view(-1, 1, 1)).float()[:, None]
