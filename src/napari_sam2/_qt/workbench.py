"""What the main panel works with: one image, its session, the binding to the viewer's layers, and the runner.

`Workbench.of` a viewer is there as long as its window, whether a panel shows it or none. Order: `prepare` imports in a
worker what is heavy; `open_image` settles the axes on the main thread, opens the session in a worker and binds it to
layers when it is there; `close` undoes that and waits for the frame in work. Errors that a person can act on are told
by `failed`, and to napari. Nothing is drawn here, and nothing is decided about masks or runs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QMainWindow

from napari_sam2._qt.background import USER_ERRORS, BackgroundWork, Result, list_in_napari, tell_napari, wait_until
from napari_sam2._qt.closing import ClosingGuard
from napari_sam2._qt.graphics import CanvasContext
from napari_sam2._qt.holds import hold
from napari_sam2._qt.kept_places import KeptPlaces
from napari_sam2._qt.opening import (
    ImageChoice,
    ImagesMissing,
    Reopened,
    hide_read_labels,
    import_rooms,
    open_session,
    open_stacks,
    reopen_session,
    shown_image,
)
from napari_sam2._qt.preferences import preferred_settings
from napari_sam2._qt.questions import may_leave
from napari_sam2._qt.runner import QtRunner
from sam2_core.errors import StackError

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_sam2.session.session import Session
    from napari_sam2.viewer import SessionBinding

_POLL_MS = 50


class Workbench(QObject):
    """One piece of work in one viewer.

    `sought` is the session folder whose images were not found, if there is one; `refused` the id of the layer that
    could not be opened the last time.

    Signals: `changed()` when a session is opened, being opened or closed; `edited()` after prompts, objects, history or
    settings changed, `masks_changed(ids)` after masks did; `progressed(RunProgress)` and `idle()` from runs;
    `downloading(name, kB, kB in all)`; `failed(Exception)`; `said(str)` what a person should know;
    `reviewed()` when a review begins or ends; `ended()` by `close`.
    """

    changed = Signal()
    edited = Signal()
    masks_changed = Signal(object)
    progressed = Signal(object)
    idle = Signal()
    downloading = Signal(str, int, int)
    failed = Signal(object)
    said = Signal(str)
    reviewed = Signal()
    ended = Signal()

    def __init__(self, viewer: napari.viewer.Viewer, window: QMainWindow) -> None:
        super().__init__(window)
        self._viewer = viewer
        self._guard = ClosingGuard(window, self.may_leave, self._is_lost, self.close)
        self._canvas = CanvasContext(viewer, window)
        self._work = BackgroundWork(self._list)
        self._ticket = 0
        self._is_opening = False
        self._arriving: Session | None = None
        self._turns: deque[Callable[[], None]] = deque()
        self._turn = QTimer(self)  # a timer of 0 ms lets mouse and paint events in between
        self._turn.timeout.connect(self._take_turn)
        self._wanted: Hashable = None  # the image layer that is being opened
        self.refused: Hashable = None
        self.kept = KeptPlaces()
        self.is_ready = self.is_reviewing = False
        self.sought: Path | None = None
        self.session: Session | None = None
        self.binding: SessionBinding | None = None
        self.runner: QtRunner | None = None
        self._poll = QTimer(self)
        self._poll.setInterval(_POLL_MS)
        self._poll.timeout.connect(self._poll_layers)
        self.failed.connect(tell_napari)

    @classmethod
    def of(cls, viewer: napari.viewer.Viewer) -> Workbench:
        """Return the workbench of a viewer, made at the first call."""
        window = viewer.window.file_menu.parentWidget()
        return window.findChild(cls) or cls(viewer, window)

    @property
    def is_opening(self) -> bool:
        """Whether a session is being made ready."""
        return self._is_opening or not self.is_ready

    @property
    def image(self) -> Image | None:
        """The layer that is worked on; it may have been removed from the viewer."""
        return None if self.binding is None else self.binding.image

    def prepare(self) -> None:
        """Import in a worker what opening needs, then say so by `changed`."""
        if not self.is_ready:
            self._work.start(import_rooms, self._prepared, self.failed.emit)

    def run(
        self,
        function: Callable[[], Result],
        then: Callable[[Result], object],
        failed: Callable[[Exception], object] | None = None,
        name: str = "",
    ) -> None:
        """Run a function in a worker and hand over its result here; napari asks about one with a name on closing."""
        self._work.start(function, then, failed or self.failed.emit, name)

    def may_leave(self) -> bool:
        """Return whether the session may be closed; asks where work would be lost."""
        return may_leave(self.session, self.image, self._window)

    @property
    def _is_busy(self) -> bool:
        return self.is_opening or (self.binding is not None and self.binding.work.busy)

    @property
    def _window(self) -> QMainWindow:
        """The viewer's window; none is kept, so that it goes when it is closed."""
        window = self.parent()
        if not isinstance(window, QMainWindow):
            raise RuntimeError("the viewer was closed")
        return window

    def _list(self, name: str, stop: Callable[[], object]) -> Callable[[], object]:
        """Have napari name what is in work when it asks about closing."""
        return list_in_napari(self._window, name, stop)

    def open_image(self, choice: ImageChoice) -> None:
        """Open a new session on an image layer whose axes fit; the one that is open is closed."""
        from napari_sam2.session.settings import SessionSettings
        from napari_sam2.viewer import image_source

        settings = SessionSettings.model_validate({**preferred_settings(), **choice.settings})
        source = image_source(
            (choice.layer, *choice.beside),
            axes=choice.axes or None,
            track_axis=choice.track_axis,
            point=self._viewer.dims.point,
            settings=settings,
        )
        self.close_session()
        self._wanted = choice.layer.unique_id
        self._open(lambda: Reopened(open_session(source.stack, source.settings), choice.layer), lambda _: choice.layer)

    def open_folder(self, folder: Path, images: Path | None = None) -> None:
        """Open a saved session on the image that it was made on, which is added where the viewer has none.

        Where its images are not found, `sought` is the folder: it is opened again with their place. A folder without a
        session closes none.
        """
        from napari_sam2.io.session_files import is_session_folder

        if not is_session_folder(folder):
            self.failed.emit(StackError(f"{folder} holds no session; choose a folder that one was saved in."))
            return
        candidates = open_stacks(self._viewer)
        self.close_session()
        self.sought = self._wanted = None
        reopen = partial(reopen_session, folder, candidates, images)
        self._open(reopen, partial(shown_image, self._viewer), lambda error: self._seek(folder, error))

    def save(self, folder: Path | None) -> None:
        """Save, from then on as the work goes on; that is said when it is written, on a thread of its own."""
        if self.session is not None:
            place = self.session.save(folder, wait=False)
            if (queue := self.session.saving.queue) is not None:
                self.run(queue.flush, lambda _: self._saved(place), self._saved)

    def export(self, path: Path, everything: bool = False) -> None:
        """Write the labels as they are now, or every format into a new folder."""
        if self.session is not None:
            saving, what = self.session.saving, "all formats" if everything else "labels"
            write: Callable[[], object] = saving.all_exporter(path) if everything else saving.label_exporter(path)
            told = f"{what.capitalize()} are in {path}."
            self.run(write, lambda _: self.said.emit(told), name=f"Writing {what} to {path.name}")

    def wait(self) -> None:
        """Let Qt work until nothing is being opened, found or tracked; raise the first thing that went wrong."""
        wait_until(lambda: not self._is_busy, self.failed)

    def preview(self) -> None:
        """Find the masks of prompts that have none as things are now set."""
        if self.binding is not None:
            self.binding.work.preview()

    def review(self, begin: bool) -> None:
        """Begin to review what is open, or end it."""
        self.is_reviewing = begin
        if self.session is not None and self.binding is not None:
            self.binding.review(begin)
        self.reviewed.emit()

    def close_session(self) -> None:
        """Stop what runs, wait for the frame in work, take our layers away and let go of the session."""
        self._ticket += 1
        self._is_opening = False
        if self.session is not None and self.binding is not None:  # opened again where a person comes back to its Z
            self.kept.keep(self.image, self.session, self.binding.grid.held)
        session, binding, runner = self._given_up()
        if binding is not None:
            layers = binding.layers()
            binding.unbind()
            for layer in layers:
                if layer in self._viewer.layers:
                    with hold("napari removes a layer"):
                        self._viewer.layers.remove(layer)
        self._let_go(session, runner)
        if session is not None:
            self.changed.emit()

    def close(self) -> None:
        """End everything because the viewer closes; layers are left to the viewer, and it has no workbench any more."""
        if self.parent() is None:
            return
        self.setParent(None)
        self._guard.let_go()
        self._work.close()
        session, binding, runner = self._given_up()
        if binding is not None:
            binding.unbind()
        self._let_go(session, runner)
        self.ended.emit()

    def _saved(self, what: Path | Exception) -> None:
        """Say where the session was saved, or why it was not."""
        if isinstance(what, Path):
            warning = "" if self.session is None else self.session.saving.images.warning
            self.said.emit(f"Saved in {what}; from now on it is saved as you work. {warning}".rstrip())
        else:
            self.failed.emit(what)
        self.edited.emit()

    def _seek(self, folder: Path, error: Exception) -> None:
        """Remember whose images are sought, if it is that."""
        self.sought = folder if isinstance(error, ImagesMissing) else None

    def _is_lost(self) -> bool:
        return self.session is not None and self.session.is_dirty and self.session.holds_work

    def _given_up(self) -> tuple[Session | None, SessionBinding | None, QtRunner | None]:
        """Return what is open or arriving, which is ours no longer."""
        self._poll.stop()
        self._turn.stop()
        self._turns.clear()
        given_up = self.session or self._arriving, self.binding, self.runner
        self.session = self._arriving = self.binding = self.runner = None
        return given_up

    def _let_go(self, session: Session | None, runner: QtRunner | None) -> None:
        if session is not None:
            self._listen(session, connect=False)
            session.on_download = None
            session.cancel()
        if runner is not None:
            runner.close()
            runner.deleteLater()
        if session is not None:
            self._close(session)

    def _close(self, session: Session) -> None:
        """Close a session about which a person was asked where it could not be saved."""
        try:
            session.close()
        except USER_ERRORS as error:
            self.failed.emit(error)
            session.close(discard=True)

    def _open(
        self,
        function: Callable[[], Reopened],
        image_of: Callable[[Reopened], Image],
        on_failure: Callable[[Exception], None] | None = None,
    ) -> None:
        self._ticket += 1
        ticket, self._is_opening = self._ticket, True
        self.changed.emit()

        def opened(found: Reopened) -> None:
            if ticket != self._ticket:
                found.session.close()
                return
            self._arriving = found.session
            self._turns.append(lambda: self._find_image(found, image_of))
            self._turn.start(0)

        def failed(error: Exception) -> None:
            if ticket == self._ticket:
                self._is_opening = False
                self.refused = self._wanted
                if on_failure is not None:
                    on_failure(error)
                self.changed.emit()
            self.failed.emit(error)

        self._work.start(function, opened, failed)

    def _take_turn(self) -> None:
        """Do the next step of binding; adding a layer holds napari long enough for each to have its own turn."""
        try:
            with hold("napari adds a layer"):
                self._turns.popleft()()
            if not self._turns and self._arriving is not None:
                self._turn.stop()
                self._arrived(self._arriving)
        except Exception as error:  # noqa: BLE001  # told, and napari shows its traceback; no turn is left half done
            self.refused = self._wanted
            self.close_session()
            self.failed.emit(error)

    def _find_image(self, found: Reopened, image_of: Callable[[Reopened], Image]) -> None:
        image = image_of(found)
        self._turns.append(lambda: self._bind(found.session, image))

    def _bind(self, session: Session, image: Image) -> None:
        from napari_sam2.viewer import bind

        self.runner = QtRunner(session, self, self._list)
        self.runner.progressed.connect(self.progressed)
        self.runner.stopped.connect(self.idle)
        self.runner.failed.connect(self.failed)
        session.on_download = self._tell_download
        with hold("napari makes layers"):
            self.binding = bind(
                self._viewer, session, image, self.runner, notify=self.said.emit, later=self._in_its_turn
            )
        self.binding.reviewing.elsewhere = self.binding.lines.elsewhere = self._elsewhere
        self.binding.follow_timer()

    def _in_its_turn(self, add: Callable[[], None]) -> None:
        """Add a layer: one after the other while the session arrives, at once afterwards."""
        if self._arriving is None:
            with hold("napari adds a layer"):
                add()
        else:
            self._turns.append(add)

    def _elsewhere(self, function: Callable[[], Result], then: Callable[[Result], None]) -> None:
        """Run in a worker what a binding looks for; dropped where another session is open by then."""
        binding = self.binding
        self.run(function, lambda found: then(found) if self.binding is binding else None)

    def _arrived(self, session: Session) -> None:
        self._arriving, self.session, self._is_opening = None, session, False
        if self.binding is not None:
            self.binding.show_at(self.binding.grid.held)
        hide_read_labels(self._viewer, session)
        self._listen(session, connect=True)
        self._poll.start()
        for note in session.notes:
            self.said.emit(note)
        self.changed.emit()

    def _listen(self, session: Session, *, connect: bool) -> None:
        events = session.events
        for signal in (events.document_changed, events.history_changed, events.settings_changed):
            (signal.connect if connect else signal.disconnect)(self._on_edit)
        masks = events.masks_changed
        (masks.connect if connect else masks.disconnect)(self._on_masks)

    def _on_edit(self) -> None:
        self.edited.emit()

    def _on_masks(self, frame: int, object_ids: tuple[int, ...]) -> None:
        self.masks_changed.emit(object_ids)

    def _tell_download(self, name: str, done: int, total: int) -> None:
        """Hand on, from the lane, how far a download is; Qt's int holds kilobytes of any file."""
        self.downloading.emit(name, done // 1000, total // 1000)

    def _prepared(self, _: None) -> None:
        self.is_ready = True
        self.changed.emit()

    def _poll_layers(self) -> None:
        if self.binding is not None:
            with hold("poll layers"):
                self.binding.poll()
