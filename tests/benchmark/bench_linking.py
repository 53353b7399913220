"""Linking alone: seconds of the processor's time, and how they grow with the length of a movie and its density.

``make bench NAME=bench_linking.py`` links discs of 20 px that wander, drift and divide now and then: movies of 25
to 100 frames with 1,000 of them (100,000 detections in the longest), and writes what it took to
``docs/benchmarks/linking.json``. BENCH_MOVIES ("frames x objects", with commas) asks for others.
"""

from __future__ import annotations

import json
import os
import resource
import time
from pathlib import Path

import numpy as np

from napari_sam2.linking import Detection, link

OUT = Path(__file__).parents[2] / "docs" / "benchmarks" / "linking.json"
MOVIES = "25x1000,50x1000,100x1000"
RADIUS, SPACING, SPEED, DRIFT = 10.0, 30.0, 3.0, 8.0
DIVIDES, MISSED = 0.002, 0.01


def drawn_movie(frames: int, objects: int) -> list[list[Detection]]:
    """About so many discs on every frame, each near a place of its own on a torus; some divide, and others end."""
    rng = np.random.default_rng(7)
    rows = int(np.ceil(np.sqrt(objects)))
    side = SPACING * rows
    homes = SPACING * np.stack(np.mgrid[:rows, :rows], axis=-1).reshape(-1, 2)[:objects].astype(float)
    wandered = np.zeros_like(homes)
    movie = []
    for frame in range(frames):
        wandered = 0.8 * wandered + rng.normal(0, SPEED, wandered.shape)
        places = (homes + wandered + frame * np.array([DRIFT, DRIFT / 2])) % side
        divide = rng.random(objects) < DIVIDES
        gone = rng.permutation(objects)[: divide.sum()]
        homes[gone] = homes[divide] + rng.normal(0, RADIUS, (divide.sum(), 2))
        seen = places[rng.random(objects) >= MISSED]
        movie.append(
            [disc(place, radius) for place, radius in zip(seen, rng.normal(RADIUS, 0.5, len(seen)), strict=True)]
        )
    return movie


def disc(place: np.ndarray, radius: float) -> Detection:
    corner = np.floor(place - radius).astype(int)
    rows, columns = np.mgrid[: int(2 * radius) + 3, : int(2 * radius) + 3]
    mask = (rows + corner[0] - place[0]) ** 2 + (columns + corner[1] - place[1]) ** 2 <= radius**2
    return Detection((int(corner[0]), int(corner[1])), mask)


def measured(frames: int, objects: int) -> dict[str, float]:
    movie = drawn_movie(frames, objects)
    start = time.process_time()
    linked = link(movie)
    seconds = time.process_time() - start
    return {
        "detections": sum(map(len, movie)),
        "tracks": len(linked.tracks),
        "divisions": len(linked.divisions),
        "seconds": round(seconds, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    results = {}
    for asked in os.environ.get("BENCH_MOVIES", MOVIES).split(","):
        frames, objects = map(int, asked.split("x"))
        results[asked] = measured(frames, objects)
        print(asked, results[asked], flush=True)
    OUT.write_text(json.dumps({"numpy": np.__version__, "results": results}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
