"""Files that are either the old ones or the new ones, never half: written beside, brought to the disk, put in place.

What is written beside has a name that nobody can know before, and is made by who writes it: a link that somebody laid
there is not followed. Who may read the file is said by the process (umask), as for any other file.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sam2_core.errors import StackError

_PART = re.compile(r"\..*\.?[0-9a-f]{32}\.part")
_FORGOTTEN_SECONDS = 3600
_NAME_LENGTH = 60


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say of what the disk refuses inside that a path cannot be written.

    Raises
    ------
    StackError
        In place of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise StackError(f"{path} cannot be written ({error}); free some space or choose another folder.") from error


def check_has_folder(path: Path) -> None:
    """Return nothing if there is a folder in which a path can be made.

    Raises
    ------
    StackError
        If there is none.
    """
    if not path.parent.is_dir():
        raise StackError(f"There is no folder {path.parent} for {path.name}; create it first.")


def make_folder(folder: Path) -> None:
    """Make a folder and those that it lies in, where they are not there yet.

    Raises
    ------
    StackError
        If a file is in the way, or the disk is full or cannot be written to.
    """
    with writing(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            file = next((one for one in (folder, *folder.parents) if os.path.lexists(one)), folder)
            raise StackError(
                f"{folder} cannot be made: {file} is a file. Move it away, or choose another folder."
            ) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file; one that is there is replaced in one step.

    Raises
    ------
    StackError
        If the disk is full or the folder cannot be written to; the old file is then untouched.
    """
    part = part_beside(path)
    with writing(path):
        try:
            _write_new(part, content)
            os.replace(part, path)
            sync_folder(path.parent)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise


def part_beside(path: Path) -> Path:
    """Return an unguessable name beside a path, for what is put in its place when it is whole."""
    return path.with_name(f".{path.name[:_NAME_LENGTH]}.{secrets.token_hex(16)}.part")


def is_part(path: Path) -> bool:
    """Return whether a name is one that `part_beside` gives."""
    return _PART.fullmatch(path.name) is not None


def remove_parts(folder: Path, name: str = "") -> None:
    """Remove what a killed process left unfinished in a folder an hour ago or earlier, of one name or of all."""
    try:
        found = [path for path in folder.glob(".*.part") if is_part(path)]
    except OSError:
        return
    for path in found:
        if path.name.startswith(f".{name[:_NAME_LENGTH]}"):
            with suppress(OSError):  # of another user, or gone meanwhile
                if path.lstat().st_mtime < time.time() - _FORGOTTEN_SECONDS:
                    remove_path(path)


def remove_path(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there; what a link leads to stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):  # else a folder that may only be read refuses before it looks
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system has a way to ask for it (not on Windows)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, and bring it to the disk."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
