"""Products by oneDNN against torch's ordinary ones, and the rule that chooses between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from small_models import fresh_model
from torch import nn
from torch.nn import functional as F

from sam2_core.kernels import narrow_values, products
from sam2_core.kernels.narrow_values import SHORTEST, suits_tiles, weighted_values
from sam2_core.kernels.processor import WIDE, Processor, processor
from sam2_core.kernels.products import (
    ROWS,
    Linear,
    PointwiseConv2d,
    in_a_row,
    in_pieces,
    linear,
    suits_onednn,
)
from sam2_core.modeling.layers import FEW_CHANNELS, MLP, LayerNorm2d
from sam2_core.modeling.position import stretching
from sam2_core.modeling.prompt_encoder import PromptBatch
from sam2_core.modeling.sam2 import Sam2Model

CPU = torch.device("cpu")
NARROW = ("AVX512-BF16",)
needs_onednn = pytest.mark.skipif(not processor().takes_onednn, reason="this torch has no oneDNN")
needs_bfloat16 = pytest.mark.skipif(not processor().takes_bfloat16, reason="this processor imitates bfloat16")


@contextmanager
def without_onednn() -> Iterator[None]:
    """torch's own ``mkldnn.flags`` warns of another switch."""
    torch.backends.mkldnn.enabled = False
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled = True


@pytest.fixture
def on_processor(monkeypatch):
    """Have kernels chosen for another processor."""

    def chosen(*units: str, overruled: str = "") -> None:
        other = Processor("another", units, True, overruled)
        for module in (products, narrow_values):
            monkeypatch.setattr(module, "processor", lambda: other)

    return chosen


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(11)


@needs_onednn
@pytest.mark.parametrize("activation", ["none", "relu", "gelu"])
@pytest.mark.parametrize("with_bias", [True, False])
@torch.inference_mode()
def test_a_product_is_the_ordinary_one(activation, with_bias, generator) -> None:
    x = torch.randn(3, 200, 96, generator=generator)
    weight = torch.randn(80, 96, generator=generator) / 10
    bias = torch.randn(80, generator=generator) if with_bias else None
    assert suits_onednn(x, 80)
    expected = F.linear(x.double(), weight.double(), None if bias is None else bias.double())
    expected = {"none": lambda y: y, "relu": F.relu, "gelu": F.gelu}[activation](expected)
    given = {"as they are": (x, weight), "turned": (x.transpose(0, 1).contiguous().transpose(0, 1), weight.T.clone().T)}
    for some, weights in given.values():
        found = linear(some, weights, bias, activation)
        torch.testing.assert_close(found.double(), expected, atol=2e-6, rtol=2e-6)


@needs_onednn
def test_only_large_float32_products_without_gradients_are_for_onednn(on_processor) -> None:
    on_processor("AVX2")
    x = torch.ones(7, 32)
    with torch.no_grad():
        assert suits_onednn(x, 32)
        assert not suits_onednn(x, 31)
        assert not suits_onednn(x[:0], 32)
        assert not suits_onednn(x.double(), 32)
        assert not suits_onednn(x.bfloat16(), 32)
        with torch.autocast("cpu", torch.bfloat16):
            assert not suits_onednn(x, 32)
        with without_onednn():
            assert not suits_onednn(x, 32)
    assert not suits_onednn(x, 32)


@needs_onednn
def test_bfloat16_is_for_processors_that_multiply_it(on_processor) -> None:
    x = torch.ones(7, 32)
    for units, overruled, taken in ((NARROW, "", True), (("AMX",), "", True), (NARROW, "float32", False)):
        on_processor(*units, overruled=overruled)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            assert suits_onednn(x, 32) == suits_onednn(x.bfloat16(), 32) == taken
            assert not suits_onednn(x.double(), 32)
        with torch.autocast("cpu", torch.bfloat16):  # as it is trained
            assert not suits_onednn(x, 32)
        with torch.no_grad():
            assert suits_onednn(x, 32)
            assert not suits_onednn(x.bfloat16(), 32)
    on_processor(*NARROW, overruled="plain")
    with torch.no_grad():
        assert not suits_onednn(x, 32)


@needs_bfloat16
@pytest.mark.parametrize("activation", ["none", "relu", "gelu"])
@torch.inference_mode()
def test_a_product_in_bfloat16_is_rounded_once(activation, generator) -> None:
    x, weight, bias = (torch.randn(*shape, generator=generator) for shape in ((200, 96), (80, 96), (80,)))
    exact = F.linear(*(part.bfloat16().double() for part in (x, weight, bias)))
    exact = {"none": lambda y: y, "relu": F.relu, "gelu": F.gelu}[activation](exact)
    with torch.autocast("cpu", torch.bfloat16):
        found = linear(x, weight, bias, activation)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), exact, atol=1e-5, rtol=2**-8)


@needs_onednn
@pytest.mark.parametrize("dtype", [torch.float32, pytest.param(torch.bfloat16, marks=needs_bfloat16)])
@pytest.mark.parametrize("activation", ["none", "gelu"])
@torch.inference_mode()
def test_products_do_not_depend_on_how_many_rows_there_are(activation, dtype, generator) -> None:
    x, weight = torch.randn(400, 160, generator=generator), torch.randn(96, 160, generator=generator)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        whole = linear(x, weight, activation=activation)
        assert whole.dtype == dtype
        for rows in (2, 9, 64, 256):
            assert torch.equal(linear(x[:rows], weight, activation=activation), whole[:rows])


def test_gradients_are_those_of_the_ordinary_layer(generator) -> None:
    x = torch.randn(600, 64, generator=generator)
    for activation, formula in {"none": nn.Identity(), "relu": F.relu, "gelu": F.gelu}.items():
        ours, plain = Linear(64, 64), nn.Linear(64, 64)
        plain.load_state_dict(ours.state_dict())
        ours(x, activation).square().sum().backward()
        formula(plain(x)).square().sum().backward()
        assert torch.equal(ours.weight.grad, plain.weight.grad)
        assert torch.equal(ours.bias.grad, plain.bias.grad)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@torch.inference_mode()
def test_a_pointwise_convolution_is_a_convolution(memory_format, generator) -> None:
    x = torch.randn(2, 48, 30, 40, generator=generator).contiguous(memory_format=memory_format)
    ours, plain = PointwiseConv2d(48, 24), nn.Conv2d(48, 24, 1)
    plain.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), plain(x), atol=1e-5, rtol=1e-5)


def test_pieces_make_the_whole(generator) -> None:
    x, lengths = torch.randn(10, 3, generator=generator), []

    def doubled(piece):
        lengths.append(len(piece))
        return 2 * piece

    with torch.no_grad():
        assert torch.equal(in_pieces(doubled, x, 4), 2 * x)
        assert torch.equal(in_pieces(doubled, x, 10), 2 * x)
    assert torch.equal(in_pieces(doubled, x, 4), 2 * x)  # one graph for training
    assert lengths == [4, 4, 2, 10, 10]


@torch.inference_mode()
def test_layers_take_long_inputs_in_pieces(generator) -> None:
    layers = MLP(16, 32, 8, depth=3, activation="gelu")
    x = torch.randn(3, ROWS, 16, generator=generator)
    first, second, third = layers.layers
    expected = F.linear(F.gelu(F.linear(x, first.weight, first.bias)), second.weight, second.bias)
    expected = F.linear(F.gelu(expected), third.weight, third.bias)
    torch.testing.assert_close(layers(x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("channels", [4, FEW_CHANNELS, FEW_CHANNELS + 1])
def test_a_norm_of_few_channels_is_the_same(channels, generator) -> None:
    norm = LayerNorm2d(channels)
    nn.init.normal_(norm.weight, generator=generator)
    nn.init.normal_(norm.bias, generator=generator)
    x = 3 + 5 * torch.randn(2, channels, 9, 7, generator=generator)
    with torch.no_grad():
        found, channels_last = norm(x), norm(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found, norm(x).detach(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(channels_last, found, atol=1e-5, rtol=1e-5)


@needs_onednn
@pytest.mark.parametrize("channels_last", [False, True])
def test_two_layers_in_a_row_are_the_same_as_one_product(channels_last, generator, monkeypatch) -> None:
    first, second = PointwiseConv2d(6, 24), PointwiseConv2d(24, 3)
    x = torch.randn(2, 6, 5, 7, generator=generator)
    x = x.contiguous(memory_format=torch.channels_last) if channels_last else x
    expected = in_a_row(first, second, x)
    assert expected.requires_grad  # as it is trained: one after the other
    monkeypatch.setattr(PointwiseConv2d, "forward", None)  # neither is called
    with torch.inference_mode():
        torch.testing.assert_close(in_a_row(first, second, x), expected.detach(), atol=1e-5, rtol=1e-5)


def test_stretching_is_bicubic(generator) -> None:
    x = torch.randn(1, 3, 7, 5, generator=generator)
    by_products = stretching(7, 20, CPU) @ x @ stretching(5, 33, CPU).T
    torch.testing.assert_close(by_products, F.interpolate(x, (20, 33), mode="bicubic"), atol=1e-5, rtol=1e-5)


@needs_onednn
@torch.inference_mode()
def test_long_attention_in_tiles_is_the_same(generator, on_processor) -> None:
    shape = (2, 2 * SHORTEST + 30, 3, 32)
    q, k, v = (torch.randn(shape, generator=generator).transpose(1, 2) for _ in range(3))
    on_processor("AVX2")
    assert not suits_tiles(q, k)
    on_processor("AVX2", WIDE)
    assert suits_tiles(q, k)
    assert not suits_tiles(q[:, :, : SHORTEST - 1], k)
    torch.testing.assert_close(weighted_values(q, k, v), F.scaled_dot_product_attention(q, k, v), atol=1e-5, rtol=1e-5)


def one_frame(model: Sam2Model, image: torch.Tensor) -> list[torch.Tensor]:
    """Features, masks and memories of two objects that remember the frame itself."""
    size = (model.image_size, model.image_size)
    features = model.encode_image(image)
    prompts = PromptBatch(torch.tensor([[[40.0, 50.0]], [[90.0, 30.0]]]), torch.ones(2, 1, dtype=torch.int32))
    first = model.predict_masks(model.condition_without_memory(features), features, prompts, multimask=True)
    logits = F.interpolate(first.low_res_masks, size=size, mode="bilinear", align_corners=False)
    memories = model.encode_memory(features, logits, first.object_score_logits)
    tokens = model.memory_tokens([(memories, 6), (memories, 0)], [(first.object_pointer, 1.0)], 15)
    conditioned = model.condition_on_memory(features, tokens, fast=True)
    second = model.predict_masks(conditioned, features, PromptBatch.empty(2), multimask=True)
    fine = [features.stride16, features.stride8, features.stride4]
    return [*fine, first.low_res_multimasks, memories, conditioned, second.low_res_multimasks, second.object_pointer]


@needs_onednn
@pytest.mark.parametrize("name", ["tiny", "sam2.1_hiera_t", "cells-nano"])
@torch.inference_mode()
def test_a_frame_is_the_same_without_onednn(name, generator) -> None:
    model = fresh_model(name)
    image = torch.randn(1, 3, model.image_size, model.image_size, generator=generator)
    found = one_frame(model, image)
    with without_onednn():
        plain = one_frame(model, image)
    for ours, theirs in zip(found, plain, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("name", ["sam2.1_hiera_t", "cells-nano"])
@torch.inference_mode()
def test_half_precision_on_a_cpu_is_near(name, generator) -> None:
    model = fresh_model(name)
    image = torch.randn(1, 3, model.image_size, model.image_size, generator=generator)
    exact = one_frame(model, image)
    with torch.autocast("cpu", torch.bfloat16):
        rough = one_frame(model, image)
    for ours, theirs in zip(rough, exact, strict=True):
        assert torch.isfinite(ours).all()
        assert (ours.float() - theirs).abs().mean() < 0.05 * theirs.abs().mean()
