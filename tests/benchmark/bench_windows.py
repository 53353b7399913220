"""Windows that neighbours share against one window for each object, frame by frame in turns, and where the time goes.

``make bench NAME=bench_windows.py`` follows 5, 20 and 50 cells of about 40 px through a field of 1024 x 1024 with
`cells-nano`, from a click on each, and writes medians over the frames, their ratios and the overlap with the truth to
``docs/benchmarks/windows.json``. BENCH_CELLS (with commas), BENCH_FRAMES and BENCH_PRECISION ask for something else.
Windows against whole frames and against the official package are measured by ``bench_cells.py``.

With one thread it is the processor's time that counts, so that other work on the machine matters less.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_sam2.engine.give_prompt import give_prompt
from napari_sam2.samples import first_clicks
from napari_sam2.session import Prompt
from napari_sam2.stacks import ModelMovie, open_stack
from sam2_core import WindowedPredictor
from sam2_core.build import build_sam2_video_predictor
from sam2_core.inference.mask_logits import labels_from_logits
from sam2_core.training.synthetic import MovieSettings, SyntheticMovie, make_movie

OUT = Path(__file__).parents[2] / "docs" / "benchmarks" / "windows.json"
DIAMETER = 40.0
WARM_UP = 2
SETTINGS = MovieSettings(
    height=1024,
    width=1024,
    cells=52,
    diameter_px=DIAMETER,
    speed_px=2.0,
    divide_probability=0.0,
    leave_probability=0.0,
    enter_probability=0.0,
)


def clock() -> float:
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


class Measured:
    """One way to look at a movie: the seconds of each frame, of the encoder on it, and the overlap with the truth."""

    def __init__(self, movie: SyntheticMovie, count: int, shared: bool) -> None:
        precision = os.environ.get("BENCH_PRECISION", "float32")
        self.predictor = build_sam2_video_predictor("cells-nano", "cells-nano", device="cpu", precision=precision)
        self.truth = movie.labels
        self.prompts = [Prompt(c.object_id, 0, ((float(c.y), float(c.x)),), (1,)) for c in first_clicks(movie)[:count]]
        self.columns: dict[str, list[float]] = {"frame": [], "encoder": [], "images": [], "overlap": []}
        self._encoded = [0.0, 0.0]
        self._time_the_encoder()
        stack = ModelMovie(open_stack(movie.images, axes="TYX").movie())
        self._run = self._tracked(WindowedPredictor(self.predictor, DIAMETER, shared=shared), stack)

    def advance(self) -> None:
        """Track one frame."""
        began, self._encoded = clock(), [0.0, 0.0]
        frame, labels = next(self._run)
        self.columns["frame"].append(clock() - began)
        self.columns["encoder"].append(self._encoded[0])
        self.columns["images"].append(self._encoded[1])
        self.columns["overlap"].append(self._overlap(frame, labels))

    def medians(self) -> dict[str, float]:
        return {name: statistics.median(values[WARM_UP:]) for name, values in self.columns.items()}

    def _tracked(self, windows: WindowedPredictor, stack: ModelMovie) -> Iterator[tuple[int, Any]]:
        state = windows.init_state(stack)
        for prompt in self.prompts:
            give_prompt(windows, state.select([prompt.object_id]), prompt)
        for frame, object_ids, logits in windows.propagate_in_video(state):
            yield frame, labels_from_logits(logits, object_ids, np.dtype(np.uint16))

    def _overlap(self, frame: int, labels: Any) -> float:
        truth = self.truth[frame]
        pairs = [(truth == one.object_id, labels == one.object_id) for one in self.prompts]
        return float(np.mean([(one & other).sum() / max((one | other).sum(), 1) for one, other in pairs]))

    def _time_the_encoder(self) -> None:
        encode = self.predictor.model.encode_image

        def timed(images: Any) -> Any:
            began = clock()
            features = encode(images)
            self._encoded[0] += clock() - began
            self._encoded[1] += len(images)
            return features

        self.predictor.model.encode_image = timed


def test_shared_windows_and_one_for_each_in_turns() -> None:
    counts = [int(count) for count in os.environ.get("BENCH_CELLS", "5,20,50").split(",")]
    frames = int(os.environ.get("BENCH_FRAMES", "12"))
    results = []
    for count in counts:
        movie = make_movie(replace(SETTINGS, frames=frames), seed=5)
        ways = {"shared": Measured(movie, count, True), "one each": Measured(movie, count, False)}
        for _ in range(frames):
            for way in ways.values():
                way.advance()
        medians = {name: way.medians() for name, way in ways.items()}
        ratio = medians["one each"]["frame"] / medians["shared"]["frame"]
        results.append({"cells": count, **medians, "ratio": ratio})
        print(f"{count} cells: {medians}, {ratio:.2f} x")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    machine = {"threads": torch.get_num_threads(), "torch": torch.__version__}
    OUT.write_text(json.dumps({**machine, "results": results}) + "\n")
