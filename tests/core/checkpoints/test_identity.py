"""Weights say which they are, so that what was made with them can be told from what others make."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from small_models import TINY, tiny_model

from sam2_core import CheckpointError, build_sam2, build_sam2_hf
from sam2_core.checkpoints.identity import weights_here, weights_id
from sam2_core.checkpoints.registry import BUNDLED_NAME, BUNDLED_VERSION, add_model, find_model, models, place_of
from sam2_core.checkpoints.save import save_checkpoint

MODELS_PAGE = Path(__file__).parents[3] / "docs" / "models.md"


@pytest.fixture
def file(tmp_path):
    return save_checkpoint(tmp_path / "mine.safetensors", tiny_model().state_dict())


def test_the_plain_name_is_the_newest_version_and_the_version_is_a_name():
    newest = find_model(f"{BUNDLED_NAME}-{BUNDLED_VERSION}")
    assert newest == find_model(BUNDLED_NAME) == find_model("default")
    assert BUNDLED_VERSION in place_of(newest).name
    assert [entry.version for entry in models()[1:]] == [""] * 8
    with pytest.raises(CheckpointError, match=r"no model is named 'cells-nano-0\.1'; did you mean cells-nano"):
        find_model("cells-nano-0.1")


def test_a_version_names_one_file():
    row = next(line for line in MODELS_PAGE.read_text("utf-8").splitlines() if f"| {BUNDLED_VERSION} |" in line)
    digest = weights_here(BUNDLED_NAME).sha256
    assert digest in row, "other weights need another version, and a row of their own in docs/models.md"


def test_of_a_path_it_is_the_file_and_of_a_registered_one_its_name(file):
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert weights_id(file) == weights_here(str(file))
    assert (weights_id(file).name, weights_id(file).sha256) == ("mine.safetensors", digest)
    assert str(weights_id(file)) == f"mine.safetensors (sha256 {digest[:12]})"
    add_model("mine", file, str(TINY))
    assert weights_here("mine") == weights_id(file)
    assert weights_id(file).name == "mine"


def test_what_is_not_here_is_unknown(tmp_path):
    assert weights_here("sam2.1_hiera_t") is None
    assert weights_here("no such model") is None
    assert weights_here(tmp_path / "nothing.pt") is None
    with pytest.raises(CheckpointError, match="cannot read the weights"):
        weights_id(tmp_path / "nothing.pt")


def test_a_model_knows_the_file_that_it_was_loaded_from(file):
    assert build_sam2(TINY, file, device="cpu").weights_path == file
    assert build_sam2(TINY, device="cpu").weights_path is None
    assert build_sam2_hf(BUNDLED_NAME, device="cpu").weights_path == place_of(find_model(BUNDLED_NAME))


def test_no_torch_is_needed():
    asked = "import sys; from sam2_core.checkpoints.identity import weights_here; weights_here('cells-nano')"
    subprocess.run([sys.executable, "-c", f"{asked}; assert 'torch' not in sys.modules"], check=True)
