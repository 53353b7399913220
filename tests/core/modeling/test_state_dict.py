from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import torch

from sam2_core.config import load_config
from sam2_core.modeling.sam2 import Sam2Model

SHAPES = json.loads(gzip.decompress((Path(__file__).parents[2] / "data/golden/state_dict_shapes.json.gz").read_bytes()))
PARAMETERS = {"sam2_hiera_t": 38.946, "sam2.1_hiera_t": 38.963, "sam2.1_hiera_b+": 80.850, "sam2.1_hiera_l": 224.447}


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_names_and_shapes_are_the_official_ones(name: str) -> None:
    with torch.device("meta"):
        model = Sam2Model(load_config(name))
    ours = {key: list(tensor.shape) for key, tensor in model.state_dict().items()}
    assert ours == {key: list(shape) for key, shape in SHAPES[name].items()}


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_parameter_counts_are_the_published_ones(name: str) -> None:
    with torch.device("meta"):
        model = Sam2Model(load_config(name))
    assert round(sum(tensor.numel() for tensor in model.state_dict().values()) / 1e6, 3) == PARAMETERS[name]


def test_cells_nano_stays_small() -> None:
    with torch.device("meta"):
        model = Sam2Model(load_config("cells-nano"))
    assert sum(p.numel() for p in model.parameters()) <= 8.2e6
