from __future__ import annotations

import json
import os
import re
import stat

import pytest

from sam2_core.checkpoints.load import read_state_dict
from sam2_core.checkpoints.registry import (
    BUNDLED_NAME,
    add_model,
    checkpoints_folder,
    data_folder,
    find_model,
    models,
    remove_model,
)
from sam2_core.config import config_names, load_config
from sam2_core.errors import CheckpointError


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "mine.pt"
    path.write_bytes(b"weights")
    return path


def test_the_bundled_file_has_as_many_parameters_as_are_said():
    bundled = find_model(BUNDLED_NAME)
    tensors = read_state_dict(bundled.path)
    assert sum(tensor.numel() for tensor in tensors.values()) / 1e6 == pytest.approx(bundled.parameters_m, abs=1e-3)


def test_the_bundled_and_the_eight_official_models_are_known():
    entries = models()
    assert entries[0].name == BUNDLED_NAME
    assert len(entries) == 9
    assert len({entry.filename for entry in entries}) == 9
    assert {entry.licence for entry in entries} == {"Apache-2.0"}


@pytest.mark.parametrize("entry", models()[1:], ids=lambda entry: entry.name)
def test_an_official_entry_is_consistent(entry):
    assert entry.config in config_names()
    assert load_config(entry.name).name == entry.name
    release = "092824" if entry.name.startswith("sam2.1") else "072824"
    assert entry.url == f"https://dl.fbaipublicfiles.com/segment_anything_2/{release}/{entry.filename}"
    assert not entry.is_local
    assert entry.size_bytes == pytest.approx(entry.parameters_m * 4e6)


@pytest.mark.parametrize(
    "name",
    [
        "sam2.1_hiera_b+",
        "SAM2.1-hiera-B+",
        "sam2.1-hiera-base-plus",
        "sam2.1_hiera_base_plus",
        "facebook/sam2.1-hiera-base-plus",
    ],
)
def test_a_model_answers_to_all_its_names(name):
    assert find_model(name).filename == "sam2.1_hiera_base_plus.pt"


def test_no_two_models_share_a_name():
    answers = [answer.lower() for entry in models() for answer in {entry.name, entry.hf_id, *entry.aliases} if answer]
    assert len(answers) == len(set(answers))


def test_an_unknown_name_gets_near_ones():
    with pytest.raises(CheckpointError, match=r"no model is named 'sam2.1_hiera_tinny'; did you mean sam2\.1_hiera_t"):
        find_model("sam2.1_hiera_tinny")
    with pytest.raises(CheckpointError, match="there are cells-nano, sam2"):
        find_model("zzz")


def test_a_registered_model_is_found_until_it_is_removed(weights):
    added = add_model("My-Cells", weights, "configs/cells/cells_nano.yaml")
    assert find_model("my_cells") == added == models()[-1]
    assert (added.path, added.is_local, added.size_bytes) == (weights, True, 7)
    remove_model("my-cells")
    assert len(models()) == 9
    assert weights.exists()
    with pytest.raises(CheckpointError, match=r"no model named 'my-cells' was registered.*registered: none"):
        remove_model("my-cells")


def test_registering_again_replaces(weights, tmp_path):
    other = tmp_path / "other.pt"
    other.write_bytes(b"other weights")
    add_model("mine", weights, "cells-nano")
    add_model("second", weights, "cells-nano")
    add_model("Mine", other, "sam2.1_hiera_t")
    assert find_model("mine").path == other
    assert len(models()) == 11


def test_a_configuration_of_the_users_own_is_remembered_by_its_full_path(weights, tmp_path, monkeypatch):
    (tmp_path / "own.yaml").write_text("image_size: 512\n")
    monkeypatch.chdir(tmp_path)
    add_model("mine", weights, "own.yaml")
    monkeypatch.chdir("/")
    assert load_config(find_model("mine").config).image_size == 512


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("sam2.1-hiera-tiny", "cells-nano", "is a model that ships"),
        (" ", "cells-nano", "cannot be a model name"),
        ("a/b", "cells-nano", "cannot be a model name"),
        ("mine", "no_such_config", "is no usable configuration"),
    ],
)
def test_what_cannot_be_registered_is_refused(weights, name, config, message, home):
    with pytest.raises(CheckpointError, match=message):
        add_model(name, weights, config)
    assert not home.exists()


def test_a_file_that_is_not_there_cannot_be_registered(tmp_path):
    with pytest.raises(CheckpointError, match="there is no checkpoint file"):
        add_model("mine", tmp_path / "nowhere.pt", "cells-nano")


@pytest.mark.parametrize("content", ["{", "[]", '{"models": [{"name": "x"}]}', '{"models": 3}'])
def test_a_broken_list_is_named_and_kept(home, content, weights):
    home.mkdir()
    (home / "models.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"models\.json cannot be read"):
        models()
    with pytest.raises(CheckpointError, match=r"models\.json cannot be read"):
        add_model("mine", weights, "cells-nano")
    assert (home / "models.json").read_text() == content


def test_the_list_is_plain_json_in_the_home_folder(home, weights):
    add_model("mine", weights, "cells-nano")
    assert json.loads((home / "models.json").read_text()) == {
        "version": 1,
        "models": [{"name": "mine", "path": str(weights), "config": "cells-nano"}],
    }
    assert [path.name for path in home.iterdir()] == ["models.json"]


def test_a_home_that_cannot_be_written_is_named(home, weights):
    home.write_text("a file where the folder should be")
    with pytest.raises(CheckpointError, match=r"NAPARI_SAM2_HOME|cannot be read"):
        add_model("mine", weights, "cells-nano")


def test_the_variable_moves_the_folder(home, monkeypatch):
    assert data_folder() == home
    assert checkpoints_folder() == home / "checkpoints"
    monkeypatch.delenv("NAPARI_SAM2_HOME")
    assert data_folder().name == "napari-sam2"


@pytest.mark.parametrize("entry", models()[1:], ids=lambda entry: entry.name)
def test_every_official_file_has_a_sha256(entry):
    assert re.fullmatch("[0-9a-f]{64}", entry.sha256)
    assert sum(entry.sha256 == other.sha256 for other in models()) == 1


def test_the_list_of_models_may_be_read_by_whom_the_umask_lets(weights):
    old = os.umask(0o022)
    try:
        add_model("mine", weights, "cells-nano")
    finally:
        os.umask(old)
    assert stat.S_IMODE((data_folder() / "models.json").stat().st_mode) == 0o644
    assert [path.name for path in data_folder().iterdir()] == ["models.json"]


@pytest.mark.parametrize(
    "content",
    [
        '{"models":[{"name":5,"path":"a","config":"b"}]}',
        '{"models":[5]}',
        '{"models":{"a":1}}',
        "[]",
        "[" * 100_000,
        '{"models":[{"name":"' + "a" * 9,
        '{"models":[{"name":"","path":"a","config":"b"}]}',
    ],
    ids=range(7),
)
def test_a_damaged_list_costs_no_model_that_ships(content):
    data_folder().mkdir(parents=True, exist_ok=True)
    (data_folder() / "models.json").write_text(content)
    assert find_model("cells-nano").name == BUNDLED_NAME
    with pytest.raises(CheckpointError, match=r"models\.json cannot be read"):
        find_model("mine")
