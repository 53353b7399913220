"""Intensity changes that a microscope makes: gamma, inversion, contrast, blur, uneven light, pixels, noise, bleaching.

`augment` takes the windows of a batch, time first, and draws one microscope per clip: what belongs to the optics is
the same on all frames of a clip, noise is new on each, and light fades slowly. `normalise` then makes the model's
input exactly as the predictors do with a gray frame. Geometry is not touched here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
INVERTING = 0.25  # of the clips, at full strength
COARSE = (2.0, 9.0)  # sides of a pixel, in px of the window


def augment(
    images: Tensor,
    rng: np.random.Generator,
    strength: float = 1.0,
    inverting: float | Sequence[float] = INVERTING,
    coarse: float = 0.0,
) -> Tensor:
    """Images (T, B, S, S) in [0, 1] as another microscope would have seen them.

    strength: 0 leaves the images as they are, 1 is the full range. inverting: odds of an inverted clip at full
    strength, for all or for each. coarse: odds of a clip whose pixels are `COARSE` times as large and have been
    enlarged, as the model sees objects of few pixels.
    """
    if strength == 0.0:
        return images
    clips = images.shape[1]
    changed = images * _uneven_light(clips, images.shape[-1], 0.5 * strength, rng)
    changed = changed.clamp(1e-4, 1.0) ** _per_clip(np.exp(rng.normal(0.0, 0.35 * strength, clips)))
    inverted = _per_clip((rng.random(clips) < np.asarray(inverting) * strength).astype(np.float32))
    changed = torch.lerp(changed, 1.0 - changed, inverted)
    changed = _blurred(changed, rng.uniform(0.0, 1.6 * strength, clips) * (rng.random(clips) < 0.4))
    changed = _contrast(changed, rng, strength)
    if not coarse:
        return _noisy(changed, rng, strength).clamp(0.0, 1.0)
    return _on_pixels(changed, rng, strength, coarse).clamp(0.0, 1.0)


def normalise(images: Tensor) -> Tensor:
    """Gray images (N, S, S) in [0, 1] as the model's input (N, 3, S, S), ImageNet mean and deviation."""
    mean = torch.tensor(IMAGENET_MEAN, device=images.device).view(1, 3, 1, 1)
    deviation = torch.tensor(IMAGENET_STD, device=images.device).view(1, 3, 1, 1)
    return (images[:, None] - mean) / deviation


def _per_clip(values: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32)).view(1, -1, 1, 1)


def _uneven_light(clips: int, size: int, depth: float, rng: np.random.Generator) -> Tensor:
    coarse = rng.uniform(-1.0, 1.0, (clips, 1, 3, 3)) * rng.uniform(0.0, depth, (clips, 1, 1, 1))
    field = functional.interpolate(
        torch.from_numpy(coarse.astype(np.float32)), size=(size, size), mode="bicubic", align_corners=False
    )
    return (1.0 + field).permute(1, 0, 2, 3)  # (1, B, S, S)


def _blurred(images: Tensor, sigmas: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> Tensor:
    offsets = torch.arange(-3, 4, dtype=torch.float32)
    widths = torch.from_numpy(np.maximum(sigmas, 1e-3).astype(np.float32))[:, None]
    kernels = torch.exp(-0.5 * (offsets / widths) ** 2)
    kernels = kernels / kernels.sum(dim=1, keepdim=True)  # (B, 7)
    clips = images.shape[1]
    padded = functional.pad(images, (3, 3, 3, 3), mode="replicate")
    rows = functional.conv2d(padded, kernels.view(clips, 1, 7, 1), groups=clips)
    return functional.conv2d(rows, kernels.view(clips, 1, 1, 7), groups=clips)


def _contrast(images: Tensor, rng: np.random.Generator, strength: float) -> Tensor:
    frames, clips = images.shape[:2]
    changed = rng.random(clips) < 0.6
    low = np.where(changed, rng.uniform(0.0, 0.35 * strength, clips), 0.0)
    span = np.where(changed, rng.uniform(1.0 - 0.7 * strength, 1.0, clips), 1.0) * (1.0 - low)
    fading = rng.uniform(0.0, 0.06 * strength, clips) * (rng.random(clips) < 0.5)
    light = np.exp(-fading[None, :] * np.arange(frames)[:, None])
    gain = torch.from_numpy((span[None, :] * light).astype(np.float32)).view(frames, clips, 1, 1)
    return images * gain + _per_clip(low)


def _noisy(images: Tensor, rng: np.random.Generator, strength: float) -> Tensor:
    clips = images.shape[1]
    sigma = rng.uniform(0.0, 0.09 * strength, clips) * (rng.random(clips) < 0.6)
    source = torch.Generator().manual_seed(int(rng.integers(2**31)))
    return images + torch.randn(images.shape, generator=source) * _per_clip(sigma)


def _on_pixels(images: Tensor, rng: np.random.Generator, strength: float, coarse: float) -> Tensor:
    """Return clips with noise on pixels of the window, and some of them with noise on larger ones."""
    size = images.shape[-1]
    seen = _noisy(images, rng, strength)
    for clip in np.flatnonzero(rng.random(images.shape[1]) < coarse):
        side = round(size / float(np.exp(rng.uniform(*np.log(COARSE)))))
        few = functional.interpolate(images[:, clip, None], size=(side, side), mode="area")  # (T, 1, s, s)
        few = _noisy(few.transpose(0, 1), rng, strength).transpose(0, 1)
        seen[:, clip] = functional.interpolate(few, size=(size, size), mode="bilinear", align_corners=False)[:, 0]
    return seen
