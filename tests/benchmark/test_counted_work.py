"""The counted work of typical steps has not grown: `make bench-check`.

Where it shrank, or grew for a reason, ``make bench-check BENCH_KEEP=1`` writes ``docs/benchmarks/counted_work.json``
anew; the change shows in the commit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmark.counted_work import counting, grown
from benchmark.report import DOCS
from torch.nn import functional as F

from sam2_core import build_sam2
from sam2_core.finding import find_objects
from sam2_core.kernels.processor import processor
from sam2_core.kernels.products import linear
from sam2_core.training.synthetic import MovieSettings, make_movie

KEPT = DOCS / "benchmarks" / "counted_work.json"
pytestmark = pytest.mark.skipif(not processor().has_onednn, reason="kernels of x86-64 are counted")


@pytest.fixture(autouse=True)
def sides_can_be_imported(monkeypatch) -> None:
    """Their modules are written for processes of their own, which begin in their folder."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def of(model: str, task: str, **arguments: Any) -> Callable[[], Any]:
    from ours_side import Side
    from side import Setting

    return getattr(Side(Setting(model, 256, "cpu")), task)(**arguments)


def finding() -> Callable[[], Any]:
    model = build_sam2("cells-nano", "cells-nano", device="cpu")
    image = np.asarray(make_movie(MovieSettings(frames=1, height=192, width=192), seed=3).images[0])
    return lambda: find_objects(model, image)


STEPS = {
    "sam2.1_hiera_t at 256, image encoder": lambda: of("sam2.1_hiera_t", "image_encoder"),
    "sam2.1_hiera_t at 256, a frame with 1 object": lambda: of("sam2.1_hiera_t", "object_frame", objects=1),
    "sam2.1_hiera_t at 256, a frame with 4 objects": lambda: of("sam2.1_hiera_t", "object_frame", objects=4),
    "cells-nano, a frame with 1 object": lambda: of("cells-nano", "object_frame", objects=1),
    "cells-nano, a frame with 10 objects": lambda: of("cells-nano", "object_frame", objects=10),
    "cells-nano, every object of a frame of 192": finding,
}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_does_no_more_than_before(step) -> None:
    action = STEPS[step]()
    action()  # tables that are made once
    with counting() as work:
        action()
    now = work.as_json()
    print(f"\n{step}: {now}")
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if os.environ.get("BENCH_KEEP", "") not in ("", "0"):
        KEPT.write_text(json.dumps({**kept, step: now}, indent=1) + "\n")
        return
    assert not grown(now, kept[step])


def test_the_counts_are_those_of_the_operations() -> None:
    x, weight, image, kernel = torch.ones(8, 64), torch.ones(32, 64), torch.ones(1, 3, 8, 8), torch.ones(5, 3, 3, 3)
    with torch.inference_mode(), counting() as work:
        linear(x, weight)  # by oneDNN
        F.linear(x, weight)
        F.conv2d(image, kernel)
        x.T.add_(1)
    assert work.products == 3
    assert work.gflop == pytest.approx((2 * 2 * 8 * 64 * 32 + 2 * 5 * 6 * 6 * 27) / 1e9)
    assert work.megabytes == pytest.approx(4 * (2 * 8 * 32 + 5 * 6 * 6 + 8 * 64) / 1e6)


def test_what_grew_is_named() -> None:
    assert grown({"products": 12, "gflop": 1.0}, {"products": 10, "gflop": 1.0}) == ["products: 10 -> 12"]
    assert grown({"products": 9, "gflop": 1.005}, {"products": 10, "gflop": 1.0}) == []
