"""What can be undone, in one file of a session folder that only grows, so that it still can be after reopening.

Kinds of records (see `record_file`): `history` (first), `done` and `undone` (the steps that the file was made with),
`step`, `undo`, `redo` and `amend` (what happened since), and `at`. Each but the last says how the document before it
is made of the one behind it, so they are read from the end, where session.json stands; `at` names the session.json that
goes with all records before it by a fingerprint. One that matches none was changed by another program, or the process
did not live to write the record: then nothing can be undone, and nothing that was saved is lost.

Masks stand in a table, each once, in the record that first needs them; steps name them by their numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_sam2.document.document import Document
from napari_sam2.document.patch import patch_between, patched
from napari_sam2.document.prompt_parts import Mask
from napari_sam2.io.folder_parts import content_of
from napari_sam2.io.history_entries import drawn_entry, drawn_of, patch_entry, patch_of
from napari_sam2.io.log_entries import entry_of, mask_of, whole
from napari_sam2.io.record_file import RecordFile, records, told
from napari_sam2.io.saved_history import HistoryChange, SavedHistory, SavedStep
from napari_sam2.masks.stored_masks import StoredMask
from sam2_core.errors import PromptError, StackError

VERSION = 1
LARGEST_BYTES = 256 * 2**20
_MADE_WITH = ("done", "undone")
_HAPPENED = ("step", "undo", "redo", "amend")


class HistoryLog(RecordFile):
    """A log of steps that is open for writing at its end; it is made with a history that leads to a document."""

    def __init__(self, path: Path, made_with: SavedHistory, now: Document) -> None:
        super().__init__(path)
        self._table: dict[Mask | StoredMask, int] = {}
        self._blobs: dict[bytes, int] = {}
        try:
            self._begin(made_with, now)
        except BaseException:
            self.close()
            with suppress(OSError):
                path.unlink()
            raise
        self._longest = max(LARGEST_BYTES, 4 * self.length)

    @property
    def is_overgrown(self) -> bool:
        """Whether most of it speaks of steps that are forgotten, so that it is better made anew."""
        return self.length > self._longest

    def add(self, change: HistoryChange) -> None:
        """Add what happened to the history."""
        self._write_step(change.kind, change.left, change.after)

    def _begin(self, made_with: SavedHistory, now: Document) -> None:
        self.write({"kind": "history", "version": VERSION})
        behind = [*(step.document for step in made_with.done[1:]), now]
        for step, after in zip(made_with.done, behind, strict=False):
            self._write_step("done", step, after)
        for step in made_with.undone:
            self._write_step("undone", step, now)

    def _write_step(self, kind: str, step: SavedStep, after: Document) -> None:
        new = _New(self._table, self._blobs)
        masks = {
            str(one): [list(frames), [new.number(mask) for mask in frames.values()]]
            for one, frames in step.masks.items()
        }
        header = {
            "kind": kind,
            "text": step.text,
            "unshown": sorted(step.unshown),
            "settings": None if step.settings is None else dict(step.settings),
            "masks": masks,
            "patch": patch_entry(patch_between(after, step.document), new.number),
        }
        self.write(header | {"table": new.entries, "sizes": [len(one) for one in new.blobs]}, b"".join(new.blobs))


class _New:
    """Entries and bytes that the table of a log lacks, taken into it as they are asked for."""

    def __init__(self, table: dict[Mask | StoredMask, int], blobs: dict[bytes, int]) -> None:
        self.entries: list[dict[str, Any]] = []
        self.blobs: list[bytes] = []
        self._table, self._blobs = table, blobs

    def number(self, mask: Mask | StoredMask) -> int:
        """Return the number of a mask in the table."""
        known = self._table.get(mask)
        if known is not None:
            return known
        entry = drawn_entry(mask) if isinstance(mask, Mask) else entry_of((1, 0), mask)
        blob = self._blobs.get(mask.packed)
        if blob is None:
            blob = self._blobs[mask.packed] = len(self._blobs)
            self.blobs.append(mask.packed)
        self.entries.append(entry | {"blob": blob})
        self._table[mask] = len(self._table)
        return self._table[mask]


def write_at(log: RecordFile, fingerprint: str) -> None:
    """Add to a log which session.json goes with all that was added so far."""
    log.write({"kind": "at", "session": fingerprint})


@dataclass(slots=True)
class _Told:
    """What a log says: its records but for `at`, and how many of them each fingerprint goes with."""

    records: list[dict[str, Any]] = field(default_factory=list)
    table: list[Mask | StoredMask] = field(default_factory=list)
    blobs: list[bytes] = field(default_factory=list)
    at: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HistoryRead:
    """What can be undone and redone, and how far the log goes that says so."""

    history: SavedHistory
    whole_bytes: int


def read_history(path: Path, now: Document, fingerprint: str) -> HistoryRead | None:
    """Return what can be undone from a document whose session.json has a fingerprint; None where the log knows it not.

    Raises
    ------
    StackError
        If the log cannot be read, is damaged, or is of a later version.
    """
    try:
        said = _told_in(content_of(path))
        if fingerprint not in said.at:
            return None
        count, end = said.at[fingerprint]
        return HistoryRead(_history(said, count, now), end)
    except (
        OSError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        struct.error,
        PromptError,
    ) as error:
        raise StackError(f"{path.name} is damaged ({error}), so earlier steps cannot be undone any more.") from error


def _told_in(data: bytes) -> _Told:
    said, position = _Told(), 0
    for start, end, payload in records(data):
        if start != position:
            raise ValueError("a record in it is not whole")
        header, blobs = told(payload)
        position = end
        if header["kind"] == "history":
            whole(header["version"], VERSION, VERSION)
        elif header["kind"] == "at":
            said.at[str(header["session"])] = (len(said.records), end)
        elif header["kind"] in (*_MADE_WITH, *_HAPPENED):
            _take_masks(said, header, blobs)
            said.records.append(header)
        else:
            raise ValueError(f"a record of the kind {header['kind']!r}")
    return said


def _take_masks(said: _Told, header: Mapping[str, Any], blobs: bytes) -> None:
    begin = 0
    for size in header["sizes"]:
        end = begin + whole(size, 0, len(blobs) - begin)
        said.blobs.append(blobs[begin:end])
        begin = end
    for entry in header["table"]:
        packed = said.blobs[whole(entry["blob"], 0, len(said.blobs) - 1)]
        said.table.append(mask_of(entry, packed) if "status" in entry else drawn_of(entry, packed))


def _history(said: _Told, count: int, now: Document) -> SavedHistory:
    """Return the history after so many records, which lead to a document."""
    steps: list[SavedStep] = []
    for header in reversed(said.records[:count]):
        before = patched(now, patch_of(header["patch"], lambda number: _drawn(said, number)))
        steps.append(_step(said, header, before))
        now = now if header["kind"] == "undone" else before
    done: list[SavedStep] = []
    undone: list[SavedStep] = []
    for header, step in zip(said.records[:count], reversed(steps), strict=True):
        _apply(header["kind"], step, done, undone)
    return SavedHistory(tuple(done), tuple(undone))


def _apply(kind: str, left: SavedStep, done: list[SavedStep], undone: list[SavedStep]) -> None:
    if kind in ("step", "amend"):
        undone.clear()
    if kind in ("done", "step"):
        done.append(left)
    elif kind == "undone":
        undone.append(left)
    elif kind == "undo":
        undone.append(_crossed(done.pop(), left))
    elif kind == "redo":
        done.append(_crossed(undone.pop(), left))


def _crossed(step: SavedStep, left: SavedStep) -> SavedStep:
    return replace(left, text=step.text)


def _step(said: _Told, header: Mapping[str, Any], document: Document) -> SavedStep:
    masks = {
        whole(int(one), 1, 2**32): {whole(frame, 0, 2**32): _kept(said, number) for frame, number in _pairs(told_of)}
        for one, told_of in header["masks"].items()
    }
    settings = header["settings"]
    unshown = frozenset((whole(one, 1, 2**32), whole(frame, 0, 2**32)) for one, frame in header["unshown"])
    return SavedStep(document, masks, unshown, None if settings is None else dict(settings), str(header["text"]))


def _pairs(told_of: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    frames, numbers = told_of
    return list(zip(frames, numbers, strict=True))


def _kept(said: _Told, number: int) -> StoredMask:
    mask = said.table[whole(number, 0, len(said.table) - 1)]
    if not isinstance(mask, StoredMask):
        raise ValueError("a mask of a prompt in the place of one that came of it")
    return mask


def _drawn(said: _Told, number: int) -> Mask:
    mask = said.table[whole(number, 0, len(said.table) - 1)]
    if not isinstance(mask, Mask):
        raise ValueError("a mask that came of a prompt in the place of one of a prompt")
    return mask
