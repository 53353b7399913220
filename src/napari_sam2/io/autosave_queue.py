"""The folder of a session kept up to date while work goes on, without holding anybody up.

There is one writing thread and one order, the one in which things happened; edits that wait one behind another are
written as one. So a process that is killed loses next to nothing, and the main thread never waits for a disk. A step
that cannot be written stays where it is, and all behind it: it is tried again with whatever comes next, and by `flush`
and `close`. What is waiting is never taken for saved.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.document.document import Document
from napari_sam2.io.autosave import Autosaver, FolderLost
from napari_sam2.io.mask_log import Changes, FrameDone
from napari_sam2.io.record_file import LogLost
from napari_sam2.io.saved_history import HistoryChange, SavedHistory
from napari_sam2.masks.stored_masks import MaskKey, StoredMask
from sam2_core.checkpoints.identity import WeightsId
from sam2_core.errors import StackError

Step = Callable[[Autosaver], object]
_log = logging.getLogger(__name__)


@dataclass
class _Edit:
    """A document and settings that were edited, with the masks that changed, what made them, and the history."""

    document: Document
    settings: Mapping[str, object]
    changes: list[tuple[MaskKey, StoredMask | None]]
    weights: tuple[WeightsId, ...]
    history: list[Step]

    def add(self, later: _Edit) -> None:
        self.document, self.settings, self.weights = later.document, later.settings, later.weights
        self.changes += later.changes
        self.history += later.history

    def __call__(self, saver: Autosaver) -> None:
        while self.history:
            self.history.pop(0)(saver)
        saver.save_document(self.document, self.settings, self.changes, self.weights)


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
        self._history: list[Step] = []  # goes with the next edit
        self._steps: deque[Step] = deque()
        self._in_work: Step | None = None
        self._last: deque[Step] = deque()
        self._bulky = 0
        self._is_held = False
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
        with self._changed:
            edit = self._waiting_edit() if self._is_held and done is None else None
            if edit is not None:
                edit.changes += listed
                return
        self.do(lambda saver: saver.put(listed, done))

    def save_document(
        self,
        document: Document,
        settings: Mapping[str, object],
        changes: Changes = (),
        weights: tuple[WeightsId, ...] = (),
    ) -> None:
        """Have a document written with the masks that changed with it, as one; see `Autosaver.save_document`."""
        with self._changed:
            edit = _Edit(document, settings, list(changes), weights, self._history)
            self._history = []
            last = self._waiting_edit()
            if last is not None:
                last.add(edit)
            self._add(edit if last is None else None)

    @property
    def keeps_history(self) -> bool:
        """Whether what happens to the history can be added to what is kept of it, or soon will be."""
        with self._changed:
            waits = any(isinstance(step, _Edit) and step.history for step in self._steps)
            return bool(self._history) or waits or (self.saver is not None and self.saver.keeps_history)

    def keep_history(self, history: SavedHistory, now: Document) -> None:
        """Have kept what can be undone, from the next edit on."""
        with self._changed:
            self._history.append(lambda saver: saver.keep_history(history, now))

    def add_history(self, change: HistoryChange) -> None:
        """Have added what happened to the history, with the edit that it led to."""
        with self._changed:
            self._history.append(lambda saver: saver.add_history(change))

    @contextmanager
    def as_one(self) -> Iterator[None]:
        """Write nothing until the end, not even by `flush`: all that is edited in between is then written as one.

        So are masks that are put without a run in work.
        """
        with self._changed:
            self._is_held = True
        try:
            yield
        finally:
            with self._changed:
                self._is_held = False
            self._add()

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
            self._changed.wait_for(
                lambda: not self._bulky or self.fault is not None or self._is_closed or self._is_held
            )
            if self._bulky:
                return
            self._bulky += 1
        self._add(lambda saver: self._do_bulky(step, saver))

    def replace_all(self, step: Step) -> None:
        """Have all written anew, in place of what waits."""
        self._forget()
        self._add(step)

    def flush(self) -> None:
        """Wait, on any thread, until all is written; at once where the folder was let go of.

        Raises
        ------
        StackError
            If something cannot be written; it still waits.
        """
        with self._changed:
            written = None if self._is_closed else self._thread.submit(self._work)
        if written is not None:
            written.result()
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

    def _add(self, step: Step | None = None, last: Step | None = None) -> None:
        with self._changed:
            if self._is_closed:
                return
            self._steps.extend([] if step is None else [step])
            self._last.extend([] if last is None else [last])
            self._thread.submit(self._work)

    def _waiting_edit(self) -> _Edit | None:
        """Return the edit that waits as the last of all; None where another step does, or nothing."""
        last = self._steps[-1] if self._steps else None
        return last if isinstance(last, _Edit) and last is not self._in_work else None

    def _forget(self) -> None:
        with self._changed:
            self._history.clear()
            self._steps.clear()
            self._last.clear()
            self._bulky = 0

    def _work(self) -> None:
        """Write what waits, in order, as far as it can be written."""
        faults: list[Exception] = []
        for write in (self._open, self._write_steps, self._write_last):
            try:
                write()
            except Exception as error:  # noqa: BLE001 - kept, and raised where somebody waits for it
                faults.append(error)
        if faults and self.saver is not None and str(faults[0]) != str(self.fault):  # else it was never saved there
            _log.warning("What was changed is not saved yet, and will be tried again: %s", faults[0])
        with self._changed:
            self.fault = faults[0] if faults else None
            self.failures += bool(faults)
            self._changed.notify_all()

    def _open(self) -> None:
        if self.saver is None:
            self.saver = self._open_saver()

    def _write_steps(self) -> None:
        self._make(self._steps)

    def _write_last(self) -> None:
        if not self._steps:
            self._make(self._last)

    def _make(self, steps: deque[Step]) -> None:
        """Make steps in their order; one that fails stays the first."""
        while self.saver is not None:
            with self._changed:
                self._in_work = step = steps[0] if steps and not self._is_held else None
            if step is None:
                return
            is_done = False
            try:
                step(self.saver)
                is_done = True
            finally:
                with self._changed:
                    self._in_work = None
                    if is_done and steps and steps[0] is step:
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
