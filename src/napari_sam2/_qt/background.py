"""Work off the main thread, and how its results come back to it.

`WorkerLink` receives a worker's signals for as long as the worker lives; `BackgroundWork` runs short functions
(opening, saving, reading a checkpoint, downloading) and hands over the result or the error. Closing forgets what is
in work. `list_in_napari` tells napari what is in work in a window, so that its question on closing names it.

Workers are superqt's, as napari's are: those of napari would be listed in whatever window was in front, stop when that
one is closed, and be kept, with all that they hold, for as long as it is open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from napari.utils import notifications
from napari.utils.task_status import Status
from qtpy.QtCore import QEventLoop, QObject, QTimer
from qtpy.QtWidgets import QMainWindow
from superqt.utils import FunctionWorker

from napari_sam2._qt.holds import hold
from sam2_core.errors import CheckpointError, PromptError, StackError

USER_ERRORS = (CheckpointError, PromptError, StackError, OSError)
"""What says by itself what is wrong and what to do."""

Result = TypeVar("Result")
_LOOK_MS = 20


class ListTask(Protocol):
    """Lists what is in work: takes its name and what stops it, gives what takes it off the list again."""

    def __call__(self, name: str, stop: Callable[[], object]) -> Callable[[], object]: ...


def list_in_napari(window: QMainWindow, name: str, stop: Callable[[], object]) -> Callable[[], None]:
    """Return what takes a task off napari's list of a window; until then its question on closing names the task."""
    # napari offers no public way but its own workers; where it has no such list, closing asks without naming the task.
    shown = getattr(window, "_window", None)
    register, update = (getattr(shown, f"_{do}_task_status", None) for do in ("register", "update"))
    if register is None or update is None:
        return _do_nothing
    task = register("napari-sam2", Status.BUSY, name, stop)
    return lambda: update(task, Status.COMPLETED, name)


def tell_napari(error: Exception) -> None:
    """Show an error as napari shows its own: with its traceback where it does not say by itself what to do."""
    if isinstance(error, USER_ERRORS):
        notifications.show_error(str(error) or type(error).__name__)
    else:
        notifications.notification_manager.receive_error(type(error), error, error.__traceback__)


def wait_until(is_over: Callable[[], bool], failed: Any) -> None:
    """Let Qt work until something is over; raise the first error that the signal `failed` tells meanwhile."""
    loop, look, errors = QEventLoop(), QTimer(), list[Exception]()

    def note(error: Exception) -> None:
        errors.append(error)

    failed.connect(note)
    look.timeout.connect(lambda: loop.quit() if errors or is_over() else None)
    look.start(_LOOK_MS)
    loop.exec()
    look.stop()
    failed.disconnect(note)
    if errors:
        raise errors[0]


def unlisted(name: str, stop: Callable[[], object]) -> Callable[[], object]:
    """Return what does nothing: no list is kept."""
    return _do_nothing


class WorkerLink(QObject):
    """Receives a worker's signals on the main thread; the worker keeps it alive until it has finished.

    A signal of another thread that arrives after its receiver is gone ends the process, hence the two hold each other,
    and let go of each other on the main thread when the last signal has come.
    """

    def __init__(
        self,
        worker: Any,
        on_returned: Callable[[Any], object],
        on_yielded: Callable[[Any], object] | None = None,
    ) -> None:
        super().__init__()
        self._worker = worker
        self._on_returned, self._on_yielded = on_returned, on_yielded
        worker.link = self
        worker.returned.connect(self._returned)
        worker.finished.connect(self._finished)
        if on_yielded is not None:
            worker.yielded.connect(self._yielded)

    def _yielded(self, value: object) -> None:
        if self._on_yielded is not None:
            self._on_yielded(value)

    def _returned(self, value: object) -> None:
        self._on_returned(value)

    def _finished(self) -> None:
        worker, self._worker = self._worker, None
        worker.link = None
        self._on_returned = _nothing
        self._on_yielded = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a function in the background came to: its result, or the error that ended it."""

    result: Any = None
    failure: Exception | None = None


class BackgroundWork:
    """The work that a panel has started; after `close` nothing is called back. `listed` is told of what has a name."""

    def __init__(self, listed: ListTask = unlisted) -> None:
        self._closed = False
        self._listed = listed

    def start(
        self,
        function: Callable[[], Result],
        on_result: Callable[[Result], object],
        on_error: Callable[[Exception], object],
        name: str = "",
    ) -> None:
        """Run a function in a worker and call one of the two on the main thread."""
        worker = FunctionWorker(_guarded, [function])
        ended = self._listed(name, _do_nothing) if name else _do_nothing

        def returned(outcome: Outcome) -> None:
            ended()
            if self._closed:
                return
            with hold("result of background work"):
                on_result(outcome.result) if outcome.failure is None else on_error(outcome.failure)

        WorkerLink(worker, returned)
        worker.start()

    def close(self) -> None:
        """Forget what is in work; it ends by itself."""
        self._closed = True


def _guarded(once: list[Callable[[], Any]]) -> Outcome:
    """Return the result of the function in the list, or the error that ended it.

    The list is emptied: Qt may keep a worker that has ended, and the function holds images or masks.
    It crosses as a value: superqt takes a RuntimeError (torch raises them) for a sign of a deleted worker and tells
    nobody, and what napari 0.9.2 connects to `errored` fails.
    """
    try:
        return Outcome(once.pop()())
    except Exception as failure:  # noqa: BLE001  # handed over, and shown on the main thread
        return Outcome(failure=failure)


def _nothing(value: object) -> None:
    """Stand in for a callback that is over."""


def _do_nothing() -> None:
    """Stand in for what there is nothing to do for."""
