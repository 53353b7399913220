"""A runner that runs jobs on the spot, for tests and scripts."""

from __future__ import annotations

from collections.abc import Callable

from napari_sam2.engine.jobs import AnyJob, CancelToken
from napari_sam2.engine.updates import Update
from napari_sam2.session.session import Session
from sam2_core.errors import CheckpointError, PromptError, StackError


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
        job: AnyJob,
        on_update: Callable[[Update], None],
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
