"""The formats in which results go out, each by its name: what `export` writes, for whoever offers it to a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from napari_sam2.io.ctc_files import export_ctc
from napari_sam2.io.object_table import export_table
from napari_sam2.io.raw_data import check_not_raw
from napari_sam2.io.results import Results, export_labels

FORMATS: Mapping[str, Callable[[Path, Results], object]] = {
    "labels": export_labels,
    "csv": export_table,
    "ctc": export_ctc,
}
"""Name -> what writes a file or folder of it: label stack, table of objects, Cell Tracking Challenge."""


def export(results: Results, paths: Mapping[str, Path]) -> None:
    """Write results in every format for which a path is given.

    Raises
    ------
    StackError
        If a path cannot be used, or the results do not fit into a format.
    """
    for name, path in paths.items():
        check_not_raw(path, results.movie.stack, is_replaced=name == "labels")
    for name, write in FORMATS.items():
        if name in paths:
            write(paths[name], results)
