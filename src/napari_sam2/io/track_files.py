"""Tracks of other programs, whatever they come in: labels or places, and which object came from which.

`open_tracks` knows them by what is there: a GEFF, a folder of the Cell Tracking Challenge (a result or a truth), a
folder with a label stack and its `tracks.csv`, TrackMate's own file, a table of places, or a label stack alone (also
the label image of TrackMate), beside which a table of parents may be given. Pixels are read frame by frame, when they
are asked for. What they become in a session is known to `imports`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_sam2.io.csv_table import Row, read_table
from napari_sam2.io.geff_files import is_geff, read_geff
from napari_sam2.io.spot_tracks import spots_of_table
from napari_sam2.io.text_files import decoded
from napari_sam2.io.tracked import TrackedLabels, TrackedSpots, one_parent_each
from napari_sam2.io.trackmate_reading import read_trackmate
from napari_sam2.stacks import open_labels
from napari_sam2.stacks.metadata import Calibration
from sam2_core.errors import PromptError, StackError
from sam2_core.inference.frames.stored_images import is_zarr

CTC_TABLES = ("res_track.txt", "man_track.txt")
TABLE, STACKS = "tracks.csv", ("masks.tif", "labels.tif")
TABLES = (".csv", ".tsv")
ID_COLUMNS = ("object_id", "id", "label", "track_id", "cell_id")
PARENT_COLUMNS = ("parent", "parent_id", "parent_track_id")
_CTC_IMAGE = re.compile(r"(?:mask|man_track)(\d+)\.tif")


def open_tracks(
    path: str | Path | NDArray[Any],
    table: str | Path | None = None,
    track_axis: str | None = None,
    fixed: Mapping[str, int] | None = None,
    calibration: Calibration | None = None,
) -> TrackedLabels | TrackedSpots:
    """Return the labels or places, and the parents, of a file or folder, or of an array of labels.

    Parameters
    ----------
    table
        Who came from whom, of a label stack or a table of places: see `read_parents`.
    track_axis, fixed
        Which part of a label stack along T and Z: see `stacks.open_labels`.
    calibration
        Of the images, for places in units of length; see `geff_files.read_geff`.

    Raises
    ------
    StackError
        If it cannot be read, a CTC folder lacks a frame, or the extra that reads it is missing.
    PromptError
        If a table cannot be read, or is given with what has links of its own.
    """
    if not isinstance(path, str | Path):
        return _stack_of(path, table, track_axis, fixed)
    path = Path(path)
    if is_geff(path) or path.suffix.lower() == ".xml":
        if table is not None:
            raise PromptError(f"{path.name} says itself who came from whom; leave the table of parents out.")
        return read_geff(path, calibration) if is_geff(path) else read_trackmate(path)
    if path.suffix.lower() in TABLES:
        parents_of = None if table is None else partial(read_parents, table)
        return spots_of_table(read_table(_text_of(path), path.name), path.name, parents_of)
    found = None if is_zarr(path) else _table_in(path)
    if found is not None and table is None:
        folder = found.parent
        stacks = [folder / name for name in STACKS if (folder / name).is_file()]
        is_ctc = found.name in CTC_TABLES and not stacks
        first = _first_frame(folder) if is_ctc else 0
        parents, spans = read_parents(found), _spans(found, first) if is_ctc else {}
        return TrackedLabels(open_labels(stacks[0] if stacks else folder), parents, spans)
    return _stack_of(path, table, track_axis, fixed)


def _stack_of(
    labels: Path | NDArray[Any], table: str | Path | None, track_axis: str | None, fixed: Mapping[str, int] | None
) -> TrackedLabels:
    movie = open_labels(labels, None, track_axis, fixed)
    return TrackedLabels(movie, {} if table is None else read_parents(table))


def read_parents(path: str | Path, there: Collection[int] = ()) -> dict[int, int]:
    """Return object id -> the one that it came from, of a table; 0, -1, nothing and the object itself stand for none.

    An object 0 that is `there` is meant by its number.

    A `.txt` has the four numbers of the Cell Tracking Challenge in each line: label, begin, end, parent. Anything else
    is a table with a header, whose columns are one of `ID_COLUMNS` and one of `PARENT_COLUMNS`.

    Raises
    ------
    StackError
        If the file cannot be read.
    PromptError
        If it is no such table, or names two parents of one object.
    """
    path = Path(path)
    text = _text_of(path)
    if path.suffix == ".txt":
        rows = [(child, parent) for child, _, _, parent in _ctc_lines(text, path.name)]
    else:
        rows = _named_rows(text, path.name)
    none = {0, -1} - set(there)
    return one_parent_each([pair for pair in rows if pair[1] not in none and pair[0] != pair[1]], path.name)


def _text_of(path: Path) -> str:
    try:
        return decoded(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StackError(f"{path} cannot be read ({error}); check the path.") from error


def _spans(path: Path, first: int) -> dict[int, tuple[int, int]]:
    """Return label -> begin and end in frames of the labels, the first of which the table calls `first`."""
    return {one: (begin - first, end - first) for one, begin, end, _ in _ctc_lines(_text_of(path), path.name)}


def _ctc_lines(text: str, name: str) -> list[tuple[int, int, int, int]]:
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            label, begin, end, parent = (int(word) for word in line.split())
        except ValueError:
            if line.strip():
                raise PromptError(
                    f"{name}, line {number}: {line[:60]!r} is no line of a CTC table; four whole numbers are needed: "
                    "label, begin, end, parent."
                ) from None
        else:
            rows.append((label, begin, end, parent))
    return rows


def _named_rows(text: str, name: str) -> list[tuple[int, int]]:
    table = read_table(text, name)
    child, parent = (
        next((one for one in known if one in table.columns), None) for known in (ID_COLUMNS, PARENT_COLUMNS)
    )
    if child is None or parent is None:
        raise PromptError(
            f"{name} has the columns {', '.join(table.columns)}; for parents one of {', '.join(ID_COLUMNS)} and one of "
            f"{', '.join(PARENT_COLUMNS)} are needed."
        )
    return [(row.whole(child), _parent(row, parent)) for row in table.rows]


def _parent(row: Row, column: str) -> int:
    return row.whole(column) if row.text(column) else 0


def _table_in(path: Path) -> Path | None:
    """Return the table of a folder that has one, or of the `TRA` folder in a truth of the Cell Tracking Challenge."""
    places = [folder / name for folder in (path, path / "TRA") for name in (*CTC_TABLES, TABLE)]
    return next((place for place in places if place.is_file()), None)


def _first_frame(folder: Path) -> int:
    """Return the first frame of a CTC folder, the number of its image; say no where one is missing in between.

    Others would be taken for earlier ones.
    """
    frames = sorted(int(found[1]) for path in folder.iterdir() if (found := _CTC_IMAGE.fullmatch(path.name)))
    for before, after in pairwise(frames):
        if after != before + 1:
            raise StackError(
                f"{folder.name} has no image of frame {before + 1}, but of frames {before} and {after}; add the one "
                "that is missing, an empty one where there was no cell."
            )
    return frames[0] if frames else 0
