"""What the buttons for objects, prompts, runs and files do: each asks the session or its binding for one thing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog

from napari_sam2._qt.keys_window import KeysWindow
from napari_sam2._qt.questions import asked_folder, asked_path, file_name, with_ending
from napari_sam2._qt.review_panel import open_review
from napari_sam2._qt.sections import PanelParts
from napari_sam2._qt.slots import Slots
from napari_sam2._qt.tools import take_tool, tool_in_hand
from napari_sam2._qt.window_keys import WindowKeys
from napari_sam2._qt.workbench import Workbench
from napari_sam2.io.label_files import LABEL_SUFFIXES
from napari_sam2.session.parentage import told_alone

if TYPE_CHECKING:
    import napari

    from napari_sam2.viewer import SessionBinding

EVERYTHING = "All formats in a folder: labels, tables, CTC, GEFF (*)"
"""Kind of files that stands for every format, as the dialog names it."""
_LABEL_FILES = f"Label stack (*.tif);;Zarr (*.zarr);;{EVERYTHING}"


def label_path(chosen: str, kind: str) -> Path:
    """Return where labels go for a name and a kind of files as a dialog tells them: with the ending of a format."""
    path = Path(chosen)
    if kind == EVERYTHING or path.suffix.lower() in LABEL_SUFFIXES:
        return path
    return with_ending(chosen, ".zarr" if ".zarr" in kind else ".tif")


class PanelActions(QObject):
    """Connects the sections of a panel; see the module.

    Signal: `done()` after each.
    """

    done = Signal()

    def __init__(self, viewer: napari.viewer.Viewer, bench: Workbench, parts: PanelParts, slots: Slots) -> None:
        super().__init__(parts.hint)
        self._viewer = viewer
        self._bench = bench
        self._parts = parts
        self._keys = WindowKeys(viewer, bench, slots)
        self._connect_objects(slots)
        self._connect_prompts(slots)
        slots.connect(parts.message.pressed, self._with_binding(lambda binding: binding.make_layers()))
        slots.connect(parts.saving.save.clicked, self.save)
        slots.connect(parts.saving.open.clicked, self.open_folder)
        slots.connect(parts.saving.export.clicked, self.export)
        slots.connect(bench.changed, self.begin)
        self.begin()

    def _connect_objects(self, slots: Slots) -> None:
        objects, do = self._parts.objects, self._with_binding
        slots.connect(objects.new.clicked, self.new_object)
        slots.connect(objects.merge.clicked, do(self._merge))
        slots.connect(objects.swap.clicked, do(self._swap))
        slots.connect(objects.remove.clicked, do(self._remove))
        slots.connect(objects.doubtful.clicked, do(lambda binding: binding.next_suspicious()))
        slots.connect(objects.review.clicked, self.open_review)
        slots.connect(objects.tracks.clicked, do(lambda binding: binding.toggle_tracks()))
        slots.connect(objects.table.frame_chosen, do(lambda binding, frame: binding.show_frame(frame)), 1)
        slots.connect(objects.table.object_chosen, do(lambda binding, chosen: binding.current.choose(chosen)), 1)

    def _connect_prompts(self, slots: Slots) -> None:
        prompts, propagate, do = self._parts.prompts, self._parts.propagate, self._with_binding
        for name, button in prompts.tools.items():
            slots.connect(button.clicked, partial(self.take_tool, name))
        slots.connect(prompts.each_new.toggled, do(_set_each_new), 1)
        slots.connect(prompts.undo.clicked, do(lambda binding: binding.undo()))
        slots.connect(prompts.redo.clicked, do(lambda binding: binding.redo()))
        slots.connect(prompts.clear.clicked, do(self._clear_frame))
        slots.connect(prompts.keys.clicked, self.show_keys)
        slots.connect(propagate.go.clicked, do(self._propagate))
        slots.connect(propagate.again.triggered, do(lambda binding: self._propagate(binding, again=True)))
        slots.connect(propagate.stop.clicked, do(lambda binding: binding.stop()))
        slots.connect(propagate.resume.clicked, do(lambda binding: binding.resume()))

    def close(self) -> None:
        """Let go of the viewer's window, and of the session, which goes on."""
        self._keys.close()
        if self._bench.binding is not None:
            self._bench.binding.actions.lineage.chosen = tuple

    def begin(self) -> None:
        """Put the click tool in hand for a session that has just been opened, unless another tool is."""
        binding = self._bench.binding
        if binding is not None:
            binding.actions.lineage.chosen = self._parts.objects.table.selected_ids
        if self._bench.session is not None and binding is not None and not tool_in_hand(self._viewer, binding):
            self.take_tool("inside")

    def new_object(self) -> None:
        """Let the next click begin a new object, with the click tool in hand."""
        if self._bench.binding is not None:
            self._bench.binding.new_object()
            self.take_tool("inside")

    def open_review(self) -> None:
        """Open the panel to review what was tracked."""
        open_review(self._viewer)

    def take_tool(self, name: str) -> None:
        """Put a tool for prompts in hand."""
        if self._bench.binding is not None:
            take_tool(self._viewer, self._bench.binding, name)
            self.done.emit()

    def show_keys(self) -> None:
        """Show which keys there are."""
        KeysWindow(self._parts.prompts).show()

    def save(self) -> None:
        """Save where the session is saved already, or ask for a folder where there is none, or none any more."""
        session = self._bench.session
        if session is None:
            return
        if session.folder is not None and not session.saving.is_folder_lost:
            self._bench.save(None)
        elif chosen := asked_folder(session, self._bench.image, self._parts.saving):
            self._bench.save(chosen)

    def open_folder(self) -> None:
        """Ask for a session folder and open it, after asking if work would be lost."""
        chosen = QFileDialog.getExistingDirectory(self._parts.saving, "Open a session folder")
        if chosen and self._bench.may_leave():
            self._bench.open_folder(Path(chosen))

    def export(self) -> None:
        """Ask for a file and write the labels into it, or all formats into a folder.

        A name without an ending gets that of the chosen format.
        """
        name = file_name(self._bench.image)
        asked = asked_path("Export the labels", f"{name}_labels.tif", _LABEL_FILES, label_path, self._parts.saving)
        if asked is not None:
            path, kind = asked
            self._bench.export(path, everything=kind == EVERYTHING)

    def _with_binding(self, do: Callable[..., object]) -> Callable[..., None]:
        """Return what does something with the binding, where a session is open."""

        @wraps(do)
        def done(*values: object) -> None:
            if self._bench.binding is not None:
                do(self._bench.binding, *values)
                self.done.emit()

        return done

    def _merge(self, binding: SessionBinding) -> None:
        """Make the chosen objects one, under the lowest number."""
        into, *others = self._parts.objects.table.selected_ids()
        self._tell_alone(binding, binding.session.merge_objects(into, others))

    def _swap(self, binding: SessionBinding) -> None:
        """Exchange the two chosen objects from the frame in view on."""
        first, second = self._parts.objects.table.selected_ids()
        self._tell_alone(binding, binding.session.swap_objects(first, second, binding.frame))

    @staticmethod
    def _tell_alone(binding: SessionBinding, object_ids: Sequence[int]) -> None:
        if object_ids:
            binding.notify(told_alone(object_ids).strip())

    def _remove(self, binding: SessionBinding) -> None:
        """Delete the chosen objects; Undo brings them back."""
        binding.session.remove_object(self._parts.objects.table.selected_ids())

    def _clear_frame(self, binding: SessionBinding) -> None:
        """Remove what was prompted for the current object on the frame in view."""
        key = (binding.current.object_id, binding.frame)
        if key in binding.session.document.prompts:
            binding.session.set_prompts({key: None}, f"clear object {key[0]} on frame {key[1]}")
        else:
            self._bench.said.emit(f"Object {key[0]} has no prompt on this frame.")

    def _propagate(self, binding: SessionBinding, again: bool = False) -> None:
        """Start a run as chosen: of what is stale or missing, or again from scratch."""
        selected = self._parts.objects.table.selected_ids() or (binding.current.object_id,)
        binding.work.propagate(self._parts.propagate.choice(selected, again))


def _set_each_new(binding: SessionBinding, each_is_new: bool) -> None:
    binding.each_click_is_new_object = each_is_new
