"""Small disks, which take root on Linux, and folders that may only be read, by a mount or by their permissions."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def can_mount() -> bool:
    return sys.platform == "linux" and os.geteuid() == 0


@contextmanager
def small_disk(place: Path, size: str = "2m") -> Iterator[Path]:
    """Yield a folder that lies on a disk of its own, of that size."""
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """Yield a folder in which nobody may write, while this lasts; root neither."""
    if not can_mount():
        with _without_write_permission(folder):
            yield folder
        return
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def _without_write_permission(folder: Path) -> Iterator[None]:
    modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


class Filler:
    """A file that fills a disk but for some bytes, and goes away again."""

    def __init__(self, disk: Path) -> None:
        self._path = disk / "filler"

    def leave(self, free: int) -> None:
        with self._path.open("ab", buffering=0) as file:
            while (room := _free(self._path.parent)) > free:
                try:
                    file.write(bytes(min(room - free, 65536)))
                except OSError:
                    return

    def go(self) -> None:
        self._path.unlink(missing_ok=True)


def _free(disk: Path) -> int:
    about = os.statvfs(disk)
    return about.f_bavail * about.f_frsize
