"""What is known of one movie of a plan, as a file beside its results: how it ended, what was found, or what went wrong.

A movie is finished when its record says so with the fingerprint that the movie has now: of its input, of what is done,
and of the weights and the version that did it. Records are replaced in one step, so one that is there is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Literal

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field

from napari_sam2.io.atomic import write_atomically
from napari_sam2.io.session_files import LOCK_FILE
from napari_sam2.plates.movies import MovieTask
from sam2_core.checkpoints.identity import weights_id
from sam2_core.checkpoints.registry import find_model
from sam2_core.errors import CheckpointError

RECORD_FILE = "record.json"
PICTURE_FILE = "thumbnail.png"
State = Literal["waiting", "running", "done", "failed", "stopped", "outdated"]
_ONLY_HOW = {"device", "feature_cache"}


class MovieRecord(BaseModel):
    """How one movie stands.

    Attributes
    ----------
    state
        waiting: nobody began; running; done; failed, with `words`; stopped: it goes on with the next run; outdated: it
        was done, and would be done again. The last one is found out, and stands in no file.
    fingerprint
        Of input, work, settings and version.
    frames, objects, tracks, divisions
        Numbers of the result: frames of the movie, masks over all frames, objects with an id of their own.
    counts
        Objects on each frame.
    scores
        Of a movie that was judged.
    files
        Name of a format -> what was written, in the folder of the movie.
    is_earlier
        Whether an earlier run had finished it, and nothing was done.
    """

    model_config = ConfigDict(frozen=True)

    plate: str
    well: str
    name: str
    source: str
    scene: int | str | None = None
    state: State = "waiting"
    fingerprint: str = ""
    words: str = ""
    remarks: tuple[str, ...] = ()
    began: str = ""
    seconds: float = 0.0
    host: str = ""
    frames: int = 0
    objects: int = 0
    tracks: int = 0
    divisions: int = 0
    counts: tuple[int, ...] = ()
    scores: Mapping[str, float] = Field(default_factory=dict)
    files: Mapping[str, str] = Field(default_factory=dict)
    is_earlier: bool = Field(False, exclude=True)

    @classmethod
    def of(cls, task: MovieTask) -> MovieRecord:
        """Return the record of a movie that nobody began."""
        who = {"plate": task.plate, "well": task.well, "name": task.name}
        return cls(**who, source=str(task.source), scene=task.scene)


def read_record(task: MovieTask) -> MovieRecord:
    """Return how a movie stands, as its folder says it; one that cannot be read counts as not begun."""
    try:
        return MovieRecord.model_validate(json.loads((task.folder / RECORD_FILE).read_bytes()))
    except (OSError, ValueError):  # ValidationError is one
        return MovieRecord.of(task)


def write_record(task: MovieTask, record: MovieRecord) -> None:
    """Write how a movie stands.

    Raises
    ------
    StackError
        If the disk is full or the folder cannot be written to.
    """
    write_atomically(task.folder / RECORD_FILE, json.dumps(record.model_dump()).encode())  # ASCII: names may be no text


def lock_of(task: MovieTask) -> FileLock:
    """Return what whoever works on a movie holds; the system lets go of it when a process ends, however it does."""
    return FileLock(task.folder / ".record.lock")


def is_finished(task: MovieTask, record: MovieRecord, mark: str) -> bool:
    """Return whether a movie is done as its fingerprint `mark` says now, and what was written is there."""
    is_same = record.state == "done" and record.fingerprint == mark
    return is_same and all((task.folder / file).exists() for file in record.files.values())


def fingerprint(task: MovieTask) -> str:
    """Return what tells whether a movie is the same and would be done in the same way.

    Files count by name, size and time of change, and are not read, but for the weights that ship: they are the same on
    every machine, and others with another installation. What cannot be looked at is said by who reads it.
    """
    return fingerprints()(task)


def fingerprints() -> Callable[[MovieTask], str]:
    """Return `fingerprint` for many movies at one moment: what several of them share is looked at once."""
    mark, weights, version = cache(_mark), cache(_weights), metadata.version("napari-sam2")

    def of(task: MovieTask) -> str:
        said = {
            "input": [mark(path) for path in (task.source, task.aside) if path is not None],
            "weights": weights(task.settings.model),
            "image": [task.axes, task.scene],
            "work": task.work.model_dump(mode="json"),
            "settings": task.settings.model_dump(mode="json", exclude=_ONLY_HOW),
            "version": version,
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    return of


def _weights(model: str) -> list[object]:
    """Return what changes with the weights of a model: a digest of those that ship or are fetched, else a mark."""
    if Path(model).is_file():
        return _mark(Path(model))
    try:
        entry = find_model(model)
        if entry.path is None:
            return [entry.sha256 or entry.name]
        ships = entry.version and entry.path.is_file()  # what a user added is perhaps large, and is not read
        return [weights_id(entry.path).sha256] if ships else _mark(entry.path)
    except CheckpointError:  # said when the model is loaded
        return [model]


def _mark(path: Path) -> list[object]:
    """Return name, size and time of change of a file, or of all files in a folder; the name alone of what is none."""
    files = list(_files(path))
    return [
        str(path),
        len(files),
        sum(one.st_size for one in files),
        max((one.st_mtime_ns for one in files), default=0),
    ]


def _files(path: Path) -> Iterator[os.stat_result]:
    """Yield what the system says of a file or of those in a folder, but for dead links and what nobody may look at."""
    if not path.is_dir():
        with suppress(OSError):
            yield path.stat()
        return
    with suppress(OSError), os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files(Path(entry.path))
            elif entry.name != LOCK_FILE:
                with suppress(OSError):
                    yield entry.stat()
