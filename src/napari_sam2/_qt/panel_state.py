"""What the main panel shows of the session's state, refreshed ten times a second at most.

Everything here reads: the objects and their timelines, the hint, which buttons can be pressed, the current object and
tool, how far a run is. What happens is told by the workbench, the viewer and the binding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_sam2._qt.hints import Situation, next_step, offered
from napari_sam2._qt.image_choice import ImageChooser
from napari_sam2._qt.runner import RunProgress
from napari_sam2._qt.sections import PanelParts
from napari_sam2._qt.slots import Slots
from napari_sam2._qt.timeline import ABSENT, FOUND, IMPORTED, STALE, TRACKED
from napari_sam2._qt.tools import tool_in_hand
from napari_sam2._qt.workbench import Workbench
from napari_sam2.session.looks import size_misfit

if TYPE_CHECKING:
    import napari

    from napari_sam2.session.session import Session
    from napari_sam2.session.settings import SessionSettings
    from napari_sam2.viewer import SessionBinding

_REFRESH_MS = 100


class PanelState(QObject):
    """Refreshes the parts of a panel; see the module.

    Signal: `run_shown()` when a propagation has begun and its row, with Stop, is there.
    """

    run_shown = Signal()

    def __init__(
        self, viewer: napari.viewer.Viewer, bench: Workbench, chooser: ImageChooser, parts: PanelParts, slots: Slots
    ) -> None:
        super().__init__(parts.hint)
        self._viewer = viewer
        self._bench = bench
        self._chooser = chooser
        self._parts = parts
        self._objects = parts.objects.model
        self._binding: SessionBinding | None = None
        self._settings: SessionSettings | None = None
        self._running = ""
        self._reveals = False
        self._rows: set[int] | None = None  # those to read again; None for all
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REFRESH_MS)
        self._connect(slots)
        viewer.dims.events.current_step.connect(self._on_frame)
        viewer.layers.selection.events.active.connect(self.refresh_soon)
        self._on_bench()

    def _connect(self, slots: Slots) -> None:
        slots.connect(self._timer.timeout, self.refresh)
        slots.connect(self._bench.changed, self._on_bench)
        slots.connect(self._bench.edited, self._on_edited)
        slots.connect(self._bench.masks_changed, self._on_masks, 1)
        slots.connect(self._bench.progressed, self._on_progress, 1)
        slots.connect(self._bench.idle, self._on_idle)
        slots.connect(self._chooser.files.found, self.refresh_soon)
        slots.connect(self._bench.downloading, self._on_download, 3)
        slots.connect(self._parts.objects.table.selectionModel().selectionChanged, self.refresh_soon)

    @property
    def is_due(self) -> bool:
        """Whether something has changed that is not shown yet."""
        return self._timer.isActive()

    def refresh_soon(self, *event: Any) -> None:
        """Refresh within a tenth of a second."""
        if not self._timer.isActive():
            self._timer.start()

    def close(self) -> None:
        """Let go of the viewer."""
        self._timer.stop()
        self._follow(None)
        self._viewer.dims.events.current_step.disconnect(self._on_frame)
        self._viewer.layers.selection.events.active.disconnect(self.refresh_soon)

    def refresh(self) -> None:
        """Show everything as it is now."""
        rows, self._rows = self._rows, set()
        if rows is None:
            self._objects.reload()
        else:
            self._objects.refresh(rows)
        now = self.situation()
        self._show_hint(now)
        self._show_buttons(now)
        self._show_current()
        if self._reveals:  # the row with Stop, which came below Propagate
            self._reveals = False
            self.run_shown.emit()

    def situation(self) -> Situation:
        """Return where the work stands."""
        session, bench = self._bench.session, self._bench
        making, sought = self._chooser.is_making_sample, "" if bench.sought is None else bench.sought.name
        if session is None:
            has_image = bool(self._chooser.images()) or making
            opening = has_image and (bench.is_opening or making)
            return Situation(has_image=has_image, is_opening=opening, is_refused=not opening, sought=sought)
        works_at, shown_at = self._chooser.places()
        deciding = None if bench.binding is None else bench.binding.deciding
        stale = self._objects.count(STALE)
        return Situation(
            has_image=True,
            prompts=len(session.document.prompts),
            running=self._running,
            tracked=self._objects.count(TRACKED) + self._objects.count(ABSENT) + stale,
            stale=stale,
            is_saved=session.folder is not None and not session.unsaved,
            is_single=session.frame_count == 1,
            axis="slice" if session.settings.track_axis == "Z" else "frame",
            can_resume=self._can_resume,
            works_at=works_at,
            shown_at=shown_at,
            missing="" if bench.binding is None or bench.binding.sight.is_there else bench.binding.image.name,
            sought=sought,
            left_out=self._chooser.files.left_out,
            misfit=size_misfit(session.settings, session.document, session.masks),
            linked=self._objects.count(FOUND) + self._objects.count(IMPORTED),
            found=0 if deciding is None else deciding.counts()[1],
            linkable=deciding is not None and deciding.can_link and deciding.proposals.on_several_frames,
            saved_as="" if (folder := self._chooser.offered_folder()) is None else folder.name,
        )

    @property
    def _can_resume(self) -> bool:
        """Whether a run was interrupted and can go on; not while anything runs."""
        binding = self._bench.binding
        return self._bench.session is not None and binding is not None and binding.work.can_resume

    def _show_hint(self, now: Situation) -> None:
        hint = self._parts.hint
        text = next_step(now)
        if text != hint.text():
            hint.show_text(text)
        hint.button.setText(offered(now))
        hint.button.setVisible(bool(offered(now)))

    def _show_buttons(self, now: Situation) -> None:
        parts, session = self._parts, self._bench.session
        is_open = session is not None
        saving = (parts.saving.save, parts.saving.bring)
        for part in (parts.objects.new, parts.prompts.clear, *saving, *parts.prompts.tools.values()):
            part.setEnabled(is_open)
        prompted = session is not None and bool(session.document.prompts)
        has_work = session is not None and session.holds_work
        parts.prompts.show_history(
            session.undo_text if session is not None and session.can_undo else None,
            session.redo_text if session is not None and session.can_redo else None,
        )
        parts.propagate.show_startable(prompted and self._running not in {"propagate", "find"})
        parts.propagate.show_resumable(self._can_resume)
        parts.prompts.keys.setEnabled(not self._bench.is_opening)
        parts.objects.tracks.setEnabled(bool(self._objects.known))
        parts.objects.doubtful.setEnabled(now.tracked + now.linked > 0)
        parts.model_section.looks.show_text("" if session is None else _for_panel(session.view_sentence))
        parts.saving.export.setEnabled(has_work)
        parts.saving.open.setEnabled(not self._bench.is_opening)
        parts.image.set_settled(has_work)
        parts.objects.show_selection(parts.objects.table.selected_ids())
        parts.saving.place.show_text("" if session is None else _place_of(session))

    def _show_current(self) -> None:
        parts, binding, session = self._parts, self._bench.binding, self._bench.session
        parts.objects.current.setVisible(binding is not None)
        self._show_mending(binding is not None and (len(binding.prompts.layers()) < 2 or not binding.labels.layers))
        if binding is None or session is None:
            parts.prompts.show_tool("")
            return
        current = binding.current
        tool = tool_in_hand(self._viewer, binding)
        if tool == "decide":
            parts.objects.show_deciding(session.document.next_object_id())
        else:
            exists = current.next_id in session.document.objects
            parts.objects.show_current(current.next_id, exists, current.polarity == "in")
        parts.prompts.show_each_new(binding.each_click_is_new_object)
        parts.objects.table.select_object(current.object_id)
        parts.prompts.show_tool(tool)

    def _show_mending(self, is_needed: bool) -> None:
        """Offer to make layers again where some are not there; what was told of them goes once they are."""
        message = self._parts.message
        if not is_needed and not message.button.isHidden() and message.kind != "error":
            message.setVisible(False)
        message.button.setVisible(is_needed)

    def _on_bench(self) -> None:
        session = self._bench.session
        self._objects.set_session(session)
        self._follow(self._bench.binding)
        self._running = ""
        self._parts.propagate.show_idle()
        if session is not None:
            self._parts.propagate.show_frames(session.frame_count)
            self._parts.propagate.prepare()
            self._parts.model_section.show_settings(session.settings)
        self._settings = None if session is None else session.settings
        self._on_frame()
        self.refresh()

    def _follow(self, binding: SessionBinding | None) -> None:
        """Listen to the current object of a binding, and no longer to the one before."""
        if self._binding is not None:
            self._binding.current.changed.disconnect(self.refresh_soon)
            self._binding.actions.looked_at.disconnect(self._on_doubtful)
        self._binding = binding
        if binding is not None:
            binding.current.changed.connect(self.refresh_soon)
            binding.actions.looked_at.connect(self._on_doubtful)

    def _on_doubtful(self, place: object) -> None:
        if self._binding is not None:
            self._parts.objects.table.mark_doubtful(self._binding.current.object_id, self._binding.frame)

    def _on_edited(self) -> None:
        self._rows = None
        session = self._bench.session
        if session is not None and session.settings != self._settings:  # Undo takes settings back as well
            self._settings = session.settings
            self._parts.model_section.show_settings(session.settings)
            self._chooser.show_session()
        self.refresh_soon()

    def _on_masks(self, object_ids: tuple[int, ...]) -> None:
        if self._rows is not None:
            self._rows.update(object_ids)
        self.refresh_soon()

    def _on_frame(self, event: Any = None) -> None:
        binding = self._bench.binding
        if binding is not None:
            self._parts.objects.table.set_frame(binding.frame)
            if binding.grid.held or binding.session.document.proposals:
                self.refresh_soon()

    def _on_progress(self, progress: RunProgress) -> None:
        if progress.kind == "propagate" and self._running != "propagate":
            self._reveals = True
        self._running = progress.kind
        if progress.kind in ("find", "link"):  # shown where it was asked for
            self.refresh_soon()
            return
        text = "Finding …" if progress.kind == "preview" else f"{progress.done} of {progress.total}"
        if progress.total == 0:
            text = "Getting the model ready …"
        if progress.seconds_left is not None and progress.kind == "propagate":
            text += f", {_duration(progress.seconds_left)} left"
        self._parts.propagate.show_running(progress.done, progress.total, text)
        self.refresh_soon()

    def _on_download(self, name: str, done_kb: int, total_kb: int) -> None:
        text = f"Downloading {name}: {done_kb / 1e3:.0f} of {total_kb / 1e3:.0f} MB"
        self._parts.propagate.show_running(done_kb, total_kb, text)

    def _on_idle(self) -> None:
        self._running = ""
        self._parts.propagate.show_idle()
        self.refresh_soon()


def _for_panel(sentence: str) -> str:
    """Return what a session says of its view in words of the panel's."""
    return sentence.replace("give --object-diameter in pixels", "set the object size")


def _duration(seconds: float) -> str:
    """Return a time for people: "9 s", "3 min", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _place_of(session: Session) -> str:
    """Return where a session is saved, or why its last changes are not; empty before it is saved for the first time."""
    if session.unsaved:
        return f"Not saved: {session.unsaved}"
    return "" if session.folder is None else f"Saved in {session.folder}"
