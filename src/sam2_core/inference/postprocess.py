"""Small repairs of mask logits: holes, specks, and pixels that several objects claim.

One code for every device: connected components are counted on the CPU by scipy, so a mask is the same whatever computed
it. Only the boolean picture travels; the logits stay where they are. Components are joined over edges and corners (8
neighbours), never from one object to another. This room decides nothing about where in the tracking a repair is made.

Sources: facebookresearch/sam2 at 2b90b9f, `sam2/utils/misc.py` and `sam2/utils/transforms.py` (areas and fill values),
`sam2/modeling/sam2_base.py` (overlaps).
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

HOLE_VALUE = 0.1
SPECK_VALUE = -0.1
OVERLAP_VALUE = -10.0

_NEIGHBOURS = np.zeros((3, 3, 3), dtype=bool)
_NEIGHBOURS[1] = True  # joined within a plane, never across planes


def fill_holes(logits: Tensor, max_area: float, *, value: float = HOLE_VALUE, threshold: float = 0.0) -> Tensor:
    """Return the logits with small holes filled: background components of at most `max_area` pixels become `value`.

    Parameters
    ----------
    logits
        (..., h, w), for example (O, 1, h, w); each plane is looked at by itself. Never changed in place.
    max_area
        Largest hole that is filled, in pixels of these logits; at 0 or below the logits are returned as they are.
    value
        The logit that filled pixels get.
    threshold
        Pixels at or below are background.
    """
    return torch.where(_small_components(logits <= threshold, max_area), value, logits) if max_area > 0 else logits


def remove_specks(logits: Tensor, max_area: float, *, value: float = SPECK_VALUE, threshold: float = 0.0) -> Tensor:
    """Return the logits with small specks removed: foreground components of at most `max_area` pixels become `value`.

    Parameters
    ----------
    logits
        (..., h, w), for example (O, 1, h, w); each plane is looked at by itself. Never changed in place.
    max_area
        Largest speck that is removed, in pixels of these logits; at 0 or below the logits are returned as they are.
    value
        The logit that removed pixels get.
    threshold
        Pixels above are foreground.
    """
    return torch.where(_small_components(logits > threshold, max_area), value, logits) if max_area > 0 else logits


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
    planes = mask.detach().cpu().numpy().reshape(-1, *mask.shape[-2:])
    labels, _ = ndimage.label(planes, structure=_NEIGHBOURS)  # one call for all planes; label 0 is False
    small = np.bincount(labels.ravel(), minlength=1) <= max_area
    small[0] = False
    return torch.from_numpy(small[labels].reshape(mask.shape)).to(mask.device)
