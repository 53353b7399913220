"""Damaged files: each is made whole, damaged, and opened by its doors; only our own errors may come out.

A door may not ask for much more memory than the file is worth, write much, or take long.
"""

from __future__ import annotations

import atexit
import logging
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from torture.mutations import mutate
from torture.outcome import Outcome
from torture.specimens import Specimen, specimens

from sam2_core.errors import CheckpointError, PromptError, StackError

DECLARED = (CheckpointError, PromptError, StackError)
MOST_BYTES = 1 << 30
MOST_WRITTEN = 64 << 20
LONGEST_S = 60
ROOM_BYTES = 8 << 30


class TooLong(BaseException):
    """A door took too long."""


def begin() -> None:
    """Bound what this process may ask for, so that a bomb is an error here and not the end of the machine."""
    import resource

    warnings.simplefilter("ignore")
    logging.disable()
    resource.setrlimit(resource.RLIMIT_AS, (ROOM_BYTES, ROOM_BYTES))
    signal.signal(signal.SIGALRM, _too_long)


def play(seed: int, unit: int) -> Outcome:
    """Return what came of one damaged file, opened by one of its doors."""
    rng = Random(f"{seed} file {unit}")
    kinds = list(specimens())
    kind = rng.choices(kinds, [one.weight for one in kinds])[0]
    with tempfile.TemporaryDirectory(prefix="torture") as name:
        place = Path(name)
        whole, file = _whole(kind.name)
        shutil.copytree(whole, place, dirs_exist_ok=True, symlinks=True)
        path = place / file
        said = mutate(path, rng)
        door = rng.choice(kind.doors)
        return _opened(kind, place, path, door, said)


def _opened(kind: Specimen, place: Path, path: Path, door: Callable[[Path], object], said: str) -> Outcome:
    about = f"{kind.name}, {said}, {door.__name__}"
    result, fault = "opened", ""
    try:
        with _bounded(place) as found:
            door(path)
    except DECLARED as error:
        result = type(error).__name__
        fault = "" if str(error) else f"{about}: an error without a word"
    except (Exception, TooLong) as error:  # noqa: BLE001 - whatever it is, it is none of ours
        result, fault = "fault", f"{about}: {type(error).__name__}: {str(error)[:200]} at {_where(error)}"
    if not fault and found:
        result, fault = "fault", f"{about}: {found[0]}"
    return Outcome(result, fault, {"kind": kind.name})


@contextmanager
def _bounded(place: Path) -> Iterator[list[str]]:
    """Yield a list that names, in the end, what was more than a file of this size is worth."""
    found: list[str] = []
    before = _peak_bytes(reset=True)
    written = _bytes_in(place)
    signal.alarm(LONGEST_S)
    try:
        yield found
    finally:
        signal.alarm(0)
        grown = _peak_bytes() - before
        if grown > MOST_BYTES:
            found.append(f"asked for {grown >> 20} MB of memory")
        if _bytes_in(place) - written > MOST_WRITTEN:
            found.append(f"wrote {(_bytes_in(place) - written) >> 20} MB")


def _peak_bytes(reset: bool = False) -> int:
    """Return the most memory that was held since the last reset; 0 where the system does not tell."""
    if sys.platform != "linux":
        return 0
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def _bytes_in(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*"))


def _where(error: BaseException) -> str:
    """Return the last place in our own code, and the last of all."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/src/" in frame.filename]
    return " <- ".join(f"{Path(one.filename).name}:{one.lineno}" for one in (frames[-1:] + ours[-1:]))


def _too_long(number: int, frame: Any) -> None:
    raise TooLong(f"longer than {LONGEST_S} s")


@cache
def _whole(name: str) -> tuple[Path, Path]:
    """Return a folder with whole files of a kind, and which of them is opened; each door opens it, or it is no file."""
    kind = next(one for one in specimens() if one.name == name)
    folder, kept = Path(tempfile.mkdtemp(prefix="whole")), Path(tempfile.mkdtemp(prefix="whole"))
    atexit.register(shutil.rmtree, kept, ignore_errors=True)
    path = kind.make(folder)
    shutil.copytree(folder, kept, dirs_exist_ok=True)
    for door in kind.doors:
        door(path)
    shutil.rmtree(folder)
    return kept, path.relative_to(folder)
