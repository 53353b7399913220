"""What the buttons for objects, prompts, runs and files do: each asks the session or its binding for one thing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog

from napari_sam2._qt.keys_window import KeysWindow
from napari_sam2._qt.questions import asked_folder
from napari_sam2._qt.sections import PanelParts
from napari_sam2._qt.slots import Slots
from napari_sam2._qt.tools import take_tool
from napari_sam2._qt.workbench import Workbench

if TYPE_CHECKING:
    import napari

    from napari_sam2.viewer import SessionBinding

_LABEL_FILES = "Label stack (*.tif);;Zarr (*.zarr)"


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
        slots.connect(objects.table.frame_chosen, do(lambda binding, frame: binding.show_frame(frame)), 1)
        slots.connect(objects.table.object_chosen, do(lambda binding, chosen: binding.current.choose(chosen)), 1)

    def _connect_prompts(self, slots: Slots) -> None:
        prompts, propagate, do = self._parts.prompts, self._parts.propagate, self._with_binding
        for name, button in prompts.tools.items():
            slots.connect(button.clicked, partial(self.take_tool, name))
        slots.connect(prompts.undo.clicked, do(lambda binding: binding.undo()))
        slots.connect(prompts.redo.clicked, do(lambda binding: binding.redo()))
        slots.connect(prompts.clear.clicked, do(self._clear_frame))
        slots.connect(prompts.keys.clicked, self.show_keys)
        slots.connect(propagate.go.clicked, do(self._propagate))
        slots.connect(propagate.stop.clicked, do(lambda binding: binding.stop()))
        slots.connect(propagate.resume.clicked, do(lambda binding: binding.resume()))

    def begin(self) -> None:
        """Put the click tool in hand for a session in which nothing was pointed at yet."""
        if self._bench.session is not None and not self._bench.session.document.prompts:
            self.take_tool("inside")

    def new_object(self) -> None:
        """Let the next click begin a new object, with the click tool in hand."""
        if self._bench.binding is not None:
            self._bench.binding.new_object()
            self.take_tool("inside")

    def take_tool(self, name: str) -> None:
        """Put a tool for prompts in hand."""
        if self._bench.binding is not None:
            take_tool(self._viewer, self._bench.binding, name)
            self.done.emit()

    def show_keys(self) -> None:
        """Show which keys there are."""
        KeysWindow(self._parts.prompts).show()

    def save(self) -> None:
        """Save where the session is saved already, or ask for a folder."""
        if self._bench.session is not None and self._bench.session.folder is not None:
            self._bench.save(None)
        elif chosen := asked_folder(self._bench.session, self._parts.saving):
            self._bench.save(chosen)

    def open_folder(self) -> None:
        """Ask for a session folder and open it, after asking if work would be lost."""
        chosen = QFileDialog.getExistingDirectory(self._parts.saving, "Open a session folder")
        if chosen and self._bench.may_leave():
            self._bench.open_folder(Path(chosen))

    def export(self) -> None:
        """Ask for a file and write the labels into it."""
        session, title = self._bench.session, "Export the labels"
        name = "session" if session is None else Path(session.stack.name).stem
        chosen, _ = QFileDialog.getSaveFileName(self._parts.saving, title, f"{name}_labels.tif", _LABEL_FILES)
        if chosen:
            self._bench.export(Path(chosen))

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
        for other in others:
            binding.session.merge_objects(into, other)

    def _swap(self, binding: SessionBinding) -> None:
        """Exchange the two chosen objects from the frame in view on."""
        first, second = self._parts.objects.table.selected_ids()
        binding.session.swap_objects(first, second, binding.frame)

    def _remove(self, binding: SessionBinding) -> None:
        """Delete the chosen objects; Undo brings them back."""
        for object_id in self._parts.objects.table.selected_ids():
            binding.session.remove_object(object_id)

    def _clear_frame(self, binding: SessionBinding) -> None:
        """Remove what was prompted for the current object on the frame in view."""
        key = (binding.current.object_id, binding.frame)
        if key in binding.session.document.prompts:
            binding.session.set_prompts({key: None}, f"clear object {key[0]} on frame {key[1]}")
        else:
            self._bench.said.emit(f"Object {key[0]} has no prompt on this frame.")

    def _propagate(self, binding: SessionBinding) -> None:
        """Start a run as chosen."""
        selected = self._parts.objects.table.selected_ids() or (binding.current.object_id,)
        binding.work.propagate(self._parts.propagate.choice(selected))
