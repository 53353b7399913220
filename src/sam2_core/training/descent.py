"""One step down the gradient, the moving average of the weights behind it, and a state that survives a stop.

Shared by the trainer, the training of the dense head and fine-tuning.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sam2_core.training.recipes import Recipe

logger = logging.getLogger(__name__)


def prompt_generator(recipe: Recipe, step: int) -> np.random.Generator:
    """The generator of a step's prompts (its batch has one of its own); torch is seeded from it too."""
    rng = np.random.default_rng([recipe.seed, step, 1])
    torch.manual_seed(int(rng.integers(2**31)))
    return rng


def descend(
    loss: Tensor, optimizer: torch.optim.Optimizer, clipped: Iterable[Tensor], recipe: Recipe, step: int
) -> float:
    """Moves the weights by the clipped gradient of a loss; the norm before clipping.

    The rate is the recipe's at that step. clipped: the parameters whose gradients count for the norm. A gradient that
    is not finite moves nothing, and is logged.
    """
    for group in optimizer.param_groups:
        group["lr"] = recipe.rate_at(step)
    loss.backward()
    norm = float(nn.utils.clip_grad_norm_(clipped, recipe.clip_norm))
    if math.isfinite(norm):
        optimizer.step()
    else:
        logger.warning("step %d skipped: gradient norm is %s", step, norm)
    optimizer.zero_grad(set_to_none=True)
    return norm


def follow(average: Mapping[str, Tensor], weights: Mapping[str, Tensor], decay: float) -> None:
    """Moves averaged weights towards the weights as they are: `decay` is what stays of the average."""
    with torch.no_grad():
        for name, value in weights.items():
            average[name].lerp_(value, 1.0 - decay)


def early_decay(averaging: float, step: int) -> float:
    """Return the decay of a moving average after so many steps, which begins short, so that the start is forgotten."""
    return min(averaging, (1.0 + step) / (10.0 + step))


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Replaces the file of a run's state; a stop in between leaves the one before."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)
