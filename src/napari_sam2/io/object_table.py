"""One row per object and frame as CSV: status, score, area and centroid, in pixels and in the units of the stack.

What is measured is what the labels show: a pixel that another object won counts for that one, unless masks may overlap.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.io.atomic import write_atomically
from napari_sam2.io.raw_data import check_not_raw
from napari_sam2.io.results import Results
from napari_sam2.masks.mask_store import Overlaps, StoredMask

PIXEL_COLUMNS = ("object_id", "name", "parent", "frame", "status", "score", "area_px", "y_px", "x_px")
UNIT_COLUMNS = ("area", "y", "x", "unit")
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
    columns = PIXEL_COLUMNS + (UNIT_COLUMNS if calibrated else ())
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(object_rows(results))
    write_atomically(Path(path), text.getvalue().encode("utf-8"))


def object_rows(results: Results) -> Iterator[Row]:
    """Yield the rows of the table; those without a pixel have no centroid."""
    pixel = _pixel_size(results)
    for frame in range(len(results.movie)):
        objects = results.masks.objects_on(frame)
        labels = results.labels(frame) if objects else None
        for object_id in objects:
            mask = results.masks.get((object_id, frame))
            if mask is None or labels is None:
                continue
            shown = mask.mask()
            if results.overlaps is not Overlaps.allowed:
                shown = labels[mask.rows, mask.columns] == object_id
            row = _about(results, object_id) | {"frame": frame, "status": mask.status.value, "score": f"{mask.score:g}"}
            yield row | _measured(mask, shown, pixel)


def _about(results: Results, object_id: int) -> Row:
    info = results.document.objects.get(object_id)
    if info is None:
        return {"object_id": object_id}
    return {"object_id": object_id, "name": info.name, "parent": "" if info.parent is None else info.parent}


def _measured(
    mask: StoredMask, shown: np.ndarray[Any, np.dtype[np.bool_]], pixel: tuple[float, float, str] | None
) -> Row:
    """Return area and centroid of what is shown of a mask, (h, w) bool in its box."""
    rows, columns = np.nonzero(shown)
    row: Row = {"area_px": rows.size}
    if pixel is not None:
        row |= {"area": f"{rows.size * pixel[0] * pixel[1]:.6g}", "unit": pixel[2]}
    if rows.size == 0:
        return row
    y, x = float(rows.mean()) + mask.y0, float(columns.mean()) + mask.x0
    row |= {"y_px": f"{y:.2f}", "x_px": f"{x:.2f}"}
    return row if pixel is None else row | {"y": f"{y * pixel[0]:.6g}", "x": f"{x * pixel[1]:.6g}"}


def _pixel_size(results: Results) -> tuple[float, float, str] | None:
    """Return (height, width, unit) of a pixel, None unless the stack says all of it in one unit."""
    about = results.movie.stack.calibration
    unit = about.units.get("Y")
    if "Y" not in about.scale or "X" not in about.scale or not unit or unit != about.units.get("X"):
        return None
    return about.scale["Y"], about.scale["X"], unit
