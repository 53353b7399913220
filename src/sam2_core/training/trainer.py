"""The trainer: phases of steps, AdamW, a cosine schedule, averaged weights, checkpoints, a log, resuming.

What a step does follows from the recipe and the number of the step (see `batches`), so that a resumed run goes on as if
it had never stopped. Order of a step: losses -> clipped gradients -> AdamW -> moving average -> log. `checkpoint.pt` in
the run's folder holds everything needed to go on, and is replaced atomically.

It does not validate (a callback may) and does not know where images come from.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sam2_core.modeling.sam2 import Sam2Model
from sam2_core.training.batches import batches
from sam2_core.training.clips import ClipBatch
from sam2_core.training.descent import descend, early_decay, follow, prompt_generator, save_state
from sam2_core.training.pack import TrainingPack
from sam2_core.training.recipes import Recipe, Task
from sam2_core.training.steps import clip_losses, dense_losses


class Trainer:
    """Owns the model, the optimiser and the averaged weights of one run in one folder."""

    def __init__(self, model: Sam2Model, pack: TrainingPack, recipe: Recipe, folder: Path) -> None:
        torch.manual_seed(recipe.seed)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a tenth less time on a CPU
        model.weights_path = None
        self.model = model
        self.pack, self.recipe, self.folder = pack, recipe, folder
        self.optimizer = torch.optim.AdamW(_parameter_groups(model, recipe.weight_decay), lr=0.0)
        self.average = {name: value.detach().clone() for name, value in model.state_dict().items()}
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint_path(self) -> Path:
        """Where the run's state is kept."""
        return self.folder / "checkpoint.pt"

    def run(self, until: int | None = None, on_save: Callable[[Trainer], None] | None = None, workers: int = 0) -> None:
        """Trains up to a step (by default the recipe's last), on batches that `workers` processes draw ahead.

        `on_save` is called after each checkpoint.
        """
        last = self.recipe.steps if until is None else min(until, self.recipe.steps)
        saved = time.monotonic()
        for task, batch in batches(self.pack, self.recipe, range(self.step, last), workers):
            self.train_step(task, batch)
            if time.monotonic() - saved > self.recipe.save_seconds or self.step == last:
                self.save()
                if on_save is not None:
                    on_save(self)
                saved = time.monotonic()

    def train_step(self, task: Task, batch: ClipBatch) -> dict[str, float]:
        """One step; gives the losses that it logged."""
        began = time.monotonic()
        rng = prompt_generator(self.recipe, self.step)
        losses = self._losses(task, batch.to(self.model.device), rng)
        norm = descend(losses["total"], self.optimizer, self.model.parameters(), self.recipe, self.step)
        self._update_average()
        self.step += 1
        values = {name: round(float(value.detach()), 4) for name, value in losses.items()} | {"norm": round(norm, 3)}
        self._log(task, values, time.monotonic() - began)
        return values

    def _losses(self, task: Task, batch: ClipBatch, rng: np.random.Generator) -> dict[str, Tensor]:
        self.model.train()
        lowered = self.recipe.precision == "bfloat16"
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=lowered):
            if task.kind == "dense":
                return dense_losses(self.model, batch)
            return clip_losses(self.model, batch, task.prompts, rng, dense=self.model.dense_head is not None)

    def _update_average(self) -> None:
        follow(self.average, self.model.state_dict(), early_decay(self.recipe.averaging, self.step))

    def _log(self, task: Task, values: Mapping[str, float], seconds: float) -> None:
        entry = {
            "step": self.step,
            "phase": self.recipe.phase_at(self.step - 1).name,
            "task": f"{task.kind}{task.clips.frames}@{task.clips.window.size}",
            "seconds": round(seconds, 3),
            "time": time.strftime("%H:%M:%S", time.gmtime()),
        }
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({**entry, **values}) + "\n")

    def save(self) -> None:
        """Replaces the run's checkpoint."""
        state = {
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
        }
        save_state(self.checkpoint_path, state)

    def start_from(self, weights: Mapping[str, Tensor], phase: str) -> None:
        """Begins with given weights at the first step of a phase, as if the phases before had been trained."""
        names = [entry.name for entry in self.recipe.phases]
        self.model.load_state_dict({name: value.float() for name, value in weights.items()})
        self.average = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        self.step = sum(entry.steps for entry in self.recipe.phases[: names.index(phase)])

    def resume(self) -> bool:
        """Goes on from the run's checkpoint; False where there is none."""
        if not self.checkpoint_path.exists():
            return False
        state: dict[str, Any] = torch.load(self.checkpoint_path, map_location=self.model.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average, self.step = state["average"], state["step"]
        return True


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices and kernels, which are decayed; then biases, norms, tables of embeddings and positions."""
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for name, value in model.named_parameters():
        is_table = any(word in name for word in ("embed", "token", "tpos", "no_obj", "no_mem", "gamma"))
        (kept if value.ndim < 2 or is_table else decayed).append(value)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}]
