"""One row per object and frame as CSV: status, score, area, centroid, axes, speed, and mean intensity of every channel.

What is measured is what the labels show: a pixel that another object won counts for that one, unless masks may overlap.
Area and centroid are also given in the units of the stack. Axes are those of the ellipse with the same moments; the
speed is in pixels per frame, since the last frame on which the object was there.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from napari_sam2.io.atomic import write_atomically
from napari_sam2.io.found_table import channels_of
from napari_sam2.io.measuring import AREA, INTENSITY, MAJOR, MINOR, SHAPES, X, Y, measured
from napari_sam2.io.raw_data import check_not_raw
from napari_sam2.io.results import Results
from napari_sam2.masks.mask_store import Overlaps

PIXEL_COLUMNS = ("object_id", "name", "parent", "frame", "status", "score", "area_px", "y_px", "x_px")
UNIT_COLUMNS = ("area", "y", "x", "unit")
SHAPE_COLUMNS = ("major_px", "minor_px", "speed_px")
Row = dict[str, Any]


def export_table(path: str | Path, results: Results) -> None:
    """Write one row per object and frame for which a mask is kept, absent ones among them, by frame and object.

    Raises
    ------
    StackError
        If the file cannot be written, or is the stack itself.
    """
    check_not_raw(path, results.movie.stack)
    text = io.StringIO()
    calibrated = _pixel_size(results) is not None
    means = tuple(f"mean_{name}" for name in channels_of(results.movie, 0))
    columns = PIXEL_COLUMNS + (UNIT_COLUMNS if calibrated else ()) + SHAPE_COLUMNS + means
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(object_rows(results))
    write_atomically(Path(path), text.getvalue().encode("utf-8"))


def object_rows(results: Results) -> Iterator[Row]:
    """Yield the rows of the table; those without a pixel have no centroid."""
    pixel = _pixel_size(results)
    last: dict[int, tuple[int, float, float]] = {}
    for frame in range(len(results.movie)):
        objects = results.masks.objects_on(frame)
        if not objects:
            continue
        labels, channels = results.labels(frame), channels_of(results.movie, frame)
        for object_id in objects:
            mask = results.masks.get((object_id, frame))
            if mask is None:
                continue
            shown = mask.mask()
            if results.overlaps is not Overlaps.allowed:
                shown = labels[mask.rows, mask.columns] == object_id
            score = "" if mask.model_score is None else f"{mask.model_score:g}"
            row = _about(results, object_id) | {"frame": frame, "status": mask.status.value, "score": score}
            row |= {"area_px": int(shown.sum())} | ({} if pixel is None else {"area": "0", "unit": pixel[2]})
            if shown.any():
                found = measured(mask, shown, channels, frozenset(SHAPES))
                now = frame, found[Y], found[X]
                row |= _shape(found, pixel) | _speed(last.get(object_id), now)
                row |= {f"mean_{name}": f"{found[INTENSITY + name]:.6g}" for name in channels}
                last[object_id] = now
            yield row


def _about(results: Results, object_id: int) -> Row:
    info = results.document.objects.get(object_id)
    if info is None:
        return {"object_id": object_id}
    return {"object_id": object_id, "name": info.name, "parent": "" if info.parent is None else info.parent}


def _shape(found: Mapping[str, float], pixel: tuple[float, float, str] | None) -> Row:
    """Return place and axes as they were measured, with those in the units of the stack."""
    row: Row = {"y_px": f"{found[Y]:.2f}", "x_px": f"{found[X]:.2f}"}
    row |= {"major_px": f"{found[MAJOR]:.2f}", "minor_px": f"{found[MINOR]:.2f}"}
    if pixel is not None:
        row |= {"area": f"{found[AREA] * pixel[0] * pixel[1]:.6g}"}
        row |= {"y": f"{found[Y] * pixel[0]:.6g}", "x": f"{found[X] * pixel[1]:.6g}"}
    return row


def _speed(before: tuple[int, float, float] | None, now: tuple[int, float, float]) -> Row:
    """Return the speed from one (frame, y, x) to another; nothing where an object is there for the first time."""
    if before is None:
        return {}
    return {"speed_px": f"{math.hypot(now[1] - before[1], now[2] - before[2]) / (now[0] - before[0]):.3f}"}


def _pixel_size(results: Results) -> tuple[float, float, str] | None:
    """Return (height, width, unit) of a pixel, None unless the stack says all of it in one unit."""
    about = results.movie.stack.calibration
    unit = about.units.get("Y")
    if "Y" not in about.scale or "X" not in about.scale or not unit or unit != about.units.get("X"):
        return None
    return about.scale["Y"], about.scale["X"], unit
