"""Counts how often a file is opened, whoever opens it: by the audit events of Python itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

_watched: list[str] = []
_seen: list[str] = []


def _note(event: str, args: tuple[object, ...]) -> None:
    if _watched and event == "open" and isinstance(args[0], str | bytes | os.PathLike):
        _seen.append(os.fsdecode(args[0]))


sys.addaudithook(_note)


def opened(path: Path, work: Callable[[], object]) -> int:
    """How often work opens a file."""
    _seen.clear()
    _watched.append(str(path))
    try:
        work()
        return _seen.count(str(path))
    finally:
        _watched.clear()
