"""Prompts as a person would give them: a click inside, a box a little off, a correction where the mask is wrong.

Masks come as (O, 1, S, S) floats 0/1 at model size; points leave as (O, N, 2) x, y in model pixels with labels (O, N)
as `PromptBatch` takes them. Depth inside a region is the distance to its outline, measured on every second pixel of
all objects at once (on a GPU by peeling off layers, so that nothing leaves it); the exact rule of the evaluation
protocol lives in `scoring`.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

DEEPEST_PX = 128  # deeper places all count as this deep where layers are peeled off
CENTRE_SHARE = 0.5  # of the clicks lie at the deepest place, the others are drawn with the depth as odds


def depth_of(regions: Tensor) -> Tensor:
    """Distance of each pixel to the outline of its region in px, (O, 1, S, S), from every second pixel; 0 outside.

    The border of the window is an outline.
    """
    coarse = regions[:, :, ::2, ::2] > 0  # (O, 1, S/2, S/2)
    depth = peeled_depth(coarse) if regions.is_cuda else measured_depth(coarse)
    fine = depth.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    return (2.0 * fine + 0.5) * regions


def measured_depth(inside: Tensor) -> Tensor:
    """Euclidean distance to the outside, (O, 1, h, w) float32 of bool, on the CPU."""
    framed = np.pad(inside[:, 0].numpy(), ((0, 0), (1, 1), (1, 1)))
    column = ndimage.distance_transform_edt(framed.reshape(-1, framed.shape[-1]))  # all objects below each other
    depth = column.reshape(framed.shape)[:, None, 1:-1, 1:-1]
    return torch.from_numpy(depth.astype(np.float32))


def peeled_depth(inside: Tensor) -> Tensor:
    """The same where it lies, as the number of layers, by turns in squares and crosses: an octagonal distance."""
    left = functional.pad(inside.float(), (1, 1, 1, 1))
    depth = left.clone()
    for layer in range(DEEPEST_PX // 2):
        rows = -functional.max_pool2d(-left, (3, 1), stride=1, padding=(1, 0))
        if layer % 2:
            left = -functional.max_pool2d(-rows, (1, 3), stride=1, padding=(0, 1))
        else:
            left = torch.minimum(rows, -functional.max_pool2d(-left, (1, 3), stride=1, padding=(0, 1)))
        depth = depth + left
    return depth[:, :, 1:-1, 1:-1]


def click_inside(regions: Tensor, rng: np.random.Generator, power: float = 2.0) -> Tensor:
    """One click per object, (O, 1, 2) x, y in model px, inside its region; an empty region gives the first pixel."""
    objects, _, height, width = regions.shape
    weights = (depth_of(regions) ** power).flatten(1)  # (O, S*S)
    deepest = weights.argmax(dim=1)
    source = torch.Generator().manual_seed(int(rng.integers(2**31)))
    spread = (weights.cumsum(dim=1).cpu()).contiguous()
    aims = torch.rand(objects, 1, generator=source) * spread[:, -1:]
    drawn = torch.searchsorted(spread, aims).flatten().clamp(max=height * width - 1).to(regions.device)
    at_centre = torch.from_numpy(rng.random(objects) < CENTRE_SHARE).to(regions.device)
    inside = regions.flatten(1).gather(1, drawn[:, None]).flatten() > 0
    place = torch.where(at_centre | ~inside, deepest, drawn)
    return torch.stack([place % width, place // width], dim=1).float()[:, None]  # (O, 1, 2)


def corrective_click(predicted: Tensor, truth: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A click in the error region of each object and its label: (O, 1, 2) and (O, 1), 1 in a miss, 0 in an excess.

    predicted, truth: (O, 1, S, S) bool or 0/1. Where nothing is wrong the click falls inside the object.
    """
    wrong = (predicted > 0) != (truth > 0)
    perfect = ~wrong.flatten(1).any(dim=1)
    region = torch.where(perfect.view(-1, 1, 1, 1), truth > 0, wrong).float()
    points = click_inside(region, rng, power=3.0)
    column, row = points[:, 0, 0].long(), points[:, 0, 1].long()
    inside = truth[torch.arange(truth.shape[0], device=truth.device), 0, row, column] > 0
    return points, inside.long()[:, None]


def clicks_on_both(predicted: Tensor, truth: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A click outside, where too much is covered, and one inside, where something is missing: (O, 2, 2) and (O, 2).

    Where nothing is missing the one inside lies anywhere in the object; where nothing is too much, or the object is
    gone, that click is padding (label -1).
    """
    too_much, truth = (predicted > 0) & (truth <= 0), truth > 0
    missing = truth & ~(predicted > 0)
    inside = torch.where(missing.flatten(1).any(dim=1).view(-1, 1, 1, 1), missing, truth)
    points = torch.cat([click_inside(region.float(), rng, power=3.0) for region in (too_much, inside)], dim=1)
    given = torch.stack([region.flatten(1).any(dim=1) for region in (too_much, inside)], dim=1)  # (O, 2)
    said = torch.tensor([0, 1], device=truth.device).expand_as(given)
    return points, torch.where(given, said, -1)


def noisy_box(regions: Tensor, rng: np.random.Generator, noise: float = 0.1) -> tuple[Tensor, Tensor]:
    """The box of each region with jittered corners, as two points (O, 2, 2) with labels 2, 3 (O, 2).

    noise: standard deviation of each corner, as a share of the side; never more than 20 px off.
    """
    filled = regions[:, 0] > 0  # (O, S, S)
    x0, x1 = _extent(filled.any(dim=1))
    y0, y1 = _extent(filled.any(dim=2))
    corners = torch.stack([torch.stack([x0, y0], dim=1), torch.stack([x1, y1], dim=1)], dim=1)  # (O, 2, 2)
    sides = (corners[:, 1] - corners[:, 0])[:, None]  # (O, 1, 2)
    jitter = torch.from_numpy(rng.normal(0.0, noise, tuple(corners.shape)).astype(np.float32)).to(regions.device)
    moved = corners + (jitter * sides).clamp(-20.0, 20.0)
    labels = torch.tensor([2, 3], device=regions.device).expand(regions.shape[0], 2)
    return moved.clamp(0.0, float(regions.shape[-1] - 1)), labels


def _extent(profile: Tensor) -> tuple[Tensor, Tensor]:
    places = torch.arange(profile.shape[1], device=profile.device).expand_as(profile)
    first = torch.where(profile, places, profile.shape[1] - 1).amin(dim=1)
    last = torch.where(profile, places, 0).amax(dim=1)
    return torch.minimum(first, last).float(), last.float()
