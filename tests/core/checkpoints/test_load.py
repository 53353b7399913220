from __future__ import annotations

import contextlib
import hashlib
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sam2_core.build import build_model
from sam2_core.checkpoints.load import load_checkpoint, read_metadata, read_state_dict, resolve_checkpoint
from sam2_core.checkpoints.save import save_checkpoint
from sam2_core.config import load_config
from sam2_core.errors import CheckpointError


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))


@pytest.fixture
def weights(model):
    return {key: torch.randn_like(tensor) for key, tensor in model.state_dict().items()}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for key in expected:
        assert torch.equal(found[key], expected[key]), key


@pytest.mark.parametrize("layout", ["official", "plain", "with more beside", "before zip files"])
def test_what_torch_saved_is_read(tmp_path, weights, layout):
    content = {
        "official": {"model": weights},
        "plain": weights,
        "with more beside": {"model": weights, "model_type": "hvit_t", "epoch": 3},
        "before zip files": {"model": weights},
    }[layout]
    path = tmp_path / "weights.anything"
    torch.save(content, path, _use_new_zipfile_serialization=layout != "before zip files")
    assert_same(read_state_dict(path), weights)


def test_safetensors_are_read_whatever_the_name(tmp_path, weights):
    save_file(weights, tmp_path / "weights.pt")
    assert_same(read_state_dict(tmp_path / "weights.pt"), weights)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_half_precision_is_raised_and_integers_stay(tmp_path, dtype, ending):
    stored = {"a": torch.tensor([1.5, -0.25], dtype=dtype), "steps": torch.tensor([7])}
    path = tmp_path / f"half.{ending}"
    torch.save(stored, path) if ending == "pt" else save_file(stored, path)
    assert_same(read_state_dict(path), {"a": torch.tensor([1.5, -0.25]), "steps": torch.tensor([7])})


class Payload:
    def __reduce__(self):
        return (open, ("never_made", "w"))


@pytest.mark.parametrize("kind", ["zip", "pickle 2", "pickle 4"])
def test_code_in_a_file_is_not_run(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pt"
    if kind == "zip":
        torch.save({"model": Payload()}, path)
    else:
        path.write_bytes(pickle.dumps({"model": Payload()}, protocol=int(kind[-1])))
    with pytest.raises(CheckpointError, match=r"evil\.pt (holds something else than tensors|is a pickle)"):
        read_state_dict(path)
    assert not (tmp_path / "never_made").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n<!DOCTYPE html><html>log in</html>", "is a web page"),
        (b"just some text, no weights", "neither a torch nor a safetensors"),
        (b"\x40\x00\x00\x00\x00\x00\x00\x00{not json", "broken safetensors header"),
        (b"\x80\x02garbage", "corrupt"),
    ],
)
def test_what_is_no_checkpoint_is_named(tmp_path, content, message):
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        read_state_dict(path)


@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_a_file_that_is_cut_short_is_named(tmp_path, weights, ending):
    path = save_checkpoint(tmp_path / f"x.{ending}", weights)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CheckpointError, match=r"x\.\w+ (is cut short|has \d+ bytes where its header says)"):
        read_state_dict(path)


def test_damage_inside_a_zip_is_named(tmp_path, weights):
    path = save_checkpoint(tmp_path / "x.pt", weights)
    content = path.read_bytes()
    start = content.index(b"data.pkl") + 70
    path.write_bytes(content[:start] + bytes(60) + content[start + 60 :])
    with pytest.raises(CheckpointError, match="corrupt"):
        read_state_dict(path)


@pytest.mark.parametrize("place", [4, 16])  # of the end's 64 bit locator: the number of its disk, how many there are
def test_an_archive_that_claims_several_disks_is_named(tmp_path, weights, place):
    path = tmp_path / "x.pt"
    torch.save(weights, path)
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x06\x07") + place] = 9
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="is cut short or damaged"):
        read_state_dict(path)


@pytest.mark.parametrize("content", [[1, 2], {}, {"model": {}}, {"model": {"a": 3}}, {"state": {"b": torch.zeros(1)}}])
def test_a_file_without_tensors_is_named(tmp_path, content):
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"mapping of tensors was expected|entries are no tensors"):
        read_state_dict(tmp_path / "x.pt")


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "nowhere.pt", tmp_path):
        with pytest.raises(CheckpointError, match="cannot open the checkpoint"):
            read_state_dict(path)


@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_weights_go_into_a_model(tmp_path, model, weights, ending):
    load_checkpoint(model, save_checkpoint(tmp_path / f"w.{ending}", weights))
    assert_same(model.state_dict(), weights)


def test_a_misfit_names_keys_and_counts_and_changes_nothing(tmp_path, model, weights):
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    changed = {key: tensor for key, tensor in weights.items() if not key.startswith("1.")}
    changed |= {"0.weight": torch.zeros(4, 5)} | {f"extra.{number}": torch.zeros(1) for number in range(5)}
    path = save_checkpoint(tmp_path / "other.pt", changed)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(model, path)
    message = str(caught.value)
    assert "2 missing (1.weight, 1.bias)" in message
    assert "5 left over (extra.0, extra.1, extra.2, ...)" in message
    assert "1 of another shape (0.weight: (4, 5) in the file, (4, 3) in the model)" in message
    assert "none of the shipped configurations" in message
    assert_same(model.state_dict(), before)


def test_a_misfit_names_the_configuration_that_fits(tmp_path):
    config = load_config("cells-nano")
    other = build_model(config.replace(no_obj_embed_spatial=False))
    zeros = {key: tensor.half() for key, tensor in build_model(config).state_dict().items()}
    path = save_checkpoint(tmp_path / "cells.safetensors", zeros)
    with pytest.raises(
        CheckpointError, match=r"1 left over \(no_obj_embed_spatial\).*look like configs/cells/cells_nano\.yaml"
    ):
        load_checkpoint(other, path)


def test_metadata_comes_back(tmp_path, weights):
    fields = {"config": "configs/cells/cells_nano.yaml", "steps": "400"}
    for ending in ("pt", "safetensors"):
        path = save_checkpoint(tmp_path / f"w.{ending}", weights, fields)
        assert fields.items() <= read_metadata(path).items()
    assert read_metadata(save_checkpoint(tmp_path / "bare.pt", weights)) == {}


def test_a_path_that_is_not_there_is_told_from_a_name(tmp_path, sockets_refused):
    with pytest.raises(CheckpointError, match=r"no checkpoint file .*'sam2\.1_hiera_t' instead of a path fetches it"):
        resolve_checkpoint("checkpoints/sam2.1_hiera_tiny.pt")
    with pytest.raises(CheckpointError, match="no model is named 'nobody'"):
        resolve_checkpoint("nobody")
    with pytest.raises(CheckpointError, match="has not been downloaded yet"):
        resolve_checkpoint("sam2.1_hiera_t", download=False)


def test_names_lead_to_files(tmp_path, weights, home, sockets_refused, monkeypatch):
    from sam2_core.checkpoints import registry
    from sam2_core.checkpoints.registry import add_model

    mine = save_checkpoint(tmp_path / "mine.pt", weights)
    add_model("mine", mine, "cells-nano")
    assert resolve_checkpoint("mine") == mine
    official = save_checkpoint(home / "checkpoints" / "sam2.1_hiera_tiny.pt", weights)
    with pytest.raises(CheckpointError, match=r"is not the file that it was: sha256 .* expected 7402e0d8"):
        resolve_checkpoint("facebook/sam2.1-hiera-tiny")
    stated = hashlib.sha256(official.read_bytes()).hexdigest()
    monkeypatch.setitem(registry._OFFICIAL_SHA256, official.name, stated)
    assert resolve_checkpoint("facebook/sam2.1-hiera-tiny") == official


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "sam.", "model.", "model.sam2."])
@pytest.mark.parametrize("wrapper", ["model", "state_dict", "model_state", "model_state_dict"])
def test_what_training_programs_put_around_weights_is_taken_off(tmp_path, weights, prefix, wrapper):
    torch.save({wrapper: {prefix + key: value for key, value in weights.items()}, "epoch": 7}, tmp_path / "c.pt")
    assert_same(read_state_dict(tmp_path / "c.pt"), weights)
    save_file({prefix + key: value for key, value in weights.items()}, tmp_path / "c.safetensors")
    assert_same(read_state_dict(tmp_path / "c.safetensors"), weights)


def test_a_prefix_of_some_keys_stays(tmp_path, weights):
    mixed = {**weights, "module.more": torch.zeros(1)}
    torch.save({"state_dict": {"model": mixed}}, tmp_path / "c.pt")
    assert_same(read_state_dict(tmp_path / "c.pt"), mixed)


def test_a_tensor_that_claims_more_values_than_the_file_holds_is_refused(tmp_path):
    tensor = torch.as_strided(torch.zeros(1, dtype=torch.float16), (10**6, 10**6), (0, 0))
    torch.save({"model": {"a": tensor}}, tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match=r"a claims the shape \(1000000, 1000000\)"):
        read_state_dict(tmp_path / "c.pt")


@pytest.mark.parametrize("position", range(0, 700, 23))
def test_a_damaged_file_is_a_checkpoint_error_or_other_values(tmp_path, weights, position):
    torch.save({"model": weights}, tmp_path / "c.pt", _use_new_zipfile_serialization=False)
    raw = bytearray((tmp_path / "c.pt").read_bytes())
    raw[position % len(raw)] ^= 0xFF
    (tmp_path / "c.pt").write_bytes(raw)
    with contextlib.suppress(CheckpointError):
        read_state_dict(tmp_path / "c.pt")


@pytest.mark.parametrize(
    "header",
    [
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":["x","y"]}}',
        '{"a":' + "[" * 200_000,
        '{"a":5}',
        '{"a":{}}',
        "{}}",
    ],
    ids=["offsets", "nesting", "number", "nothing", "brackets"],
)
def test_a_broken_header_is_named(tmp_path, header):
    raw = header.encode()
    (tmp_path / "c.safetensors").write_bytes(len(raw).to_bytes(8, "little") + raw + b"1234")
    with pytest.raises(CheckpointError, match=r"c\.safetensors"):
        read_state_dict(tmp_path / "c.safetensors")
