"""A session as a folder `NAME.sam2/`, described for people in `docs/sessions.md`.

- `session.json`: source, settings, objects, prompts (`session_document`); `session.previous.json`: the one before
- `prompts/`: masks that are prompts (`session_masks`)
- `masks-000001.log`: masks of every object and frame, and the run in work (`mask_log`)
- `history-000001.log`: what can be undone and redone (`history_log`)
- `snapshot-000001.safetensors`: what is new of the predictor's memory, while a run is in work (`snapshot_files`)
- `images.zarr`: the images, where they are in no file of their own (`image_files`)
- `.lock`: held by the process that has the session open

`save_session` writes all of it, `load_session` reads it, needing no lock. Every file is put in place whole, and one
that is named by session.json is there before session.json is. What stays open and is added to is in `autosave`. A
folder may come from anybody and may be damaged: `read_folder` reads what is whole and says what is not, and whoever
goes on to write there puts that aside first (`folder_parts`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.document.document import Document
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.prompt import Prompt
from napari_sam2.io.atomic import check_has_folder, is_part, remove_path, sync_folder
from napari_sam2.io.folder_parts import LeftAlone, Losses, content_of, is_own_folder, is_there
from napari_sam2.io.history_log import read_history
from napari_sam2.io.mask_log import FrameDone, LogContent, MaskLog, read_log
from napari_sam2.io.saved_history import SavedHistory
from napari_sam2.io.saved_session import RunRecord, SavedSession, SavedSnapshot
from napari_sam2.io.session_document import (
    PREVIOUS_FILE,
    SESSION_FILE,
    fingerprint_of,
    logs_in,
    read_document,
    session_of,
    write_document,
)
from napari_sam2.io.session_masks import PROMPT_FOLDER
from napari_sam2.io.snapshot_files import SnapshotWriter, read_snapshot, remove_snapshots
from napari_sam2.masks.stored_masks import MaskKey, StoredMask
from sam2_core.errors import StackError

SESSION_SUFFIX = ".sam2"
LOCK_FILE = ".lock"
HISTORY_NAME = re.compile(r"history-\d+\.log")
_OUR_FILES = ("masks-", ".masks-", ".session", "session.", "snapshot-", "history-", "prompts", ".images.zarr")
_NOT_IN_MASKS = ("overlaps", "device", "estimated_diameter_px")
_NEW = ("image_size",)  # settings that older folders do not have, and that change nothing as long as they are not set


class FolderInUse(StackError):
    """A session folder is open in another window or process."""


def is_session_folder(path: str | Path) -> bool:
    """Return whether a path is a folder that holds a session."""
    return any(os.path.isfile(Path(path) / name) for name in (SESSION_FILE, PREVIOUS_FILE))


def save_session(folder: str | Path, saved: SavedSession) -> None:
    """Write a session as a folder; one that is there is replaced file by file, each in one step.

    Raises
    ------
    StackError
        If the folder cannot be made or written to, holds something else, or is open in another process.
    """
    folder = made_folder(folder)
    with locked(folder):
        write_session(folder, saved)


def load_session(folder: str | Path) -> SavedSession:
    """Return what a session folder holds; what is damaged is left out and named in `notes`.

    Raises
    ------
    StackError
        If it is no session folder, of a later version, or nothing in it can be read.
    """
    return read_folder(Path(folder).expanduser()).saved


@dataclass(frozen=True, slots=True)
class FolderRead:
    """What was read of a session folder, and how it is.

    Attributes
    ----------
    saved
        The session.
    log, masks
        Where its masks were read, None where there are none; and what that log holds.
    named_log
        The log that session.json names.
    losses
        What could not be read.
    history
        The log of what can be undone and how far it goes; None where nothing can.
    """

    saved: SavedSession
    log: Path | None
    masks: LogContent
    named_log: str
    losses: Losses
    history: tuple[Path, int] | None = None


def read_folder(folder: Path) -> FolderRead:
    """Return what a session folder holds, and what of it is damaged; nothing is changed.

    Raises
    ------
    StackError
        See `load_session`.
    """
    read = read_document(folder)
    if not is_there(folder / read.content.masks):  # compacted by who has it open, between two lines
        read = read_document(folder)
    losses = read.losses
    prompts = folder / PROMPT_FOLDER
    if is_there(prompts) and not is_own_folder(prompts):
        losses.add(f"{PROMPT_FOLDER} is a link or no folder, and is not used.", prompts)
    saved = session_of(folder, read.content, losses)
    has_gaps = bool(losses.files)
    fingerprint = document_in(folder)
    log, content = read_masks(folder / read.content.masks, losses, fingerprint)
    if has_gaps:  # else an object that is not there was removed, and the log has lost that its masks went with it
        saved = replace(saved, document=_with_objects(saved.document, content))
    run = content.run
    if run is not None and content.basis != run_fingerprint(saved.document, saved.settings):
        run = None  # prompts or settings were changed since: going on would mix what does not belong together
    snapshot = None if run is None else read_snapshot(folder, content.run_id, run.finished)
    place, history = (None, SavedHistory()) if has_gaps else _undoable(folder, saved.document, fingerprint, losses)
    saved = replace(saved, masks=content.masks, run=run, snapshot=snapshot, history=history, notes=tuple(losses.notes))
    return FolderRead(saved, log, content, read.content.masks, losses, place)


def histories_in(folder: Path) -> list[Path]:
    """Return the logs of what can be undone in a folder, the newest first."""
    return sorted((path for path in folder.glob("history-*.log") if HISTORY_NAME.fullmatch(path.name)), reverse=True)


def next_history(folder: Path) -> Path:
    """Return the path of a log of what can be undone that is not there yet."""
    return folder / f"history-{_next_number(histories_in(folder)):06d}.log"


def _next_number(logs: Iterable[Path]) -> int:
    return max((int(path.stem.rsplit("-", 1)[1]) for path in logs), default=0) + 1


def document_in(folder: Path) -> str:
    """Return the fingerprint of session.json, which logs name; empty where it cannot be read."""
    with suppress(OSError):
        return fingerprint_of(content_of(folder / SESSION_FILE))
    return ""


def _undoable(
    folder: Path, document: Document, fingerprint: str, losses: Losses
) -> tuple[tuple[Path, int] | None, SavedHistory]:
    """Return the log that goes with session.json, how far it goes, and what it says; damaged ones are noted."""
    for path in histories_in(folder):
        try:
            read = read_history(path, document, fingerprint)
        except LeftAlone:
            raise
        except StackError as error:
            losses.add(str(error), path)
            continue
        if read is not None:
            return (path, read.whole_bytes), read.history
    return None, SavedHistory()


def _with_objects(document: Document, content: LogContent) -> Document:
    """Return the document with the objects that only masks are left of, where it is an older one or has gaps."""
    for object_id in dict.fromkeys(object_id for (object_id, _), _ in content.masks):
        if object_id not in document.objects:
            document = document.with_object(ObjectInfo(object_id))
    return document


def run_fingerprint(document: Document, settings: Mapping[str, Any]) -> str:
    """Return a short text that changes with any prompt and with any setting that masks depend on."""
    without = {*_NOT_IN_MASKS, *(name for name in _NEW if settings.get(name) is None)}
    kept = {name: value for name, value in settings.items() if name not in without}
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]
    return prompts_fingerprint([document.prompts[key] for key in sorted(document.prompts)]) + digest


def prompts_fingerprint(prompts: Sequence[Prompt]) -> str:
    """Return a short text that changes with any prompt."""
    digest = hashlib.sha256()
    for prompt in prompts:
        digest.update(repr((prompt.frame, prompt.object_id, prompt.points_yx, prompt.labels, prompt.box_yx)).encode())
        if prompt.drawn is not None:
            digest.update(np.packbits(prompt.drawn.mask).tobytes())
    return digest.hexdigest()[:16]


def check_session_folder(folder: Path) -> None:
    """Return nothing if a session can be saved in a folder, if there is room; nothing is changed.

    Raises
    ------
    StackError
        If it has no place, holds something else, or a session that is open in another process.
    """
    if is_session_folder(folder):
        with locked(folder):
            return
    check_has_folder(folder)
    if folder.exists() and not folder.is_dir():
        raise StackError(f"{folder} is a file, and a session needs a folder; choose another name.")
    if folder.exists() and any(not _is_ours(path) for path in folder.iterdir()):
        raise StackError(
            f"{folder} holds other files; choose a new folder for the session, e.g. movie{SESSION_SUFFIX}."
        )


def made_folder(folder: str | Path) -> Path:
    """Return a folder in which a session can be written, made if it is not there.

    Raises
    ------
    StackError
        If it cannot be made, or holds something else.
    """
    folder = Path(folder).expanduser().absolute()
    try:
        if not is_session_folder(folder):
            check_session_folder(folder)
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise StackError(f"the session folder {folder} cannot be made ({error}); choose another place.") from error
    return folder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the right to write in a session folder.

    Raises
    ------
    StackError
        If another session has it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK_FILE, timeout=0)
    try:
        if (folder / LOCK_FILE).is_symlink():
            raise OSError(f"{LOCK_FILE} is a link, and nothing is written through it")
        lock.acquire()
    except Timeout as error:
        raise FolderInUse(
            f"The session {folder} is open elsewhere (another window or process); close it there, or save under "
            "another name."
        ) from error
    except OSError as error:
        raise StackError(f"{folder} cannot be written to ({error}); save the session in another folder.") from error
    try:
        yield
    finally:
        lock.release()


def write_session(
    folder: Path,
    saved: SavedSession,
    run: LogContent | None = None,
    announced: Callable[[str], None] | None = None,
) -> tuple[Path, LogContent]:
    """Return the log that the masks were written to, and the run in it; session.json names it, older ones are gone.

    A run in work is given with what is kept of it in the folder; else the session's own counts. The folder's lock is
    the caller's.

    Raises
    ------
    StackError
        If the folder cannot be written to; what was saved before is untouched.
    """
    run = run or LogContent()
    begun = run if saved.run is None else new_run(saved.run, saved.document, saved.settings)
    log = next_log(folder)
    try:
        write_log(log, saved.masks, begun)
        write_document(folder, saved, log.name, announced=announced)
    except BaseException as error:
        with suppress(OSError, StackError):
            if not is_there(folder / SESSION_FILE) or read_document(folder).content.masks != log.name:
                log.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StackError(f"{folder} cannot be written to ({error}); save in another folder.") from error
        raise
    for old in logs_in(folder):
        if old != log:
            with suppress(OSError):  # it is not named any more, and is removed the next time
                remove_path(old)
    if begun.run_id != run.run_id or begun.run is None:
        remove_snapshots(folder)
    if isinstance(saved.snapshot, SavedSnapshot) and begun.run is not None and begun is not run:
        done = FrameDone(saved.snapshot.leg, saved.snapshot.frame)
        SnapshotWriter(folder).write(saved.snapshot, begun.run_id, done)
    return log, begun


def new_run(run: RunRecord, document: Document, settings: Mapping[str, Any]) -> LogContent:
    """Return a run on a document as a log has it in which it is new."""
    finished = {leg: dict.fromkeys(frames) for leg, frames in run.finished.items()}
    basis = run_fingerprint(document, settings)
    return LogContent(request=dict(run.request), run_id=uuid.uuid4().hex, basis=basis, finished=finished)


def next_log(folder: Path) -> Path:
    """Return the path of a log that is not there yet."""
    return folder / f"masks-{_next_number(logs_in(folder)):06d}.log"


def write_log(path: Path, masks: Iterable[tuple[MaskKey, StoredMask]], run: LogContent) -> None:
    """Write a log with one record per frame, in which masks stay in their order, and bring it to the disk."""
    by_frame: dict[int, list[tuple[MaskKey, StoredMask]]] = defaultdict(list)
    for key, mask in masks:
        by_frame[key[1]].append((key, mask))
    with closing(MaskLog(path, sum(map(len, by_frame.values())))) as log:
        for frame in sorted(by_frame):
            log.put(by_frame[frame])
        if run.run is not None:
            log.begin_run(run)
        log.sync()
    sync_folder(path.parent)


def read_masks(path: Path, losses: Losses, document: str) -> tuple[Path | None, LogContent]:
    """Return the log that was read and what it holds: another one if it is not there or of no use, None without any.

    What is missing is added to the losses. The document is told by its fingerprint, see `read_log`.

    Raises
    ------
    LeftAlone
        If a later version wrote it, or it may not be read.
    """
    others = [log for log in reversed(logs_in(path.parent)) if log != path]
    for log in (path, *others) if is_there(path) else others:
        try:
            content = read_log(log, document)
        except LeftAlone:
            raise
        except StackError as error:
            losses.add(str(error), log)
            continue
        if log != path:
            losses.add(f"{path.name} is missing; {log.name} was read instead.", path)
        if content.faults:
            losses.add(f"{log.name} {content.faults}; {len(content.masks)} masks were read.", log)
        return log, content
    losses.add(f"{path.name} is missing; there are no masks; track again.", path)
    return None, LogContent()


def _is_ours(path: Path) -> bool:
    return path.name == LOCK_FILE or path.name.startswith(_OUR_FILES) or is_part(path)
