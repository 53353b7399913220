"""Where a session's images are, so that its folder can be opened again: in their own file, or copied into the folder.

A path that merely came with an array (of a layer that was read from a file) is only trusted once it was seen to lead to
the same images: a layer may be one channel of its file. All but `open_images` happens on the writing thread.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from napari_sam2.io.autosave import Autosaver
from napari_sam2.io.image_files import can_be_kept, check_kept, is_kept, leads_to, step_aside
from napari_sam2.io.saved_session import SavedSession, StackRecord
from napari_sam2.stacks import Stack, open_stack
from sam2_core.errors import StackError


class SessionImages:
    """The images of one session: where they are, or that they are to be kept in its folder.

    Parameters
    ----------
    axes
        As they were given for its path, None where the file says them.
    is_sure
        Whether the stack was opened from its path.
    record
        What tells whether a stack is this one; read when it is needed if None.
    """

    def __init__(
        self, stack: Stack, axes: str | None, is_sure: bool = False, record: StackRecord | None = None
    ) -> None:
        self._stack = stack
        self._place: tuple[str | None, str | None, int | str | None] = (stack.path, axes, stack.scene)
        self._is_sure = is_sure or stack.path is None
        self._record = record

    @classmethod
    def reopened(cls, saved: SavedSession, stack: Stack, is_sure: bool) -> SessionImages:
        """Return the images of a session that was saved, on the stack that was opened for it and checked."""
        if stack.path is None:
            return cls(replace(stack, path=saved.source, scene=saved.scene), saved.axes, True, saved.stack)
        return cls(stack, saved.axes if is_sure else stack.axes, is_sure, saved.stack)

    @property
    def warning(self) -> str:
        """What to know once a folder is written that does not name the images; "" where it does."""
        if self._place[0] is not None:
            return ""
        return "Its images are in no file and could not be copied: keep them, and open them before this session."

    def put_into(self, saved: SavedSession) -> SavedSession:
        """Return what is to be saved, with where the images are and the mark that tells them from others."""
        record = self._known_record()
        path, axes, scene = self._place
        if not self._is_sure and path is not None and not leads_to(path, axes, record, scene):
            self._place = (None, self._stack.axes, None)
        self._is_sure = True
        return replace(saved, source=self._place[0], axes=self._place[1], scene=self._place[2], stack=record)

    def keep(self, saver: Autosaver) -> None:
        """Have the images copied into the folder that is written to, if they are in no file, or in another session's.

        Raises
        ------
        StackError
            If the disk is full.
        """
        path = self._place[0]
        if path is not None and os.path.realpath(Path(path).parent) == os.path.realpath(saver.folder):
            return
        if (path is None or is_kept(path)) and can_be_kept(self._stack):
            kept = saver.keep_images(self._stack, self._known_record())
            self._place = self._place if kept is None else (kept, self._stack.axes, None)
        else:
            step_aside(saver.folder)  # images of a session that was in this folder before

    def _known_record(self) -> StackRecord:
        if self._record is None:
            self._record = StackRecord.of(self._stack)
        return self._record


def open_images(saved: SavedSession, images: object, folder: Path) -> Stack:
    """Return the images of a saved session, or those that are given, which are checked to be what it was made on.

    Its own are checked for shape and type; `changed_images` tells whether they changed.

    Raises
    ------
    StackError
        If they are in no file, are not where they were, or are others.
    """
    source = saved.source if images is None else images
    if source is None:
        raise StackError(
            f"{folder} was made on images that are in no file and could not be copied into it. Open the same images "
            f"first and then the session; in a script, give them as Session.open({str(folder)!r}, images=array)."
        )
    if images is None and saved.source is not None and is_kept(saved.source):
        check_kept(Path(saved.source))
    try:
        stack = source if isinstance(source, Stack) else open_stack(source, saved.axes, saved.scene)
    except StackError as error:
        if images is not None or saved.source is None or Path(saved.source).exists():
            raise
        raise StackError(
            f"The images of {folder} are not at {saved.source}. Bring them back, or say where they are: with --images "
            f"(`track` takes them first), in a script as Session.open({str(folder)!r}, images=...)."
        ) from error
    if saved.stack is not None and (images is not None or not saved.stack.fits(stack)):
        saved.stack.check(stack)
    return stack


def changed_images(saved: SavedSession, stack: Stack) -> tuple[str, ...]:
    """Return a sentence that warns where the images of a session are not as they were; none where they are."""
    if saved.stack is None or saved.stack.is_of(stack):
        return ()
    return (
        f"The images in {saved.source} are not those that the session was made on: pixels changed since. Its masks are "
        "shown as they were; put the right file in its place, or find the masks again from scratch.",
    )
