"""What a training run consists of, as data: phases of steps, tasks drawn by odds, the schedule of the learning rate.

Nothing here draws or trains: see `batches` and `trainer`; our own recipes are in `cells_recipes`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from sam2_core.training.clips import ClipSettings
from sam2_core.training.steps import PromptSettings


@dataclass(frozen=True, slots=True)
class Task:
    """One kind of step: `dense` or `prompts`, its batches, its simulated person, and how often it is drawn."""

    kind: str
    clips: ClipSettings
    prompts: PromptSettings = field(default_factory=PromptSettings)
    odds: float = 1.0


@dataclass(frozen=True, slots=True)
class Phase:
    """So many steps of a mixture of tasks."""

    name: str
    steps: int
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole training: phases and optimisation.

    learning_rate: peak, reached after `warm_up` steps, kept until the last phase and falling there as a cosine to
    `final_share` of it. So the last phase can be branched off, and the phase before it made longer, at any time.
    averaging: decay of the moving average of the weights. save_seconds: time between checkpoints. precision: `float32`
    or `bfloat16` autocast.
    """

    phases: tuple[Phase, ...]
    learning_rate: float = 6e-4
    final_share: float = 0.02
    warm_up: int = 100
    weight_decay: float = 0.05
    averaging: float = 0.998
    clip_norm: float = 1.0
    seed: int = 0
    precision: str = "bfloat16"
    save_seconds: float = 120.0

    @property
    def steps(self) -> int:
        """Steps of all phases together."""
        return sum(phase.steps for phase in self.phases)

    def phase_at(self, step: int) -> Phase:
        """The phase that a step (from 0) belongs to."""
        for phase in self.phases:
            if step < phase.steps:
                return phase
            step -= phase.steps
        return self.phases[-1]

    def rate_at(self, step: int) -> float:
        """Learning rate of a step (from 0)."""
        rising = min(1.0, (step + 1) / self.warm_up)
        last = self.phases[-1].steps
        done = min(max(step - (self.steps - last), 0) / last, 1.0)
        falling = 0.5 * (1.0 + math.cos(math.pi * done))
        return self.learning_rate * rising * (self.final_share + (1.0 - self.final_share) * falling)


def with_larger_batches(recipe: Recipe, factor: int) -> Recipe:
    """The recipe with `factor` times the clips in each batch, and a learning rate that grows with its square root.

    The rate grows to the double at most. For a GPU, which a batch made for a small CPU leaves idle.
    """

    def larger(task: Task) -> Task:
        return replace(task, clips=replace(task.clips, clips=task.clips.clips * factor))

    phases = tuple(replace(phase, tasks=tuple(larger(task) for task in phase.tasks)) for phase in recipe.phases)
    return replace(recipe, phases=phases, learning_rate=recipe.learning_rate * min(math.sqrt(factor), 2.0))
