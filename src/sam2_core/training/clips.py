"""Batches of clips: images over time and the masks of a few objects, from stills set in motion or from movies.

A still becomes a clip by looking at it through a window that drifts, turns and breathes while a smooth displacement
field bends it: image and labels move together. A movie record is looked at through a calm window. Objects are chosen
on the first frame; they may leave later. Everything follows from the generator that is passed in: the same seed gives
the same batch.

Order: choose records -> cut windows of each frame -> choose objects -> `ClipBatch` -> `augment` the images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sam2_core.errors import StackError
from sam2_core.training.augment import INVERTING, augment
from sam2_core.training.clip_windows import ClipView, WindowSettings, cut_window, random_view
from sam2_core.training.pack import Record, TrainingPack

MIN_WINDOW_AREA = 0.0015  # of the window: smaller remains of objects are not asked for
PRESENT_AREA = 0.0008  # of the window: an object with less than this is absent
_TRIES_PER_CLIP = 100


@dataclass(frozen=True, slots=True)
class ClipSettings:
    """What a batch holds.

    clips: number of windows. frames: T. objects: at most so many per window. weights: share of each group of the pack.
    motion: size of the movements from frame to frame, 1 is usual. leaving: share of the clips of stills in which the
    window travels so far that objects leave it, and in half of those come back; share of the clips of movies that look
    at an object that is gone at the end. augmentation: strength of the intensity changes. inverting: share of the
    clips of a group whose intensity is inverted, at full strength; `INVERTING` for those not named. smallest: share of
    the clips in which the smallest objects are asked for, not any. coarse: as in `augment`.
    """

    window: WindowSettings = field(default_factory=WindowSettings)
    clips: int = 8
    frames: int = 1
    objects: int = 6
    weights: Mapping[str, float] = field(default_factory=dict)
    motion: float = 1.0
    leaving: float = 0.35
    augmentation: float = 1.0
    inverting: Mapping[str, float] = field(default_factory=dict)
    smallest: float = 0.0
    coarse: float = 0.0


@dataclass(frozen=True, slots=True)
class ClipBatch:
    """Clips of one size and length, and the objects that are asked for.

    images: (T, B, S, S) float in [0, 1], in steps of 1/255 as the predictors see them. labels: (T, B, S, S) int64. ids:
    (O,) label of each object. image_index: (O,) the clip it is in.
    """

    images: Tensor
    labels: Tensor
    ids: Tensor
    image_index: Tensor

    def to(self, device: torch.device) -> ClipBatch:
        """The same batch on a device."""
        return ClipBatch(*(part.to(device) for part in (self.images, self.labels, self.ids, self.image_index)))

    @property
    def masks(self) -> Tensor:
        """Masks of the objects, (T, O, 1, S, S) float 0/1; made anew each time."""
        return (self.labels[:, self.image_index] == self.ids.view(1, -1, 1, 1)).float()[:, :, None]


def presence(masks: Tensor) -> Tensor:
    """Whether each object is there on each frame, (T, O) bool, of masks (T, O, 1, S, S)."""
    area: Tensor = masks.mean(dim=(2, 3, 4))
    return area > PRESENT_AREA


def draw_batch(pack: TrainingPack, settings: ClipSettings, rng: np.random.Generator) -> ClipBatch:
    """A batch of clips with at least one object each.

    Raises
    ------
    StackError
        No object is large enough in windows like these.
    """
    views: list[tuple[Tensor, Tensor]] = []
    chosen: list[Tensor] = []
    inverting: list[float] = []
    for _ in range(_TRIES_PER_CLIP * settings.clips):
        if len(views) == settings.clips:
            break
        record = pick_record(pack, settings, rng)
        images, labels = draw_clip(record, settings, rng)
        ids = choose_objects(labels[0], settings.objects, rng, settings.smallest)
        if ids.numel():
            views.append((images, labels))
            chosen.append(ids)
            inverting.append(settings.inverting.get(record.info.group, INVERTING))
    if len(views) < settings.clips:
        raise StackError(
            f"windows in which an object fills {MIN_WINDOW_AREA:.1%} of the area expected, found {len(views)} in "
            f"{_TRIES_PER_CLIP * settings.clips} tries; give labels of larger objects or a larger span"
        )
    images = torch.stack([view[0] for view in views], dim=1)  # (T, B, S, S)
    labels = torch.stack([view[1] for view in views], dim=1)  # (T, B, S, S)
    index = torch.repeat_interleave(torch.arange(len(chosen)), torch.tensor([ids.numel() for ids in chosen]))
    seen = (augment(images, rng, settings.augmentation, inverting, settings.coarse) * 255.0).round() / 255.0
    return ClipBatch(seen, labels, torch.cat(chosen), index)


def pick_record(pack: TrainingPack, settings: ClipSettings, rng: np.random.Generator) -> Record:
    """A random record of a group drawn by weight; images of rare microscopes, told by their size, count more."""
    groups = [group for group in pack.groups if settings.weights.get(group, 1.0) > 0]
    weights = np.array([settings.weights.get(group, 1.0) for group in groups])
    records = pack.of_group(groups[rng.choice(len(groups), p=weights / weights.sum())])
    sizes = [record.info.source_size for record in records]
    counts = {size: sizes.count(size) for size in set(sizes)}
    odds = np.array([counts[size] ** -0.4 for size in sizes])
    return records[rng.choice(len(records), p=odds / odds.sum())]


def choose_objects(labels: Tensor, most: int, rng: np.random.Generator, smallest: float = 0.0) -> Tensor:
    """Ids of up to `most` objects that fill at least `MIN_WINDOW_AREA` of a window's labels (S, S), in random order.

    smallest: how often the smallest of them are chosen, in their order.
    """
    areas = torch.bincount(labels.flatten())
    areas[0] = 0
    ids = torch.nonzero(areas >= MIN_WINDOW_AREA * labels.numel()).flatten()
    if smallest and rng.random() < smallest:
        return ids[areas[ids].argsort(stable=True)[:most]]
    return ids[torch.from_numpy(rng.permutation(ids.numel()))[:most]]


def draw_clip(record: Record, settings: ClipSettings, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Images (T, S, S) and labels (T, S, S) of one clip from a record."""
    if record.info.shape[0] > 1:
        return _movie_clip(record, settings, rng)
    view = random_view(record, 0, settings.window, rng)
    shifts = moving_shifts(settings, rng)
    padding = str(rng.choice(["border", "zeros"]))
    views = _drifting_views(view, settings, rng, 1.0, leaves=rng.random() < settings.leaving)
    cuts = [
        cut_window(record, 0, drifted, settings.window.size, shift, padding)
        for drifted, shift in zip(views, shifts, strict=True)
    ]
    return torch.stack([cut[0] for cut in cuts]), torch.stack([cut[1] for cut in cuts])


def _movie_clip(record: Record, settings: ClipSettings, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    length = record.info.shape[0]
    stride = int(rng.choice([1, 2])) if length > 2 * settings.frames else 1
    span = min(length, (settings.frames - 1) * stride + 1)
    first = int(rng.integers(length - span + 1))
    order = np.minimum(first + stride * np.arange(settings.frames), length - 1)
    if rng.random() < 0.3:
        order = order[::-1]
    gone_by = int(order[-1]) if rng.random() < settings.leaving else None
    view = random_view(record, int(order[0]), settings.window, rng, gone_by)
    views = _drifting_views(view, settings, rng, 0.15)
    cuts = [cut_window(record, int(t), at, settings.window.size) for t, at in zip(order, views, strict=True)]
    return torch.stack([cut[0] for cut in cuts]), torch.stack([cut[1] for cut in cuts])


def _drifting_views(
    view: ClipView, settings: ClipSettings, rng: np.random.Generator, amount: float, leaves: bool = False
) -> list[ClipView]:
    amount *= settings.motion
    pace = _paces(settings.frames, leaves, amount, rng) * view.side_px  # (T, 2)
    turning, growing = rng.normal(0.0, 0.06 * amount), rng.normal(0.0, 0.02 * amount)
    views, centre, matrix = [], view.centre_xy, view.matrix
    for frame in range(settings.frames):
        views.append(ClipView(centre, matrix))
        jump = rng.normal(0.0, 0.03 * amount, 2) * view.side_px
        centre = centre + pace[frame] + jump
        angle = turning + rng.normal(0.0, 0.03 * amount)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = np.exp(growing) * turn @ matrix
    return views


def _paces(frames: int, leaves: bool, amount: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Steps of a window from frame to frame, (T, 2), as shares of its side."""
    if not leaves:
        return np.tile(rng.normal(0.0, 0.05 * amount, 2), (frames, 1))
    angle, pace = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.06, 0.25)
    steps = np.tile(pace * np.array([np.cos(angle), np.sin(angle)]), (frames, 1))
    if rng.random() < 0.5:
        steps[frames // 2 :] *= -1.0
    return steps


def moving_shifts(settings: ClipSettings, rng: np.random.Generator) -> Tensor:
    """Displacements (T, S, S, 2) in window coordinates that bend a still a little more on each frame."""
    frames, size = settings.frames, settings.window.size
    knots = int(rng.integers(3, 7))
    start = rng.normal(0.0, 0.05, (1, 2, knots, knots))
    pace = rng.normal(0.0, 0.05 * settings.motion * rng.random(), (1, 2, knots, knots))
    unsteady = rng.normal(0.0, 0.025 * settings.motion, (frames, 2, knots, knots))
    unsteady[0] = 0.0
    path = start + pace * np.arange(frames).reshape(-1, 1, 1, 1) + np.cumsum(unsteady, axis=0)
    smooth = functional.interpolate(
        torch.from_numpy(path.astype(np.float32)), size=(size, size), mode="bicubic", align_corners=True
    )
    return smooth.permute(0, 2, 3, 1)  # (T, S, S, 2)
