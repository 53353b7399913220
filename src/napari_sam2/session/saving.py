"""A session in files: the folder that it is saved in as it goes on once it was saved there, and labels written out.

What cannot be written waits and is tried again with the next edit, by `flush` and by `close`; meanwhile `unsaved` says
why, and `saving_failed` tells it. Where that does not help (the folder is gone), all is saved anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_sam2.document.document import Document
from napari_sam2.engine.run_record import RunInWork
from napari_sam2.engine.updates import FrameUpdate
from napari_sam2.io.autosave import Autosaver, FolderLost
from napari_sam2.io.autosave_queue import AutosaveQueue
from napari_sam2.io.exports import export_everything
from napari_sam2.io.label_files import check_label_path
from napari_sam2.io.mask_log import FrameDone
from napari_sam2.io.raw_data import check_not_raw
from napari_sam2.io.results import Results, export_labels
from napari_sam2.io.saved_history import HistoryChange, SavedHistory, SavedStep, StepKind
from napari_sam2.io.saved_session import RunRecord, SavedSession
from napari_sam2.io.session_images import SessionImages
from napari_sam2.masks.stored_masks import MaskChange, MaskKey, StoredMask
from napari_sam2.session.history import Moment, Step
from napari_sam2.session.looks import masks_on
from napari_sam2.session.state import SessionState
from sam2_core.checkpoints.identity import WeightsId
from sam2_core.errors import StackError
from sam2_core.inference.memory.snapshots import Snapshot


class Saving:
    """The files of a session: what is in its state, and where its `images` are."""

    def __init__(self, state: SessionState, images: SessionImages) -> None:
        self.queue: AutosaveQueue | None = None
        self._state = state
        self.images = images
        self._saved = True
        self._failures = 0

    @property
    def weights(self) -> tuple[WeightsId, ...]:
        """Which weights made masks and proposals, the last used last; empty where that is not known."""
        return self._state.weights

    @property
    def folder(self) -> Path | None:
        """Where the session is saved as it goes on, None before the first `save` and where that came to nothing."""
        queue = self.queue
        return None if queue is None or (queue.saver is None and queue.fault is not None) else queue.folder

    @property
    def is_dirty(self) -> bool:
        """Whether something would be lost if the session were closed."""
        return bool(self.unsaved) or (self.queue is None and not self._saved)

    @property
    def unsaved(self) -> str:
        """Why the last changes could not be written to the folder; empty while all is well."""
        return "" if self.queue is None or self.queue.fault is None else str(self.queue.fault)

    def save(self, folder: Path | str | None = None, wait: bool = True) -> Path:
        """Return the folder in which the session was saved; from then on it is saved there as it goes on.

        Parameters
        ----------
        folder
            A new one or one that holds a session; where the session is saved already, if None.
        wait
            Until it is written; else what fails is raised by `queue.flush`, or a later `accept`, `save` or `close`.

        Raises
        ------
        StackError
            If the folder cannot be written to, or there is none yet.
        """
        queue = self.queue
        place = self.folder if folder is None else Path(folder).expanduser().absolute()
        if place is None:
            raise StackError("The session was not saved before; say where, for example session.save('movie.sam2').")
        if queue is None or not _is_same(place, self.folder) or (queue.needs_all and folder is not None):
            self._save_in_new(place, wait)
        else:
            saved, images = self._saved_session(), self.images
            queue.do(lambda saver: saver.save(images.put_into(saved)))
            try:
                if wait:
                    self.flush()
            except FolderLost:
                if folder is None:
                    raise
                self._save_in_new(place, wait)  # it is said once more that the session shall be there
        self._saved = True
        if self._state.is_closed:
            self.close()
        return place

    @property
    def is_folder_lost(self) -> bool:
        """Whether the folder turned out to be gone, so that a person has to say where to go on."""
        return self.queue is not None and isinstance(self.queue.fault, FolderLost)

    def flush(self) -> None:
        """Wait until all that was changed is in the folder, if the session has one.

        Raises
        ------
        StackError
            If something cannot be written; it is tried again with the next edit, `flush` or `close`.
        """
        queue = self.queue
        if queue is None:
            return
        try:
            queue.flush()
        except StackError:
            if not queue.needs_all:
                raise
            self._save_anew(queue)
            queue.flush()

    @contextmanager
    def as_one(self) -> Iterator[None]:
        """Save what is edited and filled inside as one: of a process that is killed the folder has all or nothing.

        Where something fails inside, the folder stays as it was before, and the session is no longer saved there.
        """
        with nullcontext() if self.queue is None else self.queue.as_one():
            try:
                yield
            except BaseException:
                self.close(discard=True)
                raise

    def export_labels(self, path: Path | str) -> None:
        """Write the labels of all frames and objects as .tif or .zarr; the value is the object id.

        Raises
        ------
        StackError
            If it cannot be written there.
        """
        self.label_exporter(path)()

    def label_exporter(self, path: Path | str) -> Callable[[], None]:
        """Return a function that writes the labels as they are now; it may be called on any thread.

        Raises
        ------
        StackError
            If nothing can be written there.
        """
        check_label_path(Path(path))
        check_not_raw(path, self._state.stack, is_replaced=True)
        results = self._results()
        return lambda: export_labels(path, results)

    def all_exporter(self, folder: Path | str) -> Callable[[], tuple[Path, ...]]:
        """Return a function that writes all formats into a new folder, as things are now; on any thread.

        See `io.exports.export_everything` for what it returns and raises.
        """
        results = self._results()
        return lambda: export_everything(Path(folder), results)

    def _results(self) -> Results:
        """Return what goes out, as it is now; later changes leave it alone."""
        state, movie = self._state, self._state.movie.movie
        return Results(state.document, masks_on(movie, state.masks.held_all()), movie, state.settings.overlaps)

    def go_on(self, saver: Autosaver, lost: Iterable[MaskKey] = ()) -> None:
        """Save from now on with the writer of the folder that the session was opened from, without `lost` masks."""
        self.queue = AutosaveQueue(saver.folder, lambda: saver)
        removed = [(key, None) for key in lost]
        if removed:
            self.queue.put(removed)

    def edited(self, changes: Sequence[MaskChange]) -> None:
        """Have a new document or new settings saved, and the masks that changed with them."""
        self._saved = False
        queue = self.queue
        if queue is None:
            return
        state = self._state
        queue.save_document(state.document, self._settings(), self._as_they_are(changes), state.weights)
        if queue.needs_all:
            self._save_anew(queue)
        if self._failures != queue.failures:
            self._failures = queue.failures
            self._state.events.saving_failed.emit(self.unsaved)

    def stepped(self, kind: StepKind, left: Moment, text: str = "") -> None:
        """Have kept what happened to the history; `edited` comes next, and has the document saved that it led to."""
        queue, now = self.queue, self._state.document
        if queue is None:
            return
        if queue.keeps_history:
            queue.add_history(HistoryChange(kind, _saved_step(Step(left, text)), now))
        else:
            queue.keep_history(self._history(), now)

    def take_images(self, images: SessionImages) -> None:
        """Have saved that the session works on other images from now on, which begin with those that it had."""
        self.images, queue = images, self.queue
        if queue is not None:
            saved = self._saved_session()
            queue.keep_history(self._history(), saved.document)
            queue.save_document(saved.document, saved.settings, weights=saved.weights)
            queue.do(lambda saver: saver.save(images.put_into(saved)))
            queue.do_last(images.keep)

    def run_began(self, run: RunInWork, document: Document) -> None:
        """Have saved that a run is in work on a document."""
        if self.queue is not None:
            record = run.record()
            self.queue.do(lambda saver: saver.begin_run(record, document))

    def run_ended(self) -> None:
        """Have saved that the run is over."""
        if self.queue is not None:
            self.queue.do(lambda saver: saver.end_run())

    def keep_snapshot(self, snapshot: Snapshot, leg: str, frame: int) -> None:
        """Have a snapshot of the engine written; called on the lane, which waits where the disk is behind."""
        queue = self.queue
        if queue is not None:
            queue.do_bulky(lambda saver: saver.snapshot(snapshot, FrameDone(leg, frame)))

    def came(self, update: FrameUpdate, changes: Sequence[MaskChange]) -> None:
        """Have the masks saved that changed by an update.

        Raises
        ------
        StackError
            If something could not be saved since the last time; it still waits.
        """
        self._saved = self._saved and not changes
        if self.queue is None:
            return
        is_of_run = update.leg != "prompt" and not update.is_aside
        done = FrameDone(update.leg, update.frame_index) if is_of_run else None
        if changes or done is not None:
            self.queue.put(self._as_they_are(changes), done)
        if done is not None and update.done >= update.total:
            self.run_ended()
        self.queue.check()

    def close(self, discard: bool = False) -> None:
        """Write what waits, and let go of the folder; `discard` does so whether it can be written or not.

        Raises
        ------
        StackError
            If something cannot be written; the session is then still open, and can be saved in another folder.
        """
        queue = self.queue
        if queue is None:
            return
        if not discard:
            self.flush()
            queue.close()
            self._saved = True
        self.queue = None
        queue.discard()

    def _save_in_new(self, place: Path, wait: bool) -> None:
        """Save in another folder than before, if there was one, and go on there."""
        check_not_raw(place, self._state.stack)
        saved, images = replace(self._saved_session(), history=self._history()), self.images
        queue = AutosaveQueue(place, lambda: Autosaver.create(place, images.put_into(saved)))
        queue.do_last(images.keep)
        if wait:
            try:
                queue.flush()
            except BaseException:
                queue.discard()
                raise
        before, self.queue = self.queue, queue
        if before is not None:
            before.discard()

    def _save_anew(self, queue: AutosaveQueue) -> None:
        saved, images = self._saved_session(), self.images
        queue.replace_all(lambda saver: saver.save_anew(images.put_into(saved)))

    def _history(self) -> SavedHistory:
        history = self._state.history
        return SavedHistory(tuple(map(_saved_step, history.done)), tuple(map(_saved_step, history.undone)))

    def _settings(self) -> dict[str, Any]:
        return self._state.settings.model_dump(mode="json")

    def _saved_session(self) -> SavedSession:
        state, run = self._state, self._state.run
        record = None if run is None else RunRecord(run.record(), run.done())
        return SavedSession(state.document, state.masks.held_all(), self._settings(), run=record, weights=state.weights)

    def _as_they_are(self, changes: Sequence[MaskChange]) -> list[tuple[MaskKey, StoredMask | None]]:
        """Return each key that changed once, with the mask that it has now, or None."""
        return [(key, self._state.masks.get(key)) for key in dict.fromkeys(change.key for change in changes)]


def _saved_step(step: Step) -> SavedStep:
    moment = step.moment
    settings = None if moment.settings is None else moment.settings.model_dump(mode="json")
    return SavedStep(moment.document, moment.masks, moment.unshown, settings, step.text)


def _is_same(one: Path, other: Path | None) -> bool:
    """Return whether two paths lead to one folder, by whatever way."""
    return other is not None and (one == other or (one.exists() and other.exists() and one.samefile(other)))
