"""How sessions come to be: the heavy imports, opening on a stack, opening a folder. The first two in workers.

`open_stacks` and `shown_image` belong to the main thread: they look through the viewer's layers.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam2_core.errors import StackError

if TYPE_CHECKING:
    import napari
    from napari.layers import Image, Layer

    from napari_sam2.napari_reader import LayerData
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

    `beside` are the layers that are seen as channels with it; `settings` are fields of `SessionSettings` that differ
    from the preferences.
    """

    layer: Image
    axes: str = ""
    track_axis: str | None = None
    beside: tuple[Image, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reopened:
    """A session, and the layer that shows the images that it was made on; None where there is none."""

    session: Session
    layer: Image | None


class ImagesMissing(StackError):
    """The images of a session were not found, and nobody has them open."""


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


def reopen_session(folder: Path, candidates: Sequence[tuple[Image, Stack]], images: Path | None = None) -> Reopened:
    """Return the session of a folder; on images of the viewer where its own are not found.

    Parameters
    ----------
    candidates
        Image layers that may show what the session was made on; their pixels tell.
    images
        Where a person says that the images are.

    Raises
    ------
    ImagesMissing
        If its images are not found, and no layer shows them.
    StackError
        If the folder cannot be read.
    """
    from napari_sam2.io.session_files import FolderInUse
    from napari_sam2.session.session import Session

    try:
        session = Session.open(folder, images=images)
    except FolderInUse:
        raise
    except StackError as error:
        if images is not None or not _can_be_read(folder):
            raise
        why = error
    else:
        return Reopened(session, next((layer for layer, stack in candidates if shows(session.stack, stack)), None))
    for layer, stack in (*candidates, *_of_channels(folder, candidates)):
        with contextlib.suppress(StackError):  # the images of another session
            return Reopened(Session.open(folder, images=stack), layer)
    raise ImagesMissing(
        f"The images of {folder.name} were not found, and no image in the viewer is them. Open the image first, "
        "then open the session; or choose their file at the top of the panel."
    ) from why


def _of_channels(folder: Path, candidates: Sequence[tuple[Image, Stack]]) -> Iterable[tuple[Image, Stack]]:
    """Return stacks of several layers, seen as channels, that may be what the session of a folder was made on."""
    from napari_sam2.io.session_files import load_session
    from napari_sam2.viewer.channel_layers import stacks_of

    record = load_session(folder).stack
    if record is None:
        return ()
    alike = [(layer, stack) for layer, stack in candidates if stack.shape == record.shape[1:]]
    found = stacks_of(alike, record.shape[0]) if alike else ()
    return ((layer, stack) for layer, stack in found if record.fits(stack))


def shows(wanted: Stack, shown: Stack) -> bool:
    """Return whether what a layer shows is a stack, or its first channel where a layer is one of several channels."""
    from napari_sam2.io.saved_session import StackRecord
    from napari_sam2.stacks import Stack

    if wanted.axes[0] == "C" and wanted.axes[1:] == shown.axes:
        wanted = Stack(_FirstChannel(wanted.data), shown.axes, wanted.name)
    if wanted.data is shown.data:
        return True
    with contextlib.suppress(StackError):  # a layer that cannot be read shows nothing
        return wanted.shape == shown.shape and StackRecord.of(wanted).is_of(shown)
    return False


class _FirstChannel:
    """The first of the channels of an array that has them in front."""

    def __init__(self, data: Any) -> None:
        self._data = data
        self.shape = tuple(data.shape[1:])
        self.dtype = data.dtype

    def __getitem__(self, index: Any) -> Any:
        return self._data[(0, *(index if isinstance(index, tuple) else (index,)))]


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


def open_stacks(viewer: napari.viewer.Viewer) -> list[tuple[Image, Stack]]:
    """Return the image layers of a viewer with their stacks, the active one first; those that are none are left out."""
    from napari.layers import Image

    from napari_sam2.viewer import image_source

    active = viewer.layers.selection.active
    stacks = []
    for layer in sorted(viewer.layers, key=lambda layer: layer is not active):
        if isinstance(layer, Image):
            with contextlib.suppress(StackError):  # a layer that is no stack is no candidate
                stacks.append((layer, image_source(layer).stack))
    return stacks


def shown_image(viewer: napari.viewer.Viewer, opened: Reopened) -> Image:
    """Return the image layer that shows what a session was made on; it is added where the viewer has none."""
    if opened.layer is not None and opened.layer in viewer.layers:
        return opened.layer
    return _added_image(viewer, opened.session.stack)


def add_layers(viewer: napari.viewer.Viewer, read: LayerData) -> list[Layer]:
    """Return what a reader's layer data became in a viewer: one layer, or one for each channel."""
    data, meta, kind = read
    added: Any = getattr(viewer, f"add_{kind}")(data, **meta)
    return added if isinstance(added, list) else [added]


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
