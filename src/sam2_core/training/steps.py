"""One training step's losses: dense warm-up, stills with prompts and corrections, clips through memory.

`dense_losses` trains the encoder and the model's dense head alone. `clip_losses` plays a `ClipBatch` as a
person would: a first prompt (click, box or mask), perhaps corrective clicks with the previous logits fed back, then
frames from memory, some of them corrected and from then on conditioning; before some corrections the mask has slipped
to a neighbour or off the cell (see `slips`). A still is a clip of one frame; in some the prompts are what the dense
head sees (see `seen_objects`). With `dense`, the encoder goes on hearing about every object of every frame, not only
about those that were prompted. Nothing here knows optimisers or schedules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sam2_core.errors import ConfigError
from sam2_core.modeling.dense_head import DenseMaps
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.prompt_encoder import PromptBatch
from sam2_core.modeling.sam2 import MaskPrediction, Sam2Model
from sam2_core.training.augment import normalise
from sam2_core.training.clips import ClipBatch, presence
from sam2_core.training.dense_targets import DenseTargets, dense_loss
from sam2_core.training.losses import LossWeights, obedience_loss, segmentation_loss
from sam2_core.training.rollout import FrameMemory, condition, memorise
from sam2_core.training.seen_objects import SeenObjects, seen_objects
from sam2_core.training.simulated_prompts import click_inside, clicks_on_both, corrective_click, noisy_box
from sam2_core.training.slips import Slip

FORGETTING = 0.5  # of the corrected slips are no longer remembered afterwards but for what a person said
BOTH_AT_ONCE = 0.4  # of the slips are corrected by a click outside and one inside, given together


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """How a simulated person works.

    first: odds of the first prompt on frame 0. corrections: most corrective clicks after it. corrected_frame: share of
    the clips in which a later frame is corrected once. slipped: share of those in which the mask had slipped for some
    frames, and is corrected by one click at least. seen: share of the stills in which the first prompts are what the
    dense head sees instead. box_noise: deviations of the corners of a box, as shares of its side, of which one is drawn
    for each batch: by default of a careful and of a hasty person.
    """

    first: Mapping[str, float] = field(default_factory=lambda: {"click": 0.7, "box": 0.3})
    corrections: int = 2
    corrected_frame: float = 0.3
    slipped: float = 0.0
    seen: float = 0.0
    box_noise: tuple[float, ...] = (0.01, 0.08)
    loss: LossWeights = field(default_factory=LossWeights)


def dense_losses(model: Sam2Model, batch: ClipBatch) -> dict[str, Tensor]:
    """Losses of the dense head on the first frame of a batch: parts and `total`."""
    channels = _dense_channels(model, model.encode_image(normalise(batch.images[0])))
    return dense_loss(channels, DenseTargets.of(batch.labels[0]))


def _dense_channels(model: Sam2Model, features: ImageFeatures) -> Tensor:
    if model.dense_head is None:
        raise ConfigError(f"{model.config.name} has no dense head to train; give it dense_widths")
    channels: Tensor = model.dense_head(features)
    return channels


def clip_losses(
    model: Sam2Model,
    batch: ClipBatch,
    settings: PromptSettings,
    rng: np.random.Generator,
    dense: bool = False,
) -> dict[str, Tensor]:
    """Losses of all frames of a batch: `total`, parts, and what the masks reach (see `segmentation_loss`).

    dense: train the model's dense head too. Every object of the frames has to have a label for that.
    """
    every = model.encode_image(normalise(batch.images.flatten(0, 1)))
    channels = _dense_channels(model, every) if dense else None
    seen = _seen(channels, batch, settings, rng)
    if seen is None:
        losses = _prompted_losses(model, every, batch, settings, rng)
    else:
        losses = _losses_of_seen(model, every, seen, settings, rng)
    if channels is None:
        return losses
    known = dense_loss(channels, DenseTargets.of(batch.labels.flatten(0, 1)))["total"]
    return losses | {"dense": known, "total": losses["total"] + settings.loss.dense * known}


def _seen(
    channels: Tensor | None, batch: ClipBatch, settings: PromptSettings, rng: np.random.Generator
) -> SeenObjects | None:
    """Return what the dense head sees of stills where that is asked about; None where it is not, or sees nothing."""
    if channels is None or len(batch.images) > 1 or not settings.seen or rng.random() >= settings.seen:
        return None
    return seen_objects(DenseMaps.of_channels(channels.detach()), batch.labels[0], rng)


def _losses_of_seen(
    model: Sam2Model, every: ImageFeatures, seen: SeenObjects, settings: PromptSettings, rng: np.random.Generator
) -> dict[str, Tensor]:
    """Losses of the answers to what the dense head sees, corrected or not."""
    features = every.select(seen.image_index)
    there = seen.masks.flatten(1).any(dim=1)
    player = _FramePlayer(model, features, seen.masks, there, settings, rng)
    conditioned = condition(model, features, [], 0)
    player.correct(conditioned, player.seen(conditioned, seen))
    return _mean(player.losses)


def _prompted_losses(
    model: Sam2Model, every: ImageFeatures, batch: ClipBatch, settings: PromptSettings, rng: np.random.Generator
) -> dict[str, Tensor]:
    """Losses of the prompted objects on all frames, from the features of all frames of all clips."""
    frames, clips = batch.images.shape[:2]
    masks = batch.masks  # (T, O, 1, S, S)
    present = presence(masks)  # (T, O)
    corrected = int(rng.integers(1, frames)) if frames > 1 and rng.random() < settings.corrected_frame else 0
    slip = _slip(batch, corrected, settings, rng)
    times = frame_times(frames, rng)
    memories: list[FrameMemory] = []
    found: list[dict[str, Tensor]] = []
    for frame in range(frames):
        features = every.select(batch.image_index + frame * clips)
        player = _FramePlayer(model, features, masks[frame], present[frame], settings, rng)
        conditioned = condition(model, features, memories, times[frame])
        prediction = player.first(conditioned) if frame == 0 else player.tracked(conditioned)
        if slip is not None and slip.start <= frame <= corrected:
            with torch.no_grad():
                prediction = model.predict_from_mask(features, slip.masks(batch, frame))
        if frame == corrected:
            prediction = player.correct(conditioned, prediction, at_least=0 if slip is None else 1)
            if slip is not None and rng.random() < FORGETTING:
                memories = [memory for memory in memories if memory.conditioning]
        found += player.losses
        if frame + 1 < frames:
            memories.append(memorise(model, features, prediction, times[frame], frame in (0, corrected)))
    return _mean(found)


def _slip(batch: ClipBatch, corrected: int, settings: PromptSettings, rng: np.random.Generator) -> Slip | None:
    """Return how masks slip before the frame that is corrected; None where none is, or nothing slips."""
    if not corrected or not settings.slipped or rng.random() >= settings.slipped:
        return None
    return Slip.drawn(batch, int(rng.integers(1, corrected + 1)), rng)


def frame_times(frames: int, rng: np.random.Generator) -> list[int]:
    """Frame numbers of a clip: half of the clips skip frames, and some were prompted long ago.

    So a short clip teaches all rows of the time table and the distances of pointers that a long movie will need.
    """
    steps = rng.integers(1, 4, frames) if rng.random() < 0.5 else np.ones(frames, dtype=np.int64)
    times = np.cumsum(steps)
    times[0] -= int(rng.integers(60)) if rng.random() < 0.3 else 0
    return [int(time) for time in times]


def _mean(found: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of each loss over the answers that have it."""
    names = dict.fromkeys(name for losses in found for name in losses)
    return {name: torch.stack([losses[name] for losses in found if name in losses]).mean() for name in names}


class _FramePlayer:
    """Prompts of O objects on one frame, one after another, and the losses of each answer."""

    def __init__(
        self,
        model: Sam2Model,
        features: ImageFeatures,
        masks: Tensor,
        present: Tensor,
        settings: PromptSettings,
        rng: np.random.Generator,
    ) -> None:
        self.model, self.features, self.masks, self.present = model, features, masks, present
        self.settings, self.rng = settings, rng
        self.points = torch.zeros(masks.shape[0], 0, 2, device=masks.device)
        self.labels = torch.zeros(masks.shape[0], 0, dtype=torch.long, device=masks.device)
        self.losses: list[dict[str, Tensor]] = []

    def first(self, conditioned: Tensor) -> MaskPrediction:
        kinds = list(self.settings.first)
        odds = np.array([self.settings.first[kind] for kind in kinds])
        kind = kinds[self.rng.choice(len(kinds), p=odds / odds.sum())]
        if kind == "mask":
            return self.model.predict_from_mask(self.features, self.masks)
        if kind == "box":
            self.points, self.labels = noisy_box(self.masks, self.rng, float(self.rng.choice(self.settings.box_noise)))
        else:
            self._add(click_inside(self.masks, self.rng), torch.ones_like(self.present, dtype=torch.long)[:, None])
        return self._decode(conditioned, None)

    def seen(self, conditioned: Tensor, prompts: SeenObjects) -> MaskPrediction:
        """Return the answer to a click in each instance and the instance as a rough mask."""
        self._add(prompts.points, torch.ones_like(self.present, dtype=torch.long)[:, None])
        return self._decode(conditioned, prompts.rough)

    def tracked(self, conditioned: Tensor) -> MaskPrediction:
        prompts = PromptBatch.empty(self.masks.shape[0], self.masks.device)
        return self._judged(self.model.predict_masks(conditioned, self.features, prompts, multimask=True, gate=False))

    def correct(self, conditioned: Tensor, prediction: MaskPrediction, at_least: int = 0) -> MaskPrediction:
        """Return the answer to corrective clicks; the first of several may be two at once, outside and inside."""
        clicks = int(self.rng.integers(at_least, max(self.settings.corrections, at_least) + 1))
        for click in range(clicks):
            logits = prediction.low_res_masks.detach()
            size = (self.masks.shape[-2], self.masks.shape[-1])
            enlarged = functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)
            if at_least and click == 0 and self.rng.random() < BOTH_AT_ONCE:
                self._add(*clicks_on_both(enlarged > 0, self.masks, self.rng))
            else:
                self._add(*corrective_click(enlarged > 0, self.masks, self.rng))
            wrong = ((enlarged > 0) != (self.masks > 0)).float()
            prediction = self._decode(conditioned, logits.clamp(-32.0, 32.0), wrong)
        return prediction

    def _add(self, points: Tensor, labels: Tensor) -> None:
        self.points = torch.cat([self.points, points], dim=1)
        self.labels = torch.cat([self.labels, labels], dim=1)

    def _decode(self, conditioned: Tensor, logits: Tensor | None, wrong: Tensor | None = None) -> MaskPrediction:
        prompts = PromptBatch(self.points, self.labels, logits)
        multimask = self.points.shape[1] <= 1
        answer = self.model.predict_masks(conditioned, self.features, prompts, multimask, gate=False)
        return self._judged(answer, wrong)

    def _judged(self, prediction: MaskPrediction, wrong: Tensor | None = None) -> MaskPrediction:
        losses = segmentation_loss(prediction, self.masks, self.present, self.settings.loss)
        if wrong is not None and self.settings.loss.obeyed:
            left = obedience_loss(prediction.low_res_multimasks, self.masks, wrong)
            losses |= {"obeyed": left, "total": losses["total"] + self.settings.loss.obeyed * left}
        self.losses.append(losses)
        return prediction
