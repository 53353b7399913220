"""The mask decoder takes few objects at a time, and what is the same for all of them once; masks stay the same."""

from __future__ import annotations

import pytest
import torch
from small_models import tiny_model
from stand_ins import fill_with_stand_ins

from sam2_core.modeling import mask_decoder
from sam2_core.modeling.attention import Attention
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.prompt_encoder import PromptBatch


@pytest.mark.parametrize("queries", [1, 3])
def test_few_keys_are_read_as_by_the_definition(queries) -> None:
    attention = Attention(64, num_heads=4, downsample_rate=2).eval()
    fill_with_stand_ins(attention)
    generator = torch.Generator().manual_seed(1)
    q = torch.randn(queries, 600, 64, generator=generator)
    k, v = torch.randn(2, 3, 7, 64, generator=generator)
    with torch.inference_mode():
        torch.testing.assert_close(attention.read_few(q, k, v), attention(q, k, v), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("rough", [False, True])
@pytest.mark.parametrize("per_object", [False, True])
def test_objects_decoded_a_few_at_a_time_are_those_decoded_together(rough, per_object, monkeypatch) -> None:
    model = tiny_model()
    generator = torch.Generator().manual_seed(2)
    side = model.image_size
    features = model.encode_image(torch.randn(1, 3, side, side, generator=generator))
    if per_object:
        features = ImageFeatures(*(maps * torch.linspace(0.5, 1, 5)[:, None, None, None] for maps in features.maps))
    masks = torch.randn(5, 1, side // 4, side // 4, generator=generator) if rough else None
    points = torch.rand(5, 2, 2, generator=generator) * side
    prompts = PromptBatch(points, torch.ones(5, 2, dtype=torch.int32), masks)
    answers = []
    for limit in (2**30, 1, 2 * 4 * features.stride4[0].numel()):
        monkeypatch.setattr(mask_decoder, "REUSED_BYTES", limit)
        with torch.inference_mode():
            answers.append(model.predict_without_memory(features, prompts, multimask=True))
    for name in ("low_res_multimasks", "ious", "object_pointer", "object_score_logits"):
        together, *apart = (getattr(answer, name) for answer in answers)
        assert len(together) == 5
        assert not torch.allclose(together[0], together[1], atol=1e-3)
        for some in apart:
            torch.testing.assert_close(some, together, atol=1e-5, rtol=1e-4)
