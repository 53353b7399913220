"""A session in files: the folder that it is saved in as it goes on once it was saved there, and labels written out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari_sam2.document.document import Document
from napari_sam2.engine.run_record import RunInWork
from napari_sam2.engine.updates import FrameUpdate
from napari_sam2.io.autosave import Autosaver
from napari_sam2.io.autosave_queue import AutosaveQueue
from napari_sam2.io.label_files import check_label_path
from napari_sam2.io.mask_log import FrameDone
from napari_sam2.io.results import Results, export_labels
from napari_sam2.io.saved_session import RunRecord, SavedSession
from napari_sam2.io.session_images import SessionImages
from napari_sam2.masks.stored_masks import MaskChange, MaskKey, StoredMask
from napari_sam2.session.looks import masks_on
from napari_sam2.session.state import SessionState
from sam2_core.errors import StackError
from sam2_core.inference.memory.snapshots import Snapshot


class Saving:
    """The files of a session: what is in its state, and where its images are."""

    def __init__(self, state: SessionState, images: SessionImages) -> None:
        self.queue: AutosaveQueue | None = None
        self._state = state
        self._images = images
        self._saved = True

    @property
    def folder(self) -> Path | None:
        """Where the session is saved as it goes on, None before the first `save`."""
        return None if self.queue is None else self.queue.folder

    @property
    def is_dirty(self) -> bool:
        """Whether something would be lost if the session were closed."""
        return self.queue is None and not self._saved

    def save(self, folder: Path | str | None = None, wait: bool = True) -> Path:
        """Return the folder in which the session was saved; from then on it is saved there as it goes on.

        Parameters
        ----------
        folder
            A new one or one that holds a session; where the session is saved already, if None.
        wait
            Until it is written; else what fails is raised by a later `accept` or `save`.

        Raises
        ------
        StackError
            If the folder cannot be written to, or there is none yet.
        """
        place = self.folder if folder is None else Path(folder).expanduser()
        if place is None:
            raise StackError("The session was not saved before; say where, for example session.save('movie.sam2').")
        if self.queue is None or place != self.folder:
            self._save_in_new(place, wait)
        else:
            saved, images = self._saved_session(), self._images
            self.queue.do(lambda saver: saver.save(images.put_into(saved)))
            if wait:
                self.queue.flush()
        self._saved = True
        return place

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
        state, movie = self._state, self._state.movie.movie
        results = Results(state.document, masks_on(movie, state.masks.items()), movie, state.settings.overlaps)
        return lambda: export_labels(path, results)

    def go_on(self, saver: Autosaver) -> None:
        """Save from now on with the writer of the folder that the session was opened from."""
        self.queue = AutosaveQueue(saver.folder, lambda: saver)

    def edited(self, changes: Sequence[MaskChange]) -> None:
        """Have a new document or new settings saved, and the masks that changed with them."""
        self._saved = False
        if self.queue is not None:
            self.queue.save_document(self._state.document, self._state.settings.model_dump(mode="json"))
            if changes:
                self.queue.put(self._as_they_are(changes))

    def run_began(self, run: RunInWork, document: Document) -> None:
        """Have saved that a run is in work on a document."""
        if self.queue is not None:
            record = run.record()
            self.queue.do(lambda saver: saver.begin_run(record, document))

    def keep_snapshot(self, snapshot: Snapshot, leg: str, frame: int) -> None:
        """Have a snapshot of the engine written; called on the lane."""
        queue = self.queue
        if queue is not None:
            queue.do(lambda saver: saver.snapshot(snapshot, FrameDone(leg, frame)))

    def came(self, update: FrameUpdate, changes: Sequence[MaskChange]) -> None:
        """Have the masks saved that changed by an update.

        Raises
        ------
        StackError
            If something could not be saved since the last time.
        """
        self._saved = self._saved and not changes
        if self.queue is None:
            return
        done = None if update.leg == "prompt" else FrameDone(update.leg, update.frame_index)
        if changes or done is not None:
            self.queue.put(self._as_they_are(changes), done)
        if done is not None and update.done >= update.total:
            self.queue.do(lambda saver: saver.end_run())
        try:
            self.queue.check()
        except BaseException:
            if self.queue.saver is None:  # the folder could not be opened at all, and is given up
                self.queue, self._saved = None, False
            raise

    def close(self) -> None:
        """Write what waits, and let go of the folder."""
        queue, self.queue = self.queue, None
        if queue is not None:
            queue.close()

    def _save_in_new(self, place: Path, wait: bool) -> None:
        """Save in another folder than before, if there was one, and go on there."""
        saved, images = self._saved_session(), self._images
        queue = AutosaveQueue(place, lambda: Autosaver.create(place, images.put_into(saved)))
        queue.do(images.keep)
        if wait:
            try:
                queue.flush()
            except BaseException:
                queue.close()
                raise
        before, self.queue = self.queue, queue
        if before is not None:
            before.close()

    def _saved_session(self) -> SavedSession:
        state, run = self._state, self._state.run
        record = None if run is None else RunRecord(run.record(), run.done())
        return SavedSession(
            state.document, tuple(state.masks.items()), state.settings.model_dump(mode="json"), run=record
        )

    def _as_they_are(self, changes: Sequence[MaskChange]) -> list[tuple[MaskKey, StoredMask | None]]:
        """Return each key that changed once, with the mask that it has now, or None."""
        return [(key, self._state.masks.get(key)) for key in dict.fromkeys(change.key for change in changes)]
