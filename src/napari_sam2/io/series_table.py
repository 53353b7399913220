"""Measurements of objects over time as CSV: one row per object and frame on which it is seen."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path

from napari_sam2.document.objects import ObjectInfo
from napari_sam2.io.atomic import write_atomically
from napari_sam2.io.measuring import Series


def write_series(path: str | Path, series: Mapping[int, Series], objects: Mapping[int, ObjectInfo]) -> None:
    """Write what was measured, by object and frame; a cell is empty where there is no number.

    Raises
    ------
    StackError
        If the file cannot be written.
    """
    names = list(dict.fromkeys(name for one in series.values() for name in one.values))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["object_id", "name", "frame", *names])
    for object_id, one in sorted(series.items()):
        known = objects.get(object_id)
        for place, frame in enumerate(one.frames.tolist()):
            numbers = [float(one.values[name][place]) for name in names]
            shown = ["" if math.isnan(number) else f"{number:.6g}" for number in numbers]
            writer.writerow([object_id, "" if known is None else known.name, frame, *shown])
    write_atomically(Path(path), text.getvalue().encode("utf-8"))
