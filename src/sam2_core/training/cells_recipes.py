"""How our own models are trained: the recipe of `cells-nano` as data.

Written for two CPU cores: a dense warm-up of the encoder, stills with prompts on 128 px windows, then stills and clips
on windows of all sizes, at last mostly on large ones while the learning rate falls. Objects span 20 to 70 px of a 128
px window and up to 100 px of a 256 px one.
"""

from __future__ import annotations

from sam2_core.training.clips import ClipSettings
from sam2_core.training.recipes import Phase, Recipe, Task
from sam2_core.training.steps import PromptSettings
from sam2_core.training.windows import WindowSettings

STILL_GROUPS = {
    "nuclei": 0.9,
    "phase": 1.7,
    "synthetic fluorescence": 0.15,
    "synthetic phase": 0.35,
    "synthetic dic": 0.25,
    "everyday fluorescence": 0.1,
    "everyday phase": 0.2,
    "everyday dic": 0.2,
}
CLIP_GROUPS = {
    "nuclei": 0.5,
    "phase": 1.1,
    "synthetic fluorescence": 0.3,
    "synthetic phase": 0.5,
    "synthetic dic": 0.3,
    "everyday fluorescence": 0.5,
    "everyday phase": 0.6,
    "everyday dic": 0.5,
}
SPANS = {128: (0.15, 0.55), 192: (0.12, 0.45), 256: (0.1, 0.4)}  # 20 to 100 px in all


def cells_nano_recipe(scale: float = 1.0, precision: str = "bfloat16") -> Recipe:
    """The recipe of `cells-nano`; `scale` multiplies the steps after the warm-up."""
    dense = Task("dense", _batch(128, 10, 1, 1))
    first = Task("prompts", _batch(128, 8, 1, 6), _person(1.0, 0.0, 0.0, 0))
    still = Task("prompts", _batch(128, 10, 1, 6), _person(0.75, 0.25, 0.0, 2))
    return Recipe(
        phases=(
            Phase("dense", 400, (dense,)),
            Phase("stills", 1200, (first, still)),
            Phase("all", int(9000 * scale), _every_size(augmentation=1.0)),
            Phase("finish", int(3000 * scale), _large_windows(augmentation=0.6)),
        ),
        learning_rate=5e-4,
        precision=precision,
    )


def _every_size(augmentation: float) -> tuple[Task, ...]:
    """Stills and clips on windows of three sizes; the odds are odds of steps."""
    look, follow = _person(0.75, 0.25, 0.0, 2), _person(0.6, 0.2, 0.2, 2)
    return (
        Task("prompts", _batch(128, 10, 1, 6, augmentation), look, odds=0.27),
        Task("prompts", _batch(192, 5, 1, 6, augmentation), look, odds=0.1),
        Task("prompts", _batch(256, 3, 1, 8, augmentation), look, odds=0.25),
        Task("prompts", _batch(128, 4, 4, 8, augmentation), follow, odds=0.12),
        Task("prompts", _batch(128, 3, 8, 8, augmentation), follow, odds=0.08),
        Task("prompts", _batch(192, 2, 4, 8, augmentation), follow, odds=0.06),
        Task("prompts", _batch(256, 1, 4, 12, augmentation), follow, odds=0.12),
    )


def _large_windows(augmentation: float) -> tuple[Task, ...]:
    """The same, mostly on windows of the size at which the model is used."""
    look, follow = _person(0.75, 0.25, 0.0, 2), _person(0.6, 0.2, 0.2, 2)
    return (
        Task("prompts", _batch(128, 10, 1, 6, augmentation), look, odds=0.1),
        Task("prompts", _batch(192, 5, 1, 6, augmentation), look, odds=0.1),
        Task("prompts", _batch(256, 4, 1, 8, augmentation), look, odds=0.4),
        Task("prompts", _batch(128, 3, 8, 8, augmentation), follow, odds=0.1),
        Task("prompts", _batch(256, 1, 4, 12, augmentation), follow, odds=0.15),
        Task("prompts", _batch(256, 1, 8, 8, augmentation), follow, odds=0.15),
    )


def _batch(size: int, clips: int, frames: int, objects: int, augmentation: float = 1.0) -> ClipSettings:
    weights = STILL_GROUPS if frames == 1 else CLIP_GROUPS
    return ClipSettings(
        WindowSettings(size, SPANS[size]), clips, frames, objects, weights=weights, augmentation=augmentation
    )


def _person(click: float, box: float, mask: float, corrections: int) -> PromptSettings:
    first = {"click": click, "box": box, "mask": mask}
    return PromptSettings({kind: odds for kind, odds in first.items() if odds > 0}, corrections, corrected_frame=0.4)
