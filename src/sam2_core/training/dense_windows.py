"""Windows for the dense head: images and labels of all objects in them, of every size that the head may meet.

Most hold objects of the size at which the head is used, some much smaller or larger ones: it has to know these too,
to say how large they are. What is no object is there as well, on windows of its own and among cells: noise of every
grain, mottled and uneven light, specks, and the rings of dust that is out of focus. Everything follows from the
generator that is passed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sam2_core.training.augment import INVERTING, augment
from sam2_core.training.clip_windows import WindowSettings
from sam2_core.training.clips import ClipSettings, draw_clip, pick_record
from sam2_core.training.pack import TrainingPack

GRAINS_PX = (1, 2, 3, 5, 8, 12)  # of mottled light, in px of the window
RING_PX = 30.0  # radius of the largest ring of dust, in px of the window


@dataclass(frozen=True, slots=True)
class DenseWindowSettings:
    """What windows are drawn.

    usual, any_size: ranges of object diameter / window side, of most windows and of a share `odd` of them. weights,
    inverting: by group, as in `ClipSettings`. empty: share of the windows without an object. mottled, specked: share
    of those with objects on which light is mottled, or specks and rings lie. max_side_ratio: as in `WindowSettings`.
    """

    size: int = 256
    usual: tuple[float, float] = (0.08, 0.26)
    any_size: tuple[float, float] = (0.04, 0.45)
    odd: float = 0.3
    weights: Mapping[str, float] = field(default_factory=dict)
    inverting: Mapping[str, float] = field(default_factory=dict)
    augmentation: float = 0.8
    empty: float = 0.07
    mottled: float = 0.25
    specked: float = 0.35
    max_side_ratio: float = 1.2


def draw_window(pack: TrainingPack, settings: DenseWindowSettings, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return an image (S, S) float in [0, 1], in steps of 1/255, and its labels (S, S) int64."""
    if rng.random() < settings.empty:
        image, labels, inverting = _empty(settings.size, rng), torch.zeros(settings.size, settings.size).long(), 0.5
    else:
        image, labels, inverting = _with_objects(pack, settings, rng)
    seen = augment(image[None, None], rng, settings.augmentation, [inverting])[0, 0]
    return (seen * 255.0).round() / 255.0, labels


def _with_objects(
    pack: TrainingPack, settings: DenseWindowSettings, rng: np.random.Generator
) -> tuple[Tensor, Tensor, float]:
    """Return image, labels and the odds of inversion of a window of a random record."""
    span = settings.any_size if rng.random() < settings.odd else settings.usual
    clip = ClipSettings(
        WindowSettings(settings.size, span, max_side_ratio=settings.max_side_ratio),
        motion=0.0,
        leaving=0.0,
        weights=settings.weights,
    )
    record = pick_record(pack, clip, rng)
    images, labels = draw_clip(record, clip, rng)
    image = images[0]
    if rng.random() < settings.mottled:
        image = mottled(image, float(rng.uniform(0.01, 0.06)), rng)
    if rng.random() < settings.specked:
        image = with_specks(image, rng)
    return image, labels[0], settings.inverting.get(record.info.group, INVERTING)


def _empty(size: int, rng: np.random.Generator) -> Tensor:
    """Return what a camera sees of nothing: little of it, or stretched to full contrast."""
    image = torch.full((size, size), float(rng.uniform(0.05, 0.8)))
    for _ in range(2):
        image = mottled(image, float(np.exp(rng.uniform(np.log(0.005), np.log(0.25)))), rng)
    return with_specks(image, rng) if rng.random() < 0.5 else image


def mottled(image: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    """Return an image (S, S) under light that varies from place to place, by a grain that is drawn, or slowly."""
    size = image.shape[-1]
    grain = int(rng.choice((*GRAINS_PX, size // 3)))
    source = torch.Generator().manual_seed(int(rng.integers(2**31)))
    cells = -(-size // grain) + 1
    noise = torch.randn(1, 1, cells, cells, generator=source)
    smooth = F.interpolate(noise, size=(cells * grain, cells * grain), mode="bicubic", align_corners=False)
    return (image + strength * smooth[0, 0, :size, :size]).clamp(0.0, 1.0)


def with_specks(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Return an image (S, S) with a few dots, bright or dark, and rings around dots: dirt, not cells."""
    size = image.shape[-1]
    rows, columns = torch.meshgrid(torch.arange(size).float(), torch.arange(size).float(), indexing="ij")
    for _ in range(int(rng.integers(1, 9))):
        y, x = rng.uniform(0.0, size, 2)
        away = ((rows - y) ** 2 + (columns - x) ** 2).sqrt()
        if rng.random() < 0.45:
            image = image + _out_of_focus(away, rng)
            continue
        height = float(rng.uniform(0.05, 0.7) * rng.choice([-1.0, 1.0]))
        spot = torch.exp(-0.5 * (away / rng.uniform(0.8, 2.6)) ** 2)
        image = image + height * spot
    return image.clamp(0.0, 1.0)


def _out_of_focus(away: Tensor, rng: np.random.Generator) -> Tensor:
    """Return what a speck of dust out of focus adds, by the distance from its middle: rings, and often a dot in them.

    The larger, the fainter: its light is spread.
    """
    radius = float(np.exp(rng.uniform(np.log(3.0), np.log(RING_PX))))
    width = max(1.2, radius * float(rng.uniform(0.12, 0.35)))
    ring = torch.cos((away - radius) / width) * torch.exp(-0.5 * ((away - radius) / (1.6 * width)) ** 2)
    dot = torch.exp(-0.5 * (away / (rng.uniform(0.4, 0.9) * width)) ** 2)
    strength = float(np.exp(rng.uniform(np.log(0.03), np.log(0.6)))) * rng.choice([-1.0, 1.0])
    faded = strength * min(1.0, (10.0 / radius) ** 0.7)
    return faded * (ring + float(rng.choice([0.0, 0.6, 1.0])) * rng.choice([-1.0, 1.0]) * dot)
