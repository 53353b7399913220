"""A file of records that only grows: what is whole can be read, whatever happened to the rest.

A record is 4 bytes "SM2R", the length and the CRC-32 of what follows (little-endian, 4 bytes each), then the length of
a JSON header (4 bytes), the header, and bytes that it speaks of. A record that the process did not live to finish is
the last. What records say is known to `mask_log` and `history_log`.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from napari_sam2.io.folder_parts import opened
from sam2_core.errors import StackError

_MAGIC = b"SM2R"
_HEAD = struct.Struct("<4sII")
_LENGTH = struct.Struct("<I")


class LogLost(StackError):
    """The log of an open session is gone, or another one is in its place: all of it has to be written anew."""


class RecordFile:
    """A file that is open for writing at its end; each record is with the system when its method returns.

    Attributes
    ----------
    is_new
        Whether the file was made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_new = not path.exists()
        self._file = opened(path, "xb" if self.is_new else "ab")
        self._end = os.fstat(self._file.fileno()).st_size

    @property
    def is_in_place(self) -> bool:
        """Whether the file that is written to is the one that a reader would find, as long as it was left."""
        try:
            there, here = os.stat(self.path), os.fstat(self._file.fileno())
        except OSError:
            return False
        return os.path.samestat(there, here) and here.st_size == self._end

    @property
    def length(self) -> int:
        """Bytes in the file."""
        return self._end

    def write(self, header: Mapping[str, Any], blobs: bytes = b"") -> None:
        """Add a record: all of it counts or nothing.

        Raises
        ------
        LogLost
            If the file is not where it was.
        StackError
            If the disk is full.
        """
        text = json.dumps(header, separators=(",", ":")).encode()
        payload = _LENGTH.pack(len(text)) + text + blobs
        record = _HEAD.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload
        if not self.is_in_place:
            raise LogLost(
                f"{self.path} is not where it was, or was changed by another program: the session folder was moved, "
                "deleted or is out of reach. Bring it back, or save the session again."
            )
        try:
            rest = memoryview(record)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            with suppress(OSError):  # else what was written of it is a record that was not finished
                self._file.truncate(self._end)
            raise StackError(f"{self.path} cannot be added to ({error}); free some space, then save.") from error
        self._end += len(record)

    def sync(self) -> None:
        """Bring what was written to the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; nothing is lost if this never happens."""
        self._file.close()


def records(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (start, end, payload) of every whole record; what lies between is passed over."""
    position = data.find(_MAGIC)
    while 0 <= position <= len(data) - _HEAD.size:
        _, length, checksum = _HEAD.unpack_from(data, position)
        end = position + _HEAD.size + length
        payload = data[position + _HEAD.size : end] if end <= len(data) else b""
        if len(payload) == length and zlib.crc32(payload) == checksum:
            yield position, end, payload
            position = data.find(_MAGIC, end)
        else:
            position = data.find(_MAGIC, position + 1)


def told(payload: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header of a record and the bytes that it speaks of.

    Raises
    ------
    ValueError, struct.error
        If it is damaged.
    """
    (length,) = _LENGTH.unpack_from(payload)
    return json.loads(payload[_LENGTH.size : _LENGTH.size + length]), payload[_LENGTH.size + length :]


def was_not_finished(rest: bytes) -> bool:
    """Return whether this is the beginning of a record, and not one of full length that was damaged."""
    if len(rest) < _HEAD.size:
        return _MAGIC.startswith(rest[: len(_MAGIC)])
    magic, length, _ = _HEAD.unpack_from(rest)
    return bool(magic == _MAGIC) and length > len(rest) - _HEAD.size
