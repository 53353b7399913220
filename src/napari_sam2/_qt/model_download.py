"""Fetching a model because a person said so: the question beforehand, and the download with its progress.

One download at a time. Cancel keeps what has arrived, and the next download goes on from there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_sam2._qt.background import BackgroundWork
from napari_sam2._qt.model_catalogue import ModelRow
from napari_sam2._qt.parts import ProgressBar

_REPORT_EVERY_S = 0.1
CANCELLED = "Cancelled. What has arrived is kept, and the next download goes on from there."

Fetch = Callable[[str, Callable[[int, int], None], Callable[[], bool]], Path]
"""Takes the name of a model, what is told bytes here and in all, and what says whether it was cancelled."""


def ask_to_download(row: ModelRow, parent: QWidget, download: Callable[[], object]) -> None:
    """Ask whether a model may be fetched, naming size and source, and do it if so; does not wait for the answer."""
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("Download a model")
    box.setText(f"{row.name} is not on this computer. Download {row.size} from {row.source}?")
    box.setInformativeText("Until it is here, everything stays as it is.")
    yes = box.addButton("Download", QMessageBox.ButtonRole.AcceptRole)
    box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
    box.buttonClicked.connect(lambda button: download() if button is yes else None)
    box.open()


class ModelDownload(QObject):
    """The download in work, if there is one, in a worker.

    Signals: `arrived(kB, kB in all)`, ten times a second at most; at the end `ready(name, path)`, or `failed` with the
    error, None where it was cancelled.
    """

    arrived = Signal(int, int)  # kB: Qt's int holds 2 GB at most
    ready = Signal(str, object)
    failed = Signal(object)

    def __init__(self, work: BackgroundWork, parent: QObject) -> None:
        super().__init__(parent)
        self._work = work
        self._cancelled = threading.Event()
        self._last_report = 0.0
        self.is_running = False

    def start(self, name: str, fetch: Fetch) -> bool:
        """Fetch a model; return False, and leave it, while another download runs."""
        if self.is_running:
            return False
        self.is_running = True
        self._cancelled.clear()
        work = partial(fetch, name, self._report, self._cancelled.is_set)
        self._work.start(work, partial(self._done, name), self._not_done)
        return True

    def cancel(self) -> None:
        """Stop what is in work; it ends soon."""
        self._cancelled.set()

    def _report(self, done: int, total: int) -> None:
        """Hand on, from the thread that downloads, how far it is."""
        now = time.monotonic()
        if now - self._last_report >= _REPORT_EVERY_S or done == total:
            self._last_report = now
            self.arrived.emit(done // 1000, total // 1000)

    def _done(self, name: str, path: Path) -> None:
        self.is_running = False
        self.ready.emit(name, path)

    def _not_done(self, error: Exception) -> None:
        self.is_running = False
        self.failed.emit(None if self._cancelled.is_set() else error)


def show_arrived(bar: ProgressBar, done_kb: int, total_kb: int) -> None:
    """Show how far a download is."""
    bar.show_done(done_kb, total_kb, f"{done_kb / 1e3:.0f} of {total_kb / 1e3:.0f} MB")
