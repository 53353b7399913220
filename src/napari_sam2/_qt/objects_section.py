"""The objects: the table as a tree with timelines, what is shown of it, and what can be done with the chosen ones."""

from __future__ import annotations

from napari_sam2._qt.objects_bar import ObjectsBar
from napari_sam2._qt.objects_model import ObjectsModel
from napari_sam2._qt.objects_table import ObjectsTable
from napari_sam2._qt.parts import IconButton, Section, row_of
from napari_sam2._qt.texts import ElidedLabel


class ObjectsSection(Section):
    """Table, buttons below it, and which object the next click is for."""

    def __init__(self, model: ObjectsModel) -> None:
        super().__init__("Objects")
        self.model = model
        self.table = ObjectsTable(model)
        self.bar = ObjectsBar(self.table)
        self.new = IconButton("New", "plus", "The next click begins a new object (M)")
        self.merge = IconButton("Merge", "move_front", "Make the chosen objects one, under the lowest number")
        self.swap = IconButton("Swap", "shuffle", "Exchange two objects from the frame that is shown on")
        self.remove = IconButton("Delete", "delete", "Delete the chosen objects with their masks and prompts")
        self.current = ElidedLabel()
        self.doubtful = IconButton("Next doubtful", "warning", "Go to the mask that looks most like a mistake (W)")
        self.review = IconButton("Review", "check", "Go through all places in doubt, the worst first, by keys")
        self.tracks = IconButton("", "new_tracks", "Show the tracks of all objects in a layer, or take it away")
        self.tracks.setFixedWidth(self.tracks.minimumWidth())
        self.body.addWidget(self.bar)
        self.body.addWidget(self.table)
        self.body.addLayout(row_of(self.new, self.merge, self.swap, self.remove))
        below = row_of(self.doubtful, self.review)
        below.addWidget(self.tracks, 0)
        self.body.addLayout(below)
        self.body.addWidget(self.current)
        model.counted.connect(self._show_bar)
        self._show_bar()
        self.show_selection(())

    def show_selection(self, object_ids: tuple[int, ...]) -> None:
        """Offer what can be done with so many objects."""
        self.merge.setEnabled(len(object_ids) >= 2)
        self.swap.setEnabled(len(object_ids) == 2)
        self.remove.setEnabled(len(object_ids) >= 1)

    def show_current(self, object_id: int, exists: bool, inside: bool) -> None:
        """Say whom the next click is for."""
        name = f"object {object_id}" if exists else f"a new object ({object_id})"
        self.current.show_text(f"Next click: {'in' if inside else 'outside of'} {name}")

    def show_deciding(self, new_id: int) -> None:
        """Say what the next click does where a person decides about what was found."""
        self.current.show_text(f"Click: accepts a found cell, else adds {new_id}")

    def _show_bar(self) -> None:
        """Leave the height to others while there is nothing to look for."""
        self.bar.setVisible(bool(self.model.known))
