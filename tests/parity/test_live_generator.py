"""Our automatic mask generator against the official one, where that package's own Python is at hand (`test_live`).

Stand-in weights see no objects: their masks are noise over the whole image, nearly the same at every point. So most
scenarios give both packages a model that draws its masks (`drawn_masks`): there every number must be the same. The
others run the network of stand-in weights: there rounding may move a pixel that lies on the threshold.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pytest
from drawn_model import DrawnModel
from stand_ins import fill_with_stand_ins, movie

from sam2_core import SAM2AutomaticMaskGenerator, build_sam2

PYTHON = os.environ.get("OFFICIAL_SAM2_PYTHON")
pytestmark = [pytest.mark.official, pytest.mark.skipif(PYTHON is None, reason="OFFICIAL_SAM2_PYTHON is not set")]

MODEL = "sam2.1/sam2.1_hiera_t"
SIZE = 256
ALL = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
RLE = {"output_mode": "uncompressed_rle"}
DRAWN = {
    "defaults": ({}, (72, 96)),
    "all answers, another threshold": (
        {**ALL, "points_per_side": 9, "box_nms_thresh": 0.9, "mask_threshold": 1.5, "stability_score_offset": 3.0},
        (161, 223),
    ),
    "one answer a point": ({"multimask_output": False, "points_per_side": 7}, (256, 256)),
    "crops": (
        {
            "crop_n_layers": 2,
            "crop_n_points_downscale_factor": 2,
            "points_per_side": 8,
            "stability_score_thresh": 0.8,
            "crop_nms_thresh": 0.6,
        },
        (330, 470),
    ),
    "grids of one's own": (
        {
            **ALL,
            "points_per_side": None,
            "point_grids": [[[0.2, 0.25], [0.9, 0.9], [0.0, 1.0]], [[0.5, 0.5], [0.3, 0.7]]],
            "crop_n_layers": 1,
            "crop_overlap_ratio": 0.6,
        },
        (200, 140),
    ),
    "small regions": ({"min_mask_region_area": 20, "points_per_side": 8, "stability_score_thresh": 0.5}, (300, 400)),
    "mask to mask": ({"use_m2m": True, "points_per_side": 8, "stability_score_thresh": 0.5}, (300, 400)),
    "run lengths": ({**RLE, "crop_n_layers": 1, "points_per_side": 6, "stability_score_thresh": 0.5}, (300, 400)),
    "a threshold that nothing reaches": ({**RLE, **ALL, "mask_threshold": 99.0, "points_per_side": 3}, (50, 60)),
}
SEEN = {
    "all answers": {**ALL, "box_nms_thresh": 0.97, "mask_threshold": 6.0, "points_per_side": 6},
    "some are stable": {
        "pred_iou_thresh": 0.35,
        "stability_score_thresh": 0.84,
        "stability_score_offset": 0.05,
        "mask_threshold": 2.0,
        "box_nms_thresh": 0.99,
        "crop_n_layers": 1,
        "points_per_side": 6,
        "crop_nms_thresh": 0.99,
    },
    "small regions": {**ALL, "box_nms_thresh": 0.99, "min_mask_region_area": 30, "points_per_side": 4},
    "mask to mask": {**ALL, "box_nms_thresh": 0.99, "mask_threshold": 2.0, "use_m2m": True, "points_per_side": 4},
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """The masks that the official package finds, by "drawn" or "seen" and the name of the scenario."""
    drawn = {f"drawn {name}": {"options": options} for name, (options, _) in DRAWN.items()}
    seen = {f"seen {name}": {"options": options, "model": MODEL} for name, options in SEEN.items()}
    scenarios = {name: {**scenario, "image_size": SIZE} for name, scenario in (drawn | seen).items()}
    folder = tmp_path_factory.mktemp("official")
    (folder / "scenarios.json").write_text(json.dumps(scenarios))
    images = {f"drawn {name}": np.zeros((*size, 3), np.uint8) for name, (_, size) in DRAWN.items()}
    np.savez(folder / "images.npz", **images, **dict.fromkeys(seen, movie(1, 5)[0]))
    driver = Path(__file__).with_name("official_generator.py")
    files = [str(folder / name) for name in ("scenarios.json", "images.npz", "answers.pkl")]
    assert PYTHON is not None
    subprocess.run([PYTHON, "-W", "ignore", str(driver), *files], check=True, capture_output=True, cwd=folder)
    return pickle.loads((folder / "answers.pkl").read_bytes())


@pytest.mark.parametrize("name", DRAWN)
def test_of_drawn_masks_everything_is_the_same(name, answers) -> None:
    options, size = DRAWN[name]
    official = answers[f"drawn {name}"]
    ours = SAM2AutomaticMaskGenerator(DrawnModel(SIZE), **options).generate(np.zeros(size, np.uint8))
    assert len(ours) == len(official) > 0
    for mine, theirs in zip(ours, official, strict=True):
        np.testing.assert_equal(mine, theirs)  # NaN is the stability of an empty mask


@pytest.mark.parametrize("name", SEEN)
def test_of_seen_masks_few_pixels_differ(name, answers) -> None:
    official = answers[f"seen {name}"]
    model = build_sam2(f"configs/{MODEL}.yaml", None, device="cpu", image_size=SIZE)
    fill_with_stand_ins(model)
    ours = SAM2AutomaticMaskGenerator(model, **SEEN[name]).generate(movie(1, 5)[0])
    assert len(ours) == len(official) > 1
    exact = ("point_coords", "crop_box")
    assert [[one[key] for key in exact] for one in ours] == [[one[key] for key in exact] for one in official]
    scores = ("predicted_iou", "stability_score")
    pairs = list(zip(ours, official, strict=True))
    difference = np.array([[mine[key] - theirs[key] for key in scores] for mine, theirs in pairs])
    flipped = [(mine["segmentation"] != theirs["segmentation"]).mean() for mine, theirs in pairs]
    print(name, len(ours), "masks; pixels that differ:", max(flipped), "scores:", np.abs(difference).max())
    assert max(flipped) <= 2e-4
    assert np.nanmax(np.abs(difference)) <= 2e-3
