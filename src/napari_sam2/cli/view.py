"""`napari-sam2 view`: napari with a movie or a session in it and the panel *Segment and track* beside it.

The command line knows neither napari nor Qt: the window's module is fetched by its name, as napari fetches the panel,
once it is known that both are there.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from napari_sam2.cli import options
from napari_sam2.io.session_files import is_session_folder
from napari_sam2.napari_reader import LayerData, read_image_layers, read_label_layers
from sam2_core.errors import StackError

_WINDOW = "napari_sam2._qt.window"
_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")


def view_command(
    movie: Annotated[
        Path | None,
        typer.Argument(metavar="MOVIE", help="Images as `track` reads them, or a session folder; none by default."),
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="Label stack to show on top.")] = None,
    axes: options.Axes = None,
    scene: options.Scene = None,
) -> int:
    """Open napari with MOVIE in it and the panel "Segment and track" beside it; needs the extra `all`."""
    check_window()
    session = movie if movie is not None and is_session_folder(movie) else None
    if session is not None and (axes or scene):
        raise typer.BadParameter("--axes and --scene are for images; the session says how its own are read.")
    layers: list[LayerData] = [] if movie is None or session is not None else read_image_layers(movie, axes, scene)
    layers += [] if labels is None else read_label_layers(labels)
    importlib.import_module(_WINDOW).show(layers, session)
    return 0


def check_window() -> None:
    """Return nothing if a window can be opened.

    Raises
    ------
    StackError
        If napari or Qt is not installed, or there is no screen.
    """
    try:
        importlib.import_module("napari")
        importlib.import_module("qtpy.QtWidgets")
        importlib.import_module("superqt")
    except ImportError as error:  # qtpy's own errors are of this kind too
        raise StackError(
            f"A window needs napari and Qt, which are not installed here ({error}); install them with: "
            'python -m pip install "napari-sam2[all]"'
        ) from error
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in _SCREENS):
        raise StackError(
            f"There is no screen to open a window on ({' and '.join(_SCREENS[:2])} are not set); run this where there "
            "is one. What `track --session` leaves can be opened on another computer."
        )
