"""Snapshots of the predictor's memory in a session folder: safetensors, with the rest as JSON in the file's header.

A snapshot holds the whole run so far, most of which earlier ones hold too. So a file has the pieces of tensors that are
new, and says for all others in which file they lie. What is there for the third time is copied into a file of things
that stay (`snapshot-000003-kept.safetensors`); others are needed by the next snapshot at most. The two newest snapshots
and what they need are kept: masks reach the disk a moment behind the memory that made them, so the newest snapshot of a
process that was killed may be ahead of the frames that are saved, and the one before it is not.

A snapshot may come from anybody: checksums, places and sizes are compared before anything is put together.
"""

from __future__ import annotations

import json
import logging
import re
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from napari_sam2.engine.engine import KeptSnapshot
from napari_sam2.io.atomic import remove_path, write_atomically
from napari_sam2.io.folder_parts import OutOfReach, content_of
from napari_sam2.io.mask_log import FrameDone
from napari_sam2.io.saved_session import SavedSnapshot, StoredTensor

_BEFORE, _VERSION = "1", "2"
_NAME = re.compile(r"snapshot-(\d{6,12})(-kept)?\.safetensors")
_PIECE_BYTES = 1024
_MOST_INFLATED = 1000
"""Tensors are not put together that are so many times as large as the files that they lie in."""
_UNUSABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, MemoryError, RecursionError)
"""What is raised where a file is no snapshot as we write them."""
_log = logging.getLogger(__name__)


class _Place(NamedTuple):
    """Bytes `start` to `stop` of an array in a file."""

    file: str
    name: str
    start: int
    stop: int


_Places = dict[bytes, _Place]


class SnapshotWriter:
    """The snapshots of one run after another in a folder, each written with what those before do not hold."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: _Places = {}
        self._before: _Places = {}

    def write(self, snapshot: KeptSnapshot, run_id: str, done: FrameDone) -> Path:
        """Return the file that a snapshot of a run behind a frame was written to; what is not needed is removed.

        Raises
        ------
        StackError
            If it cannot be written; those before are untouched.
        """
        number = max((int(found[1]) for _, found in _files(self._folder)), default=0) + 1
        pieces = _Pieces(number, self._kept, self._before)
        layout = {name: pieces.take(name, tensor) for name, tensor in snapshot.tensors.items()}
        about = {
            "version": _VERSION,
            "meta": json.dumps(dict(snapshot.meta)),
            "run": run_id,
            "leg": done.leg,
            "frame": str(done.frame),
            "layout": json.dumps(layout, separators=(",", ":")),
        }
        if pieces.kept:
            _write(self._folder / pieces.kept_file, pieces.kept, {"version": _VERSION})
        path = self._folder / pieces.file
        _write(path, pieces.new, about)
        self._kept, self._before = pieces.known, pieces.seen
        _remove_but(self._folder, {place.file for place in self._kept.values()})
        return path

    def forget(self) -> None:
        """Remove all snapshots of the folder: the run that they are of is over."""
        self._kept, self._before = {}, {}
        remove_snapshots(self._folder)


class _Pieces:
    """The pieces of one snapshot's tensors, by where they lie: in earlier files, or in the two that are made."""

    def __init__(self, number: int, kept: _Places, before: _Places) -> None:
        self.file = f"snapshot-{number:06d}.safetensors"
        self.kept_file = f"snapshot-{number:06d}-kept.safetensors"
        self.known = dict(kept)
        self.seen: _Places = {}
        self.new: dict[str, bytearray] = {}
        self.kept: dict[str, bytearray] = {}
        self._before = before
        self._last = f"snapshot-{number - 1:06d}.safetensors"

    def take(self, name: str, tensor: Any) -> list[Any]:
        """Return what the layout says of a tensor: its type, shape, and where its bytes lie, in their order."""
        dtype, shape, data = _plain(tensor)
        rows = shape[0] if len(shape) > 1 else data.nbytes
        row_bytes = data.nbytes // rows if rows else 1
        step = row_bytes * -(-_PIECE_BYTES // row_bytes)
        places: list[list[Any]] = []
        for begin in range(0, data.nbytes, step):
            place = self._place(name, data[begin : begin + step])
            if places and places[-1][:2] == [place.file, place.name] and places[-1][3] == place.start:
                places[-1][3] = place.stop
            else:
                places.append(list(place))
        return [dtype, shape, places]

    def _place(self, name: str, piece: memoryview) -> _Place:
        digest = blake2b(piece, digest_size=16).digest()
        if digest in self.known:
            return self.known[digest]
        place = self.seen.get(digest) or self._before.get(digest)
        if place is None:
            place = _added(self.new, self.file, name, piece)
        elif place.file not in (self.file, self._last):
            self.known[digest] = place = _added(self.kept, self.kept_file, name, piece)
            return place
        self.seen[digest] = place
        return place


def read_snapshot(folder: Path, run_id: str, finished: Mapping[str, tuple[int, ...]]) -> SavedSnapshot | None:
    """Return the newest snapshot of a run that lies behind a frame that is finished, or None."""
    for path in reversed(_snapshots(folder)):
        try:
            about = _about(path)
            leg, frame = about["leg"], int(about["frame"])
            if about["run"] == run_id and frame in finished.get(leg, ()):
                return SavedSnapshot(_tensors(path, about), dict(json.loads(about["meta"])), leg, frame)
        except _UNUSABLE as error:
            _log.info("%s cannot be used (%s); an earlier one is taken, or the run begins again.", path.name, error)
    return None


def damaged_snapshots(folder: Path) -> list[Path]:
    """Return the files of snapshots that are not as they were written; all are read. Later they would be removed."""
    damaged: list[Path] = []
    for path, _ in _files(folder):
        try:
            _checked(path)
        except OutOfReach:
            continue  # nobody knows
        except _UNUSABLE:
            damaged.append(path)
    return damaged


def remove_snapshots(folder: Path) -> None:
    """Remove all snapshots of a session folder."""
    for path, _ in _files(folder):
        remove_path(path)


def _files(folder: Path) -> list[tuple[Path, re.Match[str]]]:
    found = [(path, _NAME.fullmatch(path.name)) for path in sorted(folder.glob("snapshot-*.safetensors"))]
    return [(path, match) for path, match in found if match is not None]


def _snapshots(folder: Path) -> list[Path]:
    """Return the files that are snapshots, the oldest first."""
    return [path for path, match in sorted(_files(folder), key=lambda file: int(file[1][1])) if match[2] is None]


def _remove_but(folder: Path, needed: set[str]) -> None:
    """Remove all files but the two newest snapshots, those that they name, and those that are needed."""
    newest = _snapshots(folder)[-2:]
    for path in newest:
        needed = needed | {path.name}
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            needed |= {place[0] for _, _, places in json.loads(_about(path)["layout"]).values() for place in places}
    for path, _ in _files(folder):
        if path.name not in needed:
            remove_path(path)


def _added(arrays: dict[str, bytearray], file: str, name: str, piece: memoryview) -> _Place:
    """Return where a piece lies once it is added to an array of a file that is made."""
    array = arrays.setdefault(name, bytearray())
    array += piece
    return _Place(file, name, len(array) - len(piece), len(array))


def _write(path: Path, arrays: Mapping[str, bytearray], about: Mapping[str, str]) -> None:
    from safetensors.numpy import save

    plain = {name: np.frombuffer(bytes(array), np.uint8) for name, array in arrays.items()}
    write_atomically(path, save(plain, {**about, "crc": str(_checksum(arrays))}))


def _checksum(arrays: Mapping[str, bytes | bytearray]) -> int:
    found = 0
    for name in sorted(arrays):
        found = zlib.crc32(arrays[name], zlib.crc32(name.encode(), found))
    return found


def _about(path: Path) -> dict[str, str]:
    """Return the text that goes with the tensors.

    Raises
    ------
    OSError, ValueError
        If the file is not whole, or of a version that is not known.
    """
    from safetensors import SafetensorError, safe_open

    if path.is_symlink():
        raise OSError("it is a link")
    try:
        with safe_open(path, framework="np") as file:
            about: dict[str, str] = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    if about.get("version") not in (_BEFORE, _VERSION):
        raise ValueError(f"its version is {about.get('version')!r}")
    return about


def _tensors(path: Path, about: Mapping[str, str]) -> dict[str, StoredTensor]:
    """Return the tensors of a snapshot, put together from the files that it names.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        If one of them is missing or damaged, or does not hold what it should.
    """
    if about["version"] == _BEFORE:
        return _stored(path)
    layout = json.loads(about["layout"])
    names = {str(place[0]) for _, _, places in layout.values() for place in places}
    if not all(map(_NAME.fullmatch, names)):
        raise ValueError(f"it names {sorted(names)[:3]}")
    files = {name: _checked(path.with_name(name)) for name in {path.name, *names}}
    most = _MOST_INFLATED * sum(len(data) for arrays in files.values() for data in arrays.values())
    if sum(StoredTensor(dtype, tuple(shape), b"").nbytes for dtype, shape, _ in layout.values()) > most:
        raise ValueError("its tensors are larger than its files can hold")
    return {name: _joined(files, *said) for name, said in layout.items()}


def _joined(
    files: Mapping[str, Mapping[str, bytes]], dtype: str, shape: Iterable[int], places: Iterable[list[Any]]
) -> StoredTensor:
    """Return one tensor from where its bytes lie."""
    empty = StoredTensor(dtype, tuple(shape), b"")
    parts: list[bytes] = []
    left = empty.nbytes
    for file, name, start, stop in places:
        part = files[file][name][start:stop]
        left -= len(part)
        if left < 0 or not part or len(part) != stop - start:
            raise ValueError(f"{file} has other pieces than it names")
        parts.append(part)
    if left > 0:
        raise ValueError("its pieces do not make its tensors")
    return StoredTensor(dtype, empty.shape, b"".join(parts))


def _checked(path: Path) -> dict[str, bytes]:
    """Return the arrays of a file as bytes, if they are as they were written."""
    arrays, about = {name: tensor.data for name, tensor in _stored(path).items()}, _about(path)
    if about["version"] != _BEFORE and int(about["crc"]) != _checksum(arrays):
        raise ValueError(f"{path.name} is damaged")
    return arrays


def _stored(path: Path) -> dict[str, StoredTensor]:
    from safetensors import SafetensorError, deserialize

    try:
        read = deserialize(content_of(path))  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    return {name: StoredTensor.of_safetensors(one["dtype"], one["shape"], one["data"]) for name, one in read}


def _plain(tensor: Any) -> tuple[str, list[int], memoryview]:
    """Return the type, shape and bytes of a tensor or array."""
    if isinstance(tensor, np.ndarray | np.generic):
        array = np.asarray(tensor, order="C")
        return str(array.dtype), list(array.shape), array.reshape(-1).view(np.uint8).data
    import torch

    own = tensor.detach().to("cpu").contiguous()
    return str(own.dtype).removeprefix("torch."), list(own.shape), own.reshape(-1).view(torch.uint8).numpy().data
