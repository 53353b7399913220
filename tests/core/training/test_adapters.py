"""Adapters start as nothing, learn, and merge into plain weights; the other choices freeze what they do not name."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sam2_core.modeling.prompt_encoder import PromptBatch
from sam2_core.training.adapters import (
    PARTS,
    add_adapters,
    attention_projections,
    choose_parts,
    plain_state_dict,
    training_mode,
)
from sam2_core.training.clip_windows import WindowSettings
from sam2_core.training.clips import ClipSettings, draw_batch
from sam2_core.training.rollout import first_prediction, memorise, tracked_prediction
from sam2_core.training.steps import PromptSettings, clip_losses


def answers(model):
    """Masks of a clicked frame and of a tracked one."""
    model.eval()
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    prompts = PromptBatch(torch.tensor([[[20.0, 30.0]]]), torch.ones(1, 1, dtype=torch.long))
    with torch.no_grad():
        features = model.encode_image(images)
        frames = [features.select(torch.tensor([index])) for index in range(2)]
        first = first_prediction(model, frames[0], prompts, gate=False)
        memory = memorise(model, frames[0], first, 0, conditioning=True)
        tracked = tracked_prediction(model, frames[1], [memory], 1, gate=False)
    return torch.cat([first.low_res_multimasks, tracked.low_res_multimasks])


def shaken(model, seed=0):
    """The same model with adapters that change something."""
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith(".up"):
                value.copy_(torch.randn(value.shape, generator=source) * 0.1)
    return model


def step(model, pack, trained):
    """One large step of plain descent on a clip of three frames."""
    settings = ClipSettings(WindowSettings(64), clips=2, frames=3, objects=2, augmentation=0.0)
    batch = draw_batch(pack, settings, np.random.default_rng(3))
    person = PromptSettings({"click": 1.0}, corrections=0)
    training_mode(model)
    clip_losses(model, batch, person, np.random.default_rng(0))["total"].backward()
    with torch.no_grad():
        for value in trained.values():
            if value.grad is not None:
                value -= 0.5 * value.grad


def test_new_adapters_change_nothing_and_sit_on_every_attention(tiny_model):
    plain, adapted = tiny_model(), tiny_model()
    names = add_adapters(adapted, rank=2)
    assert torch.equal(answers(plain), answers(adapted))
    for wanted in (
        "image_encoder.trunk.blocks.0.attn.qkv",
        "image_encoder.trunk.blocks.3.attn.proj",
        "memory_attention.layers.0.cross_attn_image.k_proj",
        "sam_mask_decoder.transformer.layers.1.self_attn.out_proj",
        "sam_mask_decoder.transformer.final_attn_token_to_image.v_proj",
    ):
        assert wanted in names
    assert not any("mlp" in name or "patch_embed" in name or name.endswith("blocks.1.proj") for name in names)


def test_merged_weights_give_the_same_answers_under_the_official_keys(tiny_model):
    model = tiny_model()
    before, keys = answers(model), list(model.state_dict())
    add_adapters(model, rank=3)
    adapted = answers(shaken(model))
    assert (adapted - before).abs().max() > 1e-3
    assert list(plain_state_dict(model)) == keys
    copied = tiny_model()
    copied.load_state_dict(plain_state_dict(model), strict=True)
    assert torch.equal(answers(copied), adapted)


def test_adapting_twice_keeps_what_was_learned(tiny_model):
    model = tiny_model()
    add_adapters(model, rank=2)
    learned = answers(shaken(model))
    add_adapters(model, rank=2)
    assert torch.equal(answers(model), learned)


@pytest.mark.parametrize("part", PARTS)
def test_only_the_chosen_part_moves(part, tiny_model, disc_pack):
    model = tiny_model()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    trained = choose_parts(model, part, rank=2)
    step(model, disc_pack, trained)
    after = plain_state_dict(model)
    moved = {key.split(".")[0] for key in before if not torch.equal(before[key], after[key])}
    if part == "decoder":
        assert moved == {"sam_mask_decoder", "sam_prompt_encoder"}
    elif part == "memory":
        assert moved >= {"memory_attention", "memory_encoder", "maskmem_tpos_enc", "no_mem_embed"}
        assert not moved & {"image_encoder", "sam_mask_decoder", "sam_prompt_encoder"}
    elif part == "adapters":
        projections = {f"{name}.weight" for name, _ in attention_projections(model)}
        changed = {key for key in before if not torch.equal(before[key], after[key])}
        assert changed <= projections
        assert {key.split(".")[0] for key in changed} == {"image_encoder", "memory_attention", "sam_mask_decoder"}
        assert sum(value.numel() for value in trained.values()) < 0.2 * sum(v.numel() for v in before.values())
    else:
        assert moved >= {"image_encoder", "memory_attention", "memory_encoder", "sam_mask_decoder"}


def test_frozen_parts_stay_in_evaluation_mode(tiny_model):
    model = tiny_model()
    choose_parts(model, "decoder")
    training_mode(model)
    assert model.training
    assert model.sam_mask_decoder.transformer.layers[0].training
    assert not any(module.training for module in model.memory_attention.modules())
    assert not any(module.training for module in model.image_encoder.modules())
    choose_parts(model, "memory")
    training_mode(model)
    assert model.memory_attention.layers[0].dropout.training
    assert not any(module.training for module in model.sam_mask_decoder.modules())


def test_unknown_parts_and_ranks_are_refused(tiny_model):
    with pytest.raises(ValueError, match="decoder, memory, adapters, all"):
        choose_parts(tiny_model(), "encoder")
    with pytest.raises(ValueError, match="at least 1, got 0"):
        add_adapters(tiny_model(), rank=0)
