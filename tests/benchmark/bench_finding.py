"""Every object of a frame: seeds of the dense head against grids of points, and how time grows with the image.

``make bench NAME=bench_finding.py`` finds 200 cells of 30 px in 1024 x 1024 with `cells-nano`: at the default, with the
diameter told, on the grid that `find_objects` lays where there is no head, and on those of the automatic mask generator
(crops of half and a quarter of the image, once with fewer points in them, once with as many); then the same density in
2048 x 2048; and writes seconds, F1 at an IoU of 0.5 and the peak of memory to ``docs/benchmarks/finding.json``.
BENCH_SIDES (with commas) asks for other sizes.

With one thread it is the processor's time that counts, so that other work on the machine matters less.
"""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sam2_core import build_sam2
from sam2_core.automatic.mask_generator import SAM2AutomaticMaskGenerator
from sam2_core.finding import FindingOptions, FoundObject, FoundObjects, find_objects
from sam2_core.finding.conflicts import without_conflicts
from sam2_core.finding.found import cut_to_pixels
from sam2_core.modeling.sam2 import Sam2Model
from sam2_core.scoring.detection import detection_metrics, frame_detection
from sam2_core.training.synthetic import MovieSettings, make_movie

OUT = Path(__file__).parents[2] / "docs" / "benchmarks" / "finding.json"
DIAMETER, CELLS = 30.0, 200
TOLD = FindingOptions(diameter_px=DIAMETER)


def clock() -> float:
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def scene(side: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """An image of nuclei and its labels; a larger one is the same tile again and again."""
    movie = make_movie(MovieSettings(frames=1, height=1024, width=1024, cells=CELLS, diameter_px=DIAMETER), 3)
    image, labels = movie.images[0], movie.labels[0].astype(np.int32)
    times = side // 1024
    shifted = [[np.where(labels > 0, labels + 1000 * (times * y + x), 0) for x in range(times)] for y in range(times)]
    return np.tile(image, (times, times)), np.block(shifted)


def generated(model: Sam2Model, image: np.ndarray[Any, Any], fewer: int) -> FoundObjects:
    """All masks of the automatic generator, thresholds low enough for cells, the best of those that overlap."""
    generator = SAM2AutomaticMaskGenerator(
        model,
        pred_iou_thresh=0.7,
        stability_score_thresh=0.85,
        crop_n_layers=2,
        crop_n_points_downscale_factor=fewer,
    )
    masks = [
        FoundObject(*cut_to_pixels(one["segmentation"], (0, 0)), (0.0, 0.0), one["predicted_iou"])
        for one in generator.generate(np.repeat(image[..., None], 3, axis=2))
    ]
    of_size = [one for one in masks if DIAMETER / 4 < np.sqrt(4 / np.pi * one.area) < 3 * DIAMETER]
    best = without_conflicts(sorted(of_size, key=lambda one: one.score, reverse=True), image.shape)
    return FoundObjects(tuple(best), image.shape, DIAMETER, is_told=True, method="grid")


def measured(work: Callable[[], FoundObjects], truth: np.ndarray[Any, Any]) -> dict[str, Any]:
    start = clock()
    found = work()
    seconds = clock() - start
    scores = detection_metrics([frame_detection(truth, found.labels())])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {
        "seconds": round(seconds, 2),
        "f1": round(scores.f1, 3),
        "found": len(found),
        "truth": len(np.unique(truth)) - 1,
        "diameter_px": found.diameter_px,
        "peak_mb": peak,
    }


def main() -> None:
    model: Sam2Model = build_sam2("cells-nano", "cells-nano", device="cpu")
    image, truth = scene(1024)
    find_objects(model, image[:256, :256], TOLD)  # warm up
    results = {
        "default": measured(lambda: find_objects(model, image), truth),
        "told": measured(lambda: find_objects(model, image, TOLD), truth),
    }
    for side in map(int, os.environ.get("BENCH_SIDES", "2048").split(",")):
        large, labels = scene(side)
        results[f"told, {side} px"] = measured(lambda large=large: find_objects(model, large, TOLD), labels)
    model.dense_head = None
    results["grid"] = measured(lambda: find_objects(model, image, TOLD), truth)
    for name, fewer in {"generator, fewer points in crops": 2, "generator": 1}.items():
        results[name] = measured(lambda fewer=fewer: generated(model, image, fewer), truth)
    for name in [name for name in results if name.startswith(("grid", "generator"))]:
        results[f"{name} : told"] = {"ratio": round(results[name]["seconds"] / results["told"]["seconds"], 2)}
    for name, result in results.items():
        print(name, result, flush=True)
    report = {"threads": torch.get_num_threads(), "torch": torch.__version__, "results": results}
    OUT.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
