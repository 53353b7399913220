from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from sam2_core.build import build_model
from sam2_core.checkpoints.signature import infer_config, signature_of_config, signature_of_tensors
from sam2_core.config import config_names, load_config

# Shapes of the tensors that tell the official models apart (names and shapes are facts about their checkpoints).
SHAPES = json.loads((Path(__file__).parents[2] / "data" / "checkpoint_shapes.json").read_text())


def tensors(config: str):
    return {key: SimpleNamespace(shape=tuple(shape)) for key, shape in SHAPES[config].items()}


@pytest.mark.parametrize("config", sorted(SHAPES))
def test_every_official_model_is_recognised(config):
    assert infer_config(tensors(config)) == config


def test_all_eight_official_models_are_known():
    assert len(SHAPES) == 8
    assert set(SHAPES) <= set(config_names())


@pytest.mark.parametrize("config", [name for name in config_names() if "cells" in name or name.endswith("_t.yaml")])
def test_what_we_build_shows_the_signature_of_its_configuration(config):
    model = build_model(load_config(config))
    assert signature_of_tensors(model.state_dict()) == signature_of_config(load_config(config))
    assert infer_config(model.state_dict()) == config


def test_one_block_more_fits_nothing():
    changed = tensors("configs/sam2.1/sam2.1_hiera_t.yaml")
    changed["image_encoder.trunk.blocks.12.norm1.weight"] = SimpleNamespace(shape=(768,))
    assert infer_config(changed) is None


@pytest.mark.parametrize(
    "lost", ["maskmem_tpos_enc", "image_encoder.trunk.pos_embed", "memory_attention.layers.0.linear1.weight"]
)
def test_a_state_dict_that_lacks_what_every_model_has_fits_nothing(lost):
    changed = tensors("configs/sam2.1/sam2.1_hiera_t.yaml")
    del changed[lost]
    assert infer_config(changed) is None


def test_tensors_of_something_else_fit_nothing():
    assert infer_config({}) is None
    assert infer_config(torch.nn.Linear(2, 3).state_dict()) is None
