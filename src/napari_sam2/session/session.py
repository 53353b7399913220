"""A session on one stack, from opening to saving: what scripts and the viewer hold in their hands.

Everything but `run` belongs to the main thread. `edits` change the document and start nothing. `work` is done in jobs:
`preview_job` or `propagate_job` makes one, `run` iterates it on any thread, `accept` takes each update; `preview` and
`propagate` do all of that in a script. A session that was saved once is saved as it goes on (`saving`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from napari_sam2.document.document import Document
from napari_sam2.engine.jobs import PropagateRequest
from napari_sam2.engine.loader import Loader
from napari_sam2.engine.model_loading import OnDownload
from napari_sam2.io.autosave import Autosaver
from napari_sam2.io.saved_session import SavedSession
from napari_sam2.io.session_files import is_session_folder, load_session
from napari_sam2.io.session_images import SessionImages, changed_images, open_images
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.session.edits import Edits
from napari_sam2.session.lineage import Lineage
from napari_sam2.session.proposals import Proposals
from napari_sam2.session.review import SessionReview
from napari_sam2.session.saved_results import (
    collecting_later,
    fitted,
    fitted_history,
    saved_settings,
    weights_note,
    without_lost_channels,
)
from napari_sam2.session.saving import Saving
from napari_sam2.session.settings import SessionSettings
from napari_sam2.session.state import SessionEvents, SessionState
from napari_sam2.session.surgery import Surgery
from napari_sam2.session.work import SessionWork
from napari_sam2.stacks import ModelMovie, Stack, open_stack
from sam2_core.errors import StackError
from sam2_core.inference.video_calls import VideoPredictor

__all__ = ["Session", "SessionEvents"]

Predictor = VideoPredictor | Callable[[], VideoPredictor] | None


class Session:
    """State and work on one stack; made by `Session.open`.

    What is done with it is done by its parts; most of their verbs are the session's own as well, so that
    `session.add_points(...)` is `session.edits.add_points(...)`.

    Attributes
    ----------
    edits
        See `Edits`: `add_points`, `add_box`, `add_polygon`, `add_mask`, `add_labels`, `set_prompts`, `edit_mask`,
        `edit_masks`, `paint`, `new_object`, `rename_object`, `set_visible`, `set_locked`, `remove_object`,
        `merge_objects`, `swap_objects`, `change_settings`, `undo`, `redo`.
    lineage
        See `Lineage`: `divide`, `set_links`, `relink`, `import_tracks`; and `session.lineage.undivide`, `add_event`,
        `remove_event`.
    work
        See `SessionWork`: `preview`, `propagate`, `fill_gaps`, `resume`, `preview_job`, `propagate_job`, `resume_job`,
        `run`, `accept`, `cancel`, `anything_to_do`.
    saving
        See `Saving`: `save`, `flush`, `export_labels`, `label_exporter`, `all_exporter`; `saving.weights`: which made
        the masks.
    proposals
        Objects without a click, see `Proposals`; its verbs are its own: `session.proposals.find(frames=0)`, `accept`.
    surgery
        Tracks cut and joined, see `Surgery`; its verbs are its own: `session.surgery.break_here(object_id, frame)`.
    review
        Places in doubt, see `SessionReview`: `session.review.next()`, `accept`, `correct`, `sample`.
    labels, status
        See `SessionState`.
    stack
        Images with their axes.
    size
        (height, width) of a frame.
    events
        See `SessionEvents`.
    notes
        What could not be read from a session folder, and whether other weights are at work than those that made its
        masks, one sentence each.

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
        self,
        stack: Stack,
        settings: SessionSettings,
        predictor: Predictor = None,
        document: Document | None = None,
        images: SessionImages | None = None,
    ) -> None:
        self.notes: tuple[str, ...] = ()
        self._loader = Loader(predictor)
        self._state = state = SessionState(stack, settings, document or Document())
        self._history = state.history
        self.stack, self.size, self.events = stack, state.masks.size, state.events
        self.labels, self.status = state.labels, state.status

        self.saving = saving = Saving(state, images or SessionImages(stack, stack.axes))
        self.save, self.export_labels, self.label_exporter = saving.save, saving.export_labels, saving.label_exporter
        self.flush, self.all_exporter = saving.flush, saving.all_exporter

        self.edits = edits = Edits(state, saving)
        self.add_points, self.add_box, self.add_polygon = edits.add_points, edits.add_box, edits.add_polygon
        self.add_mask, self.add_labels, self.set_prompts = edits.add_mask, edits.add_labels, edits.set_prompts
        self.edit_mask, self.edit_masks, self.paint = edits.edit_mask, edits.edit_masks, edits.paint
        self.new_object = edits.new_object
        self.rename_object, self.set_visible, self.set_locked = edits.rename_object, edits.set_visible, edits.set_locked
        self.remove_object, self.undo, self.redo = edits.remove_object, edits.undo, edits.redo
        self.merge_objects, self.swap_objects = edits.merge_objects, edits.swap_objects
        self.change_settings = edits.change_settings

        self.lineage = lineage = Lineage(state, saving)
        self.divide, self.set_links, self.import_tracks = lineage.divide, lineage.set_links, lineage.import_tracks
        self.relink = lineage.relink

        self.work = work = SessionWork(state, saving, self._loader)
        self.preview, self.propagate, self.resume = work.preview, work.propagate, work.resume
        self.fill_gaps = work.fill_gaps
        self.preview_job, self.propagate_job, self.resume_job = work.preview_job, work.propagate_job, work.resume_job
        self.run, self.accept, self.cancel = work.run, work.accept, work.cancel
        self.anything_to_do = work.anything_to_do

        self.proposals = Proposals(state, saving, work)
        self.surgery = Surgery(state, saving, edits, self.proposals)
        self.review = SessionReview(state, saving, self.surgery.do)

    @classmethod
    def open(  # noqa: PLR0913 - one keyword per thing that a script may want to say
        cls,
        source: object,
        *,
        axes: str | None = None,
        model: str | None = None,
        device: str | None = None,
        settings: SessionSettings | None = None,
        predictor: Predictor = None,
        images: object = None,
        scene: int | str | None = None,
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
        scene
            Which image series of a file that holds several: number or name, or the place inside a zarr store.

        Raises
        ------
        StackError
            If the stack or the folder cannot be read, an axis is left open, or several series are there and none is
            chosen.
        """
        chosen = {name: value for name, value in (("model", model), ("device", device)) if value is not None}
        if isinstance(source, str | Path) and is_session_folder(source):
            return cls._reopened(Path(source), images, settings, chosen, predictor)
        wanted = (settings or SessionSettings()).model_copy(update=chosen)
        if isinstance(source, Stack):
            return cls(source, wanted, predictor)
        stack = open_stack(source, axes, scene)
        return cls(stack, wanted, predictor, images=SessionImages(stack, axes, is_sure=True))

    @classmethod
    @collecting_later()
    def _reopened(
        cls, folder: Path, images: object, given: SessionSettings | None, chosen: dict[str, str], predictor: Predictor
    ) -> Session:
        saver, saved = cls._opened(folder)
        try:
            stack = open_images(saved, images, folder)
            kept, lost_channels = without_lost_channels(saved_settings(saved, str(folder)), stack)
            wanted = (given or kept).model_copy(update=chosen)
            same_masks = kept.model_copy(update={"device": wanted.device})
            where = SessionImages.reopened(saved, stack, is_sure=not isinstance(images, Stack))
            session = cls(stack, same_masks, predictor, saved.document, where)
        except BaseException:
            if saver is not None:
                saver.close()
            raise
        fitting, lost = fitted(saved, session.movie)
        session._state.document = fitting.document
        session._state.take_masks(fitting.masks)
        session._state.weights = saved.weights
        others = weights_note(saved.weights, wanted, predictor)
        changed = () if images is not None else changed_images(saved, stack)
        session.notes = (*lost_channels, *fitting.notes, *changed, *others)
        session.work.go_on_from(replace(fitting, snapshot=None) if others else fitting)  # memory is of one model
        if not lost and not lost_channels and fitting.document is saved.document:
            session._history.restore(*fitted_history(saved, session.movie, same_masks))
        if saver is not None:
            session.saving.go_on(saver, lost)
        try:
            session.change_settings(**wanted.model_dump())
        except BaseException:
            session.close()
            raise
        return session

    @staticmethod
    def _opened(folder: Path) -> tuple[Autosaver | None, SavedSession]:
        """Return what a folder holds and who writes there; nobody where it can only be read."""
        if os.access(folder, os.W_OK):
            return Autosaver.open(folder)
        saved = load_session(folder)
        note = f"{folder} can only be read: save the session in another folder to keep what you change."
        return None, replace(saved, notes=(*saved.notes, note))

    def add_channels(self, stack: Stack) -> None:
        """Go on with a stack that has more channels behind those that there were; `change_settings` chooses them.

        Prompts, masks and what can be undone stay as they are.

        Raises
        ------
        StackError
            If its frames have another size or number.
        """
        were = {axis: self.stack.size(axis) for axis in "TZYX"}
        if {axis: stack.size(axis) for axis in "TZYX"} != were or stack.size("C") < self.stack.size("C"):
            raise StackError(
                f"{stack.name} with shape {stack.shape} ({stack.axes}) cannot be added to a session on "
                f"{self.stack.shape} ({self.stack.axes}); channels need one shape."
            )
        self._state.take_stack(stack)
        self.stack = stack
        self.saving.take_images(SessionImages(stack, stack.axes))

    @property
    def document(self) -> Document:
        """What a person said."""
        return self._state.document

    @property
    def masks(self) -> MaskStore:
        """What came of it."""
        return self._state.masks

    @property
    def settings(self) -> SessionSettings:
        """Replaced by `change_settings`."""
        return self._state.settings

    @property
    def movie(self) -> ModelMovie:
        """Frames as the model sees them."""
        return self._state.movie

    @property
    def frame_count(self) -> int:
        """Frames of the movie."""
        return self._state.masks.frame_count

    @property
    def needs_preview(self) -> bool:
        """Whether some prompt's mask is not shown yet."""
        return self._state.is_waiting

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to make again."""
        return self._history.can_redo

    @property
    def undo_text(self) -> str:
        """What would be taken back."""
        return self._history.undo_text

    @property
    def redo_text(self) -> str:
        """What would be made again."""
        return self._history.redo_text

    @property
    def is_running(self) -> bool:
        """Whether a run is under way."""
        return self.work.is_running

    @property
    def interrupted_run(self) -> PropagateRequest | None:
        """What was asked for in a run that stopped before its end; None where prompts were changed since."""
        return self.work.interrupted_run

    @property
    def view_sentence(self) -> str:
        """What the model looks at and why, for people; empty before the first job."""
        return self.work.view_sentence

    @property
    def on_download(self) -> OnDownload | None:
        """Told, on the lane, how far the download of a model is: its name, bytes here, bytes in all."""
        return self._loader.on_download

    @on_download.setter
    def on_download(self, told: OnDownload | None) -> None:
        self._loader.on_download = told

    @property
    def folder(self) -> Path | None:
        """Where the session is saved as it goes on, None before the first `save`."""
        return self.saving.folder

    @property
    def is_dirty(self) -> bool:
        """Whether something would be lost if the session were closed."""
        return self.saving.is_dirty

    @property
    def holds_work(self) -> bool:
        """Whether there is anything that a person would miss: prompts, masks or proposals."""
        return bool(self.document.prompts or self.document.proposals or len(self.masks))

    @property
    def unsaved(self) -> str:
        """Why the last changes could not be written to the folder; empty while all is well."""
        return self.saving.unsaved

    def close(self, discard: bool = False) -> None:
        """Stop what runs, write what waits, and let go of the model and the folder.

        Parameters
        ----------
        discard
            Close even if something cannot be written, which is then lost.

        Raises
        ------
        StackError
            If something cannot be written; the session then stays open, and can be saved in another folder.
        """
        self.cancel()
        if not discard:
            self.saving.flush()
        self.work.close()
        self.saving.close(discard)
        self._state.is_closed = True

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
