"""Reading memories the fast way and the plain one: an object-frame with all memories there, in turns.

``make bench NAME=bench_memory_attention.py`` tracks 1, 4 and 10 objects over one frame, with seven spatial memories and
sixteen pointers each, with `sam2.1_hiera_t` at 1024 (stand-in weights) and `cells-nano` at 256, and writes medians and
their ratios to ``docs/benchmarks/memory_attention.json``. Image features are given: what is timed is attention, decoder
and memory encoder. BENCH_MODELS, BENCH_OBJECTS (both with commas) and BENCH_SECONDS (for each line) ask for less.

With one thread it is the processor's time that counts, so that other work on the machine matters less.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Literal

import torch

from sam2_core.config import load_config
from sam2_core.inference.memory.memory_bank import MemoryBank, MemoryEntry, SelectionRule
from sam2_core.inference.network.frame_step import FrameStep, MetFrame
from sam2_core.inference.network.precision import pick_precision, running
from sam2_core.inference.network.runtime import Runtime
from sam2_core.inference.tracking_options import TrackingOptions
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.sam2 import Sam2Model

sys.path.insert(0, str(Path(__file__).parents[1]))
from stand_ins import fill_with_stand_ins

OUT = Path(__file__).parents[2] / "docs" / "benchmarks" / "memory_attention.json"
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
PRECISION = pick_precision("auto", DEVICE)
FRAME = 16  # every earlier frame is there: the prompted one and fifteen tracked ones
WAYS: tuple[Literal["plain", "fast"], ...] = ("plain", "fast")


def full_bank(model: Sam2Model, generator: torch.Generator) -> MemoryBank:
    config, bank = model.config, MemoryBank()
    mask = torch.zeros(1, config.low_res_size, config.low_res_size)
    shape = (config.mem_dim, config.grid_size, config.grid_size)
    for frame in range(FRAME):
        pointer = torch.randn(config.d_model, generator=generator).to(DEVICE)
        memory = torch.randn(shape, generator=generator).bfloat16().to(DEVICE)
        entry = MemoryEntry(mask, pointer, torch.ones(1, device=DEVICE), memory)
        (bank.track if frame else bank.condition)(frame, entry)
    return bank


def some_features(model: Sam2Model, generator: torch.Generator) -> ImageFeatures:
    channels, side = model.config.d_model, model.config.grid_size
    shapes = [(channels, side), (channels // 4, 2 * side), (channels // 8, 4 * side)]
    return ImageFeatures(*(torch.randn(1, c, s, s, generator=generator).to(DEVICE) for c, s in shapes))


def seconds(step: FrameStep, remembering: list[tuple[MetFrame, MemoryBank]]) -> float:
    clock = time.process_time if DEVICE.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    began = clock()
    with running(DEVICE, PRECISION):
        step.track(remembering)
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return clock() - began


def measure(model: Sam2Model, objects: int, enough: float) -> dict[str, float]:
    generator = torch.Generator().manual_seed(0)
    features = some_features(model, generator)
    here = MetFrame(FRAME, False, lambda _: features)
    remembering = [(here, full_bank(model, generator)) for _ in range(objects)]
    rule = SelectionRule(model.config.num_maskmem, model.config.pointers.max_in_memory)
    steps = {way: FrameStep(Runtime(model), TrackingOptions(attention=way), rule, DEVICE) for way in WAYS}
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    while not times["fast"] or sum(map(sum, times.values())) < enough:
        for way, step in steps.items():
            times[way].append(seconds(step, remembering))
    medians = {way: statistics.median(found) for way, found in times.items()}
    return {**medians, "ratio": medians["plain"] / medians["fast"], "repeats": len(times["fast"])}


def test_fast_and_plain_in_turns() -> None:
    names = os.environ.get("BENCH_MODELS", "sam2.1_hiera_t,cells_nano").split(",")
    counts = [int(count) for count in os.environ.get("BENCH_OBJECTS", "1,4,10").split(",")]
    enough = float(os.environ.get("BENCH_SECONDS", "60"))
    results = []
    for name in names:
        model = Sam2Model(load_config(name)).eval()
        fill_with_stand_ins(model)
        model.to(DEVICE)
        measure(model, 1, 0.0)
        for objects in counts:
            found = measure(model, objects, enough)
            results.append({"model": name, "objects": objects, **found})
            print(f"{name}, {objects} objects: {found['plain']:.3f} s, {found['fast']:.3f} s, {found['ratio']:.2f} x")
    machine = {"device": DEVICE.type, "precision": str(PRECISION), "threads": torch.get_num_threads()}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({**machine, "torch": torch.__version__, "results": results}) + "\n")
