"""A session on one stack, from opening to saving: what scripts and the viewer hold in their hands.

Everything but `run` belongs to the main thread. Edits (`editing`) change the document and start nothing; the work
(`working`) is done in jobs: `preview_job` or `propagate_job` makes one, `run` iterates it on any thread, `accept` takes
each update. `preview` and `propagate` do all of that in a script. Here is what has to do with files: a session that
was saved once is saved as it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.document.document import Document
from napari_sam2.engine.engine import EngineSnapshot, Restored
from napari_sam2.engine.jobs import PropagateJob
from napari_sam2.engine.run_record import RunInWork
from napari_sam2.engine.updates import FrameUpdate
from napari_sam2.io.autosave_queue import AutosaveQueue
from napari_sam2.io.session_images import Images, open_images
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.overlaps import label_dtype
from napari_sam2.masks.stored_masks import MaskChange, MaskStatus, StoredMask
from napari_sam2.session.editing import SessionEvents
from napari_sam2.session.settings import SessionSettings
from napari_sam2.session.working import Working
from napari_sam2.stacks import Stack, open_stack
from sam2_core.errors import StackError

if TYPE_CHECKING:
    from napari_sam2.io.saved_session import SavedSession

__all__ = ["Session", "SessionEvents"]


class Session(Working):
    """State and work on one stack; made by `Session.open`.

    Attributes
    ----------
    notes
        What could not be read from a session folder, one sentence each.

    Examples
    --------
    >>> session = Session.open("movie.tif", axes="TYX")
    >>> session.add_points(object_id=1, frame=0, points_yx=[(120, 88)])
    >>> for update in session.propagate(direction="both"):
    ...     print(update.frame_index, update.object_score_logits)
    >>> session.save("movie.sam2")
    >>> session.export_labels("masks.tif")
    """

    def __init__(
        self, stack: Stack, settings: SessionSettings, predictor: Any = None, document: Document | None = None
    ) -> None:
        super().__init__(stack, settings, predictor, document)
        self.notes: tuple[str, ...] = ()
        self._images = Images(stack, stack.axes)
        self._autosave: AutosaveQueue | None = None
        self._saved = True

    @classmethod
    def open(  # noqa: PLR0913 - one keyword per thing that a script may want to say
        cls,
        source: Any,
        *,
        axes: str | None = None,
        model: str | None = None,
        device: str | None = None,
        settings: SessionSettings | None = None,
        predictor: Any = None,
        images: Any = None,
    ) -> Session:
        """Return a session on a stack, or the one that a session folder holds.

        Parameters
        ----------
        source
            Path of a stack, array, `Stack`, or a saved session folder.
        axes
            One letter of TZCYXS per dimension; of a session folder, those that it was saved with.
        model, device
            Instead of what `settings` say; see `SessionSettings`.
        settings
            The defaults, or what the session folder says, where None. Where a folder's session is opened with a model
            or settings that its masks were not made with, these turn stale, and an interrupted run is given up.
        predictor
            A video predictor, or a function that makes one, instead of loading the model.
        images
            Path, array or `Stack` for a session folder whose images are not where they were.

        Raises
        ------
        StackError
            If the stack or the folder cannot be read, or an axis is left open.
        """
        from napari_sam2.io.session_files import is_session_folder

        chosen = {name: value for name, value in (("model", model), ("device", device)) if value is not None}
        if isinstance(source, str | Path) and is_session_folder(source):
            return cls._reopened(Path(source), images, settings, chosen, predictor)
        stack = source if isinstance(source, Stack) else open_stack(source, axes)
        session = cls(stack, (settings or SessionSettings()).model_copy(update=chosen), predictor)
        if not isinstance(source, Stack):
            session._images = Images(stack, axes, is_sure=True)
        return session

    @classmethod
    def _reopened(
        cls, folder: Path, images: Any, settings: SessionSettings | None, chosen: dict[str, Any], predictor: Any
    ) -> Session:
        from napari_sam2.io.autosave import Autosaver

        saver, saved = Autosaver.open(folder)
        try:
            stack = open_images(saved, images, folder)
            kept = SessionSettings.model_validate(dict(saved.settings))
            wanted = (settings or kept).model_copy(update=chosen)
            same_masks = kept.model_copy(update={"device": wanted.device})
            session = cls(stack, same_masks, predictor, saved.document)
        except BaseException:
            saver.close()
            raise
        session._images = Images.reopened(saved, stack, is_sure=not isinstance(images, Stack))
        session._take_over(saved)
        session._autosave = AutosaveQueue(saver.folder, lambda: saver)
        session._on_snapshot = session._keep_snapshot
        try:
            session.change_settings(**wanted.model_dump())
        except BaseException:
            session.close()
            raise
        return session

    @property
    def folder(self) -> Path | None:
        """Where the session is saved as it goes on, None before the first `save`."""
        return None if self._autosave is None else Path(self._autosave.folder)

    @property
    def is_dirty(self) -> bool:
        """Whether something would be lost if the session were closed."""
        return self._autosave is None and not self._saved

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
        if self._autosave is None or (folder is not None and Path(folder).expanduser() != self.folder):
            self._save_in_new(folder, wait)
        else:
            saved, images = self._saved_session(), self._images
            self._autosave.do(lambda saver: saver.save(images.put_into(saved)))
        if wait and self._autosave is not None:
            self._autosave.flush()
        self._saved = True
        return self.folder or Path()

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
        from napari_sam2.io.label_files import LabelSpec, check_label_path, write_labels

        check_label_path(Path(path))
        frozen, overlaps, locked = _copy(self.masks), self.settings.overlaps, self.document.locked
        spec = LabelSpec.like(self.movie.movie, label_dtype(frozen.object_ids()))
        frames = (frozen.labels(frame, None, overlaps, locked) for frame in range(self.frame_count))
        return lambda: write_labels(path, frames, spec)

    def close(self) -> None:
        """Stop what runs, write what waits, and let go of the model and the folder."""
        self.cancel()
        self._lane.close()
        self._engine = None
        autosave, self._autosave = self._autosave, None
        if autosave is not None:
            autosave.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _take_over(self, saved: SavedSession) -> None:
        """Have the masks of a session folder, and the run that was interrupted there."""
        for key, mask in saved.masks:
            self.masks.put(key, mask)
        self._unshown = {key for key in saved.document.prompts if not _is_shown(self.masks.get(key))}
        self.notes = saved.notes
        if saved.run is not None:
            self._work = RunInWork.from_record(saved.run.request, saved.run.finished, self.revision)
            if saved.snapshot is not None:
                self._restored = Restored(saved.snapshot, saved.document)

    def _save_in_new(self, folder: Path | str | None, wait: bool) -> None:
        """Save in another folder than before, if there was one, and go on there."""
        from napari_sam2.io.autosave import Autosaver

        if folder is None:
            raise StackError("The session was not saved before; say where, for example session.save('movie.sam2').")
        saved, images = self._saved_session(), self._images
        queue = AutosaveQueue(Path(folder).expanduser(), lambda: Autosaver.create(folder, images.put_into(saved)))
        queue.do(images.keep)
        if wait:
            try:
                queue.flush()
            except BaseException:
                queue.close()
                raise
        before, self._autosave = self._autosave, queue
        self._on_snapshot = self._keep_snapshot
        if before is not None:
            before.close()

    def _saved_session(self) -> SavedSession:
        from napari_sam2.io.saved_session import RunRecord, SavedSession

        settings = self.settings.model_dump(mode="json")
        run = None if self._work is None else RunRecord(self._work.record(), self._work.done())
        return SavedSession(self.document, tuple(self.masks.items()), settings, run=run)

    def _keep_snapshot(self, snapshot: EngineSnapshot, leg: str, frame: int) -> None:
        """Have a snapshot written; called on the lane."""
        from napari_sam2.io.mask_log import FrameDone

        if self._autosave is not None:
            self._autosave.put("snapshot", snapshot, FrameDone(leg, frame))

    def _run_began(self, job: PropagateJob) -> None:
        if self._autosave is not None and self._work is not None and not job.resumes:
            self._autosave.put("begin_run", self._work.record(), job.document)

    def _edited(self, changes: Sequence[MaskChange]) -> None:
        self._saved = False
        if self._autosave is not None:
            self._autosave.save_document(self.document, self.settings.model_dump(mode="json"))
            if changes:
                self._autosave.put("put", _as_they_are(changes, self.masks))

    def _came(self, update: FrameUpdate, changes: Sequence[MaskChange]) -> None:
        from napari_sam2.io.mask_log import FrameDone

        self._saved = self._saved and not changes
        if self._autosave is None:
            return
        done = None if update.leg == "prompt" else FrameDone(update.leg, update.frame_index)
        if changes or done is not None:
            self._autosave.put("put", _as_they_are(changes, self.masks), done)
        if done is not None and update.done >= update.total:
            self._autosave.put("end_run")
        self._check_autosave()

    def _check_autosave(self) -> None:
        """Raise what could not be saved; a folder that could not be opened at all is given up."""
        queue = self._autosave
        if queue is None:
            return
        try:
            queue.check()
        except BaseException:
            if queue.saver is None:
                self._autosave, self._saved = None, False
            raise


def _is_shown(mask: StoredMask | None) -> bool:
    """Return whether a mask on a prompted frame is what its prompt says."""
    return mask is not None and mask.status is not MaskStatus.stale and mask.leg == "prompt"


def _copy(masks: MaskStore) -> MaskStore:
    copied = MaskStore(masks.size, masks.frame_count)
    for key, mask in masks.items():
        copied.put(key, mask)
    return copied


def _as_they_are(changes: Sequence[MaskChange], masks: MaskStore) -> list[Any]:
    """Return each key that changed once, with the mask that it has now, or None."""
    return [(key, masks.get(key)) for key in dict.fromkeys(change.key for change in changes)]
