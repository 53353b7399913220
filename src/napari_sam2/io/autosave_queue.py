"""The folder of a session kept up to date while work goes on, without holding anybody up.

What changed is handed to one writing thread in order, so a process that is killed loses next to nothing, and the main
thread never waits for a disk. What failed there is raised at the next `check`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from napari_sam2.document.document import Document
from napari_sam2.io.autosave import Autosaver
from napari_sam2.io.mask_log import Changes, FrameDone


class AutosaveQueue:
    """Calls of an `Autosaver`, made one after another on a thread of their own; the first call makes it.

    Attributes
    ----------
    saver
        None until it is made, or where that failed.
    """

    def __init__(self, folder: Path, open_saver: Callable[[], Autosaver]) -> None:
        self.folder = folder
        self.saver: Autosaver | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="napari-sam2 autosave")
        self._error: BaseException | None = None
        self._document: tuple[Document, Mapping[str, object]] | None = None
        self._submit(lambda: self._open(open_saver))

    def put(self, changes: Changes, done: FrameDone | None = None) -> None:
        """Have masks written that were put, or removed where they are None; see `Autosaver.put`."""
        self.do(lambda saver: saver.put(changes, done))

    def do(self, call: Callable[[Autosaver], object]) -> None:
        """Have something done with the writer; nothing where it could not be opened."""
        self._submit(lambda: None if self.saver is None else call(self.saver))

    def save_document(self, document: Document, settings: Mapping[str, object]) -> None:
        """Have a document written; of several that wait only the last one is."""
        waits = self._document is not None
        self._document = (document, settings)
        if not waits:
            self.do(self._write_document)

    def flush(self) -> None:
        """Wait until all is written; raise what failed."""
        self._thread.submit(lambda: None).result()
        self.check()

    def check(self) -> None:
        """Raise, once, what failed since the last time."""
        error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """Write what waits, let go of the folder, and raise what failed."""
        self._thread.shutdown(wait=True)
        if self.saver is not None:
            self.saver.close()
        self.check()

    def _open(self, open_saver: Callable[[], Autosaver]) -> None:
        self.saver = open_saver()

    def _write_document(self, saver: Autosaver) -> None:
        waiting, self._document = self._document, None
        if waiting is not None:
            saver.save_document(*waiting)

    def _submit(self, call: Callable[[], object]) -> None:
        self._thread.submit(call).add_done_callback(self._keep_error)

    def _keep_error(self, done: Future[object]) -> None:
        self._error = self._error or done.exception()
