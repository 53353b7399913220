"""The door to weights: a name or a path becomes a configuration and tensors, and the file is read once."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys

import pytest
import torch
from opened_files import opened
from small_models import TINY, tiny_model

import sam2_core.checkpoints
from sam2_core import (
    CheckpointError,
    SAM2ImagePredictor,
    SAM2VideoPredictor,
    build_sam2,
    build_sam2_hf,
    build_sam2_video_predictor,
)
from sam2_core.build import build_model
from sam2_core.checkpoints import open_model, registry, weights_here
from sam2_core.checkpoints.download import local_file
from sam2_core.checkpoints.load import read_state_dict
from sam2_core.checkpoints.registry import add_model, find_model
from sam2_core.checkpoints.save import save_checkpoint
from sam2_core.config import load_config


@pytest.fixture(params=["pt", "safetensors"])
def tiny_file(request, tmp_path):
    """A file with the weights of the tiny model, registered as `tiny`."""
    path = save_checkpoint(tmp_path / f"tiny.{request.param}", tiny_model().state_dict())
    add_model("tiny", path, str(TINY))
    return path


def test_a_name_gives_the_configuration_of_the_registry_and_the_tensors(tiny_file) -> None:
    found = open_model("tiny")
    assert (found.config, found.path) == (str(TINY), tiny_file)
    wanted = tiny_model().state_dict()
    assert found.tensors.keys() == wanted.keys()
    assert all(torch.equal(found.tensors[key], value) for key, value in wanted.items())


def test_of_a_path_the_configuration_is_told_from_the_tensors(tmp_path) -> None:
    weights = build_model(load_config("cells_nano")).state_dict()
    path = save_checkpoint(tmp_path / "mine.safetensors", weights, half=True)
    for given in (path, str(path)):
        assert open_model(given).config == "configs/cells/cells_nano.yaml"
    found = open_model(path)
    assert SAM2VideoPredictor.from_pretrained(str(path), device="cpu", image_size=128).image_size == 128
    assert build_sam2(found.config, found, device="cpu").state_dict().keys() == weights.keys()


def test_weights_of_no_configuration_that_ships_need_one_of_their_own(tiny_file) -> None:
    with pytest.raises(CheckpointError, match=rf"{tiny_file.name} fits none .* register it with its own configuration"):
        open_model(tiny_file)


def test_names_and_paths_are_told_apart_as_everywhere(home, sockets_refused) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint file .*'sam2\.1_hiera_t' instead of a path fetches it"):
        open_model("checkpoints/sam2.1_hiera_tiny.pt")
    with pytest.raises(CheckpointError, match=r"there is no checkpoint file NOTHING\.PT"):
        open_model("NOTHING.PT")
    with pytest.raises(CheckpointError, match="no model is named 'nobody'"):
        open_model("nobody")


def test_weights_that_do_not_fit_name_their_file(tiny_file) -> None:
    with pytest.raises(CheckpointError, match=rf"{tiny_file.name} does not fit this model"):
        build_sam2("cells-nano", open_model("tiny"), device="cpu")


@pytest.mark.parametrize(
    "build",
    [
        lambda path: open_model("tiny"),
        lambda path: build_sam2(TINY, path, device="cpu"),
        lambda path: build_sam2(TINY, "tiny", device="cpu"),
        lambda path: build_sam2_video_predictor(TINY, path, device="cpu"),
        lambda path: build_sam2_hf("tiny", device="cpu"),
        lambda path: SAM2ImagePredictor.from_pretrained("tiny", device="cpu"),
        lambda path: SAM2VideoPredictor.from_pretrained("tiny", device="cpu"),
    ],
)
def test_a_file_is_read_once_on_every_way_to_a_model(tiny_file, build) -> None:
    once = opened(tiny_file, lambda: read_state_dict(tiny_file))
    assert once > 0
    assert opened(tiny_file, lambda: build(tiny_file)) == once


def test_a_fetched_file_is_told_of_and_read_once_besides_its_verification(server, behave, home, monkeypatch) -> None:
    body = behave.checkpoint_bytes()
    server.answers = [behave.whole(body)]
    monkeypatch.setitem(registry._OFFICIAL_FOLDERS, "sam2.1", server.url)
    monkeypatch.setitem(registry._OFFICIAL_SHA256, "sam2.1_hiera_tiny.pt", hashlib.sha256(body).hexdigest())
    told: list[tuple[str, int, int]] = []
    found = open_model("sam2.1_hiera_t", lambda *words: told.append(words))
    assert found.config == "configs/sam2.1/sam2.1_hiera_t.yaml"
    assert set(found.tensors) == {"a.weight", "a.bias"}
    assert told[-1] == ("sam2.1_hiera_t", len(body), len(body))
    told.clear()
    once = opened(found.path, lambda: (local_file(find_model("sam2.1_hiera_t")), read_state_dict(found.path)))
    assert opened(found.path, lambda: open_model("sam2.1_hiera_t", lambda *words: told.append(words))) == once
    assert told == []


def test_the_door_is_there_without_torch_until_it_is_used() -> None:
    code = "import sys, sam2_core.checkpoints.registry; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
    with pytest.raises(AttributeError, match="close_model"):
        sam2_core.checkpoints.close_model  # noqa: B018


def folder_of(model, folder, **changes):
    """A folder as the hub has it: weights beside the fields of their configuration."""
    save_checkpoint(folder / "model.safetensors", model.state_dict())
    fields = dataclasses.asdict(model.config) | changes
    (folder / "config.json").write_text(json.dumps(fields))
    return folder


def same(model, other):
    weights, wanted = model.state_dict(), other.state_dict()
    return weights.keys() == wanted.keys() and all(torch.equal(weights[key], value) for key, value in wanted.items())


def test_a_folder_with_weights_and_configuration_is_a_model(tmp_path, sockets_refused) -> None:
    model = tiny_model()
    folder = folder_of(model, tmp_path / "mine")
    for given in (folder, str(folder)):
        opened_model = open_model(given)
        assert load_config(opened_model.config) == model.config
        assert same(build_sam2_hf(given, device="cpu"), model)
    assert same(build_sam2(folder / "config.json", folder, device="cpu"), model)
    assert same(SAM2VideoPredictor.from_pretrained(str(folder), device="cpu").model, model)
    assert same(SAM2ImagePredictor.from_pretrained(str(folder), device="cpu").model, model)
    assert weights_here(folder).name == "mine"
    with pytest.raises(CheckpointError, match="does not fit this model"):
        build_sam2("cells-nano", folder, device="cpu")


def test_what_is_no_such_folder_is_said(tmp_path, sockets_refused) -> None:
    folder = folder_of(tiny_model(), tmp_path / "mine")
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"mine holds no config\.json"):
        open_model(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"or of a folder with model\.safetensors and config\.json"):
        open_model(folder)


def test_a_repository_that_nobody_registered_comes_from_the_hub_once(hub, behave, tmp_path, monkeypatch) -> None:
    model = tiny_model()
    folder = folder_of(model, tmp_path / "mine")

    def answer(handler, server):
        path = folder / handler.path.rsplit("/", 1)[1]
        behave.of_the_hub(path.read_bytes())(handler, server)

    hub.answers = [answer]
    assert same(build_sam2_hf("someone/cells", device="cpu"), model)
    assert same(SAM2VideoPredictor.from_pretrained("someone/cells", device="cpu").model, model)
    asked = {request["path"] for request in hub.requests}
    assert asked == {f"/someone/cells/resolve/main/{name}" for name in ("model.safetensors", "config.json")}
    before = len(hub.requests)
    assert same(build_sam2_hf("someone/cells", device="cpu"), model)
    assert len(hub.requests) == before
    assert weights_here("someone/cells").sha256 == weights_here(folder).sha256


def test_a_repository_that_is_not_there_is_said_with_names_like_it(hub, behave) -> None:
    hub.answers = [behave.fixed(b"", 404, **{"X-Error-Code": "RepoNotFound"})]
    with pytest.raises(CheckpointError, match=r"did you mean sam2\.1_hiera_t.*could not get config\.json of facebook/"):
        open_model("facebook/sam2.1-hiera-tinny")
    asked = len(hub.requests)
    assert weights_here("facebook/sam2.1-hiera-tinny") is None
    assert len(hub.requests) == asked, "to ask what is here opens no connection"
