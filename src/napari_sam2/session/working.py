"""The work of a session: jobs made of the document as it is, run on the lane, and their results taken into the masks.

A job goes on with the document that it was made of, whatever is edited meanwhile; `accept` drops what became void, and
nothing restarts by itself. Settings that change what the model sees make a new engine at the next job. Files are the
business of `session`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

from napari_sam2.document.document import Document, DocumentDiff, PromptKey
from napari_sam2.engine.engine import Engine, OnSnapshot, Restored
from napari_sam2.engine.jobs import CancelToken, Job, PreviewJob, PropagateJob, PropagateRequest
from napari_sam2.engine.lane import Lane
from napari_sam2.engine.loader import Loader
from napari_sam2.engine.plan import Direction
from napari_sam2.engine.run_record import RunInWork
from napari_sam2.engine.span_plan import plan_spans
from napari_sam2.engine.updates import FrameUpdate
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stale import is_drawn
from napari_sam2.masks.stored_masks import MaskChange, MaskStatus, StoredMask, frames_of
from napari_sam2.session.editing import Array, Editing
from napari_sam2.session.looks import look_of, movie_of
from napari_sam2.session.mask_updates import write_update
from napari_sam2.session.settings import OF_THE_MOVIE, SessionSettings, changed_fields, invalidated
from napari_sam2.stacks import ModelMovie, Stack
from sam2_core.errors import StackError

Objects = Sequence[int] | Literal["stale"] | None


class Working(Editing):
    """An edited document on a stack, and a lane on which a model works for it.

    Attributes
    ----------
    stack
        Images with their axes.
    movie
        Frames as the model sees them.
    settings
        Replaced by `change_settings`.
    """

    def __init__(
        self, stack: Stack, settings: SessionSettings, predictor: Any = None, document: Document | None = None
    ) -> None:
        self.stack = stack
        self.settings = settings
        self.movie: ModelMovie = movie_of(stack, settings)
        super().__init__(MaskStore((self.movie.height, self.movie.width), len(self.movie)), document)
        self._loader = Loader(predictor)
        self._lane = Lane()
        self._engine: Engine | None = None
        self._restored: Restored | None = None
        self._on_snapshot: OnSnapshot | None = None
        self._tokens: set[CancelToken] = set()
        self._work: RunInWork | None = None
        self._all_revision = 0

    def change_settings(self, **changes: Any) -> None:
        """Replace settings; prompts stay, and masks turn stale where they do not go with the new ones.

        Parameters
        ----------
        **changes
            Fields of `SessionSettings`.

        Raises
        ------
        StackError
            If the tracked axis or the fixed ones change while there are prompts.
        """
        old = self.settings
        new = SessionSettings.model_validate({**old.model_dump(), **changes})
        if new == old:
            return
        if changed_fields(old, new) & OF_THE_MOVIE:
            self._change_movie(new)
        self.settings = new
        stale = self._invalidate() if invalidated(old, new) else []
        self._edited(stale)
        self.events.settings_changed.emit(old, new)
        self._tell(stale)

    def preview(self) -> Iterator[FrameUpdate]:
        """Bring the masks of all prompts up to date, and yield what came, prompt by prompt."""
        return self._inline(self.preview_job())

    def propagate(
        self,
        direction: Direction = "both",
        frames: range | None = None,
        objects: Objects = None,
        until_next_prompt: bool = False,
    ) -> Iterator[FrameUpdate]:
        """Carry the objects through the movie, and yield what came, frame by frame; it may be left at any time.

        Parameters
        ----------
        direction
            "forward", "backward" or "both".
        frames
            Frames whose masks are wanted; all where None.
        objects
            Object ids, "stale" for what is stale or was never reached, or None for all.
        until_next_prompt
            See `PropagateRequest`.

        Raises
        ------
        PromptError
            If there is no prompt to go on from.
        """
        only_stale = objects == "stale"
        ids = None if objects is None or isinstance(objects, str) else tuple(objects)
        return self._inline(self.propagate_job(PropagateRequest(direction, frames, ids, only_stale, until_next_prompt)))

    def resume(self) -> Iterator[FrameUpdate]:
        """Go on with the run that was interrupted, and yield what comes."""
        return self._inline(self.resume_job())

    def preview_job(self) -> PreviewJob:
        """Return the job that brings the masks of all prompts up to date."""
        self._have_engine()
        return PreviewJob(self.document, self.revision, self._known(), self._waited_for())

    def propagate_job(self, request: PropagateRequest | None = None) -> PropagateJob:
        """Return the job that does what is asked for, given the masks that there are.

        Raises
        ------
        PromptError
            If there is no prompt to go on from.
        """
        request = request or PropagateRequest()
        spans = plan_spans(request, self.document, self.masks, self.frame_count)
        self._have_engine()
        job = PropagateJob(self.document, self.revision, request, spans, diameter_px=self._size_to_settle())
        return self._equipped(job)

    def resume_job(self) -> PropagateJob:
        """Return the job that does what an interrupted run has left to do.

        Raises
        ------
        StackError
            If no run was interrupted.
        """
        if self._work is None:
            raise StackError("No run was interrupted; start one with session.propagate(...).")
        self._have_engine()
        return self._equipped(self._work.rest(self.document, self.revision))

    def run(self, job: Job, token: CancelToken | None = None) -> Iterator[FrameUpdate]:
        """Yield what a job finds, on the thread that calls, while the lane computes at most two updates ahead.

        Leaving the iteration cancels the job. What is yielded is in no mask until `accept` takes it. A job that was
        made before the settings changed finds nothing.

        Raises
        ------
        CheckpointError, PromptError, StackError
            See `Engine.run`.
        """
        token = token or CancelToken()
        engine = self._engine
        if engine is None:
            return
        self._tokens.add(token)
        try:
            self._begin(job)
            yield from self._lane.run(lambda: engine.run(job, token), token)
        finally:
            self._tokens.discard(token)

    def accept(self, update: FrameUpdate) -> bool:
        """Write into the masks what came and still holds; False if all of it was void.

        What was computed before its prompt changed (for a frame that is tracked: any prompt of its object) is void, as
        are masks of locked objects and masks in place of painted ones.

        Raises
        ------
        StackError
            If autosaving failed since the last time.
        """
        changes = write_update(update, self.document, self.masks, lambda key: self._is_void(update, key))
        if update.leg == "prompt":
            self._unshown -= {change.key for change in changes}
        elif self._work is not None and self._work.revision == update.revision:
            self._work.finish(update.leg, update.frame_index)
            if update.done >= update.total:
                self._work = None
        if update.leg != "prompt":
            self._keep_size()
        self._came(update, changes)
        self._tell(changes)
        return bool(changes)

    def cancel(self) -> None:
        """Ask all runs to stop before their next frame."""
        for token in tuple(self._tokens):
            token.cancel()

    @property
    def is_running(self) -> bool:
        """Whether a run is under way."""
        return bool(self._tokens)

    @property
    def interrupted_run(self) -> PropagateRequest | None:
        """What was asked for in a run that stopped before its end; None where prompts were changed since."""
        return None if self._work is None or self.is_running else self._work.request

    @property
    def on_download(self) -> Callable[[str, int, int], None] | None:
        """Told, on the lane, how far the download of a model is: its name, bytes here, bytes in all."""
        return self._loader.on_download

    @on_download.setter
    def on_download(self, told: Callable[[str, int, int], None] | None) -> None:
        self._loader.on_download = told

    @property
    def view_sentence(self) -> str:
        """What the model looks at and why, for people; empty before the first job."""
        return "" if self._engine is None else self._engine.view_sentence

    def status(self, object_id: int) -> Array:
        """Return one code per frame, (T,) uint8: 0 nothing, 1 prompted, 2 tracked, 3 edited, 4 stale, 5 absent."""
        return self.masks.statuses(object_id)

    def labels(self, frame: int, object_id: int | None = None) -> Array:
        """Return the labels of a frame (H, W) as they are shown, or those of one object, overlaps uncut."""
        if object_id is not None:
            return self.masks.labels(frame, [object_id])
        shown = [one for one, info in self.document.objects.items() if info.visible]
        return self.masks.labels(frame, shown, self.settings.overlaps, self.document.locked)

    def _inline(self, job: Job) -> Iterator[FrameUpdate]:
        for update in self.run(job):
            self.accept(update)
            yield update

    def _have_engine(self) -> None:
        """Have an engine for the settings as they are; it loads nothing before its first job."""
        if self._engine is None:
            settings = self.settings
            look = look_of(settings, self.document, self.masks)
            restored, self._restored = self._restored, None
            kept, side = settings.feature_cache.option, settings.image_size
            load = self._loader.asked(settings.model, settings.device, kept, side)
            self._engine = Engine(load, self.movie, look, restored)
        self._engine.on_snapshot = self._on_snapshot

    def _equipped(self, job: PropagateJob) -> PropagateJob:
        return replace(job, known=self._known(), unshown=self._waited_for())

    def _size_to_settle(self) -> float | None:
        """Return the size of objects that the first run settles, as far as prompts and masks tell it."""
        is_settled = self.settings.object_diameter_px is not None or self.settings.estimated_diameter_px is not None
        return None if is_settled else look_of(self.settings, self.document, self.masks).diameter_px

    def _keep_size(self) -> None:
        """Keep the size that the first run went by, so that the view stays what it is, also after reopening."""
        old, size = self.settings, None if self._engine is None else self._engine.diameter_px
        if size is None or old.object_diameter_px is not None or old.estimated_diameter_px is not None:
            return
        self.settings = old.model_copy(update={"estimated_diameter_px": size})
        self._edited(())
        self.events.settings_changed.emit(old, self.settings)

    def _waited_for(self) -> frozenset[PromptKey]:
        locked = self.document.locked
        return frozenset(key for key in self._unshown if key[0] not in locked)

    def _known(self) -> dict[PromptKey, StoredMask]:
        """Return the masks that prompts of clicks outside the object alone have refined; they say nothing without."""
        return {
            key: mask
            for key, prompt in self.document.prompts.items()
            if prompt.mask is None and prompt.box_yx is None and 1 not in prompt.labels
            if (mask := self.masks.get(key)) is not None and not mask.is_empty
        }

    def _begin(self, job: Job) -> None:
        """Note that a job starts; on whatever thread runs it."""
        if isinstance(job, PropagateJob):
            if not job.resumes:
                self._work = RunInWork(job.request, job.spans, job.revision)
            self._run_began(job)

    def _is_void(self, update: FrameUpdate, key: PromptKey) -> bool:
        """Return whether what was computed for (object_id, frame) was computed before the last change of it."""
        if update.revision < self._all_revision:
            return True
        if update.leg == "prompt":
            return update.revision < self._key_revisions.get(key, 0) or key not in self._unshown
        return update.revision < self._object_revisions.get(key[0], 0)

    def _change_movie(self, settings: SessionSettings) -> None:
        if self.document.prompts:
            raise StackError(
                "The tracked axis and the fixed ones cannot change while there are prompts; open the stack again, or "
                "remove the objects first."
            )
        movie = movie_of(self.stack, settings)
        self.masks = MaskStore((movie.height, movie.width), len(movie))

    def _invalidate(self) -> list[MaskChange]:
        """Let the next job make a new engine; return the masks that turned stale."""
        self.cancel()
        self.movie = movie_of(self.stack, self.settings)
        self._engine = self._restored = self._work = None
        self.revision += 1
        self._all_revision = self.revision
        self._unshown = {key for key, prompt in self.document.prompts.items() if not is_drawn(prompt)}
        changes: list[MaskChange] = []
        for object_id in self.masks.object_ids():
            if object_id not in self.document.locked:
                changes += self.masks.turn_stale(object_id, lambda frame, mask: True)
        for key in self._unshown:
            mask = self.masks.get(key)
            if mask is not None and key[0] not in self.document.locked:
                changes.append(self.masks.put(key, mask.with_status(MaskStatus.stale)))
        return changes

    def _after_change(self, diff: DocumentDiff, changes: Sequence[MaskChange]) -> None:
        if diff.keys or diff.removed_objects:
            self._work = None
        self._edited(changes)

    def _tell(self, changes: Sequence[MaskChange]) -> None:
        for frame, object_ids in frames_of(changes).items():
            self.events.masks_changed.emit(frame, object_ids)

    def _run_began(self, job: PropagateJob) -> None:
        """Do what else the start of a run brings with it."""

    def _edited(self, changes: Sequence[MaskChange]) -> None:
        """Do what else an edit or new settings bring with them."""

    def _came(self, update: FrameUpdate, changes: Sequence[MaskChange]) -> None:
        """Do what else an update brings with it."""
