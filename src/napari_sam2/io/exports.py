"""The formats in which results go out, each by its name: what `export` writes, for whoever offers it to a person."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import permutations
from pathlib import Path

from napari_sam2.io.atomic import part_beside, remove_parts, remove_path, writing
from napari_sam2.io.ctc_files import export_ctc
from napari_sam2.io.error_rate_table import export_error_rates
from napari_sam2.io.geff_files import export_geff, geff_library
from napari_sam2.io.label_files import put_in_place
from napari_sam2.io.object_table import export_table
from napari_sam2.io.raw_data import check_not_raw
from napari_sam2.io.results import Results, export_labels
from napari_sam2.io.track_table import export_track_table
from napari_sam2.io.trackmate_xml import export_trackmate
from napari_sam2.lineage.tracks import tracks_of
from sam2_core.errors import StackError

_log = logging.getLogger(__name__)
Write = Callable[[Path, Results], object]
TRACK_SUFFIXES: Mapping[str, Write] = {".geff": export_geff, ".xml": export_trackmate}


def check_track_path(path: Path) -> None:
    """Return nothing if tracks can be written there: GEFF or TrackMate.

    Raises
    ------
    StackError
        If the suffix is not known, or the library for it is missing.
    """
    if path.suffix.lower() not in TRACK_SUFFIXES:
        raise StackError(f"{path}: tracks are written as .geff (GEFF) or .xml (TrackMate); choose one of these.")
    if path.suffix.lower() == ".geff":
        geff_library()


def export_tracks(path: Path, results: Results) -> None:
    """Write tracks as GEFF or for TrackMate, by the suffix; see `check_track_path`."""
    check_track_path(path)
    TRACK_SUFFIXES[path.suffix.lower()](path, results)


FORMATS: Mapping[str, Write] = {
    "labels": export_labels,
    "csv": export_table,
    "ctc": export_ctc,
    "tracks": export_tracks,
    "track_table": export_track_table,
    "error_rate": export_error_rates,
}
"""Name -> what writes a file or folder of it: label stack, table of objects, Cell Tracking Challenge, GEFF or
TrackMate, table of tracks, error rates that a person stated."""
REPLACED = ("labels", "ctc", "tracks")
"""Those that put a folder in the place of one that is there."""


def check_different(paths: Iterable[Path]) -> None:
    """Return nothing if no two of the results that are written have one place, by whatever name.

    Raises
    ------
    StackError
        If two have.
    """
    known: set[str] = set()
    for path in paths:
        place = os.path.realpath(path)
        if place in known:
            raise StackError(f"{path} is given for two results; choose a name for each.")
        known.add(place)


def check_apart(paths: Collection[Path]) -> None:
    """Return nothing if no two of the results that are written share a place, nor lies one in another.

    Raises
    ------
    StackError
        If two do.
    """
    check_different(paths)
    for path, other in permutations(paths, 2):
        if Path(os.path.realpath(other)) in Path(os.path.realpath(path)).parents:
            raise StackError(f"{path} lies in {other}, which is written too; choose another place.")


def export(results: Results, paths: Mapping[str, Path]) -> None:
    """Write results in every format for which a path is given.

    Raises
    ------
    StackError
        If a path cannot be used, or the results do not fit into a format.
    """
    for name, path in paths.items():
        check_not_raw(path, results.movie.stack, is_replaced=name in REPLACED)
    _tell_places_without_masks(results)
    if paths.keys() & {"ctc", "tracks"}:
        _tell_parents_left_out(results)
    for name, write in FORMATS.items():
        if name in paths:
            write(paths[name], results)


def _tell_places_without_masks(results: Results) -> None:
    """Say how many prompts have no mask yet: those of tracks that came in as places, which nothing was asked about."""
    waiting = sum(results.masks.get(key) is None for key in results.document.prompts)
    if waiting:
        _log.warning("%d prompts have no mask yet, so they are in none of the files: track the session first.", waiting)


def _tell_parents_left_out(results: Results) -> None:
    """Say of which objects files of links name no parent, because it is nowhere before them."""
    tracks = tracks_of(results.document, results.masks)
    known = {one: tracks.get(track.parent) for one, track in tracks.items() if track.parent is not None}
    late = [one for one, parent in known.items() if parent is not None and parent.begin >= tracks[one].begin]
    if late:
        some = f"{', '.join(map(str, late[:10]))}{' and more' if len(late) > 10 else ''}"
        _log.warning("Tracks are written without the parents of objects %s, which are nowhere before them.", some)


def export_everything(folder: Path, results: Results) -> tuple[Path, ...]:
    """Return the paths of all that was written into a new folder: every format, with the usual names.

    The folder is there when all of it is. Labels, tables of cells and of tracks, a CTC folder, GEFF where its library
    is installed, and the error rates where samples were drawn.

    Raises
    ------
    StackError
        If the folder holds something already, or something cannot be written.
    """
    wanted = set(_EVERYTHING)
    if not results.document.review.samples:
        wanted.remove("error_rate")
    try:
        geff_library()
    except StackError:
        wanted.remove("tracks")
    with _new_folder(folder) as part:
        export(results, {name: part / file for name, file in _EVERYTHING.items() if name in wanted})
    return tuple(folder / file for name, file in _EVERYTHING.items() if name in wanted)


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder that gets its name, that of a new or an empty one, when it is whole; else nothing is there."""
    part = part_beside(folder)
    try:
        with writing(folder):
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise StackError(f"{folder} is not empty; choose the name of a new folder for all formats.")
            folder.parent.mkdir(parents=True, exist_ok=True)
            remove_parts(folder.parent, folder.name)
            part.mkdir()
            yield part
            put_in_place(part, folder)
    finally:
        with suppress(OSError):  # of a disk that may only be read; what went wrong is said above
            remove_path(part)


_EVERYTHING = {
    "labels": "labels.tif",
    "csv": "cells.csv",
    "ctc": "01_RES",
    "tracks": "tracks.geff",
    "track_table": "tracks.csv",
    "error_rate": "error_rate.csv",
}
