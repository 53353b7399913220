"""One long-lived thread on which the model lives: jobs run there one after another, and answer where they are asked.

`Lane.run` is given a function that makes an iterator; the lane makes it, draws from it and closes it, all on its own
thread, and at most two items wait to be taken. What the iterator raises is raised where it is iterated. Leaving the
iteration early cancels the token and waits until the lane is free again. `Lane.offer` gives it something to do while
nobody asks for anything, which ends at its next item when somebody does. Qt, models and masks are not known here.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from napari_sam2.engine.jobs import CancelToken
from sam2_core.errors import StackError

Item = TypeVar("Item")
_log = logging.getLogger(__name__)
WAITING = 2
"""Items that are computed ahead of whoever takes them."""


class Lane:
    """A thread that runs one job at a time, in the order in which they are asked for; it starts with the first one.

    It ends with `close`, or when nobody holds the lane any more.

    Parameters
    ----------
    name
        Of the thread, for debuggers.
    """

    def __init__(self, name: str = "napari-sam2 lane") -> None:
        self._name = name
        self._tasks: SimpleQueue[_Task[Any] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closed = False
        self._open: list[_Task[Any]] = []
        self._offered: tuple[CancelToken, threading.Event] | None = None

    def run(self, factory: Callable[[], Iterable[Item]], token: CancelToken) -> Iterator[Item]:
        """Yield in the calling thread what the iterable of `factory` yields on the lane.

        Parameters
        ----------
        factory
            Called on the lane.
        token
            Cancelled when the iteration is left early; before its start, the job is not begun at all.

        Raises
        ------
        StackError
            The lane was closed, or the calling thread is in the middle of another iteration, which would never end.
        """
        task = _Task(factory, token)
        self._submit(task)
        try:
            yield from task.items()
        finally:
            task.leave()
            task.finished.wait()
            with self._starting:
                self._open.remove(task)

    def offer(self, factory: Callable[[], Generator[object, None, None]]) -> bool:
        """Have the generator of `factory` drawn on the lane if it has nothing to do; return whether it had not.

        What it yields is dropped, what it raises is only logged, and a job that is asked for meanwhile ends it.
        """
        with self._starting:
            is_at_work = self._open or (self._offered is not None and not self._offered[1].is_set())
            if self._closed or is_at_work:
                return False
            token = CancelToken()
            task: _Task[Any] = _Task(lambda: _drawn(factory, token), token)
            self._offered = token, task.finished
            self._put(task)
        return True

    def close(self) -> None:
        """Cancel all jobs and end the thread behind the one that is on it; what was yielded can still be taken."""
        with self._starting:
            if not self._closed:
                self._closed = True
                self._tasks.put(None)
            thread = self._thread
            for task in self._open:
                task.leave()
            self._leave_offered()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _submit(self, task: _Task[Item]) -> None:
        with self._starting:
            if self._closed:
                raise StackError("The session was closed and computes nothing any more; open it again.")
            if any(other.asked_by == task.asked_by and not other.finished.is_set() for other in self._open):
                raise StackError(
                    "A run is under way in this thread; take all of it, or leave it (break, or close the iterator), "
                    "before the next one."
                )
            self._leave_offered()
            self._open.append(task)
            self._put(task)

    def _leave_offered(self) -> None:
        if self._offered is not None:
            self._offered[0].cancel()

    def _put(self, task: _Task[Any]) -> None:
        self._tasks.put(task)
        if self._thread is None:
            self._thread = threading.Thread(target=_work, args=(self._tasks,), name=self._name, daemon=True)
            self._thread.start()
            weakref.finalize(self, self._tasks.put, None)


def _drawn(factory: Callable[[], Generator[object, None, None]], token: CancelToken) -> tuple[()]:
    """Draw all items of a generator, or until a token stops that, and return none of them."""
    try:
        with closing(factory()) as items:
            for _ in items:
                if token.cancelled:
                    break
    except Exception:  # noqa: BLE001 - whoever asks for the same is told
        _log.debug("Something that nobody asked for could not be done.", exc_info=True)
    return ()


def _work(tasks: SimpleQueue[_Task[Any] | None]) -> None:
    """Do the tasks of a lane, and hold neither the lane nor a task that is done while waiting for the next."""
    while (task := tasks.get()) is not None:
        task.work()
        del task


class _Task(Generic[Item]):
    """A job on its way: what makes its iterable, what it yielded, and how it ended."""

    def __init__(self, factory: Callable[[], Iterable[Item]], token: CancelToken) -> None:
        self.factory = factory
        self.token = token
        self.channel: _Channel[Item] = _Channel()
        self.finished = threading.Event()
        self.asked_by = threading.get_ident()
        self.error: BaseException | None = None

    def work(self) -> None:
        """Run the job to its end, on the lane; never raises."""
        try:
            if not self.token.cancelled:
                self._draw()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            self.error = error
        finally:
            self.channel.close()
            self.finished.set()

    def leave(self) -> None:
        """Have the job end soon; nothing waits for what it yields any more."""
        self.token.cancel()
        self.channel.close()

    def _draw(self) -> None:
        items = iter(self.factory())
        try:
            for item in items:
                if not self.channel.put(item):
                    return
        finally:
            if isinstance(items, Generator):
                items.close()

    def items(self) -> Iterator[Item]:
        """Yield what comes until the job ends, in the thread that asked; raise what it raised."""
        yield from self.channel
        self.finished.wait()
        if self.error is not None:
            raise self.error


class _Channel(Generic[Item]):
    """A short queue with one end in each of two threads; closing it lets both go."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: Item) -> bool:
        """Return True when there was room for the item, False when the channel was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < WAITING)
            if self._closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def close(self) -> None:
        """Take no more items; what waits can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Item]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or bool(self._items))
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item
