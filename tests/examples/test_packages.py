"""Packages of cells-nano say what the model says: a folder for the Hugging Face hub, and a BioImage.IO package.

Set ``BIOIMAGEIO_PYTHON`` to the interpreter of an environment with ``bioimageio.core`` and torch to validate the latter
by its own tools, too.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from sam2_core import SAM2ImagePredictor, build_sam2, build_sam2_hf
from sam2_core.checkpoints import weights_here
from sam2_core.config import load_config

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
import export_bioimageio  # noqa: E402
import export_huggingface  # noqa: E402
import model_package  # noqa: E402

VALIDATOR = os.environ.get("BIOIMAGEIO_PYTHON")


@pytest.fixture(scope="module")
def network():
    return build_sam2("cells-nano", "cells-nano", device="cpu")


@pytest.fixture(scope="module")
def hub_folder(tmp_path_factory):
    return export_huggingface.export(tmp_path_factory.mktemp("hub") / "cells-nano")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The folder, its zip beside it."""
    zipped = export_bioimageio.export(tmp_path_factory.mktemp("bio") / "cells-nano")
    return zipped.with_suffix("")


def test_the_folder_of_the_hub_gives_the_same_model_back(hub_folder, network):
    back = build_sam2_hf(hub_folder, device="cpu")
    assert back.config == network.config
    assert load_config(hub_folder / "config.json") == load_config("cells-nano")
    wanted = network.state_dict()
    assert back.state_dict().keys() == wanted.keys()
    assert all(torch.equal(value, wanted[key]) for key, value in back.state_dict().items())
    assert weights_here(hub_folder).sha256 == weights_here("cells-nano").sha256


def test_the_card_stands_by_itself(hub_folder):
    text = (hub_folder / "README.md").read_text("utf-8")
    _, fields, card = text.split("---\n", 2)
    assert yaml.safe_load(fields)["license"] == "apache-2.0"
    assert card.strip().startswith(f"# cells-nano {model_package.model().version}")
    assert not re.findall(r"\]\((?!https?://)[^)]*\)", card), "links into the docs lead nowhere there"
    for name, licence in model_package.DATA_LICENCES.items():
        assert f"{name}: {licence}" in card
    assert "10.48550/arXiv.2408.00714" in card
    assert (hub_folder / "LICENSE").read_text("utf-8").lstrip().startswith("Apache License")


def test_nothing_is_written_into_a_folder_that_holds_files(hub_folder, package):
    for export in (export_huggingface.export, export_bioimageio.export):
        for folder in (hub_folder, package):
            before = sorted(folder.iterdir())
            with pytest.raises(FileExistsError, match="name a new folder"):
                export(folder)
            assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("clicks", [1, 4])
def test_the_package_answers_as_the_model_does(package, network, clicks):
    image, points = model_package.example()
    image, points = np.ascontiguousarray(image[::-1]), points[:clicks] * [1, -1] + [0, len(image) - 1]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit", category=DeprecationWarning)
        packed = torch.jit.load(str(package / "weights.pt"))
    seen = export_bioimageio.scaled(image).clip(0, 1)
    with torch.no_grad():
        maps, masks = packed(torch.from_numpy(seen)[None, None], torch.from_numpy(points).float()[None])
    assert masks.shape == (1, clicks, 256, 256)
    predictor = SAM2ImagePredictor(network)
    predictor.set_image(np.stack([seen] * 3, axis=-1))
    for point, mask in zip(points, masks[0].numpy(), strict=True):
        found, scores, _ = predictor.predict(point[None], np.ones(1), multimask_output=True)
        wanted = found[scores.argmax()] > 0
        assert wanted.sum() > 100
        assert (wanted & (mask > 0.5)).sum() >= 0.99 * (wanted | (mask > 0.5)).sum()
    inside = wanted & (mask > 0.5)
    y, x = np.nonzero(inside)
    assert (maps[0, 0].numpy()[inside] > 0.5).mean() > 0.8, "the head sees it too"
    centre = [np.mean(x + maps[0, 2].numpy()[inside]), np.mean(y + maps[0, 3].numpy()[inside])]
    assert np.allclose(centre, [x.mean(), y.mean()], atol=2)
    assert np.median(maps[0, 4].numpy()[inside]) == pytest.approx(np.sqrt(4 * inside.sum() / np.pi), rel=0.15)


def test_the_package_names_its_files_with_their_digests(package):
    about = yaml.safe_load((package / "rdf.yaml").read_text("utf-8"))
    tensors = [*about["inputs"], *about["outputs"]]
    named = [about["documentation"], about["weights"]["torchscript"], *(one["test_tensor"] for one in tensors)]
    for file in named:
        assert hashlib.sha256((package / file["source"]).read_bytes()).hexdigest() == file["sha256"]
    for one in tensors:
        shape = np.load(package / one["test_tensor"]["source"]).shape
        assert len(shape) == len(one["axes"])
    with zipfile.ZipFile(package.with_suffix(".zip")) as archive:
        assert set(archive.namelist()) == {path.name for path in package.iterdir()}
    assert about["version"] == model_package.model().version


@pytest.mark.skipif(VALIDATOR is None, reason="BIOIMAGEIO_PYTHON is not set")
def test_bioimageio_validates_the_package(package):
    program = "import sys; from bioimageio.core import test_model; print(test_model(sys.argv[1]).status)"
    asked = [VALIDATOR, "-c", program, str(package.with_suffix(".zip"))]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    told = subprocess.run(asked, capture_output=True, text=True, env=environment, check=False)
    assert told.stdout.split()[-1:] == ["passed"], told.stdout + told.stderr
