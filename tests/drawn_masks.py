"""Answers of a model that draws instead of looking: known masks for every click, the same in whichever package asks.

A click finds the disc whose centre is nearest: its three answers are the disc, its core with a hole and a speck beside
it, and the disc with all that lies left of it. How sharp they are and how sure depends on the disc. A rough mask that
is given back counts three tenths. Only torch is needed, so the official package's own Python can draw too.
"""

from __future__ import annotations

import torch
from torch import Tensor

DISCS = (
    (0.2, 0.25, 0.12),
    (0.55, 0.2, 0.07),
    (0.8, 0.35, 0.15),
    (0.3, 0.7, 0.16),
    (0.62, 0.72, 0.05),
    (0.9, 0.85, 0.2),
)
"""x, y and radius, as shares of the model input's side."""


def draw(points: Tensor, rough: Tensor | None, multimask: bool, side: int) -> tuple[Tensor, Tensor]:
    """Return logits (N, M, side / 4, side / 4) and IoUs (N, M) for points (N, 2) in model pixels."""
    discs = torch.tensor(DISCS) * side
    which = torch.cdist(points, discs[:, :2]).argmin(dim=1)
    logits = torch.stack([_answers(disc, side) for disc in discs])[which]
    places = torch.arange(len(discs))[:, None] * 0.05 + torch.tensor([0.1, 0.05, 0.0]) + 0.65
    ious = places[which] + (points.sum(dim=1, keepdim=True) * 0.37).frac() * 0.04
    if not multimask:
        logits, ious = logits[:, :1], ious[:, :1]
    return (logits if rough is None else 0.7 * logits + 0.3 * rough), ious


def _answers(disc: Tensor, side: int) -> Tensor:
    x0, y0, radius = disc
    centres = torch.arange(side // 4) * 4 + 2.0
    y, x = centres[:, None], centres[None]
    sharpness = 0.3 + radius / side * 4
    inside = radius - torch.hypot(x - x0, y - y0)
    core = inside - 0.4 * radius
    hole = torch.hypot(x - x0, y - y0) - 6
    speck = 5 - torch.hypot(x - x0 - 1.3 * radius, y - y0)
    left = torch.maximum(inside, (x0 - x) - (y - y0).abs())
    return sharpness * torch.stack([inside, torch.maximum(torch.minimum(core, hole), speck), left])
