"""A session's folder as a process that dies would leave it: copied in the middle of a write, at some call to the disk.

The calls that put files in place are counted; before the chosen one the folder is copied, by the thread that writes, so
that nothing moves meanwhile. This stands for a kill at that moment; real ones are in `kills`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CALLS = ("replace", "rename", "unlink", "remove", "fsync", "truncate", "link")


class CrashPoint:
    """Copies `folder` to `copy` before one of the next calls that touch it; `fired` says whether it did."""

    def __init__(self, folder: Path, copy: Path) -> None:
        self.folder = folder
        self.copy = copy
        self.fired = False
        self._left = 0

    def arm(self, calls: int) -> None:
        self.fired, self._left = False, calls
        shutil.rmtree(self.copy, ignore_errors=True)

    def passed(self, place: str) -> None:
        if self._left <= 0 or not place.startswith(str(self.folder)):
            return
        self._left -= 1
        if self._left == 0:
            shutil.copytree(self.folder, self.copy, symlinks=True)
            self.fired = True


@contextmanager
def watched_disk(point: Callable[[], CrashPoint | None]) -> Iterator[None]:
    """Tell a crash point, if there is one, of every call that changes what is on the disk."""
    before = {name: getattr(os, name) for name in CALLS}

    def told(name: str) -> Callable[..., Any]:
        def call(place: Any, *args: Any, **kwargs: Any) -> Any:
            crash = point()
            if crash is not None:
                crash.passed(_path_of(place, kwargs))
            return before[name](place, *args, **kwargs)

        return call

    for name in CALLS:
        setattr(os, name, told(name))
    try:
        yield
    finally:
        for name, call in before.items():
            setattr(os, name, call)


def _path_of(place: Any, named: Mapping[str, Any]) -> str:
    """Return the path of a file that is given as a path, beside an open folder, or as an open file itself."""
    folder = next((named[name] for name in ("dir_fd", "src_dir_fd") if named.get(name) is not None), None)
    try:
        if isinstance(place, int):
            return os.readlink(f"/proc/self/fd/{place}")
        beside = "" if folder is None else os.readlink(f"/proc/self/fd/{folder}")
        return os.path.join(beside, os.fsdecode(place))
    except OSError:
        return ""
