"""What the buttons of the main panel do: each asks the session or its binding for one thing."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog

from napari_sam2._qt.image_choice import limits_for
from napari_sam2._qt.model_catalogue import ModelRow, list_models
from napari_sam2._qt.tools import take_tool

if TYPE_CHECKING:
    from napari_sam2._qt.panel import SegmentAndTrackPanel

MOST_CHANNELS = 3
_LABEL_FILES = "Label stack (*.tif);;Zarr (*.zarr)"


class PanelActions:
    """Connects the sections of a panel; see the module."""

    def __init__(self, panel: SegmentAndTrackPanel) -> None:
        self._panel = panel
        self._bench = panel.bench
        self._connect_objects()
        self._connect_runs()
        self._connect_model()
        self.list_models()

    def _connect_objects(self) -> None:
        panel, connect = self._panel, self._panel.slots.connect
        connect(panel.objects.new.clicked, self.new_object)
        connect(panel.objects.merge.clicked, self.merge)
        connect(panel.objects.swap.clicked, self.swap)
        connect(panel.objects.remove.clicked, self.remove)
        connect(panel.objects.table.frame_chosen, self.show_frame, 1)
        connect(panel.objects.table.object_chosen, self.choose_object, 1)
        for name, button in panel.prompts.tools.items():
            connect(button.clicked, partial(self.take_tool, name))
        connect(panel.prompts.undo.clicked, self.undo)
        connect(panel.prompts.redo.clicked, self.redo)
        connect(panel.prompts.clear.clicked, self.clear_frame)
        connect(panel.prompts.keys.clicked, self.show_keys)
        connect(panel.objects.doubtful.clicked, self.next_doubtful)
        connect(panel.message.pressed, self.make_layers)
        connect(self._bench.changed, self.begin)

    def _connect_runs(self) -> None:
        panel, connect = self._panel, self._panel.slots.connect
        connect(panel.propagate.go.clicked, self.propagate)
        connect(panel.propagate.stop.clicked, self.stop)
        connect(panel.propagate.resume.clicked, self.resume)
        connect(panel.saving.save.clicked, self.save)
        connect(panel.saving.open.clicked, self.open_folder)
        connect(panel.saving.export.clicked, self.export)

    def _connect_model(self) -> None:
        self._panel.slots.connect(self._panel.image.channels_chosen, self.choose_channels)
        section, connect = self._panel.model_section, self._panel.slots.connect
        for box in (section.model, section.device, section.view, section.overlaps):
            connect(box.currentIndexChanged, self.change_settings)
        connect(section.even_out.toggled, self.change_settings)
        connect(section.diameter.valueChanged, self.change_settings)
        connect(section.measure.clicked, self.measure)
        connect(section.manage.clicked, self.open_models)

    # objects and prompts

    def begin(self) -> None:
        """Put the click tool in hand for a session in which nothing was pointed at yet."""
        if self._bench.session is not None and not self._session.document.prompts:
            self.take_tool("inside")

    def new_object(self) -> None:
        """Let the next click begin a new object, with the click tool in hand."""
        if self._bench.binding is not None:
            self._bench.binding.new_object()
            self.take_tool("inside")

    def merge(self) -> None:
        """Make the chosen objects one, under the lowest number."""
        into, *others = self._panel.objects.table.selected_ids()
        for other in others:
            self._session.merge_objects(into, other)

    def swap(self) -> None:
        """Exchange the two chosen objects from the frame in view on."""
        first, second = self._panel.objects.table.selected_ids()
        if self._bench.binding is not None:
            self._session.swap_objects(first, second, self._bench.binding.frame)

    def remove(self) -> None:
        """Delete the chosen objects; Undo brings them back."""
        for object_id in self._panel.objects.table.selected_ids():
            self._session.remove_object(object_id)

    def choose_object(self, object_id: int) -> None:
        """Make an object the one that the next click is for."""
        if self._bench.binding is not None:
            self._bench.binding.current.choose(object_id)

    def show_frame(self, frame: int) -> None:
        """Go to a frame."""
        if self._bench.binding is not None:
            self._bench.binding.show_frame(frame)

    def take_tool(self, name: str) -> None:
        """Put a tool for prompts in hand."""
        if self._bench.binding is not None:
            take_tool(self._panel.viewer, self._bench.binding, name)
            self._panel.state.refresh_soon()

    def make_layers(self) -> None:
        """Make layers again that were deleted."""
        if self._bench.binding is not None:
            self._bench.binding.make_layers()
            self._panel.state.refresh_soon()

    def undo(self) -> None:
        """Take the last edit back."""
        if self._bench.binding is not None:
            self._bench.binding.undo()

    def redo(self) -> None:
        """Make the edit again that was taken back last."""
        if self._bench.binding is not None:
            self._bench.binding.redo()

    def clear_frame(self) -> None:
        """Remove what was prompted for the current object on the frame in view."""
        binding = self._bench.binding
        if binding is None:
            return
        key = (binding.current.object_id, binding.frame)
        if key in self._session.document.prompts:
            self._session.set_prompts({key: None}, f"clear object {key[0]} on frame {key[1]}")
        else:
            self._panel.show_message(f"Object {key[0]} has no prompt on this frame.")

    def next_doubtful(self) -> None:
        """Go to the mask that looks most like a mistake."""
        if self._bench.binding is not None:
            self._bench.binding.next_suspicious()

    def show_keys(self) -> None:
        """Show which keys there are."""
        from napari_sam2._qt.keys_window import KeysWindow

        KeysWindow(self._panel).show()

    # runs and files

    def propagate(self) -> None:
        """Start a run as chosen."""
        choice, binding = self._panel.propagate.choice(), self._bench.binding
        if binding is None:
            return
        chosen = self._panel.objects.table.selected_ids() or (binding.current.object_id,)
        binding.propagate(
            choice.direction,
            frames=choice.frames,
            object_ids=chosen if choice.objects == "selected" else None,
            only_stale=choice.objects == "stale",
            until_next_prompt=choice.until_next_prompt,
        )
        self._panel.state.refresh_soon()

    def stop(self) -> None:
        """Stop what runs before its next frame."""
        if self._bench.binding is not None:
            self._bench.binding.stop()

    def resume(self) -> None:
        """Go on with the run that was interrupted."""
        if self._bench.binding is not None:
            self._bench.binding.resume()
            self._panel.state.refresh_soon()

    def save(self) -> None:
        """Save where the session is saved already, or ask for a folder."""
        if self._bench.session is not None and self._bench.session.folder is not None:
            self._bench.save(None)
            return
        chosen, _ = QFileDialog.getSaveFileName(self._panel, "Save the session as a folder", f"{self._name}.sam2")
        if chosen:
            self._bench.save(Path(chosen))

    def open_folder(self) -> None:
        """Ask for a session folder and open it, after asking if work would be lost."""
        chosen = QFileDialog.getExistingDirectory(self._panel, "Open a session folder")
        if chosen and self._panel.chooser.may_leave():
            self._bench.open_folder(Path(chosen))

    def export(self) -> None:
        """Ask for a file and write the labels into it."""
        suggestion = f"{self._name}_labels.tif"
        chosen, _ = QFileDialog.getSaveFileName(self._panel, "Export the labels", suggestion, _LABEL_FILES)
        if chosen:
            self._bench.export(Path(chosen))

    # model

    def change_settings(self) -> None:
        """Take the settings as they are shown; masks that they make void turn stale."""
        if self._bench.session is not None:
            self._session.change_settings(**self._panel.model_section.choice())
            self._panel.model_section.show_choice(self._session.settings.model_dump())
        self._show_prompted()

    def choose_channels(self) -> None:
        """Let the model see the ticked channels; prompts stay, masks turn stale and those of prompts come anew."""
        if self._bench.session is None:
            return
        ticked = self._panel.image.ticked_channels()
        if 1 <= len(ticked) <= MOST_CHANNELS:
            limits = limits_for(self._session, ticked)
            self._session.change_settings(channels=ticked, contrast_limits=limits)
            self._show_prompted()
        else:
            self._panel.chooser.show_session()
            few = "The model needs one channel at least; tick another one first."
            many = f"The model sees {MOST_CHANNELS} channels at once; untick one first."
            self._panel.show_message(many if ticked else few)

    def _show_prompted(self) -> None:
        if self._bench.binding is not None:
            self._bench.binding.work.preview()

    def measure(self) -> None:
        """Let a person draw a line across an object."""
        if self._bench.image is not None:
            self._panel.diameter_tool.start(self._bench.image)
            self._panel.show_message("Drag a line across one object; press Measure again to give up.")

    def open_models(self) -> None:
        """Show the Models panel beside this one."""
        from napari_sam2._qt.preferences import PLUGIN

        _, widget = self._panel.viewer.window.add_plugin_dock_widget(PLUGIN, "Models", tabify=True)
        widget.models_changed.connect(self.list_models)

    def list_models(self) -> None:
        """Read in a worker which models can be chosen."""
        self._bench.run(list_models, self._show_models)

    def _show_models(self, rows: tuple[ModelRow, ...]) -> None:
        box = self._panel.model_section.model
        chosen: Any = box.currentData()
        box.blockSignals(True)
        box.clear()
        for row in rows:
            box.addItem(row.name if row.is_here else f"{row.name} (download)", row.name)
        wanted = chosen if self._bench.session is None else self._bench.session.settings.model
        box.setCurrentIndex(max(box.findData(wanted), 0))
        box.blockSignals(False)

    @property
    def _session(self) -> Any:
        return self._bench.session

    @property
    def _name(self) -> str:
        return "session" if self._bench.session is None else Path(self._session.stack.name).stem
