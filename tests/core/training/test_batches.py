"""Batches: other processes draw the very same ones, in order, and larger batches are the same recipe."""

from __future__ import annotations

import torch

from sam2_core.training.batches import batches
from sam2_core.training.clip_windows import WindowSettings
from sam2_core.training.clips import ClipSettings
from sam2_core.training.recipes import Phase, Recipe, Task, with_larger_batches


def recipe_of(steps: int) -> Recipe:
    still = Task("prompts", ClipSettings(WindowSettings(32), clips=2, frames=1, objects=2))
    clip = Task("prompts", ClipSettings(WindowSettings(32), clips=1, frames=2, objects=2))
    return Recipe((Phase("all", steps, (still, clip)),), learning_rate=1e-3)


def test_other_processes_draw_the_same_batches_in_order(disc_pack):
    here = list(batches(disc_pack, recipe_of(8), range(2, 8)))
    there = list(batches(disc_pack, recipe_of(8), range(2, 8), workers=2))
    assert len(here) == len(there) == 6
    assert len({task.clips.frames for task, _ in here}) == 2
    for (task, batch), (other_task, other) in zip(here, there, strict=True):
        assert task == other_task
        assert torch.equal(batch.images, other.images)
        assert torch.equal(batch.masks, other.masks)
        assert torch.equal(batch.image_index, other.image_index)


def test_larger_batches_keep_the_steps_and_raise_the_rate_with_measure():
    recipe = recipe_of(5)
    larger = with_larger_batches(recipe, 4)
    assert [task.clips.clips for task in larger.phases[0].tasks] == [8, 4]
    assert larger.steps == recipe.steps
    assert larger.learning_rate == 2e-3
    assert with_larger_batches(recipe, 100).learning_rate == 2e-3
