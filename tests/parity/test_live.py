"""Our video predictor against the official package itself, where its own Python is at hand.

Set ``OFFICIAL_SAM2_PYTHON`` to the interpreter of an environment that holds PyPI's ``sam2`` 1.1.0 (CONTRIBUTING.md says
how to make one). The scenarios go where the recorded ones do not: other sizes and models, prompts on many frames,
bookkeeping after corrections.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from stand_ins import movie

PYTHON = os.environ.get("OFFICIAL_SAM2_PYTHON")
pytestmark = [pytest.mark.official, pytest.mark.skipif(PYTHON is None, reason="OFFICIAL_SAM2_PYTHON is not set")]


def points(frame: int, obj: int, *xy: tuple[int, int], labels: list[int] | None = None, **more: object):
    return "points", {"frame": frame, "obj": obj, "points": list(xy), "labels": labels or [1] * len(xy), **more}


SCENARIOS = {
    "bookkeeping": {
        "model": "sam2.1/sam2.1_hiera_t",
        "image_size": 256,
        "frames": 9,
        "seed": 21,
        "events": [
            points(2, 4, (60, 50)),
            ("mask", {"frame": 2, "obj": 1, "ellipse": [150, 80, 30, 20]}),
            ("propagate", {"start": 2, "max_frames": 4}),
            points(2, 4, (70, 55), labels=[0]),
            ("propagate", {"start": 2, "max_frames": 2}),
            points(4, 1, (140, 70)),
            points(7, 4, (90, 90)),
            ("box", {"frame": 7, "obj": 1, "box": [100, 60, 180, 120]}),
            ("clear_prompts", {"frame": 7, "obj": 1}),
            ("propagate", {"start": 5}),
            ("propagate", {"start": 4, "max_frames": 3, "reverse": True}),
            points(3, 8, (40, 120), (50, 100), labels=[1, 0]),
            points(3, 8, (45, 125), clear_old=False),
            ("remove", {"obj": 4}),
            ("propagate", {"start": 6, "max_frames": 2}),
        ],
    },
    "base_plus_at_512": {
        "model": "sam2.1/sam2.1_hiera_b+",
        "image_size": 512,
        "frames": 3,
        "seed": 22,
        "events": [("box", {"frame": 1, "obj": 1, "box": [30, 20, 110, 90]}), ("propagate", {})],
    },
    "large": {
        "model": "sam2.1/sam2.1_hiera_l",
        "image_size": 256,
        "frames": 4,
        "seed": 23,
        "events": [
            points(0, 1, (60, 50)),
            points(1, 2, (150, 80), (10, 10), labels=[1, 0]),
            ("propagate", {"start": 1}),
        ],
    },
    "padding_and_corners": {
        "model": "sam2.1/sam2.1_hiera_t",
        "image_size": 256,
        "frames": 4,
        "seed": 25,
        "events": [
            points(0, 1, (60, 50), (0, 0), labels=[1, -1]),
            points(0, 2, (100, 60), (180, 120), labels=[2, 3]),
            points(0, 3, (90, 60), (180, 110), (0, 0), (120, 80), labels=[2, 3, -1, 1]),
            points(0, 1, (70, 55), (0, 0), (0, 0), labels=[0, -1, -1], clear_old=False),
            points(0, 4, (0, 0), labels=[-1]),
            points(0, 5),
            points(0, 1, clear_old=False),
            ("propagate", {"start": 0}),
            points(2, 1, (64, 52), (0, 0), labels=[1, -1]),
            ("propagate", {"start": 2}),
        ],
    },
    "corrected_frames_condition": {
        "model": "sam2.1/sam2.1_hiera_t",
        "image_size": 256,
        "frames": 5,
        "seed": 26,
        "overrides": ["++model.add_all_frames_to_correct_as_cond=true"],
        "events": [
            points(0, 1, (60, 50)),
            ("propagate", {"max_frames": 2}),
            points(0, 1, (70, 55), labels=[0], clear_old=False),
            ("propagate", {"max_frames": 3}),
            points(2, 1, (90, 60)),
            ("propagate", {"start": 2}),
        ],
    },
    "all_conditioning_frames": {
        "model": "sam2.1/sam2.1_hiera_t",
        "image_size": 256,
        "frames": 7,
        "seed": 27,
        "overrides": ["++model.max_cond_frames_in_attn=-1"],
        "events": [
            *(points(frame, 1, (60 + frame, 50)) for frame in (0, 2, 3, 5)),
            ("propagate", {"start": 0, "max_frames": 4}),
        ],
    },
    "an_object_more_during_a_run": {
        "model": "sam2.1/sam2.1_hiera_t",
        "image_size": 256,
        "frames": 5,
        "seed": 28,
        "events": [
            points(0, 1, (60, 50)),
            points(0, 2, (150, 80), (10, 10), labels=[1, 0]),
            ("propagate", {"max_frames": 3, "meanwhile": [2, [points(3, 11, (60, 50))]]}),
            ("propagate", {"start": 3}),
        ],
    },
    "less_is_remembered": {
        "model": "sam2.1/sam2.1_hiera_t",
        "image_size": 256,
        "frames": 7,
        "seed": 30,
        "overrides": [
            "++model.num_maskmem=3",
            "++model.max_obj_ptrs_in_encoder=4",
            "++model.sigmoid_scale_for_mem_enc=10.0",
            "++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_delta=0.2",
            "++model.memory_temporal_stride_for_eval=2",
            "++model.non_overlap_masks_for_mem_enc=true",
        ],
        "events": [
            points(0, 1, (60, 50)),
            points(0, 2, (150, 80), (10, 10), labels=[1, 0]),
            ("propagate", {}),
            ("propagate", {"start": 5, "reverse": True}),
        ],
    },
    "best_of_three_at_two_points": {
        "model": "sam2.1/sam2.1_hiera_t",
        "image_size": 256,
        "frames": 3,
        "seed": 31,
        "overrides": [
            "++model.multimask_output_for_tracking=false",
            "++model.multimask_min_pt_num=2",
            "++model.multimask_max_pt_num=2",
        ],
        "events": [
            points(0, 1, (60, 50)),
            points(0, 2, (150, 80), (10, 10), labels=[1, 0]),
            ("propagate", {}),
            points(1, 1, (60, 50), (90, 60), labels=[1, 0]),
        ],
    },
    "two_answers_on_a_frame": {
        "model": "sam2.1/sam2.1_hiera_t",
        "image_size": 256,
        "frames": 6,
        "seed": 29,
        "events": [
            points(0, 1, (60, 50)),
            points(0, 2, (150, 80)),
            ("propagate", {"meanwhile": [2, [points(4, 1, (150, 80)), points(5, 1, (90, 60))]]}),
            points(4, 1, (40, 120)),
            points(4, 2, (40, 120)),
            points(5, 1, (20, 20)),
            ("clear_prompts", {"frame": 4, "obj": 2}),
            ("clear_prompts", {"frame": 5, "obj": 1}),
            ("propagate", {}),
        ],
    },
    "version_2_0_large": {
        "model": "sam2/sam2_hiera_l",
        "image_size": 256,
        "frames": 3,
        "seed": 24,
        "events": [("mask", {"frame": 0, "obj": 3, "ellipse": [60, 60, 20, 30]}), ("propagate", {})],
    },
}


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_the_official_package_gives_the_same_answers(name, tmp_path, play_scenario) -> None:
    scenario = SCENARIOS[name]
    official = answers_of_the_official_package(scenario, tmp_path)
    ours = [(answer.object_ids, answer.logits) for answer in play_scenario(scenario) if answer.logits is not None]
    assert len(ours) == len(official)
    differences = []
    for number, ((our_ids, our_logits), (ids, logits)) in enumerate(zip(ours, official, strict=True)):
        assert our_ids == ids, number
        differences.append(float(np.abs(our_logits - logits).mean()))
        flipped = ((our_logits > 0) != (logits > 0)).sum()
        assert flipped <= max(8, 0.002 * logits.size), (number, our_logits.shape, differences)
    print(name, "mean absolute differences:", [round(d, 6) for d in differences])
    assert max(differences) <= 0.08


def answers_of_the_official_package(scenario, folder: Path) -> list[tuple[list[int], np.ndarray]]:
    (folder / "scenario.json").write_text(json.dumps(scenario))
    np.save(folder / "frames.npy", movie(scenario["frames"], scenario["seed"]))
    driver = Path(__file__).with_name("official_driver.py")
    files = [str(folder / name) for name in ("scenario.json", "frames.npy", "answers.npz")]
    assert PYTHON is not None
    subprocess.run([PYTHON, str(driver), *files], check=True, capture_output=True, cwd=folder)
    with np.load(folder / "answers.npz") as saved:
        count = len(saved.files) // 2
        return [(saved[f"{i:03d}/ids"].tolist(), saved[f"{i:03d}/logits"]) for i in range(count)]
