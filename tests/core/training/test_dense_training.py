"""The dense head trained by itself: it learns, nothing else changes, and a run that was stopped goes on."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from sam2_core.errors import ConfigError
from sam2_core.modeling.dense_head import DenseMaps
from sam2_core.modeling.sam2 import Sam2Model
from sam2_core.training.augment import normalise
from sam2_core.training.cells_recipes import dense_head_again_recipe, dense_head_recipe
from sam2_core.training.dense_training import DenseRecipe, DenseTraining, WindowCache
from sam2_core.training.dense_windows import DenseWindowSettings, draw_window, with_specks

pytestmark = pytest.mark.usefixtures("one_thread")

DISCS = DenseWindowSettings(size=64, usual=(0.2, 0.3), odd=0.0, empty=0.2, mottled=0.5, specked=0.5, augmentation=0.3)
RECIPE = DenseRecipe(((24, DISCS), (8, replace(DISCS, usual=(0.4, 0.5)))), passes=12, until=12, batch=4, averaging=0.9)


def test_it_learns_where_discs_are_and_changes_nothing_else(tiny_model, disc_pack, tmp_path):
    model = tiny_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    run = DenseTraining(model, WindowCache(tmp_path / "windows", model, disc_pack, RECIPE), tmp_path)
    passes = []
    run.run(lambda done: passes.append(done.step))
    assert passes == [8 * index for index in range(1, 13)]
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["total"] < 0.75 * lines[0]["total"], lines
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {name for name in before if name.startswith("dense_head.")}


def test_a_stopped_run_goes_on_as_if_it_had_not_been(tiny_model, disc_pack, tmp_path):
    recipe = replace(RECIPE, until=3)
    averages = []
    for folder, stops in ((tmp_path / "whole", [3]), (tmp_path / "parts", [1, 2])):
        for passes in stops:
            model = tiny_model()
            run = DenseTraining(model, WindowCache(folder / "windows", model, disc_pack, recipe), folder)
            seen = iter(range(passes))

            def stop(done, seen=seen, passes=passes):
                if next(seen) == passes - 1 and done.step < recipe.steps:
                    raise InterruptedError

            try:
                run.run(stop)
            except InterruptedError:
                with (folder / "windows").open("r+b") as file:
                    file.truncate(file.seek(0, 2) // 2 + 5)  # the second half of the windows is lost too
        averages.append(run.average)
    assert run.step == recipe.steps
    assert all(torch.equal(value, averages[1][name]) for name, value in averages[0].items())


def test_features_and_targets_of_a_window_are_kept_by_its_number(tiny_model, disc_pack, tmp_path):
    model = tiny_model().eval()
    cache = WindowCache(tmp_path / "windows", model, disc_pack, RECIPE)
    features, targets = cache.batch(np.array([27]))
    image, labels = draw_window(disc_pack, RECIPE.windows[1][1], np.random.default_rng((0, 27)))
    with torch.inference_mode():
        seen = model.encode_image(normalise(image[None]))
    for kept, made in zip(features.maps, seen.maps, strict=True):
        torch.testing.assert_close(kept, made, atol=5e-3, rtol=5e-3)
    assert targets.foreground[0].sum() == pytest.approx(float((labels > 0).sum()) / 16, rel=1e-2)


def test_a_model_without_a_head_has_nothing_to_train(tiny_config, tiny_model, disc_pack, tmp_path):
    cache = WindowCache(tmp_path / "windows", tiny_model(), disc_pack, replace(RECIPE, windows=((8, DISCS),)))
    with pytest.raises(ConfigError, match="dense_widths"):
        DenseTraining(Sam2Model(tiny_config.replace(dense_widths=())), cache, tmp_path)


def test_windows_hold_what_is_no_object_too(disc_pack):
    empty = replace(DISCS, empty=1.0)
    for seed in range(4):
        image, labels = draw_window(disc_pack, empty, np.random.default_rng(seed))
        assert labels.max() == 0
        assert image.std() > 0
    flat = torch.full((64, 64), 0.5)
    assert (with_specks(flat, np.random.default_rng(0)) - flat).abs().max() > 0.05


def test_the_recipe_draws_usual_sizes_first_and_then_far_ones():
    recipe = dense_head_recipe(share=0.5)
    (near, usual), (far, others) = recipe.windows
    assert recipe.count == near + far
    assert recipe.settings_of(near - 1) == usual
    assert recipe.settings_of(near) == others
    assert others.usual[1] <= usual.usual[0]
    assert 0.75 * recipe.learning_rate < recipe.rate_at(recipe.steps - 1) < recipe.rate_at(200)  # it ends early


def test_a_head_that_goes_on_learns_slowly_from_other_windows_and_to_the_end():
    anew, again = dense_head_recipe(), dense_head_again_recipe()
    assert again.windows == anew.windows
    assert again.seed != anew.seed
    assert max(map(again.rate_at, range(again.steps))) <= 0.2 * anew.learning_rate
    assert again.rate_at(again.steps - 1) < 0.05 * again.learning_rate


def test_maps_are_in_map_pixels_and_px_of_the_input():
    channels = torch.zeros(1, 5, 2, 2)
    channels[:, 2], channels[:, 4] = 0.5, 1.0
    maps = DenseMaps.of_channels(channels)
    assert maps.offsets[0, 0].unique().item() == 4.0
    assert maps.diameters.unique().item() == 64.0
