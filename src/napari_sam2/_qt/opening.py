"""How sessions come to be: the heavy imports, opening on a stack, opening a folder. The first two in workers.

`open_stacks` and `fitting_image` belong to the main thread: they look through the viewer's layers.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam2_core.errors import StackError

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_sam2.session.session import Session
    from napari_sam2.session.settings import SessionSettings
    from napari_sam2.stacks import Stack


SESSION_FOLDER = "napari_sam2_session"
"""Under this name layers say in their metadata which session folder they were read from."""


_LATE = ("pandas", "skimage.color.colorconv")
"""What napari imports with the first Labels layer only, which takes half a second."""


@dataclass(frozen=True, slots=True)
class ImageChoice:
    """What was chosen for a new session, "" or None for what is usual.

    `settings` are fields of `SessionSettings` that differ from the preferences.
    """

    layer: Image
    axes: str = ""
    track_axis: str | None = None
    channels: tuple[int, ...] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def import_rooms() -> None:
    """Return when what the panel needs later is imported and read; torch is not among it (the lane imports it)."""
    for name in _LATE:
        importlib.import_module(name)
    import napari_sam2.session.session
    import napari_sam2.viewer  # noqa: F401
    from napari_sam2._qt.preferences import preferred_settings

    preferred_settings()  # napari builds the page of preferences at the first call and keeps it


def open_session(stack: Stack, settings: SessionSettings) -> Session:
    """Return a new session on a stack."""
    from napari_sam2.session.session import Session

    return Session.open(stack, settings=settings)


def reopen_session(folder: Path, images: Sequence[Stack]) -> Session:
    """Return the session of a folder; on the given images where its own are not found.

    Raises
    ------
    StackError
        If the folder cannot be read, or no images fit it.
    """
    from napari_sam2.session.session import Session

    try:
        return Session.open(folder)
    except StackError as error:
        why = error
    if not _can_be_read(folder):
        raise why
    for stack in images:
        with contextlib.suppress(StackError):  # the images of another session
            return Session.open(folder, images=stack)
    raise StackError(
        f"The images of {folder.name} are not where they were, and no image in the viewer is them. Open the image "
        "first, then open the session."
    ) from why


def _can_be_read(folder: Path) -> bool:
    """Return whether a folder holds a session, so that only its images can be what is missing."""
    from napari_sam2.io.session_files import is_session_folder, load_session

    if not is_session_folder(folder):
        return False
    with contextlib.suppress(StackError):
        load_session(folder)
        return True
    return False


def hide_read_labels(viewer: napari.viewer.Viewer, session: Session) -> None:
    """Hide labels that napari read from the session's folder: the session shows them itself."""
    from napari.layers import Labels

    for layer in viewer.layers:
        folder = layer.metadata.get(SESSION_FOLDER)
        if isinstance(layer, Labels) and folder and session.folder is not None:
            layer.visible = layer.visible and Path(folder).resolve() != session.folder.resolve()


def open_stacks(viewer: napari.viewer.Viewer) -> list[Stack]:
    """Return the stacks of the image layers of a viewer, the active one first; those that are none are left out."""
    from napari.layers import Image

    from napari_sam2.viewer import image_source

    active = viewer.layers.selection.active
    stacks = []
    for layer in sorted(viewer.layers, key=lambda layer: layer is not active):
        if isinstance(layer, Image):
            with contextlib.suppress(StackError):  # a layer that is no stack is no candidate
                stacks.append(image_source(layer).stack)
    return stacks


def fitting_image(viewer: napari.viewer.Viewer, session: Session) -> Image:
    """Return the image layer of the viewer on which a session was made; it is added where there is none."""
    from napari.layers import Image

    from napari_sam2.viewer.image_source import grid_of

    for layer in viewer.layers:
        if isinstance(layer, Image):
            with contextlib.suppress(StackError):  # it has another shape
                grid_of(layer, session.stack, session.settings)
                return layer
    return _added_image(viewer, session.stack)


def sample_layers() -> list[tuple[Any, dict[str, Any], str]]:
    """Return the sample movie as layer data; making it takes seconds."""
    from napari_sam2.samples import cells_movie

    return cells_movie()


def _added_image(viewer: napari.viewer.Viewer, stack: Stack) -> Image:
    from napari_sam2.napari_reader import shown_array

    scale = [stack.calibration.scale.get(letter, 1.0) for letter in stack.axes if letter != "S"]
    return viewer.add_image(
        shown_array(stack),
        name=stack.name,
        scale=scale,
        axis_labels=[letter.lower() for letter in stack.axes if letter != "S"],
        rgb="S" in stack.axes,
    )
