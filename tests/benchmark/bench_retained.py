"""How much memory a run holds on to, per frame and per object, over 200 frames.

``make bench NAME=bench_retained.py``. Two objects are tracked on every side; halfway and at the end all tensors, arrays
and bytes that the state holds are counted, each once. What was added in between is what a longer stack costs: by the
objects (divided by their number), and by the rest, which is the frames where a package keeps them. Counting is exact
where resident memory jumps by what the allocator keeps for later; that is recorded too.

The input is 256 x 256, so that the peers come to an end: at 1024 masks, memories and frames are 16 times as large.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmark.comparison import MODEL, amount, prepare, publish
from benchmark.report import Row
from benchmark.sides import everyone, open_sides, take_turns

IMAGE_SIZE = 256
FRAMES = amount(200, 80)
OBJECTS = 2


def test_memory_that_is_retained() -> None:
    with open_sides(everyone(MODEL, IMAGE_SIZE)) as sides:
        prepare(sides, "retained", objects=OBJECTS, frames=FRAMES)
        found = {name: answers[0] for name, answers in take_turns(sides, 1, warm_up=False).items()}
        rows = [
            Row("per frame and object", "kB", one_each(found, by_object)),
            Row("per frame, apart from objects", "kB", one_each(found, by_frame)),
            Row(
                f"the whole state after {FRAMES} frames with {OBJECTS} objects",
                "MB",
                one_each(found, lambda answer: answer["end"]["state"] / 1e3),
            ),
            Row(
                "resident memory of the process at the end",
                "MB",
                one_each(found, lambda answer: answer["end"]["resident_mb"]),
                ratio=False,
            ),
        ]
        publish("retained", rows, sides)


def one_each(answers: dict[str, Any], number: Callable[[Any], float]) -> dict[str, list[float]]:
    """Return one number of each side's answer."""
    return {name: [number(answer)] for name, answer in answers.items()}


def added(answer: dict[str, Any], part: str) -> float:
    """Return what a frame of the second half added to a part of the state."""
    half, end = answer["half"], answer["end"]
    return (end[part] - half[part]) / (end["frame"] - half["frame"])


def by_object(answer: dict[str, Any]) -> float:
    """Return kB per frame and object."""
    return added(answer, "objects") / OBJECTS


def by_frame(answer: dict[str, Any]) -> float:
    """Return kB per frame: what else the state gains, and the images that it holds from the start."""
    return added(answer, "state") - added(answer, "objects") + answer["end"]["stack"] / FRAMES
