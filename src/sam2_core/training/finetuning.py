"""Fine-tuning: a model learns from a person's labelled frames and is judged on frames that it never trains on.

`Finetuning` owns the model, the optimiser and the averaged weights of one run in one folder; `run` is a generator
that yields a `Progress` after every step, so that its caller can show it, cancel it, or stop asking. Order of a step:
draw clips or stills -> losses -> clipped gradients -> AdamW -> moving average; every few steps the averaged weights
are judged on the held-out frames and kept if they are the best so far. The base model is judged first, so that the
result is never worse than it there. `finetune.pt` holds what is needed to go on, and is replaced atomically.

Everything that is learned is in `steps` and `losses`; which weights, in `adapters`; which frames, in
`labelled_stack`; files for people, in `finetune_files`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from sam2_core.errors import CheckpointError
from sam2_core.modeling.sam2 import Sam2Model
from sam2_core.training.adapters import Part, choose_parts, plain_state_dict, training_mode
from sam2_core.training.batches import draw_step
from sam2_core.training.clip_windows import WindowSettings
from sam2_core.training.clips import ClipSettings
from sam2_core.training.descent import descend, follow, prompt_generator, save_state
from sam2_core.training.held_out_scores import HeldOutFrames, Scores, ScoreSettings
from sam2_core.training.labelled_stack import LabelledStack
from sam2_core.training.recipes import Phase, Recipe, Task
from sam2_core.training.steps import PromptSettings, clip_losses

Reason = Literal["finished", "early", "time", "cancelled"]
LEARNING_RATES: dict[Part, float] = {"decoder": 2e-4, "memory": 2e-4, "adapters": 1e-3, "all": 1e-4}
SMALLEST_SPAN, LARGEST_SPAN = 0.09, 0.45  # object diameter / window side; smaller ones are not asked for (`clips`)


@dataclass(frozen=True, slots=True)
class FinetuneSettings:
    """How a model is fine-tuned.

    train: see `adapters.choose_parts`. steps: at most so many; minutes: at most so long, None for no limit.
    validate_every: steps between two looks at the held-out frames. patience: looks without a better one before it
    stops. learning_rate: None for the usual one of the part. size: side of the training windows in px, None for the
    model's input. clips, frames, objects: windows of a step, frames of a clip, objects of a window. augmentation:
    strength of the intensity changes, 0 to 1.
    """

    train: Part = "decoder"
    steps: int = 300
    minutes: float | None = None
    validate_every: int = 25
    patience: int = 6
    learning_rate: float | None = None
    rank: int = 8
    size: int | None = None
    clips: int = 4
    frames: int = 4
    objects: int = 4
    augmentation: float = 0.4
    averaging: float = 0.95
    seed: int = 0
    judged: ScoreSettings = field(default_factory=ScoreSettings)


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known after a step: its loss, scores where the held-out frames were looked at, seconds since the start.

    Step 0 is the base model; its loss is None.
    """

    step: int
    steps: int
    loss: float | None
    scores: Scores | None
    is_best: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class HeldOutLook:
    """One look at the held-out frames: after which step, mean loss since the look before, scores."""

    step: int
    loss: float | None
    scores: Scores


class Finetuning:
    """One run: a model that is changed in place, a labelled stack, settings, and a folder for the run's state."""

    def __init__(self, model: Sam2Model, data: LabelledStack, settings: FinetuneSettings, folder: Path) -> None:
        self.model, self.data, self.settings, self.folder = model, data, settings, folder
        self.size = settings.size or model.image_size
        self.held_out = HeldOutFrames(data, self.size, settings.judged)
        self._base_weights = f"{_size_of_weights(model):.8g}"
        model.weights_path = None
        self.trained = choose_parts(model, settings.train, settings.rank, settings.seed)
        self.recipe = _recipe(data, settings, self.size, model.device)
        self.optimizer = torch.optim.AdamW(self.trained.values(), lr=0.0, weight_decay=self.recipe.weight_decay)
        self.average = self._copy_of_trained()
        self.best_weights = self._copy_of_trained()
        self.looks: list[HeldOutLook] = []
        self.step = 0
        self.reason: Reason | None = None
        self._losses: list[float] = []
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def state_path(self) -> Path:
        """Where the run's state is kept."""
        return self.folder / "finetune.pt"

    @property
    def before(self) -> HeldOutLook:
        """The look at the base model."""
        return self.looks[0]

    @property
    def best(self) -> HeldOutLook:
        """The look that the kept weights belong to; the first of equals."""
        return max(self.looks, key=lambda look: look.scores.mean)

    def run(self, is_cancelled: Callable[[], bool] = lambda: False) -> Iterator[Progress]:
        """Trains, and yields after every step; at the end `reason` says why it stopped.

        is_cancelled is asked before every step. The best weights are kept whatever happens.
        """
        began = time.monotonic()
        self.reason = None
        if not self.looks:
            yield self._look(began)
        while self.reason is None:
            self.reason = self._reason_to_stop(began, is_cancelled)
            if self.reason is None:
                yield self._advance(began)
            elif self.reason == "time" and self._losses:
                yield self._look(began)
        self.save()

    def _reason_to_stop(self, began: float, is_cancelled: Callable[[], bool]) -> Reason | None:
        settings = self.settings
        if is_cancelled():
            return "cancelled"
        if self.step >= settings.steps:
            return "finished"
        if settings.minutes is not None and time.monotonic() - began > 60.0 * settings.minutes:
            return "time"
        since_best = len(self.looks) - 1 - self.looks.index(self.best)
        return "early" if since_best >= settings.patience else None

    def _advance(self, began: float) -> Progress:
        loss = self._train_step()
        self._losses.append(loss)
        if self.step % self.settings.validate_every == 0 or self.step == self.settings.steps:
            return self._look(began)
        return Progress(self.step, self.settings.steps, loss, None, False, time.monotonic() - began)

    def _look(self, began: float) -> Progress:
        """Judges the averaged weights, keeps them if they are the best, and saves the run's state."""
        current = self._copy_of_trained()
        self._set_trained(self.average)
        scores = self.held_out.scores(self.model)
        self._set_trained(current)
        loss = round(float(np.mean(self._losses)), 4) if self._losses else None
        improved = not self.looks or scores.mean > self.best.scores.mean
        if improved:
            self.best_weights = {name: value.clone() for name, value in self.average.items()}
        self.looks.append(HeldOutLook(self.step, loss, scores))
        self._losses = []
        self.save()
        return Progress(self.step, self.settings.steps, loss, scores, improved, time.monotonic() - began)

    def _train_step(self) -> float:
        rng = prompt_generator(self.recipe, self.step)
        task, batch = draw_step(self.data.training, self.recipe, self.step)
        training_mode(self.model)
        lowered = self.recipe.precision == "bfloat16"
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=lowered):
            loss = clip_losses(self.model, batch.to(self.model.device), task.prompts, rng)["total"]
        descend(loss, self.optimizer, self.trained.values(), self.recipe, self.step)
        self.step += 1
        self._update_average()
        return round(float(loss.detach()), 4)

    def _update_average(self) -> None:
        follow(self.average, self.trained, min(self.recipe.averaging, self.step / (self.step + 4.0)))

    def best_state_dict(self) -> dict[str, Tensor]:
        """The kept weights of the whole model in the official layout, adapters merged."""
        current = self._copy_of_trained()
        self._set_trained(self.best_weights)
        plain = {key: value.detach().clone() for key, value in plain_state_dict(self.model).items()}
        self._set_trained(current)
        return plain

    def _copy_of_trained(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.trained.items()}

    def _set_trained(self, weights: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in self.trained.items():
                value.copy_(weights[name])

    def save(self) -> None:
        """Replaces the run's state."""
        state = {
            "step": self.step,
            "current": self._copy_of_trained(),
            "average": self.average,
            "best": self.best_weights,
            "optimizer": self.optimizer.state_dict(),
            "looks": [asdict(look) for look in self.looks],
            "losses": self._losses,
            "started_with": self._fingerprint(),
        }
        save_state(self.state_path, state)

    def resume(self) -> bool:
        """Goes on from the run's state; False where there is none.

        Raises
        ------
        CheckpointError
            If the run was started with other settings, other data or another model.
        """
        if not self.state_path.exists():
            return False
        state: dict[str, Any] = torch.load(self.state_path, map_location=self.model.device, weights_only=True)
        self._check_same_run(state["started_with"])
        self._set_trained(state["current"])
        self.average, self.best_weights = state["average"], state["best"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.looks = [HeldOutLook(look["step"], look["loss"], Scores(**look["scores"])) for look in state["looks"]]
        self.step, self._losses = state["step"], state["losses"]
        return True

    def _check_same_run(self, started_with: dict[str, Any]) -> None:
        now = self._fingerprint()
        changed = [f"{key} was {value}, now {now[key]}" for key, value in started_with.items() if now[key] != value]
        if changed:
            raise CheckpointError(
                f"the run in {self.folder} was started differently ({'; '.join(changed)}); "
                "give the same options, or another folder"
            )

    def _fingerprint(self) -> dict[str, Any]:
        """What must stay the same from one part of a run to the next."""
        settings = self.settings
        return {
            "configuration": self.model.config.name,
            "sum of the base weights": self._base_weights,
            "trained parameters": sum(value.numel() for value in self.trained.values()),
            "train": settings.train,
            "seed": settings.seed,
            "stack": list(self.data.source_shape),
            "held-out frames": list(self.data.held_out_frames),
            "window": self.size,
        }


def _size_of_weights(model: nn.Module) -> float:
    """Sum of all absolute weights: tells two base models of one configuration apart."""
    return sum(float(value.detach().double().abs().sum()) for value in model.parameters())


def _recipe(data: LabelledStack, settings: FinetuneSettings, size: int, device: torch.device) -> Recipe:
    rate = LEARNING_RATES[settings.train] if settings.learning_rate is None else settings.learning_rate
    return Recipe(
        phases=(Phase("finetune", settings.steps, _tasks(data, settings, size)),),
        learning_rate=rate,
        final_share=0.1,
        warm_up=10,
        weight_decay=0.01,
        averaging=settings.averaging,
        seed=settings.seed,
        precision="bfloat16" if device.type == "cuda" else "float32",
    )


def _tasks(data: LabelledStack, settings: FinetuneSettings, size: int) -> tuple[Task, ...]:
    """Stills with clicks and boxes; for movies, and for the memory, clips as well (of stills: set in motion)."""
    window = WindowSettings(size, span=window_span(data))
    batch = ClipSettings(window, clips=settings.clips, objects=settings.objects, augmentation=settings.augmentation)
    short = replace(batch, clips=max(settings.clips // 4, 1), frames=max(settings.frames, 2), motion=0.7)
    still = Task("prompts", batch, PromptSettings({"click": 0.7, "box": 0.3}, corrections=1))
    clip = Task("prompts", short, PromptSettings({"click": 0.6, "box": 0.2, "mask": 0.2}, corrections=1))
    if settings.train == "memory":
        return (clip,)
    return (still, clip) if data.is_movie else (still,)


def window_span(data: LabelledStack) -> tuple[float, float]:
    """Range of object diameter / window side: from whole frames, as they are tracked, to large objects."""
    info = data.held_out.info
    whole = info.diameter_px / max(info.shape[1:])
    low = min(max(0.8 * whole, SMALLEST_SPAN), 0.3)
    return low, max(LARGEST_SPAN, 1.2 * low)
