"""Small repairs of mask logits: holes, specks, and pixels that several objects claim.

Connected components are counted by scipy on the CPU, all planes in one call: only the boolean picture travels, the
logits stay where they are. On CUDA small areas, as those of tracking, are found where the picture is, so that the host
need not wait; both ways count pixels exactly, so a mask is the same whatever computed it. Components are joined over
edges and corners (8 neighbours), never from one object to another. This room decides nothing about where in the
tracking a repair is made.

Sources: facebookresearch/sam2 at 2b90b9f, `sam2/utils/misc.py` and `sam2/utils/transforms.py` (areas and fill values),
`sam2/modeling/sam2_base.py` (overlaps).
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

HOLE_VALUE = 0.1
SPECK_VALUE = -0.1
OVERLAP_VALUE = -10.0
SPREADING_AREA = 64
"""Components of up to so many pixels are found by `spread_small_components` on CUDA: it takes as many steps."""
EXACT_IN_FLOAT32 = 2**24

_NEIGHBOURS = np.zeros((3, 3, 3), dtype=bool)
_NEIGHBOURS[1] = True  # joined within a plane, never across planes


def fill_holes(logits: Tensor, max_area: float) -> Tensor:
    """Return the logits (..., h, w) with small holes filled: background components of at most `max_area` pixels.

    Each plane is looked at by itself, and none is changed in place; at 0 or below nothing is filled.
    """
    return torch.where(_small_components(logits <= 0, max_area), HOLE_VALUE, logits) if max_area > 0 else logits


def remove_small_pieces(logits: Tensor, share: float) -> Tensor:
    """Return the logits (..., h, w) with small pieces removed: components below a share of the plane's largest.

    Each plane is looked at by itself, and none is changed in place; at 0 nothing is removed, at 1 only the largest
    pieces stay.
    """
    if share <= 0:
        return logits
    planes = (logits > 0).detach().cpu().numpy().reshape(-1, *logits.shape[-2:])
    labels, _ = ndimage.label(planes, structure=_NEIGHBOURS)  # one call for all planes; label 0 is background
    areas = np.bincount(labels.ravel(), minlength=1)
    areas[0] = 0
    sizes = areas[labels]  # (planes, h, w): of the piece that a pixel belongs to
    small = planes & (sizes < share * sizes.max(axis=(1, 2), keepdims=True, initial=0))
    return torch.where(torch.from_numpy(small.reshape(logits.shape)).to(logits.device), SPECK_VALUE, logits)


def clean_image_masks(logits: Tensor, max_hole_area: float, max_speck_area: float, threshold: float = 0.0) -> Tensor:
    """Return the logits of a single image with holes 10 above and specks 10 below the threshold, (..., h, w).

    Holes and specks are both found in the logits as they came in, as the reference does, so a speck that lies in a
    filled hole is still removed.
    """
    cleaned = logits
    if max_hole_area > 0:
        cleaned = torch.where(_small_components(logits <= threshold, max_hole_area), threshold + 10.0, cleaned)
    if max_speck_area > 0:
        cleaned = torch.where(_small_components(logits > threshold, max_speck_area), threshold - 10.0, cleaned)
    return cleaned


def resolve_overlaps(logits: Tensor) -> Tensor:
    """Return the logits, (O, 1, H, W), with each pixel left to one object: the one with the highest logit there.

    All other objects are cut to at most -10 at that pixel; of equals the first object keeps it.
    """
    if logits.shape[0] <= 1:
        return logits
    winner = logits.argmax(dim=0, keepdim=True)  # (1, 1, H, W)
    objects = torch.arange(logits.shape[0], device=logits.device)[:, None, None, None]
    return torch.where(winner == objects, logits, logits.clamp(max=OVERLAP_VALUE))


def _small_components(mask: Tensor, max_area: float) -> Tensor:
    """Return True where a component of True pixels has at most `max_area` of them; same shape and device as `mask`."""
    few_pixels = mask.shape[-2] * mask.shape[-1] < EXACT_IN_FLOAT32
    if mask.device.type == "cuda" and max_area <= SPREADING_AREA and few_pixels:
        return spread_small_components(mask, int(max_area))
    planes = mask.detach().cpu().numpy().reshape(-1, *mask.shape[-2:])
    labels, _ = ndimage.label(planes, structure=_NEIGHBOURS)  # one call for all planes; label 0 is False
    small = np.bincount(labels.ravel(), minlength=1) <= max_area
    small[0] = False
    return torch.from_numpy(small[labels].reshape(mask.shape)).to(mask.device)


def spread_small_components(mask: Tensor, max_area: int) -> Tensor:
    """Return the same by local steps alone, for a device that should not wait for the host.

    Each pixel takes the largest number among its neighbours in its component, `max_area` times; then a component of at
    most so many pixels has one number throughout. It is small where a number stands on few pixels and none of them
    touches another number, which would be a part of something larger.
    """
    height, width = mask.shape[-2:]
    pixels = height * width
    planes = mask.reshape(-1, 1, height, width)
    numbers = torch.arange(1, pixels + 1, device=mask.device, dtype=torch.float32).reshape(1, 1, height, width)
    spread = torch.where(planes, numbers, 0.0)
    for _ in range(max_area):
        spread = torch.where(planes, _largest_near(spread), 0.0)
    touches = planes & (_largest_near(spread) != spread)
    touches |= planes & (-_largest_near(torch.where(planes, -spread, -torch.inf)) != spread)
    places = spread.flatten(1).long()  # (planes, h * w); 0 outside
    area = torch.zeros(len(places), pixels + 1, dtype=torch.int32, device=mask.device)
    area.scatter_add_(1, places, torch.where(touches, max_area + 1, 1).flatten(1).int())
    return ((area.gather(1, places) <= max_area) & (places > 0)).reshape(mask.shape)


def _largest_near(values: Tensor) -> Tensor:
    """Return the largest of each pixel and its eight neighbours."""
    return F.max_pool2d(values, kernel_size=3, stride=1, padding=1)
