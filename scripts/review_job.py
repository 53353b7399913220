"""A movie of 30 cells on 40 frames with two divisions, and a tracking of it with five mistakes that a person corrects.

The mistakes are those that linkers make: two tracks that are cut in two, two neighbours exchanged, a division that was
missed, and something of three frames that is no cell. For the walk through the review and the pictures of it.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_sam2.document.objects import LinkStatus
from napari_sam2.session.session import Session
from sam2_core.training.synthetic import MovieSettings, make_movie

FRAMES, CELLS = 40, 30
_SETTINGS = MovieSettings(
    frames=FRAMES,
    height=320,
    width=320,
    cells=CELLS,
    diameter_px=30.0,
    speed_px=1.2,
    divide_probability=0.07,
    leave_probability=0.0,
    enter_probability=0.0,
    debris=0.0,
)
_CUT = (14, 26)
_SWAPPED = 20


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Images (T, H, W), true labels and parents, and those with mistakes."""

    images: NDArray[np.uint16]
    truth: NDArray[np.uint16]
    true_parents: dict[int, int]
    labels: NDArray[np.uint16]
    parents: dict[int, int]

    def give(self, session: Session, folder: Path) -> None:
        """Give a session the tracking with mistakes, as a program that linked it would."""
        folder.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / "tracked.tif", self.labels, imagej=True, metadata={"axes": "TYX"})
        with (folder / "parents.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["id", "parent"])
            table.writerows(sorted(self.parents.items()))
        ids = session.import_tracks(folder / "tracked.tif", folder / "parents.csv")
        session.set_links(ids, LinkStatus.linked)


def review_job(seed: int = 0) -> Job:
    """Return the job; seeds without exactly two divisions in the middle of the movie are skipped."""
    for attempt in range(seed, seed + 200):
        movie = make_movie(_SETTINGS, attempt)
        parents = {row.object_id: row.parent for row in movie.lineage if row.parent}
        born = {row.first_frame for row in movie.lineage if row.parent}
        if len(set(parents.values())) == 2 and len(parents) == 4 and min(born) > 4 and max(born) < FRAMES - 4:
            labels, spoilt = _spoilt(movie.labels, parents)
            return Job(movie.images, movie.labels, parents, labels, spoilt)
    raise RuntimeError("no movie with two divisions was found")


def _spoilt(truth: NDArray[np.uint16], parents: dict[int, int]) -> tuple[NDArray[np.uint16], dict[int, int]]:
    labels, parents = truth.copy(), dict(parents)
    fresh = int(truth.max()) + 1
    family = {*parents, *parents.values()}
    whole = [
        one for one in range(1, int(truth.max()) + 1) if one not in family and (truth == one).any(axis=(1, 2)).all()
    ]
    first, second = _neighbours(truth[_SWAPPED], whole)
    others = [one for one in whole if one not in (first, second)]
    for cell, frame in zip(others, _CUT, strict=False):
        labels[frame:][truth[frame:] == cell] = fresh
        fresh += 1
    labels[_SWAPPED:][truth[_SWAPPED:] == first] = second
    labels[_SWAPPED:][truth[_SWAPPED:] == second] = first
    mother = parents[max(parents)]
    kept, born = sorted(one for one, parent in parents.items() if parent == mother)
    labels[labels == kept] = mother
    del parents[kept], parents[born]
    y, x = _empty_place(truth[5:8])
    labels[5:8, y : y + 9, x : x + 9] = fresh
    return labels, parents


def _neighbours(plane: NDArray[np.uint16], cells: list[int]) -> tuple[int, int]:
    """Return the two cells whose middles are nearest to each other."""
    middles = {one: np.argwhere(plane == one).mean(axis=0) for one in cells}
    pairs = [(one, other) for one in cells for other in cells if one < other]
    return min(pairs, key=lambda pair: float(np.hypot(*(middles[pair[0]] - middles[pair[1]]))))


def _empty_place(planes: NDArray[np.uint16]) -> tuple[int, int]:
    """Return where 9 x 9 pixels are free on all of some frames."""
    taken = planes.any(axis=0)
    for y in range(40, taken.shape[0] - 50, 3):
        for x in range(40, taken.shape[1] - 50, 3):
            if not taken[y - 2 : y + 11, x - 2 : x + 11].any():
                return y, x
    raise RuntimeError("there is no free place in the movie")
