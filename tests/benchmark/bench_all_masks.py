"""All masks of one image by a grid of points: the automatic mask generators in turns, and whether their masks agree.

``make bench NAME=bench_all_masks.py``. The grid has 8 points a side where the default has 32: each costs the same. The
weights are stand-ins, which are never as sure of a mask as the default asks: with the defaults every mask is dropped,
and the network and the scores are measured; with other thresholds about a third of the masks goes all the way.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from benchmark.comparison import IMAGE_SIZE, MODEL, amount, prepare, publish, repeats, seconds
from benchmark.report import Row
from benchmark.sides import OpenSide, Wanted, open_sides

GRID = {"points_per_side": amount(8, 4)}
PASSING = {
    "pred_iou_thresh": 0.5,
    "stability_score_thresh": 0.5,
    "stability_score_offset": 0.05,
    "box_nms_thresh": 1.0,  # masks of noise have the same box
}


def test_all_masks(tmp_path) -> None:
    points = GRID["points_per_side"] ** 2
    with open_sides({name: Wanted(name, MODEL, IMAGE_SIZE) for name in ("ours", "official")}) as sides:
        dropped = seconds(sides, repeats(3), "all_masks", warm_up=False, **GRID)
        rows = [Row(f"all masks from {points} points, none sure enough", "s", dropped)]
        passing = seconds(sides, repeats(3), "all_masks", warm_up=False, **GRID, **PASSING)
        rows.append(Row(f"all masks from {points} points, a third kept", "s", passing, note=agreement(sides, tmp_path)))
        publish("all_masks", rows, sides)


def agreement(sides: list[OpenSide], folder: Path) -> str:
    """Return in words whether the sides found the same masks in the same order."""
    found = {}
    for side in sides:
        path = folder / f"{side.name}.npz"
        prepare([side], "saved_masks", path=str(path))
        side.run()
        with np.load(path) as saved:
            found[side.name] = (saved["points"], np.unpackbits(saved["pixels"]))
    counts = [len(points) for points, _ in found.values()]
    if len(found) < 2 or len(set(counts)) > 1:
        return f"masks that were kept: {counts}"
    (ours, our_pixels), (theirs, their_pixels) = found.values()
    order = "in the same order" if np.array_equal(ours, theirs) else "in another order"
    return f"{counts[0]} masks each, {order}; {100 * (our_pixels != their_pixels).mean():.2g} % of their pixels differ"
