"""The masks of a session in one file that only grows: what comes later counts, and what is whole can be read.

Records (see `record_file`) hold the masks that their header names, one behind another, as they are packed in memory.
Kinds of records: `log` (first in each file; it says how many masks the file was made with), `masks` (masks that were
put or removed, perhaps as one finished frame of a run or with an edit of prompts), `run` and `end` (a run was begun,
has ended). What came with an edit names the session.json of before and the one to come; where the process did not live
to put that in place, it is left out, so that prompts and masks are of one moment. A record that was not finished is the
last and is left out; one that was damaged is skipped. Both are counted, nothing else is believed unseen
(`log_entries`). Compacting is writing a new file (`session_files`).
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_sam2.document.prompt import LARGEST_ID
from napari_sam2.io.folder_parts import LaterVersion, LeftAlone, content_of
from napari_sam2.io.log_entries import entry_of, key_of, mask_of, whole
from napari_sam2.io.record_file import RecordFile, records, told, was_not_finished
from napari_sam2.io.saved_session import RunRecord
from napari_sam2.masks.stored_masks import MaskKey, StoredMask
from sam2_core.errors import StackError

VERSION = 1
_EDIT, _LOOKED_AT = b'"edit":', 64  # it stands near the beginning of a header, so that not all of them are parsed twice
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
    unsaid
        How many edits were left out, whose session.json did not come.
    whole_bytes
        Length of the file up to the end of its last whole record.
    cut_bytes
        What follows there: a record that was not finished, or the first one of a file that was cut short.
    skipped
        How many damaged places lie before that, damaged masks among them.
    missing
        How many of the masks are not there that the file was made with, where it says how many these were.
    """

    last: dict[MaskKey, StoredMask | None] = field(default_factory=dict)
    request: dict[str, Any] | None = None
    run_id: str = ""
    basis: str = ""
    finished: dict[str, dict[int, None]] = field(default_factory=dict)
    unsaid: int = 0
    whole_bytes: int = 0
    cut_bytes: int = 0
    skipped: int = 0
    missing: int = 0

    @property
    def masks(self) -> tuple[tuple[MaskKey, StoredMask], ...]:
        """The masks that are there."""
        return tuple((key, mask) for key, mask in self.last.items() if mask is not None)

    @property
    def faults(self) -> str:
        """What is not as it was written, in words; empty where all is well."""
        found = {
            f"is damaged in {self.skipped} place(s)": self.skipped,
            "ends in a record that is not whole": self.cut_bytes,
            "is empty": not self.whole_bytes and not self.cut_bytes and not self.skipped,
            f"lacks {self.missing} mask(s)": self.missing,
        }
        return " and ".join(words for words, holds in found.items() if holds)

    @property
    def run(self) -> RunRecord | None:
        """The run that was begun and not ended."""
        if self.request is None:
            return None
        return RunRecord(self.request, {leg: tuple(frames) for leg, frames in self.finished.items()})


class MaskLog(RecordFile):
    """A log that is open for writing at its end; each record is with the system when its method returns.

    Parameters
    ----------
    count
        Of a new one: how many masks it is made with.
    """

    def __init__(self, path: Path, count: int = 0) -> None:
        super().__init__(path)
        if self.is_new:
            self.write({"kind": "log", "version": VERSION, "masks": count})

    def put(self, changes: Changes, done: FrameDone | None = None) -> None:
        """Add masks that were put, or removed where they are None, as one record: all of it counts or nothing."""
        self._put(changes, {} if done is None else {"leg": done.leg, "frame": int(done.frame)})

    def edit(self, changes: Changes, before: str, after: str) -> None:
        """Add masks, if any, that count once session.json is another; both are told by their fingerprints."""
        self._put(changes, {"edit": [before, after]})

    def begin_run(self, run: LogContent) -> None:
        """Add that the run of a log is in work; an earlier one is over."""
        finished = {leg: list(frames) for leg, frames in run.finished.items()}
        about = {"id": run.run_id, "basis": run.basis, "request": run.request, "finished": finished}
        self.write({"kind": "run"} | about)

    def end_run(self) -> None:
        """Add that no run is in work."""
        self.write({"kind": "end"})

    def _put(self, changes: Changes, of: dict[str, Any]) -> None:
        listed = list(changes)
        header = {"kind": "masks", **of, "masks": [entry_of(key, mask) for key, mask in listed]}
        self.write(header, b"".join(mask.packed for _, mask in listed if mask is not None))


def read_log(path: Path, document: str = "") -> LogContent:
    """Return what a log holds; what is not whole or cannot be is left out and counted.

    Parameters
    ----------
    document
        Fingerprint of the session.json that it is read with; of one that no edit names, all edits count.

    Raises
    ------
    LaterVersion
        If a later version wrote it.
    StackError
        If it cannot be read.
    """
    try:
        data = content_of(path)
    except LeftAlone:
        raise
    except (OSError, MemoryError) as error:
        raise StackError(f"{path} cannot be read ({error}); is the session folder complete?") from error
    content = LogContent()
    made_with, ahead = 0, _ahead_of(document, data)
    for start, end, payload in records(data):
        content.skipped += start != content.whole_bytes
        content.whole_bytes = end
        if start in ahead:
            content.unsaid += 1
            continue
        try:
            made_with = _apply(payload, content, path) or made_with
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, struct.error, RecursionError) as error:
            if isinstance(error, LaterVersion):
                raise
            content.skipped += 1
    rest = data[content.whole_bytes :]
    if not rest or was_not_finished(rest):
        content.cut_bytes = len(rest)
    else:
        content.skipped += 1
    content.missing = max(0, made_with - len(content.last)) if content.skipped == 0 else 0
    return content


def _ahead_of(document: str, data: bytes) -> set[int]:
    """Return where the edits begin that were to lead from a session.json to one that did not come."""
    edits: list[tuple[int, str, str]] = []
    for start, _, payload in records(data):
        if _EDIT in payload[:_LOOKED_AT]:
            with suppress(ValueError, KeyError, TypeError, struct.error, RecursionError):
                before, after = told(payload)[0]["edit"]
                edits.append((start, before, after))
    came = max((number for number, (_, _, after) in enumerate(edits, 1) if after == document), default=0)
    tried = next((number for number, (_, before, _) in enumerate(edits) if before == document), len(edits))
    return {start for start, _, _ in edits[came or tried :]} if document else set()


def _apply(payload: bytes, content: LogContent, path: Path) -> int:
    """Take a record into the content; return how many masks the file was made with, where it says so."""
    header, blobs = told(payload)
    kind = header["kind"]
    if kind == "log":
        _check_version(header["version"], path)
        return whole(header.get("masks", 0), 0, sys.maxsize)
    if kind == "run":
        finished = {str(leg): dict.fromkeys(map(_frame, frames)) for leg, frames in header["finished"].items()}
        content.run_id, content.basis, content.finished = str(header["id"]), str(header["basis"]), finished
        content.request = dict(header["request"])
    elif kind == "end":
        content.request = None
    elif kind == "masks":
        _apply_masks(header, blobs, content)
    return 0


def _apply_masks(header: Mapping[str, Any], blobs: bytes, content: LogContent) -> None:
    begin, damaged = 0, 0
    for entry in header["masks"]:
        key, end = key_of(entry), begin + whole(entry.get("size", 0), 0, len(blobs) - begin)
        try:
            content.last[key] = mask_of(entry, blobs[begin:end]) if "size" in entry else None
        except (ValueError, KeyError, TypeError, OverflowError):
            damaged += 1
        begin = end
    content.skipped += damaged
    if "leg" in header and not damaged:
        content.finished.setdefault(str(header["leg"]), {})[_frame(header["frame"])] = None


def _frame(value: Any) -> int:
    return whole(value, 0, LARGEST_ID)


def _check_version(version: Any, path: Path) -> None:
    if version != VERSION:
        raise LaterVersion(
            f"{path} has version {version!r}, and this program reads version {VERSION}; update napari-sam2."
        )
