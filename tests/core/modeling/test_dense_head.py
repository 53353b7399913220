"""The head that sees all objects: part of our own models, kept in their weights, and missed where it is not there."""

from __future__ import annotations

import logging

import pytest
import torch

from sam2_core.assembly import build_model, build_sam2
from sam2_core.checkpoints.load import open_model
from sam2_core.checkpoints.save import save_checkpoint
from sam2_core.checkpoints.signature import infer_config
from sam2_core.config import load_config
from sam2_core.errors import CheckpointError, ConfigError
from sam2_core.modeling.sam2 import Sam2Model


def of_before(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value for key, value in tensors.items() if not key.startswith("dense_head.")}


def test_the_shipped_model_sees_objects_and_official_ones_have_no_head() -> None:
    model = build_sam2("cells-nano", "cells-nano", device="cpu")
    with torch.inference_mode():
        maps = model.see_objects(model.encode_image(torch.zeros(2, 3, 128, 128)))
    assert maps.foreground.shape == maps.boundary.shape == maps.diameters.shape == (2, 32, 32)
    assert maps.offsets.shape == (2, 2, 32, 32)
    assert maps.foreground.dtype == torch.float32
    assert load_config("sam2.1_hiera_t").dense_widths == ()
    with pytest.raises(ConfigError, match="dense_widths takes three numbers or none"):
        load_config("cells_nano").replace(dense_widths=(8, 8))


def test_weights_of_before_the_head_load_without_it_and_say_so(tmp_path, caplog) -> None:
    torch.manual_seed(0)
    tensors = build_model(load_config("cells_nano")).state_dict()
    path = save_checkpoint(tmp_path / "mine.safetensors", of_before(tensors))
    with caplog.at_level(logging.WARNING):
        model = build_sam2("cells-nano", open_model(path), device="cpu")
    assert "mine.safetensors is of before the dense head" in caplog.text
    assert model.dense_head is None
    assert all(torch.equal(value, tensors[key]) for key, value in model.state_dict().items())
    with torch.inference_mode(), pytest.raises(ConfigError, match="prompt a grid instead"):
        model.see_objects(model.encode_image(torch.zeros(1, 3, 64, 64)))
    assert build_sam2("cells-nano", path, device="cpu").dense_head is None


def test_a_head_in_part_is_refused(tmp_path) -> None:
    tensors = build_model(load_config("cells_nano")).state_dict()
    del tensors["dense_head.output.bias"]
    path = save_checkpoint(tmp_path / "mine.safetensors", tensors)
    with pytest.raises(CheckpointError, match=r"1 missing \(dense_head\.output\.bias\)"):
        build_sam2("cells-nano", path, device="cpu")


def test_the_configuration_is_told_with_and_without_a_head() -> None:
    with torch.device("meta"):
        tensors = Sam2Model(load_config("cells_nano")).state_dict()
    assert infer_config(tensors) == infer_config(of_before(tensors)) == "configs/cells/cells_nano.yaml"
