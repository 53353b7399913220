"""Files that are either the old ones or the new ones, never half: written beside, brought to the disk, put in place."""

from __future__ import annotations

import os
from pathlib import Path

from sam2_core.errors import StackError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file; one that is there is replaced in one step.

    Raises
    ------
    StackError
        If the disk is full or the folder cannot be written to; the old file is then untouched.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        sync_folder(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StackError(f"{path} cannot be written ({error}); free some space or choose another folder.") from error


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system has a way to ask for it (not on Windows)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
