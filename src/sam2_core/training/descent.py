"""One step down the gradient, as the trainer and fine-tuning both take it."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable

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
