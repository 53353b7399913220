"""Tracking on a CUDA device against the official package: one object, both compiled, and fifty objects; 300 cells.

``OFFICIAL_SAM2_PYTHON=/path/to/python make bench NAME=bench_cuda.py``, where that Python has PyPI's ``sam2`` 1.1.0;
without it only our own numbers are measured. Each measurement is a process of its own (`cuda_worker`), in turns;
medians and ratios are printed and go to ``docs/benchmarks/cuda.json``. Wanted: one object at 1.3 times the frames per
second of the official compiled predictor, fifty at 8 times those of the official predictor. `cells-nano` tracks 300
cells in windows and finds them, in float32 and in the precision that it takes by itself; no peer does that.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from stand_ins import movie

OUT = Path(__file__).parents[2] / "docs" / "benchmarks" / "cuda.json"
WORKER = Path(__file__).with_name("cuda_worker.py")
FRAMES, SIDE = 64, 1024
OFFICIAL = os.environ.get("OFFICIAL_SAM2_PYTHON")
CASES = {
    "one object, compiled": (1, "compiled", 1.3),
    "one object": (1, "plain", None),
    "50 objects": (50, "plain", 8.0),
}
CELLS = {
    f"{what}, {precision}": (word, precision)
    for what, word in (("300 cells tracked, objects and frames", "tracked"), ("300 cells found, frames", "found"))
    for precision in ("float32", "auto")
}
REPEATS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("frames")
    for index, frame in enumerate(movie(FRAMES, seed=5)):
        Image.fromarray(frame).resize((SIDE, SIDE)).save(made / f"{index:05}.jpg", quality=95)
    return made


def measured(who: str, *words: str) -> dict[str, float]:
    python = sys.executable if who == "ours" else OFFICIAL
    run = subprocess.run([str(python), str(WORKER), who, *words], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_frames_per_second(folder: Path) -> None:
    sides = ["ours", *(["official"] if OFFICIAL else [])]
    results = {}
    for name, (objects, how, wanted) in CASES.items():
        found: dict[str, list[dict[str, float]]] = {who: [] for who in sides}
        for _ in range(REPEATS):
            for who in sides:
                found[who].append(measured(who, str(folder), str(objects), how))
        fps = {who: statistics.median(each["fps"] for each in some) for who, some in found.items()}
        ratio = fps["ours"] / fps["official"] if OFFICIAL else None
        print(f"{name}: {fps} frames per second, {ratio} x (wanted {wanted}); {found}")
        results[name] = {"fps": fps, "ratio": ratio, "wanted": wanted, "all": found}
    for name, (what, precision) in CELLS.items():
        fps = measured("ours", what, "300", precision)["fps"]
        print(f"{name} a second: {fps}")
        results[name] = {"fps": {"ours": fps}}
    card = {"device": torch.cuda.get_device_name(), "torch": torch.__version__}
    OUT.write_text(json.dumps({**card, "results": results}) + "\n")
