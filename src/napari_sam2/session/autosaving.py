"""The folder of a session kept up to date while work goes on, without holding anybody up.

What changed is handed to one writing thread in order, so a process that is killed loses next to nothing, and the main
thread never waits for a disk. What failed there is raised at the next `check`. The writer itself is
`napari_sam2.io.Autosaver`, which this room does not know.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class AutosaveQueue:
    """Calls of a writer, made one after another on a thread of their own.

    Parameters
    ----------
    saver
        An `Autosaver`.
    """

    def __init__(self, saver: Any) -> None:
        self.saver = saver
        self.folder = saver.folder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="napari-sam2 autosave")
        self._error: BaseException | None = None
        self._document: tuple[Any, Any] | None = None

    def put(self, name: str, *args: Any) -> None:
        """Have the writer's method of that name called with the arguments."""
        self._submit(lambda: getattr(self.saver, name)(*args))

    def save_document(self, document: Any, settings: Any) -> None:
        """Have a document written; of several that wait only the last one is."""
        waits = self._document is not None
        self._document = (document, settings)
        if not waits:
            self._submit(self._write_document)

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
        """Write what waits, and let go of the folder."""
        self._thread.shutdown(wait=True)
        self.saver.close()
        self.check()

    def _write_document(self) -> None:
        waiting, self._document = self._document, None
        if waiting is not None:
            self.saver.save_document(*waiting)

    def _submit(self, call: Callable[[], object]) -> None:
        self._thread.submit(call).add_done_callback(self._keep_error)

    def _keep_error(self, done: Future[object]) -> None:
        self._error = done.exception() or self._error
