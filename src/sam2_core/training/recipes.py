"""How our own models are trained: phases, batches and odds, as data.

`cells_nano_recipe` was written for two CPU cores: a dense warm-up of the encoder, stills with prompts and short clips
on 128 px windows, then the same on larger windows. Objects span 20 to 70 px of a 128 px window and up to 140 px of a
256 px one.
"""

from __future__ import annotations

from sam2_core.training.clips import ClipSettings
from sam2_core.training.steps import PromptSettings
from sam2_core.training.trainer import Phase, Recipe, Task
from sam2_core.training.windows import WindowSettings

STILL_GROUPS = {
    "nuclei": 1.0,
    "phase": 1.3,
    "synthetic fluorescence": 0.25,
    "synthetic phase": 0.35,
    "synthetic dic": 0.15,
}
CLIP_GROUPS = {"nuclei": 0.6, "phase": 0.7, "synthetic fluorescence": 0.7, "synthetic phase": 0.8, "synthetic dic": 0.3}


SPANS = {128: (0.15, 0.55), 192: (0.12, 0.45), 256: (0.1, 0.4)}  # 20 to 100 px in all


def cells_nano_recipe(scale: float = 1.0, precision: str = "bfloat16") -> Recipe:
    """The recipe of `cells-nano`; `scale` multiplies the steps after the warm-up."""
    dense = Task("dense", _batch(128, 10, 1, 1))
    first = Task("prompts", _batch(128, 8, 1, 6), _person(1.0, 0.0, 0.0, 0))
    still = Task("prompts", _batch(128, 10, 1, 6), _person(0.75, 0.25, 0.0, 2))
    return Recipe(
        phases=(
            Phase("dense", 300, (dense,)),
            Phase("stills", 800, (first, still)),
            Phase("all", int(2000 * scale), _every_size(augmentation=1.0)),
            Phase("finish", int(2050 * scale), _every_size(augmentation=0.6)),
        ),
        precision=precision,
    )


def _every_size(augmentation: float) -> tuple[Task, ...]:
    """Stills and clips on windows of three sizes; the odds are odds of steps."""
    look, follow = _person(0.75, 0.25, 0.0, 2), _person(0.6, 0.2, 0.2, 1)
    return (
        Task("prompts", _batch(128, 10, 1, 6, augmentation), look, odds=0.3),
        Task("prompts", _batch(192, 5, 1, 6, augmentation), look, odds=0.1),
        Task("prompts", _batch(256, 3, 1, 8, augmentation), look, odds=0.2),
        Task("prompts", _batch(128, 4, 3, 8, augmentation), follow, odds=0.15),
        Task("prompts", _batch(128, 3, 5, 8, augmentation), follow, odds=0.1),
        Task("prompts", _batch(128, 2, 8, 8, augmentation), follow, odds=0.05),
        Task("prompts", _batch(192, 2, 4, 8, augmentation), follow, odds=0.05),
        Task("prompts", _batch(256, 1, 4, 12, augmentation), follow, odds=0.1),
    )


def _batch(size: int, clips: int, frames: int, objects: int, augmentation: float = 1.0) -> ClipSettings:
    weights = STILL_GROUPS if frames == 1 else CLIP_GROUPS
    return ClipSettings(
        WindowSettings(size, SPANS[size]), clips, frames, objects, weights=weights, augmentation=augmentation
    )


def _person(click: float, box: float, mask: float, corrections: int) -> PromptSettings:
    first = {"click": click, "box": box, "mask": mask}
    return PromptSettings({kind: odds for kind, odds in first.items() if odds > 0}, corrections)
