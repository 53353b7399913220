"""The fast way of reading memories against the plain one: the same features, whatever is remembered.

Stand-in weights make attention so sharp that 1e-6 in its input is 1e-3 in its output; there both ways are held against
float64 instead. Weights that were learned, and fresh ones, are not like that.
"""

from __future__ import annotations

import pytest
import torch
from small_models import TINY, fresh_model
from stand_ins import fill_with_stand_ins

from sam2_core.config import load_config
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.memory_attention import MemoryTokens
from sam2_core.modeling.position import (
    _turn,
    _turn_real,
    axial_rotation,
    rotate,
    rotate_in_place,
    sine_position_map,
)
from sam2_core.modeling.sam2 import Sam2Model

CPU = torch.device("cpu")
LAYOUTS = {
    "one prompted frame": ((6,), (0.0,)),
    "a gap, and two prompted frames": ((6, 6, 4, 0), (9.0, -2.0, 1.0)),
    "full": ((6, 5, 4, 3, 2, 1, 0), tuple(float(distance) for distance in range(16))),
    "no pointers": ((6, 1, 0), ()),
}
MODELS = ("tiny", "sam2.1_hiera_t", "sam2_hiera_s", "cells-nano")


@pytest.fixture(scope="module", params=MODELS)
def model(request) -> Sam2Model:
    return fresh_model(request.param)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def recalled(model, layout, objects, generator) -> MemoryTokens:
    slots, distances = LAYOUTS[layout]
    config = model.config
    shape = (objects, config.mem_dim, config.grid_size, config.grid_size)
    spatial = [(torch.randn(shape, generator=generator), slot) for slot in slots]
    pointers = [(torch.randn(objects, config.d_model, generator=generator), distance) for distance in distances]
    return model.memory_tokens(spatial, pointers, 15)


def frame(model, generator, count=1) -> ImageFeatures:
    grid = model.config.grid_size
    nothing = torch.zeros(1)
    return ImageFeatures(torch.randn(count, model.config.d_model, grid, grid, generator=generator), nothing, nothing)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("objects", [1, 3])
@torch.inference_mode()
def test_fast_and_plain_agree(model, layout, objects, generator) -> None:
    features, memory = frame(model, generator), recalled(model, layout, objects, generator)
    plain = model.condition_on_memory(features, memory)
    fast = model.condition_on_memory(features, memory, fast=True)
    assert plain.shape == fast.shape == (objects, *features.stride16.shape[1:])
    torch.testing.assert_close(fast, plain, atol=1e-4, rtol=0)


@torch.inference_mode()
def test_objects_may_look_at_frames_of_their_own(model, generator) -> None:
    features, memory = frame(model, generator, count=3), recalled(model, "full", 3, generator)
    plain = model.condition_on_memory(features, memory)
    torch.testing.assert_close(model.condition_on_memory(features, memory, fast=True), plain, atol=1e-4, rtol=0)


@torch.inference_mode()
def test_an_object_does_not_notice_the_others(model, generator) -> None:
    features, memory = frame(model, generator), recalled(model, "full", 4, generator)
    together = model.condition_on_memory(features, memory, fast=True)
    for i in range(4):
        own = MemoryTokens(memory.tokens[i : i + 1], memory.positions[i : i + 1], memory.num_pointer_tokens)
        alone = model.condition_on_memory(features, own, fast=True)
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["tiny", "sam2.1_hiera_t", "cells_nano"])
@torch.inference_mode()
def test_fast_is_no_further_from_float64_than_plain_where_attention_is_sharp(name, generator) -> None:
    model = Sam2Model(load_config(TINY) if name == "tiny" else load_config(name, image_size=128)).eval()
    fill_with_stand_ins(model)
    features, memory = frame(model, generator).stride16, recalled(model, "full", 2, generator)
    plain, fast = (model.memory_attention(features, memory, fast) for fast in (False, True))
    exact = MemoryTokens(memory.tokens.double(), memory.positions.double(), memory.num_pointer_tokens)
    truth = model.memory_attention.double()(features.double(), exact)
    error_of_plain, error_of_fast = ((found - truth).abs().mean() for found in (plain, fast))
    assert error_of_fast < 1.5 * error_of_plain + 1e-6
    assert error_of_fast < 1e-4


def test_half_precision_reads_the_fast_way_too(generator) -> None:
    model = fresh_model("tiny")
    features, memory = frame(model, generator), recalled(model, "full", 2, generator)
    with torch.inference_mode():
        exact = model.condition_on_memory(features, memory)
        with torch.autocast("cpu", torch.bfloat16):
            rough = model.condition_on_memory(features, memory, fast=True)
    torch.testing.assert_close(rough.float(), exact, atol=0.1, rtol=0)


def test_tables_are_made_once_and_may_be_learned_through(generator) -> None:
    with torch.inference_mode():
        table, place = axial_rotation(16, 3, 5, 10000.0, CPU), sine_position_map(16, 3, 5, CPU)
    assert axial_rotation(16, 3, 5, 10000.0, CPU) is table
    assert sine_position_map(16, 3, 5, CPU) is place
    assert not table.is_inference()
    assert not place.is_inference()

    model = fresh_model("tiny")
    features, memory = frame(model, generator), recalled(model, "full", 2, generator)
    with torch.inference_mode():
        model.condition_on_memory(features, memory, fast=True)
    model.condition_on_memory(features, memory).sum().backward()
    assert model.memory_attention.layers[0].cross_attn_image.k_proj.weight.grad is not None


def test_turning_without_complex_numbers_is_the_same(generator) -> None:
    table = axial_rotation(16, 3, 5, 10000.0, CPU)
    pairs = torch.randn(2, 4, 15, 8, 2, generator=generator)
    torch.testing.assert_close(_turn_real(pairs, table), _turn(pairs, table))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_turning_in_place_is_the_same_and_spares_the_rest(dtype, generator) -> None:
    table = axial_rotation(16, 3, 5, 10000.0, CPU)
    keys = torch.randn(2, 2 * 15 + 4, 16, generator=generator).to(dtype)
    turned = keys.clone()
    rotate_in_place(turned[:, :30], table)
    assert torch.equal(turned[:, :30], rotate(keys[:, :30], table))
    assert torch.equal(turned[:, 30:], keys[:, 30:])
