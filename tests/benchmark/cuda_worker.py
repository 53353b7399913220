"""Frames per second of one video predictor on a CUDA device, as one line of JSON; run by the Python of either package.

    python cuda_worker.py ours|official FOLDER OBJECTS compiled|plain

FOLDER holds the frames as JPEGs. Discs are prompted as masks on frame 0; what is timed is from frame WARM on, when all
memories are there and everything is compiled. Both run in bfloat16, with the same stand-in weights.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from stand_ins import fill_with_stand_ins

WARM = 24
SIDE = 1024
CONFIG = "configs/sam2.1/sam2.1_hiera_t.yaml"


def discs(count: int) -> list[np.ndarray]:
    """Masks (SIDE, SIDE) on a grid."""
    y, x = np.mgrid[:SIDE, :SIDE]
    per_row = int(np.ceil(np.sqrt(count)))
    step = SIDE / per_row
    centres = [((i // per_row + 0.5) * step, (i % per_row + 0.5) * step) for i in range(count)]
    return [np.hypot(y - cy, x - cx) < step / 4 for cy, cx in centres]


def predictor_of(who: str, compiled: bool, device: str) -> Any:
    if who == "ours":
        from sam2_core import build_sam2_video_predictor

        options = {"semantics": "official", "fill_hole_area": 0}
        if compiled:
            options["compile"] = "default"
        return build_sam2_video_predictor(CONFIG, None, device=device, **options)
    from sam2.build_sam import build_sam2_video_predictor as build_official

    no_holes = ["++model.fill_hole_area=0"]
    return build_official(CONFIG, None, device=device, vos_optimized=compiled, hydra_overrides_extra=no_holes)


def frames_per_second(predictor: Any, folder: str, objects: int, warm: int = WARM) -> float:
    state = predictor.init_state(folder)
    for number, mask in enumerate(discs(objects), 1):
        predictor.add_new_mask(state, 0, number, mask)
    frames, began = 0, 0.0
    for frame, _, _ in predictor.propagate_in_video(state):
        if frame == warm:
            _wait()
            began = time.perf_counter()
        frames += frame > warm
    _wait()
    return frames / (time.perf_counter() - began)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def main(who: str, folder: str, objects: str, how: str) -> None:
    predictor = predictor_of(who, how == "compiled", "cuda")
    fill_with_stand_ins(predictor.model if who == "ours" else predictor)
    with torch.inference_mode(), torch.autocast("cuda", dtype=torch.bfloat16, enabled=who == "official"):
        frames_per_second(predictor, folder, int(objects))  # kernels are chosen and everything is compiled
        fps = frames_per_second(predictor, folder, int(objects))
    print(json.dumps({"fps": fps, "peak_gb": torch.cuda.max_memory_allocated() / 1e9}))


if __name__ == "__main__":
    main(*sys.argv[1:])
