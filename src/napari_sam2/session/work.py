"""The work of a session: jobs made of the document as it is, run on the lane, and their results taken into the masks.

A job goes on with the document that it was made of, whatever is edited meanwhile; `accept` drops what became void, and
nothing restarts by itself. Settings that change what the model sees make a new engine at the next job.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, overload

from napari_sam2.document.document import PromptKey
from napari_sam2.document.prompt_parts import PointYX
from napari_sam2.engine.engine import Engine, Restored
from napari_sam2.engine.jobs import (
    AnyJob,
    CancelToken,
    Direction,
    FindJob,
    Job,
    LinkJob,
    PreviewJob,
    PropagateJob,
    PropagateRequest,
    Span,
)
from napari_sam2.engine.lane import Lane
from napari_sam2.engine.linking import link
from napari_sam2.engine.loader import Loader
from napari_sam2.engine.run_record import RunInWork
from napari_sam2.engine.span_plan import plan_spans
from napari_sam2.engine.updates import FoundUpdate, FrameUpdate, LinkUpdate, Update
from napari_sam2.io.saved_session import SavedSession
from napari_sam2.masks.stored_masks import StoredMask
from napari_sam2.session.found import Proposed, take_found
from napari_sam2.session.gaps import gap_job
from napari_sam2.session.linked import LinkedObjects, take_tracks
from napari_sam2.session.looks import has_size, look_of
from napari_sam2.session.mask_updates import write_update
from napari_sam2.session.saving import Saving
from napari_sam2.session.state import SessionState
from napari_sam2.session.steps import Steps
from sam2_core.errors import PromptError, StackError

Objects = Sequence[int] | Literal["stale"] | None


class SessionWork:
    """The jobs of a session, a lane on which a model works at them, and what comes of them."""

    def __init__(self, state: SessionState, saving: Saving, loader: Loader) -> None:
        self._state = state
        self._saving = saving
        self._steps = Steps(state, saving)
        self._loader = loader
        self._lane = Lane()
        self._engine: Engine | None = None
        self._restored: Restored | None = None
        self._tokens: set[CancelToken] = set()
        state.looked_away.connect(self._drop_engine)

    def preview(self) -> Iterator[FrameUpdate]:
        """Bring the masks of all prompts up to date, and yield what came, prompt by prompt."""
        return self._inline(self.preview_job())

    def propagate(
        self,
        direction: Direction = "both",
        frames: range | None = None,
        objects: Objects = None,
        until_next_prompt: bool = False,
        only_stale: bool = True,
    ) -> Iterator[FrameUpdate]:
        """Carry the objects to frames where their masks are stale or missing, and yield what came, frame by frame.

        It may be left at any time. Nothing comes where nothing is stale or missing (`anything_to_do`).

        Parameters
        ----------
        direction
            "forward", "backward" or "both".
        frames
            Frames whose masks are wanted; all where None.
        objects
            Object ids, or None (or "stale") for all.
        until_next_prompt
            See `PropagateRequest`.
        only_stale
            False to make all masks again from scratch.

        Raises
        ------
        PromptError
            If there is no prompt to go on from.
        """
        ids = None if objects is None or isinstance(objects, str) else tuple(objects)
        return self._inline(self.propagate_job(PropagateRequest(direction, frames, ids, only_stale, until_next_prompt)))

    def fill_gaps(self, object_ids: Sequence[int] | None = None) -> Iterator[FrameUpdate]:
        """Track objects over frames on which they were missed, between masks that were found, and yield what came.

        Parameters
        ----------
        object_ids
            All that have such frames where None.
        """
        return self._inline(self.gap_job(object_ids))

    def gap_job(self, object_ids: Sequence[int] | None = None) -> PropagateJob:
        """Return the job that tracks objects over gaps between masks that were found; see `gaps`."""
        state = self._state
        self._have_engine()
        return gap_job(state.document, state.masks, state.revision, object_ids)

    def resume(self) -> Iterator[FrameUpdate]:
        """Go on with the run that was interrupted, and yield what comes."""
        return self._inline(self.resume_job())

    def preview_job(self, newest_first: bool = False) -> PreviewJob:
        """Return the job that brings the masks of all prompts up to date, those edited last first if asked."""
        self._have_engine()
        state = self._state
        first = state.newest if newest_first else frozenset()
        return PreviewJob(state.document, state.revision, self._known(), state.waited_for, first)

    def ready(self) -> int:
        """Return the revision that a job about proposals is for; it can be run from now on."""
        self._have_engine()
        return self._state.revision

    def anything_to_do(self, request: PropagateRequest | None = None) -> bool:
        """Return whether what is asked for would find anything: whether some mask of it is stale or missing.

        Raises
        ------
        PromptError
            If an object that is asked for does not exist or has no prompt.
        """
        state = self._state
        return bool(state.document.prompts) and (state.is_waiting or bool(self._spans(request or PropagateRequest())))

    def propagate_job(self, request: PropagateRequest | None = None) -> PropagateJob:
        """Return the job that does what is asked for, given the masks that there are; see `PropagateJob.is_empty`.

        Raises
        ------
        PromptError
            If there is no prompt to go on from.
        """
        request, state = request or PropagateRequest(), self._state
        spans = self._spans(request)
        self._have_engine()
        job = PropagateJob(state.document, state.revision, request, spans, diameter_px=self._size_to_settle())
        return self._equipped(job)

    def resume_job(self) -> PropagateJob:
        """Return the job that does what an interrupted run has left to do.

        Raises
        ------
        StackError
            If no run was interrupted.
        """
        run = self._state.run
        if run is None:
            raise StackError("No run was interrupted; start one with session.propagate(...).")
        self._have_engine()
        return self._equipped(run.rest(self._state.document, self._state.revision))

    @overload
    def run(self, job: Job, token: CancelToken | None = None) -> Iterator[FrameUpdate]: ...
    @overload
    def run(self, job: FindJob, token: CancelToken | None = None) -> Iterator[FoundUpdate]: ...
    @overload
    def run(self, job: LinkJob, token: CancelToken | None = None) -> Iterator[LinkUpdate]: ...
    @overload
    def run(self, job: AnyJob, token: CancelToken | None = None) -> Iterator[Update]: ...
    def run(self, job: AnyJob, token: CancelToken | None = None) -> Iterator[Update]:
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
            if isinstance(job, FindJob):
                yield from self._lane.run(lambda: engine.find(job, token), token)
                return
            if isinstance(job, LinkJob):
                movie = self._state.movie.movie
                yield from self._lane.run(lambda: link(movie, job, token), token)
                return
            self._begin(job)
            yield from self._lane.run(lambda: engine.run(job, token), token)
        finally:
            self._tokens.discard(token)

    def look_at(self, frame: int, place_yx: PointYX) -> bool:
        """Have the model see a place (y, x) of a frame before a click comes there, which is then answered sooner.

        Only when it has nothing else to do; whatever is asked for meanwhile ends it. False if it did not begin.
        """
        engine = self._engine
        return engine is not None and self._lane.offer(lambda: engine.look_at(frame, place_yx))

    def accept(self, update: Update) -> bool:
        """Write into the masks what came and still holds, or propose what was found; False if all of it was void.

        What was computed before its prompt changed (for a frame that is tracked: any prompt of its object) is void, as
        are masks of locked objects and masks in place of painted ones.

        Raises
        ------
        StackError
            If something could not be saved since the last time; the masks are there, and it is tried again.
        """
        if isinstance(update, FoundUpdate | LinkUpdate):
            return self.take(update) is not None
        state = self._state
        changes = write_update(update, state.document, state.masks, lambda key: state.is_void(update, key))
        if changes:
            self._keep_weights()
        if update.leg == "prompt":
            state.unshown -= {change.key for change in changes}
        else:
            if not update.is_aside:
                state.finish_frame(update)
            self._keep_size()
        try:
            self._saving.came(update, changes)
        finally:
            state.events.tell_masks(changes)
        return bool(changes)

    @overload
    def take(self, update: FoundUpdate) -> Proposed | None: ...
    @overload
    def take(self, update: LinkUpdate) -> LinkedObjects | None: ...
    @overload
    def take(self, update: FoundUpdate | LinkUpdate) -> Proposed | LinkedObjects | None: ...
    def take(self, update: FoundUpdate | LinkUpdate) -> Proposed | LinkedObjects | None:
        """Propose what was found, or make objects of tracks; None where nothing came, or the model sees others now.

        Raises
        ------
        StackError
            If what was linked has changed meanwhile.
        """
        if isinstance(update, LinkUpdate):
            return None if update.tracks is None else take_tracks(self._state, self._steps, update.tracks)
        proposed = take_found(self._state, self._steps, update)
        if proposed is not None and proposed.numbers:
            self._keep_weights()
        return proposed

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
        return None if self._state.run is None or self.is_running else self._state.run.request

    @property
    def view_sentence(self) -> str:
        """What the model looks at and why, for people; empty before the first job."""
        return "" if self._engine is None else self._engine.view_sentence

    def go_on_from(self, saved: SavedSession) -> None:
        """Take over the run that was interrupted in a saved session, if there is one."""
        if saved.run is not None:
            try:
                run = RunInWork.from_record(saved.run.request, saved.run.finished, self._state.revision)
            except (KeyError, TypeError, ValueError):
                return  # of a log that somebody else wrote; the masks that it left are there
            if not run.fits(self._state.masks.frame_count, self._state.document.objects):
                return
            self._state.run = run if run.spans else None
            if saved.snapshot is not None:
                self._restored = Restored(saved.snapshot, saved.document)

    def close(self) -> None:
        """Stop what runs, and let go of the model."""
        self.cancel()
        self._lane.close()
        self._engine = None

    def _drop_engine(self) -> None:
        """Stop what runs; the next job has an engine of its own, for the settings as they are then."""
        self.cancel()
        self._engine = self._restored = None

    def _inline(self, job: Job) -> Iterator[FrameUpdate]:
        for update in self.run(job):
            self.accept(update)
            yield update

    def _have_engine(self) -> None:
        """Have an engine for the settings as they are; it loads nothing before its first job."""
        if self._engine is None:
            state, settings = self._state, self._state.settings
            look = look_of(settings, state.document, state.masks)
            restored, self._restored = self._restored, None
            kept, side = settings.feature_cache.option, settings.image_size
            load = self._loader.asked(settings.model, settings.device, kept, side)
            self._engine = Engine(load, state.movie, look, restored)
        self._engine.on_snapshot = None if self._saving.folder is None else self._saving.keep_snapshot

    def _spans(self, request: PropagateRequest) -> tuple[Span, ...]:
        state, frames, count = self._state, request.frames, self._state.masks.frame_count
        if frames is not None and not (frames and frames.start < count and frames.stop > 0):
            raise PromptError(f"{frames} holds no frame of the stack, which has frames 0 to {count - 1}.")
        return plan_spans(request, state.document, state.masks, count)

    def _equipped(self, job: PropagateJob) -> PropagateJob:
        return replace(job, known=self._known(), unshown=self._state.waited_for)

    def _size_to_settle(self) -> float | None:
        """Return the size of objects that the first run settles, as far as prompts and masks tell it."""
        state = self._state
        return None if has_size(state.settings) else look_of(state.settings, state.document, state.masks).diameter_px

    def _keep_size(self) -> None:
        """Keep the size that the first run went by, so that the view stays what it is, also after reopening."""
        old, size = self._state.settings, None if self._engine is None else self._engine.diameter_px
        if size is None or has_size(old):
            return
        self._state.settings = new = old.model_copy(update={"estimated_diameter_px": size})
        self._saving.edited(())
        self._state.events.settings_changed.emit(old, new)

    def _keep_weights(self) -> None:
        """Note which weights are at work, behind those that were before."""
        state, now = self._state, None if self._engine is None else self._engine.weights
        if now is not None and now not in state.weights[-1:]:
            state.weights = (*(one for one in state.weights if one != now), now)
            self._saving.edited(())

    def _known(self) -> dict[PromptKey, StoredMask]:
        """Return the masks that prompts of clicks outside the object alone have refined; they say nothing without."""
        return {
            key: mask
            for key, prompt in self._state.document.prompts.items()
            if prompt.drawn is None and prompt.box_yx is None and 1 not in prompt.labels
            if (mask := self._state.masks.get(key)) is not None and not mask.is_empty
        }

    def _begin(self, job: Job) -> None:
        """Note that a job starts, or that a run is over of which nothing is left; on whatever thread runs it."""
        state = self._state
        if not isinstance(job, PropagateJob) or job.is_aside:
            return
        if job.spans and not job.resumes:
            state.run = run = RunInWork(job.request, job.spans, job.revision)
            self._saving.run_began(run, job.document)
        elif job.spans and state.run is not None:
            state.run = replace(state.run, revision=job.revision)  # there were edits since
        elif job.resumes:
            state.run = None
            self._saving.run_ended()
