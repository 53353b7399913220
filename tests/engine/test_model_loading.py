from __future__ import annotations

import pytest
import torch
from opened_files import opened

from napari_sam2.engine.model_loading import load_predictor, on_device
from sam2_core.build import build_model
from sam2_core.checkpoints.load import read_state_dict
from sam2_core.checkpoints.registry import add_model
from sam2_core.checkpoints.save import save_checkpoint
from sam2_core.config import load_config
from sam2_core.errors import CheckpointError


@pytest.mark.parametrize("named", [True, False])
def test_a_checkpoint_is_read_once(tmp_path, monkeypatch, named):
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path / "home"))
    path = save_checkpoint(tmp_path / "mine.pt", build_model(load_config("cells_nano")).state_dict())
    add_model("mine", path, "cells-nano")
    once = opened(path, lambda: read_state_dict(path))
    assert once > 0
    model = "mine" if named else str(path)
    assert opened(path, lambda: load_predictor(model, "cpu", image_size=128)) == once


def test_a_device_that_is_not_there_says_what_to_do_instead():
    with (
        pytest.raises(CheckpointError, match=r"device 'no device': .*; choose auto"),
        on_device("x", "no device", "used"),
    ):
        torch.device("no device")
