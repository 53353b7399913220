"""A session folder that is open: every change goes to the disk as it happens, so a killed process loses next to none.

`Autosaver.create` saves a session and stays, `Autosaver.open` reads one and stays; both hold the folder's lock until
`close`. A run is `begin_run`, `put` for each frame, `snapshot` now and then, `end_run`; one that was interrupted goes
on with `put`, so that what it had finished still counts. Every method waits for the one in work on another thread.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_sam2.document.document import Document
from napari_sam2.engine.engine import KeptSnapshot
from napari_sam2.io.image_files import keep_images
from napari_sam2.io.mask_log import Changes, FrameDone, LogContent, MaskLog, read_log
from napari_sam2.io.saved_session import RunRecord, SavedSession, StackRecord
from napari_sam2.io.session_document import read_document, write_document
from napari_sam2.io.session_files import load_session, locked, made_folder, new_run, write_session
from napari_sam2.io.snapshot_files import remove_snapshots, write_snapshot
from napari_sam2.stacks import Stack


class Autosaver:
    """The one writer of a session folder; made by `create` or `open`."""

    def __init__(self, folder: Path, saved: SavedSession, log: Path, held: ExitStack) -> None:
        self.folder = folder
        self._saved = replace(saved, masks=(), run=None, snapshot=None)  # all of it but the masks
        self._held = held
        self._guard = threading.RLock()
        content = read_log(log) if log.exists() else LogContent()
        self._run = replace(content, last={})
        if log.exists():
            os.truncate(log, content.whole_bytes)  # a record that was not finished would hide what comes behind it
        self._log = MaskLog(log)

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
            return cls(path, saved, write_session(path, saved), held.pop_all())

    @classmethod
    def open(cls, folder: str | Path) -> tuple[Autosaver, SavedSession]:
        """Return the writer of a session folder, and what is in it.

        Raises
        ------
        StackError
            If it is no session folder, cannot be read, or is open elsewhere.
        """
        path = Path(folder).expanduser()
        read_document(path)
        with ExitStack() as held:
            held.enter_context(locked(path))
            saved = load_session(path)
            log = path / read_document(path)[0].masks
            saver = cls(path, saved, log, held.pop_all())
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
            log = write_session(self.folder, replace(saved, run=None), self._run)
            self._log.close()
            self._log = MaskLog(log)
            self._saved = replace(saved, masks=(), run=None, snapshot=None)

    def save_document(self, document: Document, settings: Mapping[str, Any] | None = None) -> None:
        """Write prompts and objects, and settings if they changed; masks stay as they are."""
        with self._guard:
            settings = self._saved.settings if settings is None else settings
            self._saved = replace(self._saved, document=document, settings=settings)
            write_document(self.folder, self._saved, self._log.path.name)

    def keep_images(self, stack: Stack, record: StackRecord) -> str | None:
        """Return where the images were copied to, from then on the session's; None if they cannot be.

        Raises
        ------
        StackError
            If the disk is full; all the rest stays saved.
        """
        with self._guard:
            path = keep_images(self.folder, stack, record)
            if path is not None:
                self._saved = replace(self._saved, source=str(path), axes=stack.axes)
                write_document(self.folder, self._saved, self._log.path.name)
            return None if path is None else str(path)

    def put(self, changes: Changes, done: FrameDone | None = None) -> None:
        """Add masks that were put, or removed where they are None; `done` is the frame of a run that they finish."""
        with self._guard:
            self._log.put(changes, done)
            if done is not None:
                self._run.finished.setdefault(done.leg, {})[done.frame] = None

    def begin_run(self, request: Mapping[str, Any], document: Document) -> None:
        """Add that a run is in work which asks for `request` of `document`; session.json is written first."""
        with self._guard:
            self.save_document(document)
            remove_snapshots(self.folder)
            self._run = new_run(RunRecord(request), document, self._saved.settings)
            self._log.begin_run(self._run)

    def snapshot(self, snapshot: KeptSnapshot, done: FrameDone) -> None:
        """Keep the predictor's memory as it is behind a frame of the run in work; without a run nothing is kept."""
        with self._guard:
            if self._run.run is not None:
                self._log.sync()
                write_snapshot(self.folder, snapshot, self._run.run_id, done)

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
            self._held.close()

    def __enter__(self) -> Autosaver:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _forget_run(self) -> None:
        self._run = LogContent()
        remove_snapshots(self.folder)
