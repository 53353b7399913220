"""A session folder that is open: every change goes to the disk as it happens, so a killed process loses next to none.

`Autosaver.create` saves a session and stays, `Autosaver.open` reads one and stays; both hold the folder's lock until
`close`. A run is `begin_run`, `put` for each frame, `snapshot` now and then, `end_run`; one that was interrupted goes
on with `put`, so that what it had finished still counts. Every method waits for the one in work on another thread; one
that fails has changed nothing and may be called again. `AutosaveQueue` calls them in order.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_sam2.document.document import Document
from napari_sam2.engine.engine import KeptSnapshot
from napari_sam2.io.atomic import remove_parts, remove_path
from napari_sam2.io.folder_parts import has_other_names, is_there, put_aside
from napari_sam2.io.history_log import HistoryLog, write_at
from napari_sam2.io.image_files import keep_images
from napari_sam2.io.mask_log import Changes, FrameDone, LogContent, MaskLog
from napari_sam2.io.record_file import RecordFile
from napari_sam2.io.saved_history import HistoryChange, SavedHistory
from napari_sam2.io.saved_session import RunRecord, SavedSession, StackRecord
from napari_sam2.io.session_document import SESSION_FILE, read_document, write_document
from napari_sam2.io.session_files import (
    LOCK_FILE,
    FolderRead,
    document_in,
    histories_in,
    locked,
    made_folder,
    new_run,
    next_history,
    next_log,
    read_folder,
    write_log,
    write_session,
)
from napari_sam2.io.session_masks import PROMPT_FOLDER, KnownSheets
from napari_sam2.io.snapshot_files import SnapshotWriter, damaged_snapshots
from napari_sam2.stacks import Stack
from sam2_core.checkpoints.identity import WeightsId
from sam2_core.errors import StackError

_log = logging.getLogger(__name__)


class FolderLost(StackError):
    """The folder of an open session is gone, or another one is in its place."""


class Autosaver:
    """The one writer of a session folder; made by `create` or `open`."""

    def __init__(self, folder: Path, saved: SavedSession, log: MaskLog, run: LogContent, held: ExitStack) -> None:
        self.folder = folder
        self._saved = replace(saved, masks=(), run=None, snapshot=None)  # all of it but the masks
        self._place, self._lock = os.stat(folder), os.stat(folder / LOCK_FILE)
        self._held = held
        self._guard = threading.RLock()
        self._run = run
        self._log = log
        self._snapshots = SnapshotWriter(folder)
        self._sheets: KnownSheets = {}
        self._history: RecordFile | None = None

    @classmethod
    def create(cls, folder: str | Path, saved: SavedSession) -> Autosaver:
        """Return the writer of a folder in which a session was just saved, replacing one that was there.

        Raises
        ------
        StackError
            See `save_session`.
        """
        path = made_folder(folder)
        with ExitStack() as held:
            held.enter_context(locked(path))
            said: list[str] = []
            log, run = write_session(path, saved, announced=said.append)
            saver = cls(path, saved, MaskLog(log), run, held.pop_all())
        saver.keep_history(saved.history, saved.document)
        saver._announce(*said)
        saver._forget_other_histories()
        return saver

    @classmethod
    def open(cls, folder: str | Path) -> tuple[Autosaver, SavedSession]:
        """Return the writer of a session folder, and what is in it; what is damaged there is put aside.

        Raises
        ------
        StackError
            If it is no session folder, cannot be read or written to, or is open elsewhere.
        """
        path = Path(folder).expanduser().absolute()
        read_document(path)
        with ExitStack() as held:
            held.enter_context(locked(path))
            try:
                for place in (path, path / PROMPT_FOLDER):
                    remove_parts(place)
                read = read_folder(path)
                saved, log = _mended(path, read)
                run = replace(log[1], last={})
                saver = cls(path, saved, MaskLog(log[0]), run, held.pop_all())
                saver._history = None if read.history is None else _kept_history(*read.history)
            except OSError as error:
                raise StackError(f"{path} cannot be written to ({error}); copy it to where it can.") from error
        if saved.run is None:
            saver._forget_run()
        return saver, saved

    @property
    def run(self) -> RunRecord | None:
        """The run in work, as it stands on the disk."""
        return self._run.run

    def save(self, saved: SavedSession) -> None:
        """Write the whole session anew; the run in work as it stands here, if there is one, stays in work.

        Raises
        ------
        StackError
            If the disk is full; what was saved before is untouched.
        """
        with self._guard:
            self._check_place()
            log, _ = write_session(self.folder, replace(saved, run=None), self._run, self._announce)
            self._log.close()
            self._log = MaskLog(log)
            self._saved = replace(saved, masks=(), run=None, snapshot=None)
            self._forget_other_histories()

    @property
    def keeps_history(self) -> bool:
        """Whether what happens to the history can be added to what is kept of it."""
        return isinstance(self._history, HistoryLog) and not self._history.is_overgrown

    def keep_history(self, history: SavedHistory, now: Document) -> None:
        """Keep from now on what can be undone; where that cannot be written, it is left out and nothing else suffers.

        Parameters
        ----------
        now
            The document that the steps lead to.
        """
        with self._guard, self._history_or_none():
            self._check_place()
            self._close_history()
            self._history = HistoryLog(next_history(self.folder), history, now)

    def add_history(self, change: HistoryChange) -> None:
        """Add what happened to the history, as far as it is kept."""
        with self._guard, self._history_or_none():
            if isinstance(self._history, HistoryLog):
                self._history.add(change)

    def save_anew(self, saved: SavedSession) -> None:
        """Write the whole session and its own run, whatever is in the folder of what was put before.

        Raises
        ------
        StackError
            See `save`.
        """
        with self._guard:
            self._check_place()
            self._close_history()
            log, self._run = write_session(self.folder, saved)
            self._log.close()
            self._log = MaskLog(log)
            self._saved = replace(saved, masks=(), run=None, snapshot=None)
            self._forget_other_histories()

    def save_document(
        self,
        document: Document,
        settings: Mapping[str, Any] | None = None,
        changes: Changes = (),
        weights: tuple[WeightsId, ...] | None = None,
    ) -> None:
        """Write prompts and objects, and masks that were edited: all of it counts or none.

        Settings and the weights that made masks are as they were where None.
        """
        with self._guard:
            self._check_place()
            settings = self._saved.settings if settings is None else settings
            weights = self._saved.weights if weights is None else weights
            saved = replace(self._saved, document=document, settings=settings, weights=weights)
            self._write_document(saved, changes)
            self._forget_other_histories()

    def keep_images(self, stack: Stack, record: StackRecord) -> str | None:
        """Return where the images were copied to, from then on the session's; None if they cannot be.

        Raises
        ------
        StackError
            If the disk is full; all the rest stays saved.
        """
        with self._guard:
            self._check_place()
            path = keep_images(self.folder, stack, record)
            if path is not None:
                self._write_document(replace(self._saved, source=str(path), axes=stack.axes))
            return None if path is None else str(path)

    def put(self, changes: Changes, done: FrameDone | None = None) -> None:
        """Add masks that were put, or removed where they are None; `done` is the frame of a run that they finish."""
        with self._guard:
            self._check_place()
            self._log.put(changes, done)
            if done is not None:
                self._run.finished.setdefault(done.leg, {})[done.frame] = None

    def begin_run(self, request: Mapping[str, Any], document: Document) -> None:
        """Add that a run is in work which asks for `request` of `document`.

        What session.json says stays as it is: the document may have been changed since the run was asked for.
        """
        with self._guard:
            run = new_run(RunRecord(request), document, self._saved.settings)
            self._log.begin_run(run)
            self._run = run
            self._snapshots.forget()

    def snapshot(self, snapshot: KeptSnapshot, done: FrameDone) -> None:
        """Keep the predictor's memory as it is behind a frame of the run in work; without a run nothing is kept."""
        with self._guard:
            if self._run.run is not None:
                self._log.sync()
                self._snapshots.write(snapshot, self._run.run_id, done)

    def end_run(self) -> None:
        """Add that the run is over: finished, or given up for good. One that is only stopped stays in work."""
        with self._guard:
            if self._run.run is not None:
                self._log.end_run()
                self._log.sync()
                self._forget_run()

    def close(self) -> None:
        """Let go of the folder; what was put is saved already."""
        with self._guard:
            self._log.close()
            self._close_history()
            self._held.close()

    def __enter__(self) -> Autosaver:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _write_document(self, saved: SavedSession, changes: Changes = ()) -> None:
        """Write session.json, and just before it the masks that count with it alone."""

        def announced(fingerprint: str) -> None:
            self._announce(fingerprint)
            self._log.edit(changes, document_in(self.folder), fingerprint)

        write_document(self.folder, saved, self._log.path.name, self._sheets, announced)
        self._saved = saved

    def _check_place(self) -> None:
        """Return nothing if the folder is the one that was opened."""
        try:
            is_here, is_ours = os.path.samestat(os.stat(self.folder), self._place), self._is_ours()
        except OSError:
            is_here = is_ours = False
        if is_here and not is_ours:
            raise StackError(
                f"Another session has taken {self.folder} over, because its {LOCK_FILE} had been removed; close one of "
                "the two, or save this one in another folder."
            )
        if not is_here:
            raise FolderLost(
                f"The session folder {self.folder} is not there any more: it was moved, deleted or is out of reach. "
                "Bring it back, or save the session again."
            )

    def _is_ours(self) -> bool:
        """Return whether nobody else has locked the folder, as somebody can once the file of the lock is removed."""
        lock = self.folder / LOCK_FILE
        return not lock.exists() or os.path.samestat(os.stat(lock), self._lock)

    def _announce(self, fingerprint: str) -> None:
        """Note which session.json will be in place, with which what can be undone goes."""
        with self._history_or_none():
            if self._history is not None:
                write_at(self._history, fingerprint)

    @contextmanager
    def _history_or_none(self) -> Iterator[None]:
        """Keep no history for now where it cannot be written: nothing else shall suffer."""
        try:
            yield
        except (OSError, StackError) as error:
            _log.warning("What can be undone is not saved for now: %s", error)
            self._close_history()

    def _close_history(self) -> None:
        if self._history is not None:
            self._history.close()
        self._history = None

    def _forget_other_histories(self) -> None:
        """Remove logs of what could be undone that do not go with session.json any more."""
        for path in histories_in(self.folder):
            if self._history is None or path != self._history.path:
                with suppress(OSError):
                    remove_path(path)

    def _forget_run(self) -> None:
        self._run = LogContent()
        self._snapshots.forget()


def _kept_history(path: Path, whole_bytes: int) -> RecordFile | None:
    """Return a log of what can be undone, open for writing behind what goes with session.json; None if it cannot be."""
    try:
        if has_other_names(path):
            return None
        os.truncate(path, whole_bytes)
        return RecordFile(path)
    except OSError:
        return None


def _mended(folder: Path, read: FolderRead) -> tuple[SavedSession, tuple[Path, LogContent]]:
    """Return the session and its log, where all that was lost is put aside and the rest is written anew."""
    saved, log, content = read.saved, read.log, read.masks
    damaged = [path for path in read.losses.files if path != log]
    aside = [(path.name, put_aside(path).name) for path in (*damaged, *damaged_snapshots(folder))]
    lacks = content.skipped or content.missing or not content.whole_bytes
    is_other = bool(damaged) or not is_there(folder / SESSION_FILE)  # what is written may be one that edits name
    if log is None or lacks or content.unsaid or is_other or has_other_names(log):
        made = next_log(folder)
        write_log(made, saved.masks, content)
    else:
        made = log
        os.truncate(log, content.whole_bytes)  # a record that was not finished would hide what comes behind it
    if is_other or made.name != read.named_log:
        write_document(folder, saved, made.name)
    if log is not None and made != log and content.faults:
        aside.append((log.name, put_aside(log).name))
    elif log is not None and made != log:
        remove_path(log)  # what counts of it is in the new one
    notes = [f"{name} is kept as {kept}." for name, kept in aside]
    return replace(saved, notes=(*saved.notes, *notes)), (made, content)
