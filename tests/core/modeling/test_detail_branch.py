"""The convolutional branch of our own models: nothing at first, everything later, and absent from official ones."""

from __future__ import annotations

import torch

from sam2_core.checkpoints.signature import infer_config
from sam2_core.config import load_config
from sam2_core.modeling.detail_branch import DetailBranch
from sam2_core.modeling.sam2 import Sam2Model


def test_a_new_branch_changes_no_feature_but_learns_from_all_of_them() -> None:
    torch.manual_seed(0)
    branch = DetailBranch((4, 6, 8, 10, 12), d_model=32)
    found = branch(torch.randn(2, 3, 64, 96))
    assert found.stride4.shape == (2, 4, 16, 24)
    assert found.stride8.shape == (2, 8, 8, 12)
    assert found.stride16.shape == (2, 32, 4, 6)
    assert not any(level.any() for level in (found.stride4, found.stride8, found.stride16))
    (found.stride4.sum() + found.stride8.sum() + found.stride16.sum()).backward()
    assert all(layer.weight.grad is not None and layer.weight.grad.any() for layer in branch.out)


def test_a_trained_branch_adds_to_the_features() -> None:
    torch.manual_seed(0)
    config = load_config("cells_nano", image_size=64)
    model, images = Sam2Model(config).eval(), torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        before = model.encode_image(images)
        assert model.detail_branch is not None
        model.detail_branch.out[0].bias.fill_(0.5)
        after = model.encode_image(images)
    assert torch.allclose(after.stride4, before.stride4 + 0.5, atol=1e-5)
    assert torch.equal(after.stride16, before.stride16)


def test_only_our_models_have_one_and_it_can_be_told_from_the_keys() -> None:
    assert Sam2Model(load_config("cells_nano", image_size=64)).detail_branch is not None
    assert load_config("sam2.1_hiera_t").detail_widths == ()
    with torch.device("meta"):
        tensors = Sam2Model(load_config("cells_nano")).state_dict()
    assert infer_config(tensors) == "configs/cells/cells_nano.yaml"
    assert infer_config({key: value for key, value in tensors.items() if "detail_branch" not in key}) is None
