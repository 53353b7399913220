"""What all sides share: the clock, the same inputs, and the names of the tasks.

A side is one package with its model loaded; a task prepares something and returns an action to be timed. Every side
gets the same images, clicks and boxes, so that they do the same work. What a package does not offer, its side leaves
out by not having the method.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

FRAMES = 40
"""Length of the stack of which a frame is tracked."""
FRAME = 16
"""A frame before which every memory is there: the prompted frame 0 and fifteen tracked ones."""
Action = Callable[[], dict[str, Any] | None]
"""What is timed; it may return more that was measured."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a side is opened with; the precision is this project's on a CPU."""

    model: str
    image_size: int
    device: str
    precision: str = "float32"


class Clock:
    """Seconds, once the device has finished what it was given.

    With one thread on a CPU the processor's time counts, so that other work on the machine matters less.
    """

    def __init__(self, device: str) -> None:
        self._on_gpu = device.startswith("cuda")
        alone = not self._on_gpu and torch.get_num_threads() == 1
        self._now = time.process_time if alone else time.perf_counter

    def __call__(self) -> float:
        if self._on_gpu:
            torch.cuda.synchronize()
        return self._now()

    def each(self, steps: Iterator[Any]) -> list[float]:
        """Return the seconds that each step of a generator took."""
        taken, began = [], self()
        for _ in steps:
            taken.append(self() - began)
            began = self()
        return taken


def growth(run: Iterable[Any], parts: Mapping[str, Any], frames: int) -> dict[str, Any]:
    """Return what was held halfway and at the end of a run, in kB by name, and the resident memory in MB.

    Parameters
    ----------
    run
        Frame by frame.
    parts
        What is counted, by name.
    frames
        Of the run.
    """
    noted = []
    for number, _ in enumerate(run, 1):
        if number in (frames // 2, frames):
            held = {name: held_kb(part) for name, part in parts.items()}
            noted.append({"frame": number, "resident_mb": resident_mb(), **held})
    return {"half": noted[0], "end": noted[1]}


def resident_mb() -> float:
    """Return the resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def held_kb(thing: Any, seen: set[int] | None = None) -> float:
    """Return the kB that a thing holds: tensors, arrays, bytes and the containers around them, each counted once."""
    seen = set() if seen is None else seen
    if isinstance(thing, torch.Tensor):
        storage = thing.untyped_storage()
        return 0.0 if _known(storage.data_ptr(), seen) else storage.nbytes() / 1e3
    if thing is None or isinstance(thing, int | float | str | type) or _known(id(thing), seen):
        return 0.0
    if isinstance(thing, Mapping):
        inside = [*thing.keys(), *thing.values()]
    elif isinstance(thing, list | tuple | set | deque):
        inside = list(thing)
    else:
        names = [*getattr(thing, "__dict__", ()), *getattr(type(thing), "__slots__", ())]
        inside = [getattr(thing, name, None) for name in names]
    return sys.getsizeof(thing) / 1e3 + sum(held_kb(part, seen) for part in inside)


def _known(identity: int, seen: set[int]) -> bool:
    known = identity in seen
    seen.add(identity)
    return known


def image(side: int) -> np.ndarray:
    """Return (side, side, 3) uint8 of smooth blobs, the same each time."""
    y, x = np.mgrid[:side, :side] / side
    channels = [0.5 + 0.25 * np.sin(21 * x + c) * np.cos(17 * y - c) for c in range(3)]
    noise = np.random.default_rng(0).normal(0, 0.02, (side, side, 3))
    return (np.clip(np.stack(channels, -1) + noise, 0, 1) * 255).astype(np.uint8)


def normalised(side: int) -> torch.Tensor:
    """Return the image as the network takes it, (3, side, side)."""
    values = torch.from_numpy(image(side)).permute(2, 0, 1).float() / 255
    mean, std = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
    return (values - mean[:, None, None]) / std[:, None, None]


def boxes(count: int, side: int) -> np.ndarray:
    """Return (count, 4) x0, y0, x1, y1 on a grid."""
    per_row = int(np.ceil(np.sqrt(count)))
    step = side / per_row
    corners = [(i % per_row * step + 0.2 * step, i // per_row * step + 0.2 * step) for i in range(count)]
    return np.array([(x, y, x + 0.6 * step, y + 0.6 * step) for x, y in corners], dtype=np.float32)


def save_masks(masks: list[dict[str, Any]], path: str) -> None:
    """Write the points (N, 2) and the pixels of what an automatic mask generator found into one file."""
    points = np.array([mask["point_coords"][0] for mask in masks])
    np.savez(path, points=points, pixels=np.packbits([mask["segmentation"] for mask in masks]))
