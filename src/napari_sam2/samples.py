"""Sample stacks, made rather than downloaded: a short movie of cells with its exact truth.

`sample_movie` makes it, `first_clicks` says where a person would click, `write_sample` saves it for the command line,
and `cells_movie` hands it to napari's *File > Open Sample*. Neither napari nor torch is imported, and prompts are not
written here (`napari_sam2.io` does that).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sam2_core.scoring.ground_truth import farthest_pixel
from sam2_core.training.synthetic import MovieSettings, Style, SyntheticMovie, make_movie

_TRIES = 60
_NEXT_SEED = 1009

_SETTINGS: dict[Style, MovieSettings] = {
    "fluorescence": MovieSettings(style="fluorescence", kind="nucleus"),
    "phase": MovieSettings(style="phase", kind="amoeboid", background=0.3, body=0.1, irregularity=0.12, photons=3000.0),
    "dic": MovieSettings(style="dic", kind="amoeboid", irregularity=0.1, photons=3000.0),
}


class Click(NamedTuple):
    """A positive click: an object's id, the frame, and the pixel (y, x)."""

    object_id: int
    frame: int
    y: int
    x: int


def sample_movie(style: Style = "fluorescence", seed: int = 0) -> SyntheticMovie:
    """Return the sample: 30 frames of 256 x 256 with 8 to 12 cells of about 35 px at the start.

    At least one cell divides and one leaves the image for good. Seeds that miss this are skipped in a fixed order, so
    the seed of the movie returned can be another than the one asked for; the same call gives the same movie.

    Raises
    ------
    ValueError
        If the style is unknown.
    """
    if style not in _SETTINGS:
        raise ValueError(f"unknown style {style!r}; choose one of {', '.join(_SETTINGS)}")
    for attempt in range(_TRIES):
        movie = make_movie(_SETTINGS[style], seed + _NEXT_SEED * attempt)
        if _is_eventful(movie):
            return movie
    raise RuntimeError(f"no {style} sample with a division and a leaving cell near seed {seed}; try another seed")


def first_clicks(movie: SyntheticMovie, new_objects: bool = False) -> list[Click]:
    """Return one click per object of frame 0, on the pixel farthest from the object's outline and the image border.

    With `new_objects`, also one for every later object, on the first frame where it is seen.
    """
    rows = [row for row in movie.lineage if new_objects or row.first_frame == 0]
    return [
        Click(row.object_id, row.first_frame, *farthest_pixel(movie.labels[row.first_frame] == row.object_id))
        for row in rows
    ]


def write_sample(folder: str | Path, movie: SyntheticMovie | None = None) -> tuple[Path, Path]:
    """Return the paths of images.tif and labels.tif, written to the folder with axes and pixel size."""
    movie = movie or sample_movie()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = folder / "images.tif", folder / "labels.tif"
    _write_tiff(images, movie.images, movie.pixel_size_um)
    _write_tiff(labels, movie.labels, movie.pixel_size_um)
    return images, labels


def cells_movie() -> list[tuple[NDArray[Any], dict[str, Any], str]]:
    """Return napari layer data: the sample's images, and its true labels in a hidden layer."""
    movie = sample_movie()
    common = {
        "scale": (1.0, movie.pixel_size_um, movie.pixel_size_um),
        "axis_labels": ("t", "y", "x"),
        "metadata": {"axes": "TYX", "pixel_size_um": movie.pixel_size_um, "seed": movie.seed},
    }
    limits = tuple(float(limit) for limit in np.percentile(movie.images, (0.1, 99.9)))
    return [
        (movie.images, {**common, "name": "cells (synthetic)", "contrast_limits": limits}, "image"),
        (movie.labels, {**common, "name": "cells (synthetic), truth", "visible": False}, "labels"),
    ]


def _is_eventful(movie: SyntheticMovie) -> bool:
    """Return whether a cell divides, one leaves for good, and frame 0 shows 8 to 12 cells."""
    last = len(movie.labels) - 1
    mothers = [row.parent for row in movie.lineage if row.parent]
    divides = any(mothers.count(mother) == 2 for mother in mothers)
    leaves = any(0 < row.last_frame < last - 2 and row.object_id not in mothers for row in movie.lineage)
    return divides and leaves and 8 <= sum(row.first_frame == 0 for row in movie.lineage) <= 12


def _write_tiff(path: Path, stack: NDArray[Any], pixel_size_um: float) -> None:
    """Write a stack (T, H, W) as an ImageJ TIFF with its axes and pixel size."""
    import tifffile

    per_unit = 1.0 / pixel_size_um
    metadata = {"axes": "TYX", "unit": "um"}
    tifffile.imwrite(path, stack, imagej=True, resolution=(per_unit, per_unit), metadata=metadata)
