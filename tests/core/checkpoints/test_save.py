from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from sam2_core.checkpoints.load import read_state_dict
from sam2_core.checkpoints.save import save_checkpoint
from sam2_core.errors import CheckpointError


@pytest.fixture
def weights():
    generator = torch.Generator().manual_seed(1)
    return {"w": torch.randn(6, 5, generator=generator), "steps": torch.tensor([3])}


def test_pt_has_the_official_layout(tmp_path, weights):
    path = save_checkpoint(tmp_path / "new" / "w.pt", weights)
    content = torch.load(path, weights_only=True)
    assert list(content) == ["model"]
    assert torch.equal(content["model"]["w"], weights["w"])


def test_half_is_half_as_large_and_close(tmp_path, weights):
    weights = {"w": torch.randn(300, 300, generator=torch.Generator().manual_seed(2)), "steps": weights["steps"]}
    full = save_checkpoint(tmp_path / "full.safetensors", weights)
    half = save_checkpoint(tmp_path / "half.safetensors", weights, half=True)
    assert half.stat().st_size < 0.51 * full.stat().st_size
    stored = load_file(half)
    assert (stored["w"].dtype, stored["steps"].dtype) == (torch.float16, torch.int64)
    assert torch.allclose(read_state_dict(half)["w"], weights["w"], rtol=1e-3, atol=1e-6)


def test_what_does_not_fit_float16_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="big reaches 70000, too large"):
        save_checkpoint(tmp_path / "x.pt", {"big": torch.tensor([70000.0])}, half=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_views_parameters_and_shared_tensors_are_stored_as_they_look(tmp_path, weights, ending):
    shared = torch.nn.Parameter(weights["w"])
    path = save_checkpoint(tmp_path / f"w.{ending}", {"a": shared, "b": shared.T, "row": shared[0]})
    found = read_state_dict(path)
    assert torch.equal(found["b"], weights["w"].T)
    assert torch.equal(found["row"], weights["w"][0])
    assert path.stat().st_size < 4000
    assert not found["a"].requires_grad


def test_an_unknown_ending_is_refused(tmp_path, weights):
    with pytest.raises(CheckpointError, match=r"cannot save weights as w\.npz; name the file \.safetensors or \.pt"):
        save_checkpoint(tmp_path / "w.npz", weights)


@pytest.mark.parametrize(
    ("ending", "writer"), [("pt", "torch.save"), ("safetensors", "sam2_core.checkpoints.save.save_file")]
)
def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, weights, monkeypatch, ending, writer):
    path = save_checkpoint(tmp_path / f"w.{ending}", weights)
    before = path.read_bytes()

    def half_written(content, file, **options):
        file.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(writer, half_written)
    with pytest.raises(CheckpointError, match=r"cannot write .*no space left"):
        save_checkpoint(path, {"w": torch.zeros(1)})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
