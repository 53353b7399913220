"""Work off the main thread, and how its results come back to it.

`start_worker` iterates in a thread and hands over what comes on the main thread; `BackgroundWork` runs short functions
(opening, saving, reading a checkpoint, downloading) and hands over the result or the error. Closing forgets what is
in work. `list_in_napari` tells napari what is in work in a window, so that its question on closing names it.

Workers are plain threads. Those of napari would be listed in whatever window was in front, stop when that one is
closed, and be kept, with all that they hold, for as long as it is open; theirs and superqt's are Qt objects that the
thread may be the last to hold, and one that dies in another thread than its events come to ends the process.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Protocol, TypeVar

from napari.utils import notifications
from napari.utils.task_status import Status
from qtpy.QtCore import QEventLoop, QObject, QTimer, Signal
from qtpy.QtWidgets import QMainWindow

from napari_sam2._qt.holds import hold
from sam2_core.errors import CheckpointError, PromptError, StackError

USER_ERRORS = (CheckpointError, PromptError, StackError, OSError)
"""What says by itself what is wrong and what to do."""

Result = TypeVar("Result")
WORKER_NAME = "napari-sam2 worker"
_LOOK_MS = 20
_NO_MORE = object()


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


class _MainThread(QObject):
    """Hands what other threads say to whom it is for, on the thread that made it, which holds these."""

    said = Signal(int, object)

    def __init__(self) -> None:
        super().__init__()
        self._receivers: dict[int, Callable[[Any], object]] = {}
        self._numbers = itertools.count()
        self.said.connect(self._hand_over)

    def expect(self, receiver: Callable[[Any], object]) -> int:
        """Return the number under which values for a receiver are said."""
        number = next(self._numbers)
        self._receivers[number] = receiver
        return number

    def _hand_over(self, number: int, value: object) -> None:
        if value is _NO_MORE:
            del self._receivers[number]
        else:
            self._receivers[number](value)


@cache
def _main_thread() -> _MainThread:
    return _MainThread()


def start_worker(values: Callable[[], Iterable[Any]], on_value: Callable[[Any], object]) -> None:
    """Iterate in a thread of its own, and call a receiver with each value on the main thread, in their order.

    The thread holds neither the receiver nor anything else of Qt.
    """
    main = _main_thread()
    threading.Thread(target=_say, args=(values, main.said.emit, main.expect(on_value)), name=WORKER_NAME).start()


def _say(values: Callable[[], Iterable[Any]], say: Callable[[int, object], None], number: int) -> None:
    try:
        for value in values():
            say(number, value)
            del value
    finally:
        say(number, _NO_MORE)


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
        ended = self._listed(name, _do_nothing) if name else _do_nothing

        def returned(outcome: Outcome) -> None:
            ended()
            if self._closed:
                return
            with hold("result of background work"):
                on_result(outcome.result) if outcome.failure is None else on_error(outcome.failure)

        start_worker(partial(_guarded, [function]), returned)

    def close(self) -> None:
        """Forget what is in work; it ends by itself."""
        self._closed = True


def _guarded(once: list[Callable[[], Any]]) -> Iterator[Outcome]:
    """Yield the result of the function in the list, or the error that ended it.

    The list is emptied: the function holds images or masks, and is over when its result is handed over.
    """
    try:
        outcome = Outcome(once.pop()())
    except Exception as failure:  # noqa: BLE001  # handed over, and shown on the main thread
        outcome = Outcome(failure=failure)
    yield outcome


def _do_nothing() -> None:
    """Stand in for what there is nothing to do for."""
