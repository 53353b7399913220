"""Windows for the dense head: images and labels of all objects in them, of every size that the head may meet.

Most hold objects of the size at which the head is used, some much smaller or larger ones: it has to know these too,
to say how large they are. Some hold nothing but noise, uneven light, or specks; on others specks lie about as debris
does. Everything follows from the generator that is passed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sam2_core.training.augment import INVERTING, augment
from sam2_core.training.clip_windows import WindowSettings
from sam2_core.training.clips import ClipSettings, draw_clip, pick_record
from sam2_core.training.pack import TrainingPack


@dataclass(frozen=True, slots=True)
class DenseWindowSettings:
    """What windows are drawn.

    usual, any_size: ranges of object diameter / window side, of most windows and of a share `odd` of them. weights,
    inverting: by group, as in `ClipSettings`. empty: share of the windows without an object. specked: share of those
    with objects on which specks lie.
    """

    size: int = 256
    usual: tuple[float, float] = (0.08, 0.26)
    any_size: tuple[float, float] = (0.04, 0.45)
    odd: float = 0.3
    weights: Mapping[str, float] = field(default_factory=dict)
    inverting: Mapping[str, float] = field(default_factory=dict)
    augmentation: float = 0.8
    empty: float = 0.05
    specked: float = 0.15


def draw_window(pack: TrainingPack, settings: DenseWindowSettings, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return an image (S, S) float in [0, 1], in steps of 1/255, and its labels (S, S) int64."""
    if rng.random() < settings.empty:
        image, labels, inverting = *_empty_window(settings.size, rng), 0.5
    else:
        span = settings.any_size if rng.random() < settings.odd else settings.usual
        window = WindowSettings(settings.size, span)
        clip = ClipSettings(window, frames=1, weights=settings.weights, leaving=0.0)
        record = pick_record(pack, clip, rng)
        images, named = draw_clip(record, replace(clip, motion=0.0), rng)
        image, labels = images[0], named[0]
        inverting = settings.inverting.get(record.info.group, INVERTING)
        if rng.random() < settings.specked:
            image = with_specks(image, rng)
    seen = augment(image[None, None], rng, settings.augmentation, [inverting])[0, 0]
    return (seen * 255.0).round() / 255.0, labels


def _empty_window(size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return what a camera sees of nothing: noise as fine as its pixels or a few of them, on light that is not even."""
    source = torch.Generator().manual_seed(int(rng.integers(2**31)))
    grain = int(rng.choice([1, 1, 2, 3, 5]))
    noise = torch.randn(1, 1, -(-size // grain), -(-size // grain), generator=source)
    noise = F.interpolate(noise, size=(size, size), mode="bicubic", align_corners=False)[0, 0]
    light = torch.randn(1, 1, 3, 3, generator=source)
    light = F.interpolate(light, size=(size, size), mode="bicubic", align_corners=True)[0, 0]
    image = float(rng.uniform(0.2, 0.7)) + float(rng.uniform(0.0, 0.25)) * noise + float(rng.uniform(0.0, 0.2)) * light
    image = image.clamp(0.0, 1.0)
    if rng.random() < 0.4:
        image = with_specks(image, rng)
    return image, torch.zeros(size, size, dtype=torch.int64)


def with_specks(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Return an image (S, S) with a few dots, bright or dark, some with a ring around: dirt, not cells."""
    size = image.shape[-1]
    rows, columns = torch.meshgrid(torch.arange(size).float(), torch.arange(size).float(), indexing="ij")
    for _ in range(int(rng.integers(1, 9))):
        y, x = rng.uniform(0.0, size, 2)
        sigma, height = rng.uniform(0.8, 2.6), rng.uniform(0.2, 0.8) * rng.choice([-1.0, 1.0])
        away = ((rows - y) ** 2 + (columns - x) ** 2) / sigma**2
        dot = torch.exp(-0.5 * away) - (0.25 * torch.exp(-0.125 * away) if rng.random() < 0.5 else 0.0)
        image = image + float(height) * dot
    return image.clamp(0.0, 1.0)
