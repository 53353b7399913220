"""One answer a seed, in batches across tiles; and what is kept of it: a patch of the frame.

A seed of the dense head asks with a click and with its instance as a rough mask, a point of a grid with a click. The
decoder's masks lie at a quarter of the model's input. They are judged there (how stable, how well they agree with what
the dense head sees). The best one, those that see the same object, and the head decide together, pixel by pixel, by how
sure each of them is; only the part around that is brought to pixels of the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from sam2_core.finding.found import BoxXYXY, Mask, cut_to_pixels
from sam2_core.finding.votes import STRIDE, DenseInstance
from sam2_core.inference.postprocess import remove_small_pieces
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.prompt_encoder import INSIDE, PromptBatch
from sam2_core.modeling.sam2 import Sam2Model
from sam2_core.windowed.window import PointXY, SizeHW, Window

STABILITY_DELTA = 1.0
"""Stability is the area of a mask above this logit over that above its negative."""
ROUGH_LOGIT = 6.0
"""Of the pixels of an instance that is given to the decoder as a rough mask; the others have its negative."""

SUREST_LOGIT = 6.0
"""More than this counts no more where decoder and head decide together."""
SAME_OBJECT = 0.7
"""IoU with the best answer of the decoder from which on another one is about the same object, and has a say too."""
QUALITY_STEP = 0.1
"""By so much worse an answer has a say that is e times less."""
HEAD_WEIGHT = 2.0
"""Of the head's logits beside the decoder's, which are larger: outlines are better than those of either alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Seed:
    """A place at which to click, in pixels of the model's input, on what a tile shows.

    `instance` is the object there as the dense head sees it, None for a point of a grid. `is_spare` says that another
    tile should see the object, and better.
    """

    window: Window
    features: ImageFeatures
    point_xy: PointXY
    instance: DenseInstance | None = None
    is_spare: bool = False

    def on_frame(self, image_size: int) -> PointXY:
        """Return the place in pixels of the frame."""
        scale = self.window.width / image_size
        x, y = ((place + 0.5) * scale - 0.5 for place in self.point_xy)
        return self.window.x0 + x, self.window.y0 + y

    def diameter_on_frame(self, image_size: int) -> float:
        """Return how large the instance is, in pixels of the frame; 0 for a point of a grid."""
        if self.instance is None:
            return 0.0
        return self.instance.size * STRIDE * self.window.width / image_size

    def covers(self, cell: tuple[int, int]) -> bool:
        """Return whether the instance has a cell (row, column) of the map."""
        return self.instance is not None and bool(self.instance.mask[cell])


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A mask that may be an object, and the evidence for it.

    Attributes
    ----------
    box_xyxy, mask
        As those of a `FoundObject`.
    seed_xy
        In pixels of the frame.
    predicted_iou, stability, agreement, presence
        Each from 0 to 1: what the decoder believes of the mask, how little it depends on its threshold, its IoU with
        the dense instance at the seed (None where there is none), and how sure the head is of that (1 then).
    cut_at
        The middle of where the border of the window cuts it, in pixels of the frame; None where it lies whole in it.
    is_spare
        As that of its `Seed`.
    """

    box_xyxy: BoxXYXY
    mask: Mask
    seed_xy: PointXY
    predicted_iou: float
    stability: float
    agreement: float | None
    presence: float = 1.0
    cut_at: PointXY | None = None
    is_spare: bool = False

    @property
    def area(self) -> int:
        """Number of its pixels."""
        return int(np.count_nonzero(self.mask))

    def shared_with(self, other: Candidate) -> int:
        """Return how many pixels it shares with another one."""
        x0, y0 = np.maximum(self.box_xyxy[:2], other.box_xyxy[:2])
        x1, y1 = np.minimum(self.box_xyxy[2:], other.box_xyxy[2:])
        if x0 >= x1 or y0 >= y1:
            return 0
        return int(np.count_nonzero(self._part(x0, y0, x1, y1) & other._part(x0, y0, x1, y1)))

    def _part(self, x0: int, y0: int, x1: int, y1: int) -> Mask:
        left, top = self.box_xyxy[:2]
        return self.mask[y0 - top : y1 - top, x0 - left : x1 - left]


def answers(model: Sam2Model, seeds: Sequence[Seed], instances: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return logits (O, 3, S/4, S/4) and predicted IoUs (O, 3) for O seeds on any tiles.

    instances: (O, S/4, S/4), those of all seeds; None where they have none.
    """
    tiles = list({id(seed.features): seed.features for seed in seeds}.values())
    features = tiles[0]
    if len(tiles) > 1:
        places = {id(features): index for index, features in enumerate(tiles)}
        index = torch.tensor([places[id(seed.features)] for seed in seeds], device=model.device)
        features = ImageFeatures.joined(tiles).select(index)
    points = torch.tensor([seed.point_xy for seed in seeds], dtype=torch.float32, device=model.device)[:, None]
    labels = torch.full(points.shape[:2], INSIDE, dtype=torch.int32, device=model.device)
    rough = None if instances is None else (instances[:, None] * 2.0 - 1.0) * ROUGH_LOGIT
    prediction = model.predict_without_memory(features, PromptBatch(points, labels, rough), multimask=True, gate=False)
    return prediction.low_res_multimasks, prediction.ious.float()


def stability(logits: Tensor) -> Tensor:
    """Return (O, M) in [0, 1] for logits (O, M, h, w); 0 for an empty mask."""
    surely = (logits > STABILITY_DELTA).sum(dim=(-2, -1))
    maybe = (logits > -STABILITY_DELTA).sum(dim=(-2, -1))
    return surely / maybe.clamp(min=1)


def agreement(masks: Tensor, instances: Tensor) -> Tensor:
    """Return (O, M): the IoU of masks (O, M, h, w) with the instance (O, h, w) of each object."""
    together = (masks & instances[:, None]).sum(dim=(-2, -1))
    either = (masks | instances[:, None]).sum(dim=(-2, -1))
    return together / either.clamp(min=1)


class PatchMaker:
    """Brings masks at a quarter of the model's input to pixels of the frame, around where they are only."""

    def __init__(self, low_res_size: int, side: int) -> None:
        eye = torch.eye(low_res_size)[None, None]
        stretched = F.interpolate(eye, size=(side, low_res_size), mode="bilinear", align_corners=False)
        self._weights: npt.NDArray[np.float32] = stretched[0, 0].numpy()  # (side, low_res_size)
        self._scale = side / low_res_size

    def patch(self, logits: npt.NDArray[np.float32], window: Window, frame_hw: SizeHW) -> tuple[BoxXYXY, Mask] | None:
        """Return box and mask of low-resolution logits (h, w) seen in a window; None where no pixel is inside."""
        rows, columns = (np.flatnonzero((logits > 0).any(axis=axis)) for axis in (1, 0))
        if rows.size == 0:
            return None
        y0, y1 = self._reach(rows, window.y0, frame_hw[0])
        x0, x1 = self._reach(columns, window.x0, frame_hw[1])
        inside = self._weights[y0:y1] @ logits @ self._weights[x0:x1].T > 0
        return cut_to_pixels(inside, (x0 + window.x0, y0 + window.y0))

    def _reach(self, places: npt.NDArray[np.intp], start: int, length: int) -> tuple[int, int]:
        """Return from where to where of the window, on the frame, the mask can be."""
        first, last = (places[0] - 0.5) * self._scale, (places[-1] + 1.5) * self._scale
        low, high = max(0, -start), min(len(self._weights), length - start)
        begin = max(int(first), low)
        return begin, max(min(int(np.ceil(last)), high), begin)


def candidates(model: Sam2Model, seeds: Sequence[Seed], patches: PatchMaker, frame_hw: SizeHW) -> list[Candidate]:
    """Return what is seen at each seed; nothing for a seed whose masks are empty or out of the frame."""
    instances = _instances(seeds, model.device)
    logits, ious = answers(model, seeds, instances)
    stable = stability(logits)
    fits = torch.ones_like(stable) if instances is None else agreement(logits > 0, instances)
    quality = (0.5 * fits + 0.5 * ious) * stable
    chosen = quality.argmax(dim=1)
    every = torch.arange(len(seeds), device=chosen.device)
    decided = logits[every, chosen] if instances is None else _together(common_answer(logits, quality), seeds)
    masks = remove_small_pieces(decided[:, None], model.config.smallest_piece)[:, 0].float().cpu().numpy()
    evidence = torch.stack([part[every, chosen] for part in (ious, stable, fits)], dim=1).cpu().numpy()
    found = []
    for seed, mask, (iou, steady, fit) in zip(seeds, masks, evidence, strict=True):
        patch = patches.patch(mask, seed.window, frame_hw)
        if patch is not None:
            place = seed.on_frame(model.image_size)
            agrees, presence = (None, 1.0) if seed.instance is None else (float(fit), seed.instance.presence)
            cut_at = _cut_at(*patch, seed.window, frame_hw)
            found.append(Candidate(*patch, place, float(iou), float(steady), agrees, presence, cut_at, seed.is_spare))
    return found


def _cut_at(box: BoxXYXY, mask: Mask, window: Window, frame_hw: SizeHW) -> PointXY | None:
    """Return the middle of the pixels of a patch that lie at a border of the window inside of the frame."""
    x0, y0, x1, y1 = box
    cut = np.zeros_like(mask)
    cut[:, :1] |= x0 == window.x0 > 0
    cut[:1] |= y0 == window.y0 > 0
    cut[:, -1:] |= x1 == window.x0 + window.width < frame_hw[1]
    cut[-1:] |= y1 == window.y0 + window.height < frame_hw[0]
    rows, columns = np.nonzero(cut & mask)
    return (x0 + float(columns.mean()), y0 + float(rows.mean())) if rows.size else None


def common_answer(logits: Tensor, quality: Tensor) -> Tensor:
    """Return logits (O, h, w), up to `SUREST_LOGIT` in size: what answers (O, M, h, w) have in common of an object.

    The best of each object by quality (O, M), and those that see the same as it does; better ones count more.
    """
    best = quality.argmax(dim=1)
    masks = logits > 0
    same = agreement(masks, masks[torch.arange(len(best), device=best.device), best]) >= SAME_OBJECT
    same.scatter_(1, best[:, None], True)  # also where it is empty
    weights = torch.softmax((quality / QUALITY_STEP).masked_fill(~same, -torch.inf), dim=1)
    return (weights[:, :, None, None] * logits.clamp(-SUREST_LOGIT, SUREST_LOGIT)).sum(dim=1)


def _together(logits: Tensor, seeds: Sequence[Seed]) -> Tensor:
    """Return logits (O, S/4, S/4) of the decoder's common answers and those of the instances of seeds."""
    seen = [seed.instance.logits for seed in seeds if seed.instance is not None]
    head = torch.from_numpy(np.stack(seen)).to(logits)
    return logits + HEAD_WEIGHT * head.clamp(-SUREST_LOGIT, SUREST_LOGIT)


def _instances(seeds: Sequence[Seed], device: torch.device) -> Tensor | None:
    """Return the instances of seeds (O, S/4, S/4), None for points of a grid."""
    masks = [seed.instance.mask for seed in seeds if seed.instance is not None]
    return torch.from_numpy(np.stack(masks)).to(device) if masks else None
