"""What the dense head should say of a window, made of its labels, and how far off what it says is.

Every object counts about the same in the offsets and sizes, however large it is: errors are shares of its diameter, and
its pixels share one weight. Objects that the window cuts have no size. It trains nothing: see `dense_training`, and
`steps` for the joint training.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from sam2_core.modeling.dense_head import OFFSET_UNIT, SIZE_UNIT

STRIDE = 4
TARGET_CHANNELS = 6  # of `DenseTargets.joined`
BOUNDARY_PX = 3  # within so many px of the window of the outline, inside
LEAST_AREA_PX = 12  # of the window: a smaller rest of an object is nobody's
USUAL_PX = 36.0  # diameter of an object whose pixels have weight 1
LEAST_PX = 9.0


@dataclass(frozen=True, slots=True)
class DenseTargets:
    """What is true of B windows at a quarter of their size, all float32.

    Attributes
    ----------
    foreground
        (B, h, w), share of the pixel that objects cover.
    boundary
        (B, h, w), share of the pixel that is near an outline.
    offsets
        (B, 2, h, w), x and y to the centre of mass of its object, in map pixels; 0 outside.
    diameters
        (B, h, w), of a disc of the object's area, in window px; 0 outside and where the window cuts the object.
    weights
        (B, h, w), of the pixel in the losses of offsets and diameters; 0 outside.
    """

    foreground: Tensor
    boundary: Tensor
    offsets: Tensor
    diameters: Tensor
    weights: Tensor

    @classmethod
    def of(cls, labels: Tensor) -> DenseTargets:
        """Return the targets of labels (B, S, S) int64, 0 outside of objects."""
        areas, centres, whole = _measured(labels)
        small = labels[:, 2::STRIDE, 2::STRIDE].clone()  # (B, h, w)
        batch = torch.arange(len(labels), device=labels.device).view(-1, 1, 1)
        area = areas[batch, small]
        inside = (small > 0) & (area >= LEAST_AREA_PX)
        places = torch.stack(_places(small), dim=-1)  # (1, h, w, 2) in map pixels
        offsets = torch.where(inside[..., None], centres[batch, small] - places, 0.0)
        disc = (4.0 / torch.pi * area).sqrt()
        weights = torch.where(inside, USUAL_PX / disc.clamp(min=LEAST_PX), 0.0)
        known = inside & whole[batch, small]
        covered = F.avg_pool2d((labels > 0).float()[:, None], STRIDE)[:, 0]
        rim = F.avg_pool2d(near_outline(labels).float()[:, None], STRIDE)[:, 0]
        return cls(covered, rim, offsets.permute(0, 3, 1, 2), torch.where(known, disc, 0.0), weights)

    def joined(self) -> Tensor:
        """Return all of it as channels (B, 6, h, w), as it is kept."""
        parts = (self.foreground, self.boundary, self.diameters, self.weights)
        return torch.cat([torch.stack(parts, dim=1), self.offsets], dim=1)

    @classmethod
    def apart(cls, channels: Tensor) -> DenseTargets:
        """Return what `joined` put together."""
        foreground, boundary, diameters, weights = channels.float()[:, :4].unbind(dim=1)
        return cls(foreground, boundary, channels.float()[:, 4:], diameters, weights)


def near_outline(labels: Tensor) -> Tensor:
    """Return which pixels of objects, (B, S, S) bool, are within `BOUNDARY_PX` of another label."""
    ids = labels.float()[:, None]
    side = 2 * BOUNDARY_PX + 1
    most = F.max_pool2d(ids, side, stride=1, padding=BOUNDARY_PX)
    least = -F.max_pool2d(-ids, side, stride=1, padding=BOUNDARY_PX)
    return (most != least)[:, 0] & (labels > 0)


def dense_loss(channels: Tensor, targets: DenseTargets) -> dict[str, Tensor]:
    """Return the parts and `total` of the loss of what the head gives, (B, 5, h, w), see `DenseHead`."""
    channels = channels.float()
    flat = F.binary_cross_entropy_with_logits(channels[:, 0], targets.foreground, 1.0 + 2.0 * _rims(targets.foreground))
    edge = F.binary_cross_entropy_with_logits(channels[:, 1], targets.boundary, 1.0 + 2.0 * targets.boundary)
    counted = targets.weights.sum().clamp(min=1.0)
    error = (channels[:, 2:4] * OFFSET_UNIT - targets.offsets) * targets.weights[:, None] * STRIDE / USUAL_PX
    pull = (
        F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=0.05).sum(1) * targets.weights
    ).sum()
    known = targets.weights * (targets.diameters > 0)
    true_size = (targets.diameters.clamp(min=1.0) / SIZE_UNIT).log2()
    size = (F.smooth_l1_loss(channels[:, 4], true_size, reduction="none", beta=0.1) * known).sum()
    parts = {"foreground": flat, "boundary": edge, "offsets": pull / counted, "size": size / known.sum().clamp(min=1.0)}
    return parts | {"total": flat + 0.5 * edge + 2.0 * parts["offsets"] + 0.2 * parts["size"]}


def _rims(covered: Tensor) -> Tensor:
    """Return (B, h, w), 1 on both sides of where objects end, 0 elsewhere: a weight inside alone would enlarge them."""
    most, least = (sign * F.max_pool2d(sign * covered[:, None], 3, stride=1, padding=1) for sign in (1.0, -1.0))
    return (most - least)[:, 0]


def _places(small: Tensor) -> tuple[Tensor, Tensor]:
    rows = torch.arange(small.shape[-2], device=small.device, dtype=torch.float32).view(1, -1, 1)
    columns = torch.arange(small.shape[-1], device=small.device, dtype=torch.float32).view(1, 1, -1)
    return columns.expand(1, *small.shape[-2:]), rows.expand(1, *small.shape[-2:])


def _measured(labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return areas (B, N) in px, centres (B, N, 2) x, y in map px, and which objects are whole (B, N), by label."""
    batch, height, width = labels.shape
    most = int(labels.max()) + 1
    keys = (labels + most * torch.arange(batch, device=labels.device).view(-1, 1, 1)).flatten()
    areas = torch.bincount(keys, minlength=batch * most).float()
    columns = torch.arange(width, device=labels.device).float().view(1, 1, -1).expand_as(labels).flatten()
    rows = torch.arange(height, device=labels.device).float().view(1, -1, 1).expand_as(labels).flatten()
    sums = [torch.bincount(keys, weights=place, minlength=batch * most) for place in (columns, rows)]
    centres = torch.stack([(total.float() / areas.clamp(min=1.0) - 1.5) / STRIDE for total in sums], dim=-1)
    whole = torch.ones(batch * most, dtype=torch.bool, device=labels.device)
    grid = keys.view_as(labels)
    for edge in (grid[:, 0], grid[:, -1], grid[:, :, 0], grid[:, :, -1]):
        whole[edge.flatten()] = False
    return areas.view(batch, most), centres.view(batch, most, 2), whole.view(batch, most)
