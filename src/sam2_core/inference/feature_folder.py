"""A folder of files by key that never grows beyond a limit: what was not used for longest goes first.

Several processes and users may use the same folder at once: who may read and write there is said by umask and the
folder itself, and what belongs to others is used and left alone. A file is written beside its place and put there in
one step, so it is whole or not there. When it was last used is its modification time. Where nothing can be written,
because the disk is full or the folder may only be read, writing ends with one warning, and what is there can still be
read. Files of other names are never touched. What the files hold is the business of `disk_features`; no torch is needed
here.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import platformdirs

from sam2_core.errors import StackError

FOLDER_VARIABLE = "NAPARI_SAM2_CACHE"
"""Names another folder than the user's cache folder, for example on a large disk."""
DEFAULT_LIMIT = 10 * 10**9
"""Bytes of all files together; about 600 frames of an official model."""
RESERVE = 10**9
"""Bytes of the disk that are never used up."""

_NAME = re.compile(r"[0-9a-f]{40}\.safetensors")
_PART = re.compile(r"[0-9a-f]{40}\.[0-9a-f]{32}\.part")
_LIMIT_FILE = "limit.json"
_LOOKS_PER_LIMIT = 32
_FORGOTTEN_SECONDS = 3600
_log = logging.getLogger(__name__)


class FeatureFolder:
    """Files by key, the most recently used ones.

    Parameters
    ----------
    path
        The folder, made when first written to. By default ``features`` in what the environment variable
        NAPARI_SAM2_CACHE names, else in the user's cache folder of napari-sam2.
    limit_bytes
        Of all files together; by default what `set_limit` said for the folder, else 10 GB. Each further process that
        writes at the same time may exceed it by a 32nd.
    exact
        Features are kept as they are; if False, rounded to half precision, at half the size. See `disk_features`.

    Raises
    ------
    ValueError
        A limit below 0.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None = None, limit_bytes: int | None = None, exact: bool = True
    ) -> None:
        if limit_bytes is not None and limit_bytes < 0:
            raise ValueError(f"limit_bytes is {limit_bytes}; give 0 or more")
        self.path = Path(path).expanduser() if path is not None else default_folder()
        self.exact = exact
        self._given_limit = limit_bytes
        self._room = 0  # bytes that may be written before the folder is looked through again
        self._fault = ""

    @property
    def limit_bytes(self) -> int:
        """Bytes that all files together may take."""
        if self._given_limit is not None:
            return self._given_limit
        return _kept_limit(self.path / _LIMIT_FILE)

    @property
    def fault(self) -> str:
        """Why nothing is written any more; empty while all is well."""
        return self._fault

    def set_limit(self, limit_bytes: int) -> None:
        """Remember a limit for all who use the folder, and delete what exceeds it.

        Raises
        ------
        ValueError
            A limit below 0.
        StackError
            The folder cannot be written to.
        """
        if limit_bytes < 0:
            raise ValueError(f"limit_bytes is {limit_bytes}; give 0 or more")
        self._given_limit = None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._put_in_place(self.path / _LIMIT_FILE, json.dumps({"limit_bytes": limit_bytes}).encode())
        except OSError as error:
            raise StackError(
                f"{self.path} cannot be written to ({error}); name another folder in {FOLDER_VARIABLE}"
            ) from error
        self._room = self._make_room(0)

    def size_bytes(self) -> int:
        """Return how much all files take."""
        return sum(size for _, size, _ in self._files())

    def count(self) -> int:
        """Return how many files there are."""
        return sum(1 for _ in self._files())

    def find(self, key: str) -> Path | None:
        """Return the file of a key (40 hexadecimal digits) and count it as used now, or None."""
        path = self.path / f"{key}.safetensors"
        if not os.path.isfile(path):
            return None
        with suppress(OSError):  # deleted meanwhile, or a folder that may only be read: its order then stays
            os.utime(path)
        return path

    def write(self, key: str, content: bytes) -> bool:
        """Keep a file, deleting others where it is too much; return whether it is there now."""
        path = self.path / f"{key}.safetensors"
        if os.path.isfile(path):
            return True
        if self._fault or len(content) > self.limit_bytes:
            return False
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if len(content) > self._room:
                self._room = self._make_room(len(content))
            self._check_disk(len(content))
            self._put_in_place(path, content)
        except OSError as error:
            return os.path.isfile(path) or self._stop_writing(error)
        self._room -= len(content)
        return True

    def remove(self, path: Path, why: str) -> None:
        """Delete a file that is of no use, and log why."""
        _log.warning("%s is of no use (%s) and is removed.", path, why)
        with suppress(OSError):  # another process was quicker, or may not: then it is found of no use again
            path.unlink()

    def clear(self) -> int:
        """Delete all files, and return how many bytes they took."""
        freed = 0
        for path, size, _ in list(self._files()):
            freed += size if _deleted(path) else 0
        self._room = 0
        return freed

    def _files(self) -> Iterator[tuple[Path, int, int]]:
        """Yield path, size and time of last use of each file; parts that a killed process left go on the way."""
        try:
            entries = list(os.scandir(self.path))
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                _log.warning("%s cannot be looked through: %s", self.path, error)
            return
        for entry in entries:
            with suppress(OSError):  # deleted by another process meanwhile, or of another user
                about = entry.stat(follow_symlinks=False)
                if _NAME.fullmatch(entry.name):
                    yield Path(entry.path), about.st_size, about.st_mtime_ns
                elif _PART.fullmatch(entry.name) and about.st_mtime < time.time() - _FORGOTTEN_SECONDS:
                    _deleted(Path(entry.path))

    def _make_room(self, wanted: int) -> int:
        """Delete what was not used for longest until `wanted` bytes fit; return what may be written without a look."""
        limit = self.limit_bytes
        files = sorted(self._files(), key=lambda file: file[2])
        total = sum(size for _, size, _ in files)
        for path, size, _ in files:
            if total + wanted <= limit:
                break
            total -= size if _deleted(path) else 0
        return min(limit - total, max(wanted, limit // _LOOKS_PER_LIMIT))

    def _check_disk(self, wanted: int) -> None:
        free = shutil.disk_usage(self.path).free
        if free < wanted + RESERVE:
            raise OSError(f"{free / 1e9:.1f} GB of the disk are free, and {RESERVE / 1e9:.0f} GB are left to others")

    def _put_in_place(self, path: Path, content: bytes) -> None:
        part = path.with_name(f"{path.stem}.{uuid.uuid4().hex}.part")
        try:
            with part.open("xb") as file:
                file.write(content)
            os.replace(part, path)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise

    def _stop_writing(self, error: OSError) -> bool:
        self._fault = str(error)
        _log.warning(
            "Image features cannot be kept in %s (%s); they are computed anew where memory does not hold them. "
            "Free some space, or name another folder in %s.",
            *(self.path, error, FOLDER_VARIABLE),
        )
        return False


def default_folder() -> Path:
    """Return where features are kept unless another folder is named; it may not exist yet."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    root = Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("napari-sam2", appauthor=False))
    return root / "features"


def _kept_limit(file: Path) -> int:
    """Return the limit that the folder's file says, the default where there is none that can be read."""
    try:
        return max(0, int(json.loads(file.read_bytes())["limit_bytes"]))
    except (FileNotFoundError, NotADirectoryError):
        return DEFAULT_LIMIT
    except (OSError, ArithmeticError, ValueError, LookupError, TypeError, RecursionError) as error:
        _log.warning("%s cannot be read (%s: %s); the default limit holds.", file, type(error).__name__, error)
        return DEFAULT_LIMIT


def _deleted(path: Path) -> bool:
    """Return whether a file is gone now; one that another process has open may stay on some systems."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _log.debug("%s stays for now: %s", path, error)
        return False
    return True
