"""The files in a session folder, which may come from anybody: links are not followed, what is damaged steps aside.

A file is read, made or added to by `opened`, which takes nothing but a file that lies in the folder itself. What cannot
be used is renamed and never removed (`put_aside`).
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import BinaryIO, Literal, cast

from sam2_core.errors import StackError

_ASIDE = re.compile(r"\.(damaged|replaced)-\d+(\.|$)")
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EINVAL, errno.ENXIO)
_CAREFULLY = 0 if sys.platform == "win32" else os.O_NOFOLLOW | os.O_NONBLOCK


@dataclass(slots=True)
class Losses:
    """What a folder could not give: in words, and the files that are to blame and still there."""

    notes: list[str] = field(default_factory=list)
    files: dict[Path, None] = field(default_factory=dict)

    def add(self, note: str, file: Path) -> None:
        """Note what could not be read, and in which file it was."""
        self.notes.append(note)
        if is_there(file):
            self.files[file] = None


class LeftAlone(StackError):
    """Something is whole as far as is known, and cannot be read: going on without it would lose what it says."""


class LaterVersion(LeftAlone):
    """A later version of this program wrote it."""


class OutOfReach(LeftAlone):
    """It may not be read, or its disk does not answer."""


def opened(path: Path, mode: Literal["rb", "ab", "xb"] = "rb") -> BinaryIO:
    """Return a file of a session folder, open without a buffer: to read, to add to, or a new one.

    Raises
    ------
    OSError
        If it is not there (or is), or is a link, a folder or a device.
    """
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a link, and links in a session folder are not followed", str(path))
    file = open(path, mode, buffering=0, opener=lambda name, flags: os.open(name, flags | _CAREFULLY, 0o666))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is not a file", str(path))
    return cast(BinaryIO, file)


def content_of(path: Path) -> bytes:
    """Return the content of a file of a session folder.

    Raises
    ------
    OSError
        See `opened`.
    OutOfReach
        If it may not be read, or the disk does not answer.
    """
    try:
        with opened(path) as file:
            return file.read()
    except OSError as error:
        if error.errno in _NO_FILE:
            raise
        raise OutOfReach(f"{path} cannot be read ({error}); see that you may read it. Nothing was changed.") from error


def is_there(path: Path) -> bool:
    """Return whether anything has a name: a file, a folder, or a link wherever it leads."""
    return os.path.lexists(path)


def is_own_folder(path: Path) -> bool:
    """Return whether a path is a folder itself, and not a link to one."""
    return path.is_dir() and not path.is_symlink()


def has_other_names(path: Path) -> bool:
    """Return whether what is written into a file would be found elsewhere too: by a hard link."""
    return path.lstat().st_nlink > 1


def put_aside(path: Path, why: Literal["damaged", "replaced"] = "damaged") -> Path:
    """Return the name that something has from now on: `session.json` becomes `session.damaged-1.json`.

    Raises
    ------
    OSError
        If it cannot be renamed.
    """
    stem, suffix = path.stem, path.suffix
    free = next(one for n in count(1) if not is_there(one := path.with_name(f"{stem}.{why}-{n}{suffix}")))
    path.rename(free)
    return free


def was_put_aside(path: Path) -> bool:
    """Return whether a file has a name that `put_aside` gave."""
    return _ASIDE.search(path.name) is not None
