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
    "phase": 1.1,
    "synthetic fluorescence": 0.25,
    "synthetic phase": 0.35,
    "synthetic dic": 0.15,
}
CLIP_GROUPS = {"nuclei": 0.6, "phase": 0.7, "synthetic fluorescence": 0.7, "synthetic phase": 0.8, "synthetic dic": 0.3}


SPANS = {128: (0.15, 0.55), 192: (0.12, 0.45), 256: (0.1, 0.4)}  # 20 to 100 px in all


def cells_nano_recipe(scale: float = 1.0, precision: str = "bfloat16") -> Recipe:
    """The recipe of `cells-nano`; `scale` multiplies the steps after the warm-up."""
    dense = Task("dense", _batch(128, 10, 1, 1))
    first = Task("prompts", _batch(128, 8, 1, 6), _person(1.0, 0.0, 0.0, 0), odds=0.5)
    still = Task("prompts", _batch(128, 10, 1, 6), _person(0.75, 0.25, 0.0, 2), odds=0.3)
    clip = Task("prompts", _batch(128, 4, 3, 8), _person(0.6, 0.2, 0.2, 1), odds=0.15)
    long_clip = Task("prompts", _batch(128, 3, 5, 8), _person(0.6, 0.2, 0.2, 1), odds=0.1)
    full_memory = Task("prompts", _batch(128, 2, 8, 8), _person(0.6, 0.2, 0.2, 1), odds=0.05)
    large_still = Task("prompts", _batch(256, 3, 1, 8), _person(0.75, 0.25, 0.0, 2), odds=0.2)
    medium_still = Task("prompts", _batch(192, 5, 1, 6), _person(0.75, 0.25, 0.0, 2), odds=0.1)
    large_clip = Task("prompts", _batch(256, 1, 4, 12), _person(0.6, 0.2, 0.2, 1), odds=0.1)
    medium_clip = Task("prompts", _batch(192, 2, 4, 8), _person(0.6, 0.2, 0.2, 1), odds=0.05)
    every_size = (still, clip, long_clip, full_memory, large_still, medium_still, large_clip, medium_clip)
    return Recipe(
        phases=(
            Phase("dense", 300, (dense,)),
            Phase("stills", 800, (first, still)),
            Phase("all", int(4700 * scale), every_size),
        ),
        precision=precision,
    )


def _batch(size: int, clips: int, frames: int, objects: int) -> ClipSettings:
    weights = STILL_GROUPS if frames == 1 else CLIP_GROUPS
    return ClipSettings(WindowSettings(size, SPANS[size]), clips=clips, frames=frames, objects=objects, weights=weights)


def _person(click: float, box: float, mask: float, corrections: int) -> PromptSettings:
    first = {"click": click, "box": box, "mask": mask}
    return PromptSettings({kind: odds for kind, odds in first.items() if odds > 0}, corrections)
