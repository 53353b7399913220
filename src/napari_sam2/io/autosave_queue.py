"""The folder of a session kept up to date while work goes on, without holding anybody up.

There is one writing thread and one order: the document as it is when its turn comes, then what happened to the masks,
step by step. So a process that is killed loses next to nothing, and the main thread never waits for a disk. A step that
cannot be written stays where it is, and all behind it: it is tried again with whatever comes next, and by `flush` and
`close`. What is waiting is never taken for saved.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from napari_sam2.document.document import Document
from napari_sam2.io.autosave import Autosaver, FolderLost
from napari_sam2.io.mask_log import Changes, FrameDone
from napari_sam2.io.record_file import LogLost
from napari_sam2.io.saved_history import HistoryChange, SavedHistory
from napari_sam2.io.saved_session import SavedSession
from sam2_core.errors import StackError

Step = Callable[[Autosaver], object]
_log = logging.getLogger(__name__)


class AutosaveQueue:
    """Calls of an `Autosaver`, made one after another on a thread of their own; the first call makes it.

    Attributes
    ----------
    saver
        None until it is made, or as long as that fails.
    fault
        Why what waits could not be written the last time; None while all is well.
    failures
        How often something could not be written so far.
    """

    def __init__(self, folder: Path, open_saver: Callable[[], Autosaver]) -> None:
        self.folder = folder
        self.saver: Autosaver | None = None
        self.fault: Exception | None = None
        self.failures = 0
        self._open_saver = open_saver
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="napari-sam2 autosave")
        self._changed = threading.Condition()
        self._is_closed = False
        self._document: tuple[Document, Mapping[str, object]] | None = None
        self._newest: tuple[Document, Mapping[str, object]] | None = None
        self._history: deque[Step] = deque()
        self._history_due = 0  # so many of these go with the document that waits
        self._steps: deque[Step] = deque()
        self._last: deque[Step] = deque()
        self._bulky = 0
        self._raised = 0
        self._thread.submit(self._work)

    @property
    def needs_all(self) -> bool:
        """Whether what waits cannot be added any more, the folder or log being gone: all is to be saved anew."""
        fault = self.fault
        return isinstance(fault, LogLost | FolderLost) or not isinstance(fault, StackError | OSError | None)

    def put(self, changes: Changes, done: FrameDone | None = None) -> None:
        """Have masks written that were put, or removed where they are None; see `Autosaver.put`."""
        listed = list(changes)
        self.do(lambda saver: saver.put(listed, done))

    def save_document(self, document: Document, settings: Mapping[str, object]) -> None:
        """Have a document written; of several that wait only the last one is."""
        with self._changed:
            self._newest = (document, settings)
        self._add(document=(document, settings))

    def as_it_is(self, saved: SavedSession) -> SavedSession:
        """Return a session with the newest document and settings: what was edited since it was made is not undone."""
        newest = self._newest
        return saved if newest is None else replace(saved, document=newest[0], settings=newest[1])

    @property
    def keeps_history(self) -> bool:
        """Whether what happens to the history can be added to what is kept of it, or soon will be."""
        with self._changed:
            return bool(self._history) or (self.saver is not None and self.saver.keeps_history)

    def keep_history(self, history: SavedHistory, now: Document) -> None:
        """Have kept what can be undone, from now on."""
        self._add(history=lambda saver: saver.keep_history(history, now))

    def add_history(self, change: HistoryChange) -> None:
        """Have added what happened to the history, before the document is written that it led to."""
        self._add(history=lambda saver: saver.add_history(change))

    def do(self, step: Step) -> None:
        """Have something done with the writer, behind all that waits."""
        self._add(step)

    def do_last(self, step: Step) -> None:
        """Have something done that nothing else shall wait for."""
        self._add(last=step)

    def do_bulky(self, step: Step) -> None:
        """Have something done that keeps much memory busy; wait until no other such thing waits.

        Where nothing can be written it is left out, since more and more of it would pile up.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._bulky or self.fault is not None or self._is_closed)
            if self._bulky:
                return
            self._bulky += 1
        self._add(lambda saver: self._do_bulky(step, saver))

    def replace_all(self, step: Step) -> None:
        """Have all written anew, in place of what waits."""
        self._forget()
        self._add(step)

    def flush(self) -> None:
        """Wait until all is written.

        Raises
        ------
        StackError
            If something cannot be written; it still waits.
        """
        self._thread.submit(self._work).result()
        self._raise()

    def check(self) -> None:
        """Raise, once, what failed since the last time; it still waits to be written."""
        if self._raised != self.failures:
            self._raise()

    def close(self) -> None:
        """Write what waits, and let go of the folder.

        Raises
        ------
        StackError
            If something cannot be written; nothing was closed then, and it still waits.
        """
        self.flush()
        self.discard()

    def discard(self) -> None:
        """Let go of the folder, whether something waits or not."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._forget()
        self._thread.shutdown(wait=True)
        if self.saver is not None:
            self.saver.close()

    def _add(
        self,
        step: Step | None = None,
        last: Step | None = None,
        document: tuple[Document, Mapping[str, object]] | None = None,
        history: Step | None = None,
    ) -> None:
        with self._changed:
            if self._is_closed:
                return
            self._history.extend([] if history is None else [history])
            if document is not None:
                self._document, self._history_due = document, len(self._history)
            self._steps.extend([] if step is None else [step])
            self._last.extend([] if last is None else [last])
            self._thread.submit(self._work)

    def _forget(self) -> None:
        with self._changed:
            self._history.clear()
            self._history_due = 0
            self._steps.clear()
            self._last.clear()
            self._bulky, self._document = 0, None

    def _work(self) -> None:
        """Write what waits, in order, as far as it can be written."""
        faults: list[Exception] = []
        for write in (self._open, self._write_document, self._write_steps, self._write_last):
            try:
                write()
            except Exception as error:  # noqa: BLE001 - kept, and raised where somebody waits for it
                faults.append(error)
        if faults and str(faults[0]) != str(self.fault):
            _log.warning("What was changed is not saved yet, and will be tried again: %s", faults[0])
        with self._changed:
            self.fault = faults[0] if faults else None
            self.failures += bool(faults)
            self._changed.notify_all()

    def _open(self) -> None:
        if self.saver is None:
            self.saver = self._open_saver()

    def _write_document(self) -> None:
        while self.saver is not None:
            with self._changed:
                waiting, due = self._document, self._history_due
            if waiting is None:
                return
            self._write_history(due)
            self.saver.save_document(*waiting)
            with self._changed:
                self._document = None if self._document is waiting else self._document

    def _write_history(self, due: int) -> None:
        """Write what led to the document that waits, and no more: the two are read together."""
        for _ in range(due):
            with self._changed:
                if self.saver is None or not self._history_due:
                    return
                self._history_due -= 1
                step = self._history.popleft()
            step(self.saver)

    def _write_steps(self) -> None:
        self._make(self._steps)

    def _write_last(self) -> None:
        if not self._steps:
            self._make(self._last)

    def _make(self, steps: deque[Step]) -> None:
        """Make steps in their order; one that fails stays the first."""
        while self.saver is not None and steps:
            step = steps[0]
            step(self.saver)
            with self._changed:
                if steps and steps[0] is step:
                    steps.popleft()

    def _do_bulky(self, step: Step, saver: Autosaver) -> None:
        step(saver)
        with self._changed:
            self._bulky = 0
            self._changed.notify_all()

    def _raise(self) -> None:
        fault, self._raised = self.fault, self.failures
        if isinstance(fault, StackError):
            raise type(fault)(str(fault)) from fault
        if fault is not None:
            raise StackError(f"{self.folder} cannot be written to ({type(fault).__name__}: {fault}).") from fault
