"""`napari-sam2 export`: a session folder in, label stack, tables, tracks and prompts out.

The session may be open in a window meanwhile: it is only read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_sam2.cli.console import errors, output
from napari_sam2.io import SavedSession, check_label_path, load_session, write_prompts
from napari_sam2.io.atomic import check_has_folder
from napari_sam2.io.ctc_files import check_ctc_folder
from napari_sam2.io.error_rate_table import error_rates
from napari_sam2.io.exports import FORMATS, REPLACED, check_apart, check_track_path, export
from napari_sam2.io.prompt_files import files_of_prompts
from napari_sam2.io.raw_data import check_not_raw
from napari_sam2.session.saved_results import results_of
from sam2_core.errors import PromptError, StackError


def export_command(  # noqa: PLR0913 - one parameter per option of the command
    session: Annotated[Path, typer.Argument(help="Session folder, as movie.sam2.")],
    labels: Annotated[Path | None, typer.Option(help="Label stack, .tif or .zarr; object id = label value.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Table: status, score, area, centroid per object and frame.")] = None,
    ctc: Annotated[Path | None, typer.Option(help="Folder for the format of the Cell Tracking Challenge.")] = None,
    tracks: Annotated[Path | None, typer.Option(help="Tracks, .geff (GEFF, with masks) or .xml (TrackMate).")] = None,
    track_table: Annotated[
        Path | None,
        typer.Option("--table", "--track-table", help="Table of tracks: parent, generation, begin, end."),
    ] = None,
    error_rate: Annotated[Path | None, typer.Option(help="Table of error rates, of samples that were judged.")] = None,
    prompts: Annotated[Path | None, typer.Option(help="Prompts, .json or .csv, as `track` reads them.")] = None,
    images: Annotated[str | None, typer.Option(help="The stack, if it is not where the session says.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
) -> int:
    """Write what a session holds: labels, a table of objects, tracks, prompts. The session stays as it is."""
    wanted = {
        "labels": labels,
        "csv": csv,
        "ctc": ctc,
        "tracks": tracks,
        "track_table": track_table,
        "error_rate": error_rate,
        "prompts": prompts,
    }
    paths = {name: path for name, path in wanted.items() if path is not None}
    if not paths:
        raise typer.BadParameter(
            "nothing is asked for; give --labels, --csv, --ctc, --tracks, --track-table, --error-rate or --prompts."
        )
    _check(paths, overwrite)
    saved = load_session(session)
    for name, path in paths.items():
        check_not_raw(path, saved.source, images, is_replaced=name in REPLACED)
    for note in saved.notes:
        errors().print(note)
    if error_rate is not None:
        error_rates(saved.document)  # says no where there is none
    if prompts is not None:
        _check_prompts(prompts, saved, str(session), overwrite)
    needs_stack = bool(paths.keys() & FORMATS.keys())
    results = results_of(saved, str(session), images) if needs_stack else None
    if prompts is not None:
        write_prompts(prompts, [saved.document.prompts[key] for key in sorted(saved.document.prompts)])
    if results is not None:
        export(results, paths)
    for name in [name for name in ("prompts", *FORMATS) if name in paths]:
        output().print(f"{name}: {paths[name]}")
    return 0


def _check_prompts(path: Path, saved: SavedSession, name: str, overwrite: bool) -> None:
    """Say no where there are none, or where a mask would be written over another one."""
    if not saved.document.prompts:
        raise PromptError(f"{name} holds no prompts: its objects were found or brought in. Leave --prompts out.")
    there = [file for file in files_of_prompts(path, saved.document.prompts.values()) if file.exists()]
    if there and not overwrite:
        raise StackError(f"{there[0]} exists; choose another name for --prompts, or replace it with --overwrite.")


def _check(paths: dict[str, Path], overwrite: bool) -> None:
    """Say no before anything is written where something could not be, or would be lost."""
    check_apart(paths.values())
    for name, path in paths.items():
        if name == "labels":
            check_label_path(path)
        if name == "tracks":
            check_track_path(path)
        check_has_folder(path)
        if name == "ctc":
            check_ctc_folder(path, is_replaced=overwrite)
        elif path.is_dir() and name not in REPLACED:
            raise StackError(f"{path} is a folder; choose the name of a file for it.")
        elif path.exists() and not overwrite:
            option = f"--{name.replace('_', '-')}"
            raise StackError(f"{path} exists; choose another name for {option}, or replace it with --overwrite.")
