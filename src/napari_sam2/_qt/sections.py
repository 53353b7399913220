"""The parts of the main panel from top to bottom: forms and buttons only. The panel connects them.

Each section says what was chosen (`choice`) and takes what to show (`show_...`); none knows a session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QButtonGroup, QCheckBox, QGridLayout, QWidget
from superqt.utils import signals_blocked

from napari_sam2._qt.find_section import FindSection
from napari_sam2._qt.held_axes import HeldAxes
from napari_sam2._qt.hints import shortened
from napari_sam2._qt.model_catalogue import ModelRow
from napari_sam2._qt.objects_model import ObjectsModel
from napari_sam2._qt.objects_section import ObjectsSection
from napari_sam2._qt.parts import Combo, IconButton, ProgressBar, Section, ToolButton, form, row_of
from napari_sam2._qt.propagate_section import PropagateSection
from napari_sam2._qt.setting_fields import ChoiceField, PixelsField, TickField
from napari_sam2._qt.texts import ElidedLabel, InfoLine, TextLabel, told_number
from napari_sam2.session.settings import SessionSettings

TOOLS = (
    ("inside", "Inside", "new_points", "Click inside the object"),
    ("outside", "Outside", "minus", "Click where the object is not"),
    ("box", "Box", "rectangle", "Drag a box around the object"),
    ("lasso", "Lasso", "polygon_lasso", "Draw around the object"),
    ("paint", "Paint", "paint", "Paint the object's mask"),
    ("decide", "Decide", "check", "Click on a found cell to accept it, beside the cells to add one that is missing"),
)

_SHORT = 3
_IN_A_ROW = 8
"""Channels with short names, which are numbers, stand beside each other."""
_CONTRAST_TIP = "Let the model see the contrast that the layer now shows; masks turn stale, Undo brings them back"


class ImageSection(Section):
    """Which layer, what its axes are, along which one objects are followed, which channels the model sees.

    Signals: `channels_chosen()` when a person ticks or unticks a channel; `grown()` when boxes came for more of them.
    """

    channels_chosen = Signal()
    grown = Signal()

    def __init__(self) -> None:
        super().__init__("Image")
        self.layers = Combo([], "The image that is worked on")
        self.axes = Combo([], "What the dimensions are: T time, Z depth, C channel, Y and X")
        self.axes.setEditable(True)
        self.track = Combo([("Time (T)", "T"), ("Depth (Z)", "Z")], "The axis along which objects are followed")
        self.held = HeldAxes()
        self.held.grown.connect(self._order_tabs)
        self.channels = QGridLayout()
        self.channel_boxes: list[QCheckBox] = []  # no layout is asked: PySide would keep its answers of items long gone
        self._channels_row = QWidget()
        self._channels_row.setLayout(self.channels)
        self.channels.setContentsMargins(0, 0, 0, 0)
        self.channels.setSpacing(4)
        self.contrast = ElidedLabel()
        self.use_contrast = IconButton("Use the contrast shown", "visibility", _CONTRAST_TIP)
        self._form = form()
        self._form.addRow("Layer", self.layers)
        self._form.addRow("Axes", self.axes)
        self._form.addRow("Follow along", self.track)
        self._form.addRow("Work at", self.held)
        self._form.addRow("Channels", self._channels_row)
        contrast = row_of(self.contrast)
        contrast.addWidget(self.use_contrast, 0)
        self._form.addRow("Contrast", contrast)
        self.body.addLayout(self._form)
        self.show_axes("", ())
        self.show_channels((), ())
        self.show_held({}, {})
        self.show_contrast(None, differs=False)
        self._is_settled = False

    def show_layers(self, names: Sequence[str], current: int) -> None:
        """List the image layers without saying that one was chosen; none is for -1."""
        with signals_blocked(self.layers):
            self.layers.clear()
            self.layers.addItems(list(names))
            self.layers.setCurrentIndex(current)
        self._show_title()

    def show_axes(self, axes: str, offered: Sequence[str]) -> None:
        """Show how the dimensions are read, and other readings."""
        with signals_blocked(self.axes):
            self.axes.clear()
            self.axes.addItems([*dict.fromkeys([*([axes] if axes else []), *offered])])
            self.axes.setCurrentText(axes)
        self._form.setRowVisible(self.track, "T" in axes and "Z" in axes)

    def show_held(self, held: Mapping[str, int], sizes: Mapping[str, int]) -> None:
        """Show where the axes stand at which the session is held."""
        self.held.show_places(held, sizes)
        self._form.setRowVisible(self.held, bool(held))

    def ticked_channels(self) -> tuple[int, ...]:
        """Return the ticked channels; none where there is no choice."""
        return tuple(place for place, box in enumerate(self.channel_boxes) if box.isChecked())

    def show_contrast(self, limits: Sequence[tuple[float, float]] | None, *, differs: bool) -> None:
        """Show which values the model sees as black and white, and whether the layer shows others."""
        pairs = ", ".join(f"{told_number(low)} – {told_number(high)}" for low, high in limits or ())
        self.contrast.show_text(pairs or "automatic")
        self.use_contrast.setEnabled(differs)
        self._show_title()

    @property
    def has_choices(self) -> bool:
        """Whether there is something that a person has to choose: an axis, a place, a channel."""
        return any(self._form.isRowVisible(row) for row in (self.track, self.held, self._channels_row))

    def _show_title(self) -> None:
        """Say in the title which image it is, so that the section can be folded."""
        name, differs = shortened(self.layers.currentText(), 20), self.use_contrast.isEnabled()
        title = f"Image: {name}{' (other contrast)' if differs else ''}" if name else "Image"
        if title != self.text():
            self.setText(title)

    def set_settled(self, settled: bool) -> None:
        """Close what cannot change once there are prompts, and fold when that has become so."""
        if settled and not self._is_settled:
            self.collapse()
        self._is_settled = settled
        tip = "Settled with the first prompt; choose the layer again in a new viewer to begin anew" if settled else ""
        for field in (self.axes, self.track):
            field.setEnabled(not settled)
            field.setToolTip(tip or field.toolTip())

    def show_channels(self, names: Sequence[str], seen: Sequence[int]) -> None:
        """Show a box for each channel, ticked where the model sees it; none where there is no choice."""
        before = len(self.channel_boxes)
        for box in self.channel_boxes[len(names) :]:
            self.channels.removeWidget(box)
            box.deleteLater()
        self.channel_boxes = [*self.channel_boxes[: len(names)], *(self._made_box() for _ in names[before:])]
        in_a_row = _IN_A_ROW if all(len(name) <= _SHORT for name in names) else 1
        for index, (box, name) in enumerate(zip(self.channel_boxes, names, strict=True)):
            self.channels.addWidget(box, index // in_a_row, index % in_a_row)
            box.setText(shortened(name).replace("&", "&&"))
            box.setToolTip(f"Whether the model sees {name}; up to three at once")
            with signals_blocked(box):
                box.setChecked(index in seen)
        self._form.setRowVisible(self._channels_row, len(names) > 1)
        if len(names) > before:
            self._order_tabs()
            self.grown.emit()

    def _order_tabs(self) -> None:
        """Let Tab come to boxes where they stand, and not behind everything that was there before them."""
        in_order = (self.layers, self.axes, self.track, *self.held.boxes.values(), *self.channel_boxes)
        for before, after in pairwise((*in_order, self.use_contrast)):
            QWidget.setTabOrder(before, after)

    def _made_box(self) -> QCheckBox:
        box = QCheckBox()
        box.toggled.connect(self.channels_chosen)
        return box


class ModelSection(Section):
    """Which model, where it runs, and how it looks at the image.

    Signal: `edited()` when a person changed a setting.
    """

    edited = Signal()

    def __init__(self) -> None:
        super().__init__("Model", expanded=False)
        self.model, self.device = ChoiceField("model"), ChoiceField("device")
        self.view, self.overlaps = ChoiceField("view"), ChoiceField("overlaps")
        self.diameter, self.even_out = PixelsField("object_diameter_px"), TickField("even_out")
        self.fields = (self.model, self.device, self.diameter, self.view, self.overlaps, self.even_out)
        self.manage = IconButton("", "plus", "Open the Models panel: download, add or remove models")
        self.manage.setFixedWidth(28)
        self.measure = IconButton("Measure", "line", "Draw a line across an object; its length is taken")
        self.progress = ProgressBar()
        self.progress.setAccessibleName("How far the download is")
        self.cancel = IconButton("Cancel", "playback-stop", "Stop the download; it can go on later")
        self.downloading = QWidget()
        self.downloading.setLayout(row_of(self.progress, self.cancel))
        self.downloading.setVisible(False)
        self._models: dict[str, ModelRow] = {}
        self.looks = TextLabel()
        self.looks.setStyleSheet("font-size: 8pt;")
        self._lay_out()
        for box in (self.model, self.device, self.view, self.overlaps):
            box.currentIndexChanged.connect(self.edited)
        self.even_out.toggled.connect(self.edited)
        self.diameter.valueChanged.connect(self.edited)

    def _lay_out(self) -> None:
        rows, beside = form(), {self.model.name: self.manage, self.diameter.name: self.measure}
        for field in self.fields:
            if field.name in beside:
                row = row_of(field)
                row.addWidget(beside[field.name], 0)
                rows.addRow(field.title, row)
            else:
                rows.addRow(field.title, field)
        self.body.addLayout(rows)
        self.body.addWidget(self.downloading)
        self.body.addWidget(self.looks)

    def choice(self) -> dict[str, object]:
        """Return what was chosen, named as the fields of `SessionSettings`."""
        return {field.name: field.chosen() for field in self.fields}

    def model_row(self, name: str) -> ModelRow | None:
        """Return what is known of a model; None of a path, or before the models were listed."""
        return self._models.get(name)

    def show_settings(self, settings: SessionSettings) -> None:
        """Show settings without saying that one was chosen."""
        told = settings.model_dump()
        for field in self.fields:
            with signals_blocked(field):
                field.show_value(told[field.name])
        self.setText(f"Model: {settings.model}")

    def show_models(self, models: Sequence[ModelRow]) -> None:
        """List the models that can be chosen; the one that is chosen stays."""
        chosen = self.model.chosen()
        self._models = {row.name: row for row in models}
        with signals_blocked(self.model):
            self.model.clear()
            for row in models:
                self.model.addItem(row.label, row.name)
            self.model.show_value(chosen)


class PromptsSection(Section):
    """What the next click in the image means, and undo."""

    def __init__(self) -> None:
        super().__init__("Prompts")
        self.group = QButtonGroup(self)
        self.tools: dict[str, ToolButton] = {}
        for name, text, icon, tip in TOOLS:
            self.tools[name] = ToolButton(text, icon, tip)
            self.group.addButton(self.tools[name])
        self.undo = IconButton("Undo", "left_arrow", "Take the last edit back")
        self.redo = IconButton("Redo", "right_arrow", "Do it again")
        self.clear = IconButton("Clear", "delete", "Remove the object's prompts on the frame that is shown")
        self.keys = IconButton("", "help", "Show the keys")
        self.keys.setFixedWidth(28)
        self.each_new = QCheckBox("Each click is a new object")
        self.each_new.setToolTip("Every click inside, box or outline begins an object of its own, without M")
        drawing = [tool for name, tool in self.tools.items() if name != "decide"]
        self.body.addLayout(row_of(*drawing))
        self.tools["decide"].setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.body.addLayout(row_of(self.each_new, self.tools["decide"]))
        edits = row_of(self.undo, self.redo, self.clear)
        edits.addWidget(self.keys, 0)
        self.body.addLayout(edits)

    def show_history(self, undo: str | None, redo: str | None) -> None:
        """Offer what can be undone and redone, by the words for it; None where there is nothing."""
        for button, done, tip in ((self.undo, undo, "Take back"), (self.redo, redo, "Do again")):
            button.setEnabled(done is not None)
            button.setToolTip(f"{tip}: {done}" if done else f"{tip} the last edit")

    def show_each_new(self, each_is_new: bool) -> None:
        """Show whether each click is a new object, without saying that somebody chose it."""
        with signals_blocked(self.each_new):
            self.each_new.setChecked(each_is_new)

    def show_tool(self, name: str) -> None:
        """Show which tool is in hand; none where the name is not one."""
        self.group.setExclusive(False)
        for known, button in self.tools.items():
            button.setChecked(known == name)
        self.group.setExclusive(True)


class SaveSection(Section):
    """Keep the work, open earlier work, bring in tracks, hand the labels on."""

    def __init__(self) -> None:
        super().__init__("Save")
        self.save = IconButton("Save", "copy_to_clipboard", "Save prompts, masks and settings as a session folder")
        self.open = IconButton("Open …", "new_image", "Open a session folder")
        self.bring = IconButton("", "new_tracks", "Import tracks of other programs, of files or of layers")
        self.bring.setFixedWidth(28)
        self.export = IconButton("Export …", "pop_out", "Write labels, or all formats: tables, CTC, GEFF")
        self.place = ElidedLabel()
        buttons = row_of(self.save, self.open, self.export)
        buttons.addWidget(self.bring, 0)
        self.body.addLayout(buttons)
        self.body.addWidget(self.place)


class PanelParts:
    """What stands in the panel from top to bottom: the lines for hint and message, and the sections between them."""

    def __init__(self, objects: ObjectsModel) -> None:
        self.hint = InfoLine("Open sample")
        self.image = ImageSection()
        self.model_section = ModelSection()
        self.objects = ObjectsSection(objects)
        self.prompts = PromptsSection()
        self.find = FindSection()
        self.propagate = PropagateSection()
        self.saving = SaveSection()
        self.message = InfoLine("Restore layers")
        self.message.button.setVisible(False)
        self.message.setVisible(False)

    def sections(self) -> tuple[Section, ...]:
        """Return the sections from top to bottom."""
        return (self.image, self.model_section, self.objects, self.prompts, self.find, self.propagate, self.saving)
