"""Results of a session folder that may be open elsewhere: nothing is locked, nothing is loaded but what was saved."""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import ValidationError

from napari_sam2.io.results import Results
from napari_sam2.io.saved_session import SavedSession
from napari_sam2.io.session_files import load_session
from napari_sam2.io.session_images import changed_images, open_images
from napari_sam2.session.looks import masks_on, settings_movie
from napari_sam2.session.settings import SessionSettings
from sam2_core.errors import StackError

_log = logging.getLogger(__name__)


def open_results(folder: str | Path) -> Results:
    """Return the results of a session folder.

    Raises
    ------
    StackError
        If it is no session folder, or its stack is not where it was.
    """
    return results_of(load_session(folder), str(folder))


def results_of(saved: SavedSession, name: str) -> Results:
    """Return the results of a saved session; `name` is for messages.

    Raises
    ------
    StackError
        If its stack is not where it was, or its settings cannot be used.
    """
    settings = saved_settings(saved, name)
    if saved.source is None:
        raise StackError(f"{name} was made on an array in memory, so its images cannot be found; export it from there.")
    stack = open_images(saved, None, Path(name))
    for warning in changed_images(saved, stack):
        _log.warning(warning)
    movie = settings_movie(stack, settings)
    return Results(saved.document, masks_on(movie, saved.masks), movie, settings.overlaps)


def saved_settings(saved: SavedSession, name: str) -> SessionSettings:
    """Return the settings of a saved session.

    Raises
    ------
    StackError
        If one of them cannot be used.
    """
    try:
        return SessionSettings.model_validate(dict(saved.settings))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in fault["loc"])
        raise StackError(f"{name}: the setting {field} cannot be used: {fault['msg']} ({fault['input']!r}).") from error
