"""The dense head of a model, trained while everything else of the model stays as it is.

As the encoder does not change, it looks at each window once: `WindowCache` keeps features and targets of many windows
in a file as float16, and the head goes through them again and again, in another order each time. Order of a step:
windows from the cache -> head -> `dense_loss` -> AdamW -> moving average, which is what a run gives. What is drawn
follows from the seed and the number of the window; a run that was stopped goes on where its files end.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sam2_core.errors import ConfigError
from sam2_core.modeling.dense_head import DenseHead
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.sam2 import Sam2Model
from sam2_core.training.augment import normalise
from sam2_core.training.dense_targets import TARGET_CHANNELS, DenseTargets, dense_loss
from sam2_core.training.dense_windows import DenseWindowSettings, draw_window
from sam2_core.training.descent import early_decay, follow, save_state
from sam2_core.training.pack import TrainingPack

_AT_ONCE = 8  # windows that the encoder looks at together


@dataclass(frozen=True, slots=True)
class DenseRecipe:
    """How a head is trained: windows, passes through them, windows a step, peak of the learning rate, averaging.

    windows: so many of some settings, then so many of others. passes: over which the learning rate falls; until: after
    so many of them it ends, before the head learns by heart what the encoder made of its windows.
    """

    windows: tuple[tuple[int, DenseWindowSettings], ...] = ((2000, DenseWindowSettings()),)
    passes: int = 7
    until: int = 2
    batch: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    averaging: float = 0.998
    seed: int = 0

    @property
    def count(self) -> int:
        """Windows of all settings together."""
        return sum(count for count, _ in self.windows)

    @property
    def size(self) -> int:
        """Side of all windows in px."""
        return self.windows[0][1].size

    def settings_of(self, number: int) -> DenseWindowSettings:
        """Return how a window is drawn, by its number."""
        for count, settings in self.windows:
            if number < count:
                return settings
            number -= count
        return self.windows[-1][1]

    @property
    def steps(self) -> int:
        """Steps until it ends."""
        return self.until * (self.count // self.batch)

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step (from 0): a short rise, then half a cosine."""
        rising, done = min(1.0, (step + 1) / 100), step / (self.passes * (self.count // self.batch))
        return self.learning_rate * rising * (0.51 + 0.49 * math.cos(math.pi * done))


class WindowCache:
    """Features and targets of windows in one file; what is missing in it is made when it is opened."""

    def __init__(self, path: Path, model: Sam2Model, pack: TrainingPack, recipe: DenseRecipe) -> None:
        self.recipe = recipe
        side, dim = recipe.size // 4, model.config.d_model
        self._shapes = (
            (dim, side // 4, side // 4),
            (dim // 4, side // 2, side // 2),
            (dim // 8, side, side),
            (TARGET_CHANNELS, side, side),
        )
        length = sum(math.prod(shape) for shape in self._shapes)
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.stat().st_size // (2 * length) if path.exists() else 0
        for first in range(made - made % _AT_ONCE, recipe.count, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, recipe.count))
            self._write(path, _seen(model, pack, recipe, numbers), 2 * length * first)
        self._rows = np.memmap(path, np.float16, mode="r", shape=(recipe.count, length))

    def _write(self, path: Path, parts: list[Tensor], place: int) -> None:
        rows = torch.cat([part.flatten(1) for part in parts], dim=1).half().numpy()
        with path.open("r+b" if path.exists() else "wb") as file:
            file.seek(place)
            file.write(rows.tobytes())

    def batch(self, numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[ImageFeatures, DenseTargets]:
        """Return features and targets of windows by their numbers."""
        rows = torch.from_numpy(np.array(self._rows[np.sort(numbers)]))
        lengths = [math.prod(shape) for shape in self._shapes]
        *maps, targets = (
            part.float().reshape(-1, *shape)
            for part, shape in zip(rows.split(lengths, dim=1), self._shapes, strict=True)
        )
        maps = [level.contiguous(memory_format=torch.channels_last) for level in maps]
        return ImageFeatures(*maps), DenseTargets.apart(targets)


def _seen(model: Sam2Model, pack: TrainingPack, recipe: DenseRecipe, numbers: range) -> list[Tensor]:
    """Return the three feature maps of windows, the coarsest first, and their targets."""
    sources = [(recipe.settings_of(number), np.random.default_rng((recipe.seed, number))) for number in numbers]
    drawn = [draw_window(pack, settings, rng) for settings, rng in sources]
    images, labels = torch.stack([image for image, _ in drawn]), torch.stack([named for _, named in drawn])
    with torch.inference_mode():
        features = model.eval().encode_image(normalise(images))
        return [*features.maps, DenseTargets.of(labels).joined()]


class DenseTraining:
    """One run: a model whose head is changed in place, windows, and a folder for the run's state and log."""

    def __init__(self, model: Sam2Model, cache: WindowCache, folder: Path) -> None:
        if model.dense_head is None:
            raise ConfigError(f"{model.config.name} has no dense head to train; give it dense_widths")
        self.head: DenseHead = model.dense_head
        self.recipe, self.folder = cache.recipe, folder
        self._cache = cache
        self.optimizer = torch.optim.AdamW(self.head.parameters(), lr=0.0, weight_decay=self.recipe.weight_decay)
        self.average = {name: value.detach().clone() for name, value in self.head.state_dict().items()}
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._resume()

    def run(self, on_pass: Callable[[DenseTraining], None]) -> None:
        """Trains to the end; `on_pass` is called after each pass through the windows, once it is saved."""
        steps = self.recipe.count // self.recipe.batch
        while self.step < self.recipe.steps:
            began, losses = time.monotonic(), []
            order = np.random.default_rng((self.recipe.seed, self.step)).permutation(self.recipe.count)
            for index in range(steps):
                losses.append(self._train_step(order[index * self.recipe.batch : (index + 1) * self.recipe.batch]))
            self._log(losses, time.monotonic() - began)
            self._save()
            on_pass(self)

    def _train_step(self, numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> dict[str, float]:
        features, targets = self._cache.batch(numbers)
        losses = dense_loss(self.head(features), targets)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate_at(self.step)
        self.optimizer.zero_grad()
        losses["total"].backward()
        torch.nn.utils.clip_grad_norm_(self.head.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        follow(self.average, self.head.state_dict(), early_decay(self.recipe.averaging, self.step))
        return {name: float(value.detach()) for name, value in losses.items()}

    def _log(self, losses: list[dict[str, float]], seconds: float) -> None:
        means = {name: round(float(np.mean([step[name] for step in losses])), 4) for name in losses[0]}
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": self.step, "seconds": round(seconds, 1), **means}) + "\n")

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def _save(self) -> None:
        state = {
            "step": self.step,
            "head": self.head.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
        }
        save_state(self._checkpoint, state)

    def _resume(self) -> None:
        if self._checkpoint.exists():
            state = torch.load(self._checkpoint, weights_only=True)
            self.head.load_state_dict(state["head"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.average, self.step = state["average"], state["step"]
