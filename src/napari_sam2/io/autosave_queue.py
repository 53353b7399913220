"""The folder of a session kept up to date while work goes on, without holding anybody up.

What changed is handed to one writing thread in order, so a process that is killed loses next to nothing, and the main
thread never waits for a disk. What failed there is raised at the next `check`. The writer itself is
`napari_sam2.io.Autosaver`, which this room does not know.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any


class AutosaveQueue:
    """Calls of a writer, made one after another on a thread of their own.

    Parameters
    ----------
    folder
        That the writer writes to.
    open_saver
        Makes the `Autosaver`; the first that is called on the thread.
    """

    def __init__(self, folder: Path, open_saver: Callable[[], Any]) -> None:
        self.folder = folder
        self.saver: Any = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="napari-sam2 autosave")
        self._error: BaseException | None = None
        self._document: tuple[Any, Any] | None = None
        self._submit(lambda: self._open(open_saver))

    def put(self, name: str, *args: Any) -> None:
        """Have the writer's method of that name called with the arguments."""
        self.do(lambda saver: getattr(saver, name)(*args))

    def do(self, call: Callable[[Any], object]) -> None:
        """Have something done with the writer; nothing where it could not be opened."""
        self._submit(lambda: None if self.saver is None else call(self.saver))

    def save_document(self, document: Any, settings: Any) -> None:
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

    def _open(self, open_saver: Callable[[], Any]) -> None:
        self.saver = open_saver()

    def _write_document(self, saver: Any) -> None:
        waiting, self._document = self._document, None
        if waiting is not None:
            saver.save_document(*waiting)

    def _submit(self, call: Callable[[], object]) -> None:
        self._thread.submit(call).add_done_callback(self._keep_error)

    def _keep_error(self, done: Future[object]) -> None:
        self._error = self._error or done.exception()
