"""Who runs the session's jobs for a viewer, and what is run when: previews after edits, the rest when asked for.

A `Runner` iterates `session.run(job, token)` somewhere and brings the updates to the main thread. `Work` decides: an
edit during a propagation stops it and shows the edit, and nothing goes on by itself; an edit during a preview or a
search waits for its end. No masks are written but through the session.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from psygnal import Signal

from napari_sam2.document.objects import LinkStatus
from napari_sam2.engine.found_apart import shared_out
from napari_sam2.engine.jobs import (
    LEAST_SCORE,
    AnyJob,
    FindJob,
    FindRequest,
    LinkJob,
    PreviewJob,
    PropagateJob,
    PropagateRequest,
)
from napari_sam2.engine.updates import FoundUpdate, LinkUpdate, Update
from napari_sam2.session.found import Proposed
from napari_sam2.session.linked import LinkedObjects, linking_for
from napari_sam2.session.looking_on import LookingOn
from napari_sam2.session.session import Session
from napari_sam2.viewer.telling import told_found, told_gaps, told_linked
from sam2_core.errors import PromptError, StackError

Notify = Callable[[str], None]
NOTHING_TO_DO = "Nothing is stale or missing."
MANY = 20
"""Prompts that are left of a preview, from which on a new one does not wait for them."""
STOPPED = "Linking was stopped; no tracks were made."


class Runner(Protocol):
    """Runs one job at a time; all three callbacks come on the main thread."""

    @property
    def busy(self) -> bool:
        """Whether a job is running; False from before `on_done` or `on_error` is called."""

    def start(
        self,
        job: AnyJob,
        on_update: Callable[[Update], None],
        on_done: Callable[[], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        """Run a job; at its end, cancelled or not, call `on_done`, or `on_error` if it failed."""

    def cancel(self) -> None:
        """Ask the running job to stop before its next frame; nothing where none runs."""


class Work:
    """What runs now and what runs next of a session's jobs; `notify` is told of what failed.

    `changed` is emitted when a job starts, goes on or ends; `ended` with a sentence when one has ended; `found` with
    what came of a search.

    Attributes
    ----------
    done, total
        Visits of frames of what runs, or ran last; two legs may visit the same frame. A search counts hundredths.
    unfinished
        The propagation that an edit or Stop ended early, until another one is started; `resume` goes on with it.
    has_gaps
        Whether linked objects were not looked for to the end where they were missed; `link` goes on with that.
    """

    changed = Signal()
    ended = Signal(str)
    found = Signal(Proposed)

    def __init__(self, session: Session, runner: Runner, notify: Notify) -> None:
        self.session = session
        self.done = 0
        self.total = 0
        self._runner = runner
        self._notify = notify
        self._job: AnyJob | None = None
        self._came: set[int] = set()
        self._proposed: Proposed | None = None
        self._linked: LinkedObjects | None = None
        self._looking: LookingOn | None = None
        self._least_score, self._told_linked = LEAST_SCORE, ""
        self._further: Callable[[], AnyJob] | None = None
        self._through = 0
        self._wants_preview = self._is_stopped = False
        self._wanted: PropagateRequest | FindRequest | None = None
        self.unfinished: PropagateRequest | None = None
        self.has_gaps = self._closed = False

    @property
    def busy(self) -> bool:
        """Whether something runs."""
        return self._job is not None

    @property
    def is_propagating(self) -> bool:
        """Whether a propagation runs."""
        return isinstance(self._job, PropagateJob)

    @property
    def is_finding(self) -> bool:
        """Whether a search for objects runs, or what was found is linked."""
        return isinstance(self._job, FindJob | LinkJob)

    @property
    def _look(self) -> LookingOn | None:
        """The look behind the ends of tracks that are to be linked, while memory looks."""
        looking = self._looking
        return looking if looking is not None and self._job is looking.job else None

    def preview(self) -> None:
        """Show the masks of prompts that are not shown yet, once a propagation is interrupted for it."""
        if self._closed or not self.session.needs_preview:
            return
        if not self.busy:
            self._start(lambda: self.session.preview_job(newest_first=True))
            return
        self.interrupt()
        self._wants_preview = True

    def interrupt(self) -> None:
        """Stop a propagation: prompts from which it goes on have changed. What memory saw till then is linked still."""
        if self._look is not None:
            self._runner.cancel()
        elif self.is_propagating:
            self.stop()
        elif isinstance(self._job, PreviewJob) and self.total - self.done > MANY:
            self._runner.cancel()  # what was edited last is answered first

    def propagate(self, request: PropagateRequest) -> None:
        """Carry masks along the movie; waits for a preview, says so if a propagation runs already."""
        if self._has_turn(request):
            self._start(lambda: self.session.propagate_job(request))

    def find(self, request: FindRequest) -> None:
        """Look for objects without a click; waits for a preview, says so if a propagation or a search runs already."""
        if self._has_turn(request):
            self._start(lambda: self.session.proposals.find_job(shared_out(request, self.session.settings.device)))

    def link(self, numbers: Sequence[int], least_score: float = LEAST_SCORE) -> None:
        """Link proposals of many frames to tracks, then track over frames on which an object was missed.

        Where memory can see what was missed behind the ends of tracks (`session.looking_on`), it looks first, and all
        is linked again. Of the proposals of a track one at least has the least score; without any, only gaps are left.
        """
        if self.busy:
            self._notify("Something is running; stop it first, then link.")
        elif not self._closed:
            self._looking, self._least_score, self._told_linked = None, least_score, ""
            self._start((lambda: self._link_job(numbers)) if numbers else self._gap_job)

    def _has_turn(self, request: PropagateRequest | FindRequest) -> bool:
        """Return whether a request can be started now; keeps it for the end of a preview, or says what runs."""
        if self.is_propagating or self.is_finding:
            what = "propagation" if self.is_propagating else "search"
            self._notify(f"A {what} is running; stop it first, then start the next one.")
        elif self.busy:
            self._wanted = request
        else:
            return not self._closed
        return False

    @property
    def can_resume(self) -> bool:
        """Whether there is a propagation to go on with."""
        return not self.busy and (self.unfinished is not None or self.session.interrupted_run is not None)

    def recount(self) -> None:
        """Offer to go on with a propagation no longer where a step, an undo for example, left nothing of it to do."""
        request = self.unfinished
        try:
            is_left = request is not None and self.session.anything_to_do(replace(request, only_stale=True))
        except PromptError:  # of an object that is no longer there
            is_left = False
        if not is_left:
            self.unfinished = None

    def resume(self) -> None:
        """Go on with the propagation that was interrupted, now or when the session was last open.

        One after which prompts were changed goes on with what is stale or missing of it.
        """
        if self.busy or self._closed:
            return
        if self.session.interrupted_run is None and self.unfinished is not None:
            self.propagate(replace(self.unfinished, only_stale=True))
        else:
            self._start(self.session.resume_job)

    def stop(self) -> None:
        """Ask what runs to stop before its next frame, and forget what was to follow; what was found is kept."""
        if self.busy and isinstance(self._wanted, PropagateRequest):
            self.unfinished = self._wanted
        self._wanted = self._further = None
        self._wants_preview = False
        if self.busy:
            self._is_stopped = True
            self._runner.cancel()

    def close(self) -> None:
        """Stop, and start and take nothing any more."""
        self.stop()
        self._closed = True

    def _start(self, make: Callable[[], AnyJob]) -> None:
        try:
            job = make()
        except (PromptError, StackError) as error:
            self._notify(str(error))
            return
        if isinstance(job, PropagateJob):
            self.unfinished = None
            if job.is_empty:
                self.ended.emit(NOTHING_TO_DO)
                return
        self._job, self.done, self.total, self._is_stopped = job, 0, 0, False
        self._came, self._proposed, self._linked, self._through = set(), None, None, 0
        self.changed.emit()
        self._runner.start(job, self._on_update, self._on_done, self._on_error)

    def _on_update(self, update: Update) -> None:
        if self._closed:
            return
        self.done, self.total = update.done, update.total
        self._came.add(update.frame_index)
        try:
            if isinstance(update, FoundUpdate):
                self._note_found(self.session.work.take(update))
            elif isinstance(update, LinkUpdate):
                self._take_linked(update)
            elif (look := self._look) is not None:
                look.take(update)
            else:
                self.session.accept(update)
        except StackError as error:  # it is in the masks, but could not be saved
            self._notify(str(error))
        self.changed.emit()

    def _on_done(self) -> None:
        job, self._job = self._job, None
        if self._closed:
            return
        self._note_rest(job)
        self.changed.emit()
        looking = self._looking
        if looking is not None and job is looking.job:
            self._link_again(looking)
        elif isinstance(job, PropagateJob):
            self.ended.emit(self._told_end(job))
        if isinstance(job, LinkJob):
            self._tell_linked()
        if isinstance(job, FindJob):
            self._tell_found(len(job.request.frames))
        self._next()

    def _note_found(self, came: Proposed | None) -> None:
        """Add what was found on one more frame."""
        if came is not None:
            self._through += 1
            self._proposed = came if self._proposed is None else self._proposed.joined(came)

    def _tell_found(self, frames: int) -> None:
        if self._proposed is None:
            self.ended.emit("The search was stopped; nothing has changed.")
        else:
            self.found.emit(self._proposed)
            on_frames = "" if frames == 1 else f" on {self._through} of {frames} frames"
            known = self.session.document.proposals
            scores = [known[number].score for number in self._proposed.numbers if number in known]
            unsure = sum(score < LEAST_SCORE for score in scores)
            self.ended.emit(told_found(self._proposed, f"Found{on_frames}", unsure))

    def _take_linked(self, update: LinkUpdate) -> None:
        """Take tracks once they are there, unless memory is to look behind their ends first."""
        if update.tracks is not None and self._looking is None:
            looking = self._looking = self.session.proposals.looking_on(update.tracks)
            if not looking.job.is_empty:
                self._further = lambda: looking.job
                return
        self._linked = self.session.work.take(update) or self._linked

    def _link_again(self, looking: LookingOn) -> None:
        """Link what memory saw as well; nothing where it was stopped, or what was found is gone."""
        if self._is_stopped or not looking.left(self.session.document.proposals):
            self.ended.emit(STOPPED)
        else:
            self._further = lambda: self._link_job(looking.left(self.session.document.proposals))

    def _link_job(self, numbers: Sequence[int]) -> LinkJob:
        options = replace(linking_for(self.session.movie.movie), least_score=self._least_score)
        return self.session.proposals.link_job(numbers, options)

    def _tell_linked(self) -> None:
        """Say what came of linking, and go on with the gaps, unless memory is to look behind ends first."""
        linked = self._linked
        if self._further is not None:
            return
        if linked is None:
            self.ended.emit(STOPPED)
            return
        self._told_linked = told_linked(linked, len(self.session.document.objects))
        self.ended.emit(self._told_linked)
        gaps = self._gap_job((*linked.object_ids, *linked.carried_on))
        if self.has_gaps:
            self._further = lambda: gaps

    def _gap_job(self, grown: Sequence[int] = ()) -> PropagateJob:
        """Return the job that fills gaps of objects that grew, and of those linked before whose filling was stopped."""
        known = self.session.document.objects.values()
        gaps = self.session.work.gap_job([*grown, *(one.object_id for one in known if one.links is LinkStatus.linked)])
        self.has_gaps = not gaps.is_empty
        return gaps

    def _note_rest(self, job: AnyJob | None) -> None:
        looking, is_left = self._looking, self.done < self.total or not self.total
        if not isinstance(job, PropagateJob) or (looking is not None and job is looking.job):
            return
        if job.is_aside:
            self.has_gaps = is_left
        elif is_left:
            self.unfinished = job.request

    def _told_end(self, job: PropagateJob) -> str:
        """Return how a run ended, by frames of the movie: the legs may meet on one and visit it twice."""
        wanted = {frame for span in job.spans for frame in span.frames}
        if job.is_aside:
            return told_gaps(self._told_linked, len(wanted), self.has_gaps)
        if self.unfinished is None:
            return f"Propagated over {len(wanted)} of {len(wanted)} frames."
        came = len(wanted & self._came)
        return f"Stopped after {came} of {len(wanted)} frames; they are kept. Resume goes on with the rest."

    def _on_error(self, error: Exception) -> None:
        job, self._job = self._job, None
        self._note_rest(job)
        self._wants_preview = False
        self._wanted = None
        if self._closed:
            return
        self.changed.emit()
        self._notify(str(error) or type(error).__name__)
        if self._looking is not None and job is self._looking.job:
            self._link_again(self._looking)  # nothing is lost but what memory would see
        else:
            self.ended.emit("It failed; prompts and masks are kept.")
        self._next()

    def _next(self) -> None:
        """Start what was asked for meanwhile: the preview of later edits first, then what is left of linking."""
        wants_preview, self._wants_preview = self._wants_preview, False
        wanted, self._wanted = self._wanted, None
        further, self._further = self._further, None
        if wants_preview:
            self.preview()
        if further is not None and self.busy:
            self._further = further
        elif further is not None:
            self._start(further)
        if isinstance(wanted, FindRequest):
            self.find(wanted)
        elif wanted is not None:
            self.propagate(wanted)
