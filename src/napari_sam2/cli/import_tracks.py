"""`napari-sam2 import`: tracks of another program in, a session folder out, whose masks are there to be corrected."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_sam2.cli import options
from napari_sam2.cli.console import output
from napari_sam2.cli.movie_choice import MovieChoice
from napari_sam2.document.plain_values import counted
from napari_sam2.io import is_session_folder
from napari_sam2.io.raw_data import check_not_raw
from sam2_core.errors import StackError


def import_command(  # noqa: PLR0913 - one parameter per option of the command
    stack: Annotated[str, typer.Argument(help="The images.")],
    tracks: Annotated[
        Path, typer.Argument(help="CTC folder, GEFF, .xml of TrackMate, .csv of places, or label stack.")
    ],
    session: Annotated[Path, typer.Argument(help="Session folder to write, as movie.sam2.")],
    parents: Annotated[Path | None, typer.Option(help="Table of parents of a label stack.")] = None,
    split_lineages: Annotated[
        bool, typer.Option("--split-lineages", help="Make mothers and daughters of objects that come apart.")
    ] = False,
    axes: options.Axes = None,
    scene: options.Scene = None,
    track_axis: options.TrackAxis = None,
    channel: options.Channel = None,
    fixed: options.Fixed = None,
) -> int:
    """Make a session of TRACKS on STACK: all objects with masks and parents, ready to be looked at and corrected.

    Places without an outline are clicks, whose masks come when the session is tracked.
    """
    from napari_sam2.session.session import Session
    from napari_sam2.session.settings import SessionSettings

    if is_session_folder(session):
        raise StackError(f"{session} holds a session; choose another name.")
    if tracks.exists() and Path(stack).exists() and tracks.samefile(stack):
        raise StackError(f"{tracks} is given as the images and as the tracks; give the labels as the second one.")
    check_not_raw(session, stack, tracks)
    choice = MovieChoice(axes, scene, track_axis, channel, fixed)
    movie = choice.open(stack)
    settings = SessionSettings.model_validate(choice.settings(movie))
    with Session.open(movie.movie.stack, settings=settings) as opened:
        ids = opened.import_tracks(tracks, parents, split_lineages=split_lineages)
        divisions, clicks = len(opened.document.divisions), len(opened.document.prompts)
        opened.save(session)
    output().print(f"{session}: {counted(len(ids), 'object')}, {counted(divisions, 'division')}.")
    if clicks:
        told = f"{counted(clicks, 'place')} without an outline: their masks come with"
        output().print(f"{told} napari-sam2 track --session {session}")
    return 0
