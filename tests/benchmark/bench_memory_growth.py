"""Memory while a stack is tracked of which only the shape exists: 2,000 frames of 1024 x 1024, drawn when read.

``make bench NAME=bench_memory_growth.py`` tracks two objects with `cells-nano`, notes the resident memory after every
20 frames, and writes the curve to ``docs/benchmarks``. BENCH_FRAMES and BENCH_OBJECTS ask for other numbers.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np

from sam2_core import build_sam2_video_predictor

OUT = Path(__file__).parents[2] / "docs" / "benchmarks"
SIDE = 1024
EVERY = 20


class DriftingDiscs:
    """Frames that exist only while they are looked at: discs that drift over a dark field."""

    def __init__(self, frames: int, objects: int) -> None:
        self.shape = (frames, SIDE, SIDE)
        self.objects = objects

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
            cy, cx = self.centre(number, frame)
            image[(y - cy) ** 2 + (x - cx) ** 2 < 60**2] = 180
        return image


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def measure(frames: int, objects: int) -> list[tuple[int, float]]:
    stack = DriftingDiscs(frames, objects)
    predictor = build_sam2_video_predictor("cells-nano", "cells-nano", device="cpu")
    state = predictor.init_state(stack)
    for number in range(objects):
        y, x = stack.centre(number, 0)
        predictor.add_new_points_or_box(state, 0, number + 1, points=[[x, y]], labels=[1])
    curve = []
    for frame, _, _ in predictor.propagate_in_video(state):
        if frame % EVERY == 0:
            curve.append((frame, resident_mb()))
    return curve


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
    frames, objects = int(os.environ.get("BENCH_FRAMES", "2000")), int(os.environ.get("BENCH_OBJECTS", "2"))
    began = time.perf_counter()
    curve = measure(frames, objects)
    growth = growth_kb_per_frame(curve)
    OUT.mkdir(parents=True, exist_ok=True)
    result = {"frames": frames, "objects": objects, "growth_kb_per_frame": growth, "curve_mb": curve}
    (OUT / "memory.json").write_text(json.dumps(result) + "\n")
    (OUT / "memory.svg").write_text(draw(curve))
    middle, end = curve[len(curve) // 2][1], curve[-1][1]
    seconds = time.perf_counter() - began
    print(
        f"{frames} frames: {middle:.0f} MB half way, {end:.0f} MB at the end, {growth:.2f} kB a frame; {seconds:.0f} s"
    )
    assert growth < 20 * objects
