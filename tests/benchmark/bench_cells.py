"""Many small cells in a field of 1024 x 1024: windows that follow them against whole frames, and from file to labels.

``make bench NAME=bench_cells.py``. A synthetic movie of 50 cells of about 40 px; the first 5, 20 and all of them are
clicked once on frame 0 and tracked (BENCH_CELLS=5,20 asks for others); what counts is the median of the last three
frames. Whole frames at 1024 cost the same for every further object, so they are timed with 1 and 5 objects that
remember everything, and the line through both says what more would take.

From file to labels is the command line as a person types it, in a process of its own: TIFF and click file in, label
TIFF out, with `cells-nano`, which ships. Two lengths of the movie tell what a frame takes apart from starting up. In
the same way, nuclei are found, linked and filled without a click, in turns with tracking them from a click each.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
import tifffile
from benchmark.comparison import IMAGE_SIZE, MODEL, amount, publish, repeats, seconds
from benchmark.report import Row
from benchmark.sides import OpenSide, Wanted, open_sides

from napari_sam2.io import write_prompts
from napari_sam2.samples import Click, first_clicks
from napari_sam2.session import Prompt
from sam2_core.training.synthetic import MovieSettings, make_movie

FIELD = 1024
DIAMETER = 40.0
STILL: dict[str, Any] = {
    "speed_px": 2.0,
    "bits": 8,
    "divide_probability": 0.0,
    "leave_probability": 0.0,
    "enter_probability": 0.0,
}
CELLS = amount(50, 12)
FRAMES = amount(9, 3)
LENGTHS = amount((6, 46), (3, 6))
FEW, MORE = 1, amount(5, 3)
NUCLEI, NUCLEUS = amount(220, 20), 24.0
NUCLEI_FRAMES = amount((2, 6), (2, 3))
WAYS = {"found": "found, linked and filled (`--auto`)", "clicked": "tracked from a click each"}
COLUMNS = {
    "windows": "windows at 256",
    "full": f"whole frame at {IMAGE_SIZE}",
    "official": f"official sam2, whole frame at {IMAGE_SIZE}",
    "nano_windows": "cells-nano, windows",
    "nano_full": "cells-nano, whole frame",
}
SIDES = {
    "windows": Wanted("ours", MODEL, 256),
    "nano_windows": Wanted("ours", "cells-nano", 256),
    "nano_full": Wanted("ours", "cells-nano", 256),
    "full": Wanted("ours", MODEL, IMAGE_SIZE),
    "official": Wanted("official", MODEL, IMAGE_SIZE),
}


@dataclass(frozen=True, slots=True)
class Cells:
    """The movie as files: arrays for the sides, a TIFF and click files for the command line."""

    arrays: Path
    tiff: Path
    prompts: Path


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Cells:
    folder = tmp_path_factory.mktemp("cells")
    size = {"frames": max(*LENGTHS, FRAMES + 1), "height": FIELD, "width": FIELD}
    movie = make_movie(MovieSettings(**size, cells=CELLS, diameter_px=DIAMETER, **STILL), seed=7)
    clicks = [click for click in first_clicks(movie) if click.frame == 0]
    files = Cells(folder / "movie.npz", folder / "movie.tif", folder / "clicks.json")
    np.savez(files.arrays, images=movie.images, clicks_xy=[(c.x, c.y) for c in clicks], diameter_px=DIAMETER)
    write_movie(files.tiff, files.prompts, movie.images, clicks)
    return files


def write_movie(tiff: Path, prompts: Path, images: Any, clicks: list[Click]) -> None:
    """Write a movie and its clicks, all on frame 0, for the command line."""
    tifffile.imwrite(tiff, images, imagej=True, metadata={"axes": "TYX"})
    write_prompts(prompts, [Prompt(c.object_id, 0, ((float(c.y), float(c.x)),), (1,)) for c in clicks])


def test_windows_against_whole_frames(cells: Cells) -> None:
    counts = [int(count) for count in os.environ.get("BENCH_CELLS", amount("5,20,50", "3,12")).split(",")]
    with open_sides(SIDES) as sides:
        lines = cost_of_objects([side for side in sides if side.name in ("full", "official")])
        followed = [side for side in sides if side.name not in lines]
        rows = []
        for count in counts:
            columns = {side.name: [follow(side, cells, count)] for side in followed}
            columns |= {name: [start + count * each] for name, (start, each) in lines.items()}
            rows.append(Row(f"a frame with {count} cells", "s", columns))
        publish("cells", rows, sides, COLUMNS, "windows", compared=("full", "official"))


def follow(side: OpenSide, cells: Cells, count: int) -> float:
    """Return the seconds of a frame on which so many cells are followed."""
    windows = side.name != "nano_full"
    side.prepare("many_cells", movie=str(cells.arrays), count=count, frames=FRAMES, windows=windows)
    return median(side.run()["frames"][-3:])


def cost_of_objects(sides: list[OpenSide]) -> dict[str, tuple[float, float]]:
    """Return the seconds of a whole frame without objects, and of each object: the line through few and more."""
    taken = [seconds(sides, 2, "object_frame", objects=objects) for objects in (FEW, MORE)]
    few, more = ({name: median(values) for name, values in found.items()} for found in taken)
    each = {name: (more[name] - few[name]) / (MORE - FEW) for name in few}
    return {name: (few[name] - FEW * each[name], each[name]) for name in few}


def test_a_whole_movie_without_a_click(tmp_path: Path) -> None:
    size = {"frames": NUCLEI_FRAMES[1], "height": FIELD // 2, "width": FIELD}
    movie = make_movie(MovieSettings(**size, cells=NUCLEI, diameter_px=NUCLEUS, **STILL), seed=5)
    clicks = first_clicks(movie)
    tiff, prompts = tmp_path / "nuclei.tif", tmp_path / "clicks.json"
    write_movie(tiff, prompts, movie.images, clicks)
    clicked = ["--prompts", prompts, "--view", "windows", "--object-diameter", NUCLEUS]
    ways: dict[str, list[Any]] = {"found": ["--auto"], "clicked": clicked}
    short: dict[str, list[float]] = {name: [] for name in ways}
    long: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats(2, 1)):
        for frames, taken in zip(NUCLEI_FRAMES, (short, long), strict=True):
            for name, words in ways.items():
                out = tmp_path / f"{name}_{frames}_{turn}.tif"
                taken[name].append(tracked(tiff, frames, out, words, len(clicks) // 2))
    between = NUCLEI_FRAMES[1] - NUCLEI_FRAMES[0]
    a_frame = {n: [(b - a) / between for a, b in zip(short[n], long[n], strict=True)] for n in ways}
    rows = [
        Row(f"{len(clicks)} nuclei: a frame", "s", a_frame),
        Row(f"{len(clicks)} nuclei: {NUCLEI_FRAMES[1]} frames, start-up, clicks and labels included", "s", long),
    ]
    with open_sides({"ours": SIDES["nano_windows"]}) as sides:
        publish("whole_movie", rows, sides, WAYS, "clicked")


def test_from_file_to_labels(cells: Cells, tmp_path: Path) -> None:
    rows = []
    for view in ("windows", "full"):
        short, long = (file_to_labels(cells, view, frames, tmp_path / f"{view}_{frames}.tif") for frames in LENGTHS)
        a_frame = (long - short) / (LENGTHS[1] - LENGTHS[0])
        what = f"{CELLS} cells, cells-nano, view {view}"
        rows += [
            seconds_row(f"{what}: a frame", a_frame),
            seconds_row(f"{what}: {LENGTHS[1]} frames, start-up and prompts included", long),
            Row(f"{what}: frames per second, all included", "", {"ours": [LENGTHS[1] / long]}, ratio=False),
        ]
    with open_sides({"ours": SIDES["nano_windows"]}) as sides:
        publish("file_to_labels", rows, sides)


def file_to_labels(cells: Cells, view: str, frames: int, out: Path) -> float:
    """Return the seconds of a whole run of the command line from clicks."""
    words = ["--prompts", cells.prompts, "--view", view, "--object-diameter", DIAMETER]
    return tracked(cells.tiff, frames, out, words, CELLS // 2)


def tracked(tiff: Path, frames: int, out: Path, words: list[Any], least: int) -> float:
    """Return the seconds of a run of the command line that leaves more than so many objects on the last frame."""
    command = ["track", tiff, "--out", out, "--stop", frames, *words]
    command += ["--device", os.environ.get("BENCH_DEVICE") or "auto"]
    program = [sys.executable, "-c", "from napari_sam2.cli import main; raise SystemExit(main())"]
    began = time.perf_counter()
    subprocess.run([*program, *map(str, command)], check=True, capture_output=True)
    taken = time.perf_counter() - began
    found = np.unique(tifffile.imread(out)[frames - 1])
    assert len(found) > least, (
        f"{len(found) - 1} objects are there on frame {frames - 1}, {least} at least are not lost"
    )
    return taken


def seconds_row(what: str, value: float) -> Row:
    return Row(what, "s", {"ours": [value]}, ratio=False)
