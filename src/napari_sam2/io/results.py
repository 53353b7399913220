"""What goes out of a session: its masks as labels, frame by frame, and what is known about its objects.

`Results` is made from an open session's parts, or of a session folder that may be open elsewhere (nothing is locked).
The exports take it: label stacks (`label_files`), tables (`object_table`), CTC folders (`ctc_files`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from napari_sam2.io.label_files import LabelSpec, write_labels
from napari_sam2.io.saved_session import SavedSession
from napari_sam2.io.session_files import load_session
from napari_sam2.session.document import Document
from napari_sam2.session.mask_store import MaskStore, Overlaps
from napari_sam2.session.settings import SessionSettings
from napari_sam2.session.tracking import label_dtype
from napari_sam2.stacks import Movie, Stack, open_stack
from sam2_core.errors import StackError

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Results:
    """The masks of a session, and what belongs to them.

    Attributes
    ----------
    document
        Prompts and objects.
    masks
        The masks.
    movie
        The frames that they were made on.
    overlaps
        Who gets a pixel that several masks hold.
    """

    document: Document
    masks: MaskStore
    movie: Movie
    overlaps: Overlaps = Overlaps.logits

    @property
    def spec(self) -> LabelSpec:
        """What the label stack looks like."""
        return LabelSpec.like(self.movie, label_dtype(self.object_ids))

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids of the objects that are known or have a mask, ascending."""
        return tuple(sorted({*self.document.objects, *self.masks.object_ids()}))

    def labels(self, frame: int) -> Array:
        """Return the labels of a frame, (H, W); hidden objects are among them."""
        return self.masks.labels(frame, overlaps=self.overlaps, locked=self.document.locked)

    def frames(self) -> Iterator[Array]:
        """Yield the labels of every frame in order, made one at a time."""
        return (self.labels(frame) for frame in range(len(self.movie)))


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
    movie = settings_movie(saved_stack(saved, name), settings)
    masks = MaskStore((movie.height, movie.width), len(movie))
    for key, mask in saved.masks:
        masks.put(key, mask)
    return Results(saved.document, masks, movie, settings.overlaps)


def saved_stack(saved: SavedSession, name: str) -> Stack:
    """Return the stack that a session was made on.

    Raises
    ------
    StackError
        If it was an array in memory, is not there, or another one is in its place.
    """
    if saved.source is None:
        raise StackError(f"{name} was made on an array in memory, so its images cannot be found; export it from there.")
    stack = open_stack(saved.source, saved.axes)
    if saved.stack is not None:
        saved.stack.check(stack)
    return stack


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


def settings_movie(stack: Stack, settings: SessionSettings) -> Movie:
    """Return the frames of a stack that settings choose."""
    channels = None if settings.channels is None else list(settings.channels)
    return stack.movie(settings.track_axis, channels, settings.fixed)


def export_labels(path: str | Path, results: Results) -> None:
    """Write the labels of all frames as a label stack, .tif or .zarr, one frame at a time.

    Raises
    ------
    StackError
        If the suffix is not known or the folder does not exist.
    """
    write_labels(path, results.frames(), results.spec)
