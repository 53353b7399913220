"""Has the official package find all masks of images and saves them; run by that package's own Python.

``python official_generator.py SCENARIOS.json IMAGES.npz ANSWERS.pkl``, all by the names of the scenarios. Three things
of the package cannot be loaded on a CPU build, and are said here by their definition: a module of torchvision, its
compiled suppression of boxes, and the compiled connected components without which ``min_mask_region_area`` is skipped.
The package writes COCO strings with pycocotools, which is not there: run lengths are compared, the strings elsewhere.
"""

# ruff: noqa: E402 - the stand-in must be there before the package is imported
from __future__ import annotations

import json
import pickle
import sys
import types
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.modules["torchvision._meta_registrations"] = types.ModuleType("torchvision._meta_registrations")

import numpy as np
import sam2.automatic_mask_generator as official
import sam2.utils.misc
import torch
from drawn_masks import draw
from plain_suppression import batched_nms
from sam2.build_sam import build_sam2
from stand_ins import fill_with_stand_ins


class DrawnModel:
    """What the official image predictor uses of a model, drawn."""

    device = torch.device("cpu")
    directly_add_no_mem_embed = False

    def __init__(self, size: int) -> None:
        self.image_size = size
        self.sam_prompt_encoder = self

    def forward_image(self, _: torch.Tensor) -> None: ...

    def _prepare_backbone_features(self, _: None):
        return None, [torch.zeros(side * side, 1, 1) for side in (256, 128, 64)], None, None

    def get_dense_pe(self) -> None: ...

    def __call__(self, points, boxes, masks):
        return points[0], masks

    def sam_mask_decoder(self, *, sparse_prompt_embeddings, dense_prompt_embeddings, multimask_output, **_):
        points = sparse_prompt_embeddings[:, 0]
        return *draw(points, dense_prompt_embeddings, multimask_output, self.image_size), None, None


def connected_components(masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the number and the area of the component that each pixel (N, 1, H, W) belongs to, 0 outside."""
    numbers = torch.arange(1, masks[0].numel() + 1, dtype=torch.float32).reshape(masks[0].shape)
    labels, before = torch.where(masks, numbers, 0.0), None
    while before is None or not torch.equal(labels, before):
        before = labels
        labels = torch.where(masks, torch.nn.functional.max_pool2d(labels, 3, stride=1, padding=1), 0.0)
    places = labels.long().flatten(1)
    counts = torch.zeros(len(masks), numbers.numel() + 1, dtype=torch.long)
    counts.scatter_add_(1, places, torch.ones_like(places))
    return labels, counts.gather(1, places).reshape(labels.shape) * masks


def generator_of(scenario: dict) -> official.SAM2AutomaticMaskGenerator:
    size = scenario["image_size"]
    if "model" not in scenario:
        return official.SAM2AutomaticMaskGenerator(DrawnModel(size), **scenario["options"])
    overrides = [f"++model.image_size={size}"]
    model = build_sam2(f"configs/{scenario['model']}.yaml", None, device="cpu", hydra_overrides_extra=overrides)
    fill_with_stand_ins(model)
    generator = official.SAM2AutomaticMaskGenerator(model, **scenario["options"])
    generator.predictor._bb_feat_sizes = [(size // stride, size // stride) for stride in (4, 8, 16)]
    return generator


def main(scenarios_path: str, images_path: str, answers_path: str) -> None:
    official.batched_nms = batched_nms
    sam2.utils.misc.get_connected_components = connected_components
    scenarios = json.loads(Path(scenarios_path).read_text())
    with np.load(images_path) as images:
        answers = {name: generator_of(scenario).generate(images[name]) for name, scenario in scenarios.items()}
    Path(answers_path).write_bytes(pickle.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
