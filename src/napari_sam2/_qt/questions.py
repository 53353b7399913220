"""What a person is asked in a window of its own: whether unsaved work is kept, where to, and where images are."""

from __future__ import annotations

import contextlib
import mimetypes
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_sam2._qt.background import USER_ERRORS
from napari_sam2.document.plain_values import counted
from sam2_core.errors import StackError

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam2.session.session import Session


def may_leave(session: Session | None, image: Image | None, parent: QWidget) -> bool:
    """Return whether the session on an image may be closed; unsaved work is named, and can be saved first."""
    if session is None or image is None or not session.holds_work or not _is_unsaved(session):
        return True
    buttons = QMessageBox.StandardButton
    why = f"\n\n{session.unsaved}" if session.unsaved else ""
    answer = QMessageBox.question(
        parent,
        "Save the work?",
        f"The work on {image.name} is not saved: {work_in_words(session)}.{why}\n\nSave it as a session?",
        buttons.Save | buttons.Discard | buttons.Cancel,
        buttons.Save,
    )
    if answer == buttons.Save:
        return _save(session, image, parent)
    return answer == buttons.Discard


def work_in_words(session: Session) -> str:
    """Return what would be lost: "2 objects, 3 prompts on 1 frame, masks on 30 frames, 5 found cells"."""
    document = session.document
    frames = {frame for _, frame in document.prompts}
    masks = {frame for (_, frame), _ in session.masks.items()}
    prompts = f"{counted(len(document.prompts), 'prompt')} on {counted(len(frames), 'frame')}"
    told = [counted(len(document.objects), "object"), prompts, f"masks on {counted(len(masks), 'frame')}"]
    waiting = sum(one.is_open for one in document.proposals.values())
    return ", ".join(told + [counted(waiting, "found cell")] * bool(waiting))


def with_ending(chosen: str, ending: str) -> Path:
    """Return where something goes for a name as a dialog tells it: with an ending that says what kind of file it is.

    An ending that is none (`movie.v2`) is part of the name; that of another kind of file is left for who writes to say.
    """
    path = Path(chosen)
    has_one = path.suffix.lower() == ending or mimetypes.guess_type(path.name)[0] is not None
    return path if has_one else path.with_name(path.name + ending)


def asked_path(
    title: str, name: str, kinds: str, ended: Callable[[str, str], Path], parent: QWidget
) -> tuple[Path, str] | None:
    """Return where a person wants something written, and as which kind of file; None if it was given up.

    `ended` adds the ending that a name of a kind has to have; what is there already under the name with it, of which
    the dialog knew nothing, is asked about here.
    """
    chosen, kind = QFileDialog.getSaveFileName(parent, title, name, kinds)
    if not chosen:
        return None
    path = ended(chosen, kind)
    if str(path) != chosen and path.exists():
        question = f"{path.name} is there already. Replace it?"
        if QMessageBox.question(parent, title, question) != QMessageBox.StandardButton.Yes:
            return None
    return path, kind


def file_name(image: Image | None) -> str:
    """Return what files of the work on an image are named after: the layer as it is called now."""
    return "session" if image is None else Path(image.name).stem


def asked_folder(session: Session, image: Image | None, parent: QWidget) -> Path | None:
    """Return in which folder a person wants a session saved, `.sam2` added where that is missing; None if given up."""
    name = f"{file_name(image)}{_held_in_name(session)}.sam2"
    asked = asked_path("Save the session as a folder", name, "", _session_folder, parent)
    return None if asked is None else asked[0]


def asked_images(folder: Path, parent: QWidget) -> Path | None:
    """Return where the images of a session folder are, as a person says; None if it was given up."""
    title = f"Where are the images of {folder.name}?"
    chosen, _ = QFileDialog.getOpenFileName(parent, title, str(folder.parent), "")
    return _whole_store(Path(chosen)) if chosen else None


def _session_folder(chosen: str, kind: str) -> Path:
    path = Path(chosen)
    return path if path.suffix == ".sam2" else path.with_name(f"{path.name}.sam2")


def _whole_store(path: Path) -> Path:
    """Return the zarr store that a chosen file is a part of, or the file: dialogs for files cannot choose folders."""
    stores = [part for part in (path, *path.parents) if part.suffix == ".zarr"]
    return stores[-1] if stores else path


def _is_unsaved(session: Session) -> bool:
    """Return whether something would be lost, after what waits was written."""
    with contextlib.suppress(StackError):  # `is_dirty` says so too, and `unsaved` why
        session.saving.flush()
    return session.is_dirty


def _save(session: Session, image: Image, parent: QWidget) -> bool:
    """Return whether the work is saved now, where a person says: there is no folder yet, or nothing can go there."""
    folder = asked_folder(session, image, parent)
    if folder is None:
        return False
    try:
        session.save(folder)
    except USER_ERRORS as error:
        QMessageBox.critical(parent, "Not saved", f"{error}\n\nNothing was closed.")
        return False
    return True


def _held_in_name(session: Session) -> str:
    """Return where a session works as a part of a name, "_Z3": each Z of one stack has a session of its own."""
    held = session.movie.movie.held
    return "".join(f"_{letter}{index}" for letter, index in held.items() if session.stack.size(letter) > 1)
