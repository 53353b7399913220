"""One row per object that was found, as CSV: area, centroid, score, and the intensities of every channel as stored."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.io.atomic import write_atomically
from napari_sam2.io.text_files import encoded
from napari_sam2.stacks import Movie

Row = dict[str, Any]
Array = np.ndarray[Any, Any]
COLUMNS = ("frame", "label", "score", "area_px", "y_px", "x_px")
MEASURED = ("mean", "min", "max")


def measured_rows(movie: Movie, frame: int, labels: Array, scores: Sequence[float]) -> Iterator[Row]:
    """Yield the rows of a frame, by label; area and centroid also in the units of the stack, where it says them.

    Parameters
    ----------
    movie
        All channels of its stack are measured, also those that a model does not see.
    labels
        (H, W); label n is the n-th score.
    """
    from skimage.measure import regionprops_table

    channels = channels_of(movie, frame)
    stored = np.stack(list(channels.values()), axis=-1)  # (H, W, C)
    wanted = ("label", "area", "centroid", *(f"intensity_{what}" for what in MEASURED))
    found: dict[str, Array] = regionprops_table(labels, stored, properties=wanted)  # type: ignore[no-untyped-call]
    for place, label in enumerate(found["label"].tolist()):
        area, y, x = (float(found[name][place]) for name in ("area", "centroid-0", "centroid-1"))
        row: Row = {"frame": frame, "label": label, "score": f"{scores[label - 1]:.3f}"}
        row |= {"area_px": int(area), "y_px": f"{y:.2f}", "x_px": f"{x:.2f}"} | in_units(movie, area, y, x)
        for channel, name in enumerate(channels):
            row |= {f"{what}_{name}": f"{found[f'intensity_{what}-{channel}'][place]:.6g}" for what in MEASURED}
        yield row


def write_found_table(path: Path, rows: Iterable[Row]) -> None:
    """Write rows; without any the header has what is always there.

    Raises
    ------
    StackError
        If the file cannot be written.
    """
    written = list(rows)
    columns = list(dict.fromkeys(name for row in written for name in row)) or list(COLUMNS)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(written)
    write_atomically(path, encoded(text.getvalue()))


def channels_of(movie: Movie, frame: int) -> dict[str, Array]:
    """Return the intensities (H, W) of every channel of a frame by its name."""
    stack, about = movie.stack, movie.stack.calibration.channel_names
    if stack.size("C") == 1:
        plane = movie[frame]
        names = ("red", "green", "blue") if plane.ndim == 3 else ("intensity",)
        return dict(zip(names, np.moveaxis(np.atleast_3d(plane), -1, 0), strict=True))
    count = stack.size("C")
    named = about if len(set(about)) == count else tuple(f"channel{channel}" for channel in range(count))
    return {name: stack.movie(movie.track_axis, [n], movie.held)[frame] for n, name in enumerate(named)}


def in_units(movie: Movie, area: float, y: float, x: float) -> Row:
    """Return area and centroid of pixels in the units of the stack; nothing where it does not say them."""
    about = movie.stack.calibration
    height, width, unit = about.scale.get("Y"), about.scale.get("X"), about.units.get("Y")
    if height is None or width is None or not unit or unit != about.units.get("X"):
        return {}
    return {"area": f"{area * height * width:.6g}", "y": f"{y * height:.6g}", "x": f"{x * width:.6g}", "unit": unit}
