"""Work in a process of its own, which starts from what is loaded here; it may be killed at any moment."""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

T = TypeVar("T")
_FORK = multiprocessing.get_context("fork")


def forked(work: Callable[[], T]) -> T:
    """Return what work comes to in a child process; raises AssertionError with the traceback of what it raised."""
    here, there = _FORK.Pipe(duplex=False)
    child = _FORK.Process(target=_answered, args=(work, there))
    child.start()
    there.close()
    try:
        done, value = here.recv()
    except EOFError:
        child.join()
        raise AssertionError(f"the process ended with {child.exitcode} and said nothing") from None
    child.join()
    assert done, value
    return value


def killed(work: Callable[[], object], when: Callable[[], object]) -> None:
    """Start work in a child process and kill it when `when` returns."""
    child = _FORK.Process(target=_quiet, args=(work,))
    child.start()
    try:
        when()
    finally:
        if child.is_alive():
            os.kill(child.pid or 0, signal.SIGKILL)
        child.join()


def _answered(work: Callable[[], T], there: Connection) -> None:
    try:
        answer: tuple[bool, object] = (True, work())
    except BaseException:  # noqa: BLE001 - told to the one who asked
        answer = (False, traceback.format_exc())
    there.send(answer)
    there.close()
    os._exit(0)


def _quiet(work: Callable[[], object]) -> None:
    try:
        work()
    except BaseException:  # noqa: BLE001 - the parent looks at what is left on the disk
        traceback.print_exc()
    os._exit(1)
