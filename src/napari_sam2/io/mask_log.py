"""The masks of a session in one file that only grows: what comes later counts, and what is whole can be read.

A record is 4 bytes "SM2R", the length and the CRC-32 of what follows (little-endian, 4 bytes each), then the length of
a JSON header (4 bytes), the header, and the masks it names, one behind another, as they are packed in memory. Kinds of
records: `log` (first in each file), `masks` (masks that were put or removed, perhaps as one finished frame of a run),
`run` and `end` (a run was begun, has ended). A record that the process did not live to finish is the last and is left
out; one that was damaged later is skipped and reported. Compacting is writing a new file (`session_files`).
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_sam2.io.saved_session import RunRecord
from napari_sam2.masks.stored_masks import MaskKey, MaskStatus, StoredMask
from sam2_core.errors import StackError

VERSION = 1
_MAGIC = b"SM2R"
_HEAD = struct.Struct("<4sII")
_LENGTH = struct.Struct("<I")
Changes = Iterable[tuple[MaskKey, StoredMask | None]]


@dataclass(frozen=True, slots=True)
class FrameDone:
    """The frame of a run that is finished with the masks it comes with."""

    leg: str
    frame: int


@dataclass(slots=True)
class LogContent:
    """What a log says when it is read to its end; masks and finished frames in the order in which they came.

    Attributes
    ----------
    last
        Key -> its last mask, None if it was removed last.
    request, run_id, basis
        What the run asks for that was begun and not ended (None if there is none), its name for snapshots, and the
        fingerprint of the prompts and settings that it began with.
    finished
        Leg -> the frames of that run that are finished.
    whole_bytes
        Length of the file up to the end of its last whole record.
    skipped
        How many damaged places lie before that.
    """

    last: dict[MaskKey, StoredMask | None] = field(default_factory=dict)
    request: dict[str, Any] | None = None
    run_id: str = ""
    basis: str = ""
    finished: dict[str, dict[int, None]] = field(default_factory=dict)
    whole_bytes: int = 0
    skipped: int = 0

    @property
    def masks(self) -> tuple[tuple[MaskKey, StoredMask], ...]:
        """The masks that are there."""
        return tuple((key, mask) for key, mask in self.last.items() if mask is not None)

    @property
    def run(self) -> RunRecord | None:
        """The run that was begun and not ended."""
        if self.request is None:
            return None
        return RunRecord(self.request, {leg: tuple(frames) for leg, frames in self.finished.items()})


class MaskLog:
    """A log that is open for writing at its end; each record is with the system when its method returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab", buffering=0)
        if self._file.tell() == 0:
            self._write({"kind": "log", "version": VERSION})

    def put(self, changes: Changes, done: FrameDone | None = None) -> None:
        """Add masks that were put, or removed where they are None, as one record: all of it counts or nothing."""
        listed = list(changes)
        header: dict[str, Any] = {"kind": "masks", "masks": [_described(key, mask) for key, mask in listed]}
        if done is not None:
            header |= {"leg": done.leg, "frame": done.frame}
        self._write(header, b"".join(mask.packed for _, mask in listed if mask is not None))

    def begin_run(self, run: LogContent) -> None:
        """Add that the run of a log is in work; an earlier one is over."""
        finished = {leg: list(frames) for leg, frames in run.finished.items()}
        about = {"id": run.run_id, "basis": run.basis, "request": run.request, "finished": finished}
        self._write({"kind": "run"} | about)

    def end_run(self) -> None:
        """Add that no run is in work."""
        self._write({"kind": "end"})

    def sync(self) -> None:
        """Bring what was written to the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; nothing is lost if this never happens."""
        self._file.close()

    def _write(self, header: Mapping[str, Any], blobs: bytes = b"") -> None:
        text = json.dumps(header, separators=(",", ":")).encode()
        payload = _LENGTH.pack(len(text)) + text + blobs
        record = _HEAD.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload
        before = self._file.tell()
        try:
            rest = memoryview(record)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._file.truncate(before)
            raise StackError(f"{self.path} cannot be added to ({error}); free some space, then save.") from error


def read_log(path: Path) -> LogContent:
    """Return what a log holds; a last record that is not whole is left out.

    Raises
    ------
    StackError
        If it cannot be read, or is of a later version.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StackError(f"{path} cannot be read ({error}); is the session folder complete?") from error
    content = LogContent()
    for start, end, payload in _records(data):
        content.skipped += start != content.whole_bytes
        content.whole_bytes = end
        _apply(payload, content, path)
    return content


def _records(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (start, end, payload) of every whole record; what lies between is passed over."""
    position = data.find(_MAGIC)
    while 0 <= position <= len(data) - _HEAD.size:
        _, length, checksum = _HEAD.unpack_from(data, position)
        end = position + _HEAD.size + length
        payload = data[position + _HEAD.size : end]
        if len(payload) == length and zlib.crc32(payload) == checksum:
            yield position, end, payload
            position = data.find(_MAGIC, end)
        else:
            position = data.find(_MAGIC, position + 1)


def _apply(payload: bytes, content: LogContent, path: Path) -> None:
    (length,) = _LENGTH.unpack_from(payload)
    header = json.loads(payload[_LENGTH.size : _LENGTH.size + length])
    kind = header["kind"]
    if kind == "log":
        _check_version(header["version"], path)
    elif kind == "run":
        content.request, content.run_id, content.basis = header["request"], header["id"], header["basis"]
        content.finished = {leg: dict.fromkeys(frames) for leg, frames in header["finished"].items()}
    elif kind == "end":
        content.request = None
    elif kind == "masks":
        _apply_masks(header, payload[_LENGTH.size + length :], content)


def _apply_masks(header: Mapping[str, Any], blobs: bytes, content: LogContent) -> None:
    begin = 0
    for entry in header["masks"]:
        key = (entry["object"], entry["frame"])
        if "size" not in entry:
            content.last[key] = None
            continue
        end = begin + entry["size"]
        content.last[key] = _mask(entry, blobs[begin:end])
        begin = end
    if "leg" in header:
        content.finished.setdefault(header["leg"], {})[header["frame"]] = None


def _mask(entry: Mapping[str, Any], packed: bytes) -> StoredMask:
    height, width = entry["shape"]
    status = MaskStatus(entry["status"])
    return StoredMask(entry["y0"], entry["x0"], (height, width), packed, status, entry["score"], entry["leg"])


def _described(key: MaskKey, mask: StoredMask | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"object": int(key[0]), "frame": int(key[1])}
    if mask is None:
        return entry
    return entry | {
        "y0": int(mask.y0),
        "x0": int(mask.x0),
        "shape": [int(side) for side in mask.shape],
        "status": str(mask.status.value),
        "score": float(mask.score),
        "leg": mask.leg,
        "size": len(mask.packed),
    }


def _check_version(version: Any, path: Path) -> None:
    if version != VERSION:
        raise StackError(
            f"{path} has version {version!r}, and this program reads version {VERSION}; update napari-sam2."
        )
