"""A click on a cell that was missed, among hundreds that were found: where the pointer rested before, and without.

``make bench NAME=bench_clicks.py``. A synthetic frame of about 360 nuclei of 24 px in 512 x 1024; all but some, far
from each other, are there as imported labels. Each of those is clicked once in a session (`cells-nano`, windows), as
every click of a person through a window that nobody looked through before. From the click to the mask in the session;
what napari draws is not in it. The two ways are taken in turns, and give the same masks.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import tifffile
from benchmark.comparison import amount, publish
from benchmark.report import Row
from benchmark.sides import Wanted, open_sides

from napari_sam2.samples import Click, first_clicks
from napari_sam2.session import Session, SessionSettings
from sam2_core.training.synthetic import MovieSettings, SyntheticMovie, make_movie

HEIGHT, WIDTH = 512, 1024
NUCLEI, NUCLEUS = amount(420, 30), 24.0
CLICKS = amount(12, 3)
WAYS = {"ahead": "the pointer rested there", "straight": "straight away"}


def drawn() -> SyntheticMovie:
    return make_movie(
        MovieSettings(frames=1, height=HEIGHT, width=WIDTH, cells=NUCLEI, diameter_px=NUCLEUS, bits=8), seed=6
    )


def far_apart(clicks: list[Click]) -> list[Click]:
    """Return some clicks, each as far from those before as can be."""
    places = np.array([(click.y, click.x) for click in clicks], float)
    chosen = [0]
    while len(chosen) <= CLICKS:
        apart = np.linalg.norm(places[:, None] - places[chosen], axis=2).min(axis=1)
        chosen.append(int(apart.argmax()))
    return [clicks[index] for index in chosen]


def opened(movie: SyntheticMovie, clicks: list[Click], folder: Path) -> Session:
    """Return a session in which all cells are there but those that will be clicked; the first one was."""
    labels = np.where(np.isin(movie.labels, [click.object_id for click in clicks]), 0, movie.labels)
    tifffile.imwrite(folder / "labels.tif", labels)
    settings = SessionSettings(
        view="windows", object_diameter_px=NUCLEUS, device=os.environ.get("BENCH_DEVICE") or "auto"
    )
    session = Session.open(movie.images, axes="TYX", settings=settings)
    session.import_tracks(folder / "labels.tif")
    answered(session, clicks[0])
    return session


def answered(session: Session, click: Click) -> tuple[float, int]:
    """Return the milliseconds from a click to its mask, and the pixels of that."""
    object_id = session.new_object()
    began = time.perf_counter()
    session.add_points(object_id, 0, [(click.y, click.x)])
    for update in session.preview():
        session.accept(update)
    taken = 1e3 * (time.perf_counter() - began)
    return taken, int(session.masks.mask(object_id, 0).sum())


def look(session: Session, click: Click) -> None:
    """Have the model look where the pointer rests, until it has."""
    while not session.work.look_at(0, (click.y, click.x)):
        time.sleep(0.01)
    while not session.work.look_at(0, (click.y, click.x)):  # accepted again once the first look is over
        time.sleep(0.01)


def test_a_click_among_hundreds_of_cells(tmp_path: Path) -> None:
    movie = drawn()
    clicks = far_apart(first_clicks(movie))
    taken: dict[str, list[float]] = {name: [] for name in WAYS}
    with opened(movie, clicks, tmp_path) as straight, opened(movie, clicks, tmp_path) as ahead:
        found = len(straight.masks.object_ids()) - 1
        for click in clicks[1:]:
            pixels = []
            for name, session in (("straight", straight), ("ahead", ahead)):
                if name == "ahead":
                    look(session, click)
                milliseconds, count = answered(session, click)
                taken[name].append(milliseconds)
                pixels.append(count)
            assert pixels[0] == pixels[1] > 0
    rows = [Row(f"a click among {found} nuclei, {CLICKS} of them, in new windows", "ms", taken)]
    with open_sides({"ours": Wanted("ours", "cells-nano", 256)}) as sides:
        publish("clicks", rows, sides, WAYS, "ahead")
