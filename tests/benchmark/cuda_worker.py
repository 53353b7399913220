"""Frames per second on a CUDA device, as one line of JSON; run by the Python of either package.

    python cuda_worker.py ours|official FOLDER OBJECTS compiled|plain
    python cuda_worker.py ours tracked|found OBJECTS float32|auto [DEVICE]

In the first form, FOLDER holds the frames as JPEGs. Discs are prompted as masks on frame 0; what is timed is from frame
WARM on, when all memories are there and everything is compiled. Both packages run in bfloat16, with the same stand-in
weights. The second form is of `cells-nano` on a synthetic movie of so many cells: objects and frames a second that are
tracked in windows from a click on each, or frames a second on which every cell is found.
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


def cells(count: int, frames: int) -> Any:
    """Return a synthetic movie of nuclei, SIDE x SIDE."""
    from sam2_core.training.synthetic import MovieSettings, make_movie

    settings = MovieSettings(frames=frames, height=SIDE, width=SIDE, cells=count, diameter_px=30.0)
    return make_movie(settings, seed=5)


def tracked_per_second(count: int, precision: str, device: str, warm: int = 4, frames: int = 12) -> float:
    """Return how many objects and frames a second are tracked once memories are there."""
    from sam2_core import SAM2VideoPredictor, WindowedPredictor, build_sam2
    from sam2_core.scoring.ground_truth import farthest_pixel

    movie = cells(count, frames)
    model = build_sam2("cells-nano", "cells-nano", device=device)
    predictor = WindowedPredictor(SAM2VideoPredictor(model, precision=precision, feature_cache=False), 30.0)
    state = predictor.init_state(movie.images)
    ids = [int(one) for one in np.unique(movie.labels[0]) if one]
    for number in ids:
        y, x = farthest_pixel(movie.labels[0] == number)
        predictor.add_new_points_or_box(state, 0, number, points=[[x, y]], labels=[1])
    began = 0.0
    for frame, _, _ in predictor.propagate_in_video(state):
        if frame == warm:
            _wait()
            began = time.perf_counter()
    _wait()
    return len(ids) * (frames - 1 - warm) / (time.perf_counter() - began)


def found_per_second(count: int, precision: str, device: str, times: int = 4) -> float:
    """Return on how many frames a second every cell is found."""
    from sam2_core import build_sam2
    from sam2_core.finding import FindingOptions, find_steps
    from sam2_core.finding.steps import result_of

    movie = cells(count, 1)
    model = build_sam2("cells-nano", "cells-nano", device=device)

    def find() -> Any:
        return result_of(find_steps(model, movie.images[0], FindingOptions(diameter_px=30.0), precision=precision))

    assert len(find().objects) > count / 2
    _wait()
    began = time.perf_counter()
    for _ in range(times):
        find()
    _wait()
    return times / (time.perf_counter() - began)


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


def main_of_cells(what: str, count: str, precision: str, device: str = "cuda") -> None:
    measure = {"tracked": tracked_per_second, "found": found_per_second}[what]
    fps = measure(int(count), precision, device)
    peak = torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else 0.0
    print(json.dumps({"fps": fps, "peak_gb": peak}))


if __name__ == "__main__":
    if sys.argv[2] in ("tracked", "found"):
        main_of_cells(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
