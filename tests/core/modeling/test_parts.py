"""Single boxes against plain formulas written down again, and against what must not change their answer."""

from __future__ import annotations

import math

import pytest
import torch
from small_models import TINY

from sam2_core.config import load_config
from sam2_core.modeling.attention import Attention, RotaryAttention
from sam2_core.modeling.hiera import join_windows, split_windows
from sam2_core.modeling.layers import LayerNorm2d
from sam2_core.modeling.mask_decoder import DecodedMasks, choose_by_iou, choose_by_stability
from sam2_core.modeling.position import axial_rotation, rotate, sine_of_time, sine_position_map
from sam2_core.modeling.prompt_encoder import PromptBatch, build_prompt_encoder, draw_prompts
from sam2_core.modeling.sam2 import NO_OBJECT_LOGIT, Sam2Model

CPU = torch.device("cpu")


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def test_attention_is_the_weighted_sum_of_values(generator) -> None:
    attention = Attention(12, num_heads=2, downsample_rate=2, kv_dim=5)
    q, k = torch.randn(2, 4, 12, generator=generator), torch.randn(2, 7, 5, generator=generator)
    queries, keys, values = attention.q_proj(q), attention.k_proj(k), attention.v_proj(k)
    heads = []
    for head in (slice(0, 3), slice(3, 6)):
        weights = (queries[..., head] @ keys[..., head].transpose(1, 2) / math.sqrt(3)).softmax(dim=-1)
        heads.append(weights @ values[..., head])
    expected = attention.out_proj(torch.cat(heads, dim=-1))
    torch.testing.assert_close(attention(q, k, k), expected, atol=1e-5, rtol=1e-5)


def test_rotated_products_depend_on_the_offset_alone(generator) -> None:
    table = axial_rotation(16, 5, 6, 10000.0, CPU)
    q, k = torch.randn(16, generator=generator), torch.randn(16, generator=generator)

    def product(place_q: tuple[int, int], place_k: tuple[int, int]) -> float:
        cells = [y * 6 + x for y, x in (place_q, place_k)]
        turned_q = rotate(q.expand(30, 16), table)[cells[0]]
        turned_k = rotate(k.expand(30, 16), table)[cells[1]]
        return float(turned_q @ turned_k)

    assert product((0, 1), (2, 2)) == pytest.approx(product((2, 3), (4, 4)), abs=1e-5)
    assert product((0, 1), (2, 2)) != pytest.approx(product((0, 1), (2, 3)), abs=1e-3)


def test_rotation_repeats_for_every_grid_and_spares_the_last_keys(generator) -> None:
    attention = RotaryAttention(8, 1, kv_dim=8)
    table = axial_rotation(8, 2, 2, 10000.0, CPU)
    q, k = torch.randn(1, 4, 8, generator=generator), torch.randn(1, 4 + 4 + 3, 8, generator=generator)
    keys = attention.k_proj(k)
    turned = torch.cat([rotate(keys[:, :4], table), rotate(keys[:, 4:8], table), keys[:, 8:]], dim=1)
    weights = (rotate(attention.q_proj(q), table) @ turned.transpose(1, 2) / math.sqrt(8)).softmax(dim=-1)
    expected = attention.out_proj(weights @ attention.v_proj(k))
    torch.testing.assert_close(attention(q, k, k, table, num_unrotated_keys=3), expected, atol=1e-5, rtol=1e-5)


def test_sine_map_follows_its_formula() -> None:
    channels, height, width = 8, 3, 5
    made = sine_position_map(channels, height, width, CPU)
    for c in range(channels):
        k, size, axis = c % 4, (height, width)[c // 4], c // 4
        frequency = 10000 ** (2 * (k // 2) / 4)
        for place in range(size):
            angle = (place + 1) / (size + 1e-6) * 2 * math.pi / frequency
            value = math.cos(angle) if k % 2 else math.sin(angle)
            found = made[0, c, place, 0] if axis == 0 else made[0, c, 0, place]
            assert float(found) == pytest.approx(value, abs=1e-5)


def test_sine_of_time_has_sines_first() -> None:
    made = sine_of_time(torch.tensor([0.0, 0.5]), 4)
    assert made[0].tolist() == [0, 0, 1, 1]
    assert made[1].tolist() == pytest.approx([math.sin(0.5), math.sin(0.5), math.cos(0.5), math.cos(0.5)])


@pytest.mark.parametrize(("height", "width", "window"), [(8, 8, 4), (7, 10, 4), (5, 3, 8)])
def test_windows_are_put_together_as_they_were(height: int, width: int, window: int, generator) -> None:
    x = torch.randn(2, height, width, 3, generator=generator)
    windows, padded = split_windows(x, window)
    whole = join_windows(windows, window, padded)
    assert windows.shape[1:] == (window, window, 3)
    assert torch.equal(whole[:, :height, :width], x)
    assert whole[:, height:].abs().sum() == 0


def test_layer_norm_2d_norms_the_channels(generator) -> None:
    x = torch.randn(2, 6, 3, 4, generator=generator)
    mean, variance = x.mean(dim=1, keepdim=True), x.var(dim=1, unbiased=False, keepdim=True)
    torch.testing.assert_close(LayerNorm2d(6)(x), (x - mean) / (variance + 1e-6).sqrt(), atol=1e-5, rtol=1e-5)


def features_of(model: Sam2Model, generator: torch.Generator, count: int = 1):
    with torch.no_grad():
        return model.encode_image(torch.randn(count, 3, 64, 64, generator=generator))


def memories(model: Sam2Model, generator: torch.Generator, objects: int):
    spatial = [(torch.randn(objects, 8, 4, 4, generator=generator), slot) for slot in (6, 1, 0)]
    pointers = [(torch.randn(objects, 32, generator=generator), float(distance)) for distance in (3, 1)]
    return spatial, pointers


def test_memory_attention_does_not_mind_the_order_of_memories(model, generator) -> None:
    features = features_of(model, generator)
    spatial, pointers = memories(model, generator, 1)
    with torch.no_grad():
        one = model.condition_on_memory(features, model.memory_tokens(spatial, pointers, 15))
        other = model.condition_on_memory(features, model.memory_tokens(spatial[::-1], pointers[::-1], 15))
        less = model.condition_on_memory(features, model.memory_tokens(spatial[:1], pointers, 15))
    torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    assert (one - less).abs().max() > 1e-2


def test_objects_in_a_batch_do_not_see_each_other(model, generator) -> None:
    features = features_of(model, generator)
    spatial, pointers = memories(model, generator, 3)
    with torch.no_grad():
        batch = model.condition_on_memory(features, model.memory_tokens(spatial, pointers, 15))
        for i in range(3):
            own = [(part[i : i + 1], slot) for part, slot in spatial], [(part[i : i + 1], d) for part, d in pointers]
            alone = model.condition_on_memory(features, model.memory_tokens(*own, 15))
            torch.testing.assert_close(batch[i : i + 1], alone, atol=1e-4, rtol=1e-4)


def test_distances_may_differ_from_object_to_object(model, generator) -> None:
    spatial, _ = memories(model, generator, 2)
    pointer = torch.randn(2, 32, generator=generator)
    both = model.memory_tokens(spatial, [(pointer, torch.tensor([2.0, 9.0]))], 15)
    second = model.memory_tokens(spatial, [(pointer, 9.0)], 15)
    torch.testing.assert_close(both.positions[1], second.positions[1])
    assert not torch.allclose(both.positions[0], second.positions[0])


def test_padding_hides_where_it_is(model) -> None:
    labels = torch.tensor([[1, -1]])
    encoder = model.sam_prompt_encoder
    one = encoder.sparse(PromptBatch(torch.tensor([[[5.0, 6.0], [0.0, 0.0]]]), labels), (4, 4))
    other = encoder.sparse(PromptBatch(torch.tensor([[[5.0, 6.0], [40.0, 9.0]]]), labels), (4, 4))
    assert torch.equal(one, other)
    assert one.shape == (1, 3, 32)


def test_prompts_are_drawn_where_they_are() -> None:
    points = torch.tensor([[[9.5, 21.5], [41.5, 5.5]], [[8.0, 12.0], [40.0, 44.0]]])
    labels = torch.tensor([[1, 0], [2, 3]])
    drawn = draw_prompts(PromptBatch(points, labels), (16, 16), sigma=1.0)
    inside, outside, box = drawn[0]
    assert divmod(int(inside.argmax()), 16) == (5, 2)
    assert divmod(int(outside.argmax()), 16) == (1, 10)
    assert float(box.max()) == 0
    assert drawn[1, :2].max() == 0
    filled = drawn[1, 2] > 0.5
    rows, columns = filled.any(dim=1).nonzero().flatten(), filled.any(dim=0).nonzero().flatten()
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (3, 11, 2, 10)  # both corners are inside


def test_points_of_which_there_are_none_are_one_padding_token() -> None:
    encoder = build_prompt_encoder(load_config(TINY))
    nothing = PromptBatch(torch.zeros(2, 0, 2), torch.zeros(2, 0, dtype=torch.int32))
    for prompts in (nothing, nothing.with_mask(torch.zeros(2, 1, 16, 16)), nothing.mirrored(64)):
        sparse = encoder.sparse(prompts, (4, 4))
        assert torch.equal(sparse, encoder.not_a_point_embed.weight.expand(2, 1, -1))
    assert encoder.sparse(PromptBatch.without_points(2).mirrored(64), (4, 4)).shape[1] == 0


def test_a_model_with_and_without_click_map_takes_prompts_without_points() -> None:
    for name in ("cells_nano", "sam2.1_hiera_t"):
        config = load_config(name, image_size=64)
        encoder = build_prompt_encoder(config)
        sparse, dense = encoder(PromptBatch.without_points(2), (4, 4))
        assert sparse.shape == (2, 0, config.d_model)
        assert dense.shape[1] == config.d_model
    assert not draw_prompts(PromptBatch.without_points(2), (16, 16), sigma=1.0).any()


def test_the_single_mask_steps_aside_where_it_is_unstable() -> None:
    decoder = load_config(TINY).mask_decoder
    stable, unstable = torch.full((2, 2), 5.0), torch.full((2, 2), 0.01)
    logits = torch.stack([torch.stack([first, *[torch.ones(2, 2)] * 3]) for first in (stable, unstable, -stable)])
    ious = torch.tensor([[0.1, 0.2, 0.9, 0.3]]).expand(3, 4)
    decoded = DecodedMasks(logits, ious, torch.zeros(3, 4, 8), torch.ones(3, 1))
    assert choose_by_iou(decoded).tolist() == [2, 2, 2]
    assert choose_by_stability(decoded, decoder).tolist() == [0, 2, 0]


def test_a_given_mask_comes_back_and_says_whether_the_object_is_there(model, generator) -> None:
    features = features_of(model, generator)
    masks = torch.zeros(2, 1, 64, 64)
    masks[0, 0, 16:40, 8:32] = 1
    with torch.no_grad():
        prediction = model.predict_from_mask(features, masks)
    assert torch.equal(prediction.low_res_masks[0, 0] > 0, masks[0, 0, ::4, ::4] > 0)
    assert prediction.object_score_logits.flatten().tolist() == [10.0, -10.0]
    torch.testing.assert_close(prediction.object_pointer[1:], model.no_obj_ptr)


def test_absent_objects_have_no_mask_unless_training_asks(model, generator) -> None:
    features = features_of(model, generator)
    head = model.sam_mask_decoder.pred_obj_score_head.layers[-1]
    shift = torch.nn.Parameter(head.bias.data - 1000)
    kept, head.bias = head.bias, shift
    try:
        with torch.no_grad():
            conditioned = model.condition_without_memory(features)
            gated = model.predict_masks(conditioned, features, PromptBatch.empty(1), multimask=True)
            raw = model.predict_masks(conditioned, features, PromptBatch.empty(1), multimask=True, gate=False)
    finally:
        head.bias = kept
    assert (gated.low_res_masks == NO_OBJECT_LOGIT).all()
    assert (raw.low_res_masks > NO_OBJECT_LOGIT).all()
    torch.testing.assert_close(gated.object_pointer, model.no_obj_ptr)


@pytest.mark.parametrize("size", [64, 96, 128])
def test_the_same_weights_take_any_input_size(size: int, model, generator) -> None:
    with torch.no_grad():
        features = model.encode_image(torch.randn(1, 3, size, size, generator=generator))
        prediction = model.predict_masks(
            model.condition_without_memory(features), features, PromptBatch.empty(1), multimask=True
        )
    assert prediction.low_res_multimasks.shape == (1, 3, size // 4, size // 4)
