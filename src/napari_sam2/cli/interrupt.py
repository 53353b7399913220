"""Ctrl-C as a wish to stop after the frame in work; a second Ctrl-C stops at once.

`StopOnCtrlC` works in the main thread only, as signals do; elsewhere it changes nothing. `STOPPED` is the exit code of
a command that was stopped, `resume_command` what a person types to go on.
"""

from __future__ import annotations

import shlex
import signal
import threading
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Any

from napari_sam2.engine.jobs import CancelToken

STOPPED = 130


class StopOnCtrlC(CancelToken):
    """A context in which the first Ctrl-C sets `requested` instead of raising KeyboardInterrupt; a token for jobs."""

    def __init__(self) -> None:
        super().__init__()
        self.requested = False
        self._before: Any = None

    def __enter__(self) -> StopOnCtrlC:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    @property
    def cancelled(self) -> bool:
        """Whether a job is to stop, because of Ctrl-C or otherwise."""
        return self.requested or super().cancelled

    def is_requested(self) -> bool:
        """Return whether Ctrl-C was pressed."""
        return self.requested

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


def resume_command(arguments: Sequence[str]) -> str:
    """Return the command line that goes on with a stopped run, from the words of the one that began it."""
    words = [word for word in arguments if word not in ("--overwrite", "--resume")]
    return shlex.join(["napari-sam2", *words, "--resume"])
