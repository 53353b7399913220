"""Work off the main thread, and how its results come back to it.

`WorkerLink` receives a napari worker's signals for as long as the worker lives; `BackgroundWork` runs short functions
(opening, saving, reading a checkpoint, downloading) and hands over the result or the error. Closing forgets what is
in work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject

from napari_sam2._qt.holds import hold
from sam2_core.errors import CheckpointError, PromptError, StackError

USER_ERRORS = (CheckpointError, PromptError, StackError, OSError)
"""What says by itself what is wrong and what to do."""

Result = TypeVar("Result")


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
    """The work that a panel has started; after `close` nothing is called back."""

    def __init__(self) -> None:
        self._closed = False

    def start(
        self,
        function: Callable[[], Result],
        on_result: Callable[[Result], object],
        on_error: Callable[[Exception], object],
    ) -> None:
        """Run a function in a worker and call one of the two on the main thread."""
        worker = create_worker(_guarded, function, _ignore_errors=True, _start_thread=False)

        def returned(outcome: Outcome) -> None:
            if self._closed:
                return
            with hold("result of background work"):
                on_result(outcome.result) if outcome.failure is None else on_error(outcome.failure)

        WorkerLink(worker, returned)
        worker.start()

    def close(self) -> None:
        """Forget what is in work; it ends by itself."""
        self._closed = True


def _guarded(function: Callable[[], Any]) -> Outcome:
    """Return the result, or the error that ended the function.

    It crosses as a value: superqt takes a RuntimeError (torch raises them) for a sign of a deleted worker and tells
    nobody, and what napari 0.9.2 connects to `errored` fails.
    """
    try:
        return Outcome(function())
    except Exception as failure:  # noqa: BLE001  # handed over, and shown on the main thread
        return Outcome(failure=failure)


def _nothing(value: object) -> None:
    """Stand in for a callback that is over."""
