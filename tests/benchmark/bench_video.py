"""Video: a frame with all memories there, and a correction that is carried on, against the peers in turns.

``make bench NAME=bench_video.py``. A frame: 1, 4 and 10 objects that remember the prompted frame and fifteen tracked
ones, from the prepared frame to masks at its size, the image encoder included. BENCH_OBJECTS=1,4 asks for others.

A correction: 10 objects were tracked; one click on object 1, then 20 frames from there on. The official package and
transformers redo all objects; this project only the one that was corrected, with image features found on disk, where a
large model on a CPU keeps them by default, or made again. All memories are there, so every frame costs the same: peers
are timed for a few frames, and the median of a frame is counted 20 times.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from benchmark.comparison import (
    IMAGE_SIZE,
    MODEL,
    amount,
    in_milliseconds,
    on_gpu,
    prepare,
    publish,
    repeats,
    seconds,
)
from benchmark.report import Row
from benchmark.sides import OpenSide, everyone_and_auto, open_sides, take_turns

OBJECTS = amount(10, 3)
CARRIED_ON = 20
TIMED = {"ours": CARRIED_ON, "auto": CARRIED_ON, "official": amount(2, 1), "transformers": amount(2, 1)}


@pytest.fixture(scope="module")
def sides() -> Iterator[list[OpenSide]]:
    with open_sides(everyone_and_auto(MODEL, IMAGE_SIZE)) as opened:
        prepare(opened, "object_frame", objects=1)
        take_turns(opened, 1)  # kernels are chosen and memory is claimed before anything counts
        yield opened


def test_a_frame_with_all_memories(sides: list[OpenSide]) -> None:
    counts = [int(count) for count in os.environ.get("BENCH_OBJECTS", amount("1,4,10", "1,3")).split(",")]
    rows = []
    for count in counts:
        times = repeats(5 if count == 1 or on_gpu(sides) else 3 if count < 10 else 2)
        found = seconds(sides, times, "object_frame", warm_up=on_gpu(sides), objects=count)
        rows.append(in_milliseconds(f"a frame with {count} object{'s' * (count > 1)}", found))
    publish("video", rows, sides)


def test_a_correction_is_carried_on(sides: list[OpenSide], tmp_path: Path) -> None:
    for side in sides:
        side.prepare("correction", objects=OBJECTS, frames=TIMED[side.name])
    again = take_turns(sides, 1, warm_up=on_gpu(sides))
    ours = [side for side in sides if side.package == "ours"]
    prepare(ours, "correction", objects=OBJECTS, frames=TIMED["ours"], cache=str(tmp_path))
    kept = take_turns(ours, 1, warm_up=on_gpu(sides))
    what = f"1 of {OBJECTS} objects corrected, {CARRIED_ON} frames"
    note = f"peers: one click and {TIMED['official']} frames were timed, the median frame is counted {CARRIED_ON} times"
    rows = [
        Row(f"{what}; image features found on disk, as by default", "s", in_all({**again, **kept}), note=note),
        Row(f"{what}; image features made again", "s", in_all(again), note=note),
    ]
    publish("correction", rows, sides)


def in_all(answers: dict[str, list[dict[str, Any]]]) -> dict[str, list[float]]:
    """Return the seconds of a click and all frames, by side and repeat."""
    return {
        name: [answer["click"] + CARRIED_ON * median(answer["frames"]) for answer in found]
        for name, found in answers.items()
    }
