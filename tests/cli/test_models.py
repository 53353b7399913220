from __future__ import annotations

from types import SimpleNamespace

import pytest

from napari_sam2.cli.model_choice import load_predictor
from sam2_core.errors import CheckpointError


def test_models_are_listed_with_licence_and_where_they_are(run, monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path))
    code, out, _ = run("models")
    assert code == 0
    for word in ("cells-nano", "sam2.1_hiera_l", "224.4 M", "Apache-2.0", "models download sam2_hiera_t"):
        assert word in out


def test_unknown_model_names_like_ones(run):
    code, _, err = run("models download cells-nan")
    assert (code, "cells-nano" in err) == (1, True)


def test_download_without_network_says_what_to_do(run, monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path))
    monkeypatch.setattr("sam2_core.checkpoints.transfer.TransferSettings", SimpleNamespace)
    monkeypatch.setattr("sam2_core.checkpoints.download.fetch", refuse)
    code, _, err = run("models download sam2.1_hiera_t")
    assert (code, "no network" in err) == (1, True)


def refuse(entry, progress):
    progress(10, None)
    raise CheckpointError(f"could not download {entry.name}: no network")


def test_a_device_that_is_not_there_is_a_clear_error(tmp_path):
    torch = pytest.importorskip("torch")
    from sam2_core.build import build_model
    from sam2_core.checkpoints.save import save_checkpoint
    from sam2_core.config import load_config

    model = build_model(load_config("cells_nano"))
    save_checkpoint(tmp_path / "mine.safetensors", model.state_dict())
    predictor = load_predictor(str(tmp_path / "mine.safetensors"), "cpu", image_size=128)
    assert predictor.image_size == 128
    missing = "mps" if not torch.backends.mps.is_available() else "cuda:99"
    with pytest.raises(CheckpointError, match="device"):
        load_predictor(str(tmp_path / "mine.safetensors"), missing)


def test_a_checkpoint_that_is_not_there_is_a_clear_error():
    with pytest.raises(CheckpointError, match=r"no checkpoint file .*nothing\.pt"):
        load_predictor("nothing.pt")
