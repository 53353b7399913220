"""Memory while a stack is tracked of which only the shape exists: frames of 1024 x 1024, drawn when read.

``make bench NAME=bench_memory_growth.py`` tracks one object and several with `cells-nano`, each in a process of its
own, notes the resident memory every 20 frames, and writes the curves to ``docs/benchmarks``: the difference of their
slopes is what a frame retains for an object. BENCH_FRAMES and BENCH_OBJECTS ask for other numbers.

The second test tracks 10 objects with `sam2.1_hiera_t` (random weights) over 1,000 frames (BENCH_LARGE_FRAMES) and
notes the peak. Reading memories would take ten hours there; it keeps nothing, so it is left out, and what it needs
while it runs is measured over 24 frames with it and without. The frames repeat after 20, so that the encoder's work is
found on disk. Half an hour on one core.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sam2_core import build_sam2_video_predictor
from sam2_core.inference.memory.memory_bank import MemoryEntry, PackedMask
from sam2_core.modeling.sam2 import Sam2Model

OUT = Path(__file__).parents[2] / "docs" / "benchmarks"
SIDE = 1024
EVERY = 20


class DriftingDiscs:
    """Frames that exist only while they are looked at: discs that drift over a dark field, and start again after
    `period` frames.
    """

    def __init__(self, frames: int, objects: int, period: int | None = None) -> None:
        self.shape = (frames, SIDE, SIDE)
        self.objects = objects
        self.period = period or frames

    def __len__(self) -> int:
        return self.shape[0]

    def centre(self, number: int, frame: int) -> tuple[float, float]:
        """Return (y, x) in pixels."""
        angle = 2 * np.pi * number / self.objects + frame / 400
        return SIDE / 2 + 300 * np.sin(angle), SIDE / 2 + 300 * np.cos(angle)

    def __getitem__(self, frame: int) -> np.ndarray:
        image = np.full((SIDE, SIDE), 20, dtype=np.uint8)
        y, x = np.mgrid[:SIDE, :SIDE]
        for number in range(self.objects):
            cy, cx = self.centre(number, frame % self.period)
            image[(y - cy) ** 2 + (x - cx) ** 2 < 60**2] = 180
        return image


@dataclass(frozen=True)
class Measured:
    """Resident memory in MB at some frames, its peak, and the bytes of an object's packed entry."""

    curve: list[tuple[int, float]]
    peak_mb: float
    packed_entry: int


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def peak_mb() -> float:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def entry_bytes(entry: MemoryEntry) -> int:
    """Return what an entry holds: tensors and bits, and the Python objects around them."""
    mask = entry.mask.deflated if isinstance(entry.mask, PackedMask) else entry.mask
    kept = [mask, entry.object_pointer, entry.object_score_logits, entry.memory_features]
    numbers = sum(each.nbytes for each in kept if each is not None and not isinstance(each, bytes))
    return numbers + sum(sys.getsizeof(each) for each in [entry, entry.mask, *kept])


def leave_out_reading(model: Sam2Model) -> None:
    """Have memories chosen and gathered, but not read."""
    for layer in model.memory_attention.layers:
        layer.forward = lambda x, keys, *_: x.expand(len(keys), -1, -1).clone()


def measure(
    model: str, weights: str | None, frames: int, objects: int, period: int | None = None, reads: bool = True
) -> Measured:
    stack = DriftingDiscs(frames, objects, period)
    predictor = build_sam2_video_predictor(model, weights, device="cpu")
    if not reads:
        leave_out_reading(predictor.model)
    state = predictor.init_state(stack)
    for number in range(objects):
        y, x = stack.centre(number, 0)
        predictor.add_new_points_or_box(state, 0, number + 1, points=[[x, y]], labels=[1])
    every = min(EVERY, frames // 4)
    curve = [
        (frame, resident_mb()) for frame, _, _ in predictor.propagate_in_video(state) if frame % every == 0 and frame
    ]
    entry = state.objects[1].bank.tracked[frames - 1]
    return Measured(curve, peak_mb(), entry_bytes(entry.packed()))


def in_a_process_of_its_own(*given) -> Measured:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, *given).result()


def growth_kb_per_frame(curve: list[tuple[int, float]]) -> float:
    """Return the slope of a straight line through the second half of the curve."""
    half = np.array(curve[len(curve) // 2 :])
    return float(np.polyfit(half[:, 0], half[:, 1] * 1024, 1)[0])


def draw(curve: list[tuple[int, float]]) -> str:
    """Return the curve as an SVG picture."""
    points = np.array(curve)
    top = points[:, 1].max() * 1.2
    x = 60 + points[:, 0] / points[-1, 0] * 520
    y = 260 - points[:, 1] / top * 230
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    texts = [
        (60, 280, "0"),
        (560, 280, str(int(points[-1, 0]))),
        (280, 296, "frame"),
        (5, 34, f"{top:.0f} MB"),
        (30, 262, "0"),
    ]
    labels = "".join(f'<text x="{a}" y="{b}" font-size="12" font-family="sans-serif">{t}</text>' for a, b, t in texts)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="600" height="304"><rect width="600" height="304" fill="white"/>'
        '<path d="M60 30V260H580" fill="none" stroke="black"/>'
        f'<polyline points="{line}" fill="none" stroke="#0072b2" stroke-width="2"/>{labels}</svg>\n'
    )


def test_memory_does_not_grow_with_the_frames() -> None:
    frames, objects = int(os.environ.get("BENCH_FRAMES", "2000")), int(os.environ.get("BENCH_OBJECTS", "5"))
    began = time.perf_counter()
    one, several = (in_a_process_of_its_own("cells-nano", "cells-nano", frames, count) for count in (1, objects))
    slopes = [growth_kb_per_frame(measured.curve) for measured in (one, several)]
    per_object = (slopes[1] - slopes[0]) / (objects - 1)
    packed_kb = several.packed_entry / 1024
    OUT.mkdir(parents=True, exist_ok=True)
    result = {
        "frames": frames,
        "objects": objects,
        "growth_kb_per_frame": {"1": slopes[0], str(objects): slopes[1]},
        "kb_per_frame_and_object": per_object,
        "packed_entry_kb": packed_kb,
        "curve_mb": several.curve,
    }
    (OUT / "memory.json").write_text(json.dumps(result) + "\n")
    (OUT / "memory.svg").write_text(draw(several.curve))
    print(
        f"{frames} frames: {several.curve[len(several.curve) // 2][1]:.0f} MB half way, {several.curve[-1][1]:.0f} MB "
        f"at the end with {objects} objects; {slopes[0]:.2f} kB a frame with 1 object, {slopes[1]:.2f} with {objects}: "
        f"{per_object:.2f} kB per frame and object (an entry holds {packed_kb:.2f}); "
        f"{time.perf_counter() - began:.0f} s"
    )
    assert slopes[1] < 20 * objects


def test_a_thousand_frames_of_a_large_model_fit_into_a_laptop() -> None:
    frames, objects, few, period = int(os.environ.get("BENCH_LARGE_FRAMES", "1000")), 10, 24, 20
    short, reading, long = (
        in_a_process_of_its_own("sam2.1_hiera_t", None, count, objects, period, reads)
        for count, reads in ((few, False), (few, True), (frames, False))
    )
    needed = max(0.0, reading.peak_mb - short.peak_mb)
    growth = growth_kb_per_frame(long.curve)
    print(
        f"sam2.1_hiera_t, {objects} objects: peak {long.peak_mb:.0f} MB over {frames} frames, and {needed:.0f} MB more "
        f"while memories are read; {growth / objects:.1f} kB a frame and object in the second half, of which an entry "
        f"holds {long.packed_entry / 1024:.1f}"
    )
    assert long.packed_entry < 20 * 1024
    assert long.peak_mb + needed < 2500
