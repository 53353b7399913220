from __future__ import annotations

import pytest

from sam2_core.config import config_names, load_config
from sam2_core.errors import ConfigError


def test_every_shipped_configuration_loads_under_its_official_name() -> None:
    names = config_names()
    assert len([name for name in names if "hiera" in name]) == 8
    for name in names:
        assert load_config(name).name in name


@pytest.mark.parametrize(
    "name", ["configs/sam2.1/sam2.1_hiera_b+.yaml", "sam2.1_hiera_b+", "sam2.1_hiera_b+.yaml", "sam2/sam2.1_hiera_b+"]
)
def test_a_configuration_is_found_by_any_usual_spelling(name: str) -> None:
    assert load_config(name).trunk.embed_dim == 112


def test_our_model_is_found_with_a_dash_or_an_underscore() -> None:
    assert load_config("cells-nano") == load_config("cells_nano") == load_config("configs/cells/cells_nano.yaml")


def test_versions_differ_in_four_switches_only() -> None:
    old, new = load_config("sam2_hiera_s"), load_config("sam2.1_hiera_s")
    assert (old.no_obj_embed_spatial, new.no_obj_embed_spatial) == (False, True)
    assert (old.pointers.temporal_encoding, new.pointers.temporal_encoding) == (False, True)
    assert old.replace(name="", no_obj_embed_spatial=True, pointers=new.pointers) == new.replace(name="")


def test_image_size_is_one_argument() -> None:
    config = load_config("sam2.1_hiera_t", image_size=512)
    assert (config.image_size, config.grid_size, config.low_res_size) == (512, 32, 128)


@pytest.mark.parametrize("size", [0, -32, 100, 250, 2**40])
def test_an_impossible_image_size_says_what_would_do(size: int) -> None:
    with pytest.raises(ValueError, match=f"is {size}; try 256, 512 or 1024"):
        load_config("sam2.1_hiera_t", image_size=size)


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(FileNotFoundError, match=r"'sam3'.*sam2\.1_hiera_t\.yaml"):
        load_config("sam3")


def test_an_unknown_field_is_named(tmp_path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("trunk:\n  embed_dims: 96\n")
    with pytest.raises(ValueError, match=r"unknown fields \['embed_dims'\] in HieraConfig"):
        load_config(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1,", "cannot be read as a configuration"),
        ("\x00", "cannot be read as a configuration"),
        ("- 1", "holds no mapping"),
        ("image_size: [1]", r"image_size is \[1\]; a whole number from 1 is needed"),
        ("image_size: large", "image_size is 'large'"),
        ("mem_dim: 0", "mem_dim is 0; a whole number from 1"),
        ("mask_decoder: {multimask_least_points: -1}", "multimask_least_points is -1; a whole number from 0"),
        ("d_model: 1.5", "d_model is 1.5"),
        ("num_maskmem: true", "num_maskmem is True"),
        ("mirrored_view: 1", "mirrored_view is 1; true or false"),
        ("smallest_piece: .nan", "smallest_piece is nan; a finite number"),
        ("trunk: 5", "trunk is 5; fields of their own"),
        ("trunk: {num_heads: 0}", "trunk: num_heads is 0"),
        ("trunk: {stages: [1, a, 2, 3]}", "trunk: stages is .*; a list of whole numbers"),
        ("5: 6", r"unknown fields \['5'\]"),
    ],
)
def test_a_file_that_says_what_cannot_be_is_refused_in_words(tmp_path, text: str, words: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_config(path)


def test_a_file_of_ones_own_is_read(tmp_path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("image_size: 512\ntrunk:\n  stages: [1, 1, 2, 1]\n  global_att_blocks: [3]\n")
    config = load_config(path)
    assert (config.name, config.image_size, config.trunk.stage_ends) == ("mine", 512, (0, 1, 3, 4))
