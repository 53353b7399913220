"""Who runs the session's jobs for a viewer, and what is run when: previews after edits, propagations when asked for.

A `Runner` iterates `session.run(job, token)` somewhere and brings the updates to the main thread; `InlineRunner` does
so on the spot, for tests and scripts. `Work` decides: an edit during a propagation stops it and shows the edit, and
nothing goes on by itself; an edit during a preview waits for its end. No masks are written but through the session.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from psygnal import Signal

from napari_sam2.engine.jobs import CancelToken, Job, PreviewJob, PropagateRequest
from napari_sam2.engine.updates import FrameUpdate
from napari_sam2.session.session import Session
from sam2_core.errors import CheckpointError, PromptError, StackError

Notify = Callable[[str], None]


class Runner(Protocol):
    """Runs one job at a time; all three callbacks come on the main thread."""

    @property
    def busy(self) -> bool:
        """Whether a job is running; False from before `on_done` or `on_error` is called."""

    def start(
        self,
        job: Job,
        on_update: Callable[[FrameUpdate], None],
        on_done: Callable[[], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        """Run a job; at its end, cancelled or not, call `on_done`, or `on_error` if it failed."""

    def cancel(self) -> None:
        """Ask the running job to stop before its next frame; nothing where none runs."""


class InlineRunner:
    """Runs a job of a session to its end before `start` returns."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._token: CancelToken | None = None

    @property
    def busy(self) -> bool:
        """Whether a job is running."""
        return self._token is not None

    def start(
        self,
        job: Job,
        on_update: Callable[[FrameUpdate], None],
        on_done: Callable[[], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        """Run a job; updates of it that come after `cancel` are dropped."""
        token = self._token = CancelToken()
        failure: Exception | None = None
        try:
            for update in self._session.run(job, token):
                on_update(update)
                if token.cancelled:
                    break
        except (CheckpointError, PromptError, StackError) as error:
            failure = error
        finally:
            self._token = None
        if failure is None:
            on_done()
        else:
            on_error(failure)

    def cancel(self) -> None:
        """Ask the running job to stop."""
        if self._token is not None:
            self._token.cancel()


class Work:
    """What runs now and what runs next of a session's jobs; `notify` is told of what failed.

    `changed` is emitted when a job starts, goes on or ends; `ended` with a sentence when one has ended. `is_cut_short`
    says whether the last propagation stopped before its end, for a person or for an edit.
    """

    changed = Signal()
    ended = Signal(str)

    def __init__(self, session: Session, runner: Runner, notify: Notify) -> None:
        self.session = session
        self.done = 0
        self.total = 0
        self._runner = runner
        self._notify = notify
        self._job: Job | None = None
        self._stopped = False
        self.is_cut_short = False
        self._wants_preview = False
        self._wanted: PropagateRequest | None = None
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether something runs."""
        return self._job is not None

    @property
    def is_propagating(self) -> bool:
        """Whether a propagation runs."""
        return self.busy and not isinstance(self._job, PreviewJob)

    def preview(self) -> None:
        """Show the masks of prompts that are not shown yet; a propagation is stopped for it."""
        if self._closed or not self.session.needs_preview:
            return
        if not self.busy:
            self._start(self.session.preview_job)
            return
        self._wants_preview = True
        if self.is_propagating:
            self.stop()

    def propagate(self, request: PropagateRequest) -> None:
        """Carry masks along the movie; waits for a preview, says so if a propagation runs already."""
        if self.is_propagating:
            self._notify("A propagation is running; stop it first, then start the next one.")
        elif self.busy:
            self._wanted = request
        elif not self._closed:
            self._start(lambda: self.session.propagate_job(request))

    def resume(self) -> None:
        """Go on with the propagation that was interrupted when the session was last open."""
        if not self.busy and not self._closed:
            self._start(self.session.resume_job)

    def stop(self) -> None:
        """Ask what runs to stop before its next frame, and forget what was to follow; what was found is kept."""
        self._wanted = None
        if self.busy:
            self._stopped = True
            self._runner.cancel()

    def close(self) -> None:
        """Stop, and start and take nothing any more."""
        self.stop()
        self._closed = True

    def _start(self, make: Callable[[], Job]) -> None:
        try:
            job = make()
        except (PromptError, StackError) as error:
            self._notify(str(error))
            return
        self._job, self._stopped, self.done, self.total = job, False, 0, 0
        self.changed.emit()
        self._runner.start(job, self._on_update, self._on_done, self._on_error)

    def _on_update(self, update: FrameUpdate) -> None:
        if self._closed:
            return
        self.done, self.total = update.done, update.total
        try:
            self.session.accept(update)
        except StackError as error:  # it is in the masks, but could not be saved
            self._notify(str(error))
        self.changed.emit()

    def _on_done(self) -> None:
        propagated, stopped = self.is_propagating, self._stopped
        self._job = None
        if self._closed:
            return
        self.changed.emit()
        if propagated:
            self.is_cut_short = stopped and self.done < self.total
            text = "Stopped after {} of {} frames; they are kept." if stopped else "Propagated over {} of {} frames."
            self.ended.emit(text.format(self.done, self.total))
        self._next()

    def _on_error(self, error: Exception) -> None:
        self.is_cut_short = self.is_cut_short or self.is_propagating
        self._job = None
        self._wants_preview = False
        self._wanted = None
        if self._closed:
            return
        self.changed.emit()
        self._notify(str(error) or type(error).__name__)
        self.ended.emit("It failed; prompts and masks are kept.")

    def _next(self) -> None:
        """Start what was asked for meanwhile: the preview of later edits first."""
        wants_preview, self._wants_preview = self._wants_preview, False
        wanted, self._wanted = self._wanted, None
        if wants_preview:
            self.preview()
        if wanted is not None:
            self.propagate(wanted)
