"""What a search can be told besides: on which frames, how small and large, where, and what is cut off by the border.

Folded away until somebody wants it: finding the cells of the frame in view needs none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QWidget
from superqt.utils import signals_blocked

from napari_sam2._qt.parts import Combo, IconButton, form, row_of
from napari_sam2._qt.setting_fields import PixelsField

if TYPE_CHECKING:
    from napari_sam2.viewer.deciding import Search

_FRAMES = [("This frame", "this"), ("All frames", "all")]
WHOLE_FRAME = "Whole frame"


class FindMore(QWidget):
    """The rows below *More*. Signal: `chosen()` when a person changed one of them."""

    chosen = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.frames = Combo(_FRAMES, "Where to look for cells: on the frame in view, or on every frame, one by one")
        self.smallest = _limit("Cells of a smaller diameter are left out")
        self.largest = _limit("Cells of a larger diameter are left out")
        self.region = Combo(
            [(WHOLE_FRAME, "")],
            "Look inside the rectangles, polygons and ellipses of a Shapes layer, on whatever frame they were drawn",
        )
        self.draw = IconButton("Draw", "polygon_lasso", "Add a Shapes layer, and draw around the part to look at")
        self.border = QCheckBox("Cells at the border count")
        self.border.setToolTip("Untick it to leave out cells that are cut off by the border of the image")
        self.border.setChecked(True)
        self._lay_out()
        for box in (self.frames, self.region):
            box.currentIndexChanged.connect(self.chosen)
        for limit in (self.smallest, self.largest):
            limit.valueChanged.connect(self.chosen)
        self.border.toggled.connect(self.chosen)

    def _lay_out(self) -> None:
        sized = row_of(self.smallest)
        sized.addWidget(QLabel("to"), 0)
        sized.addWidget(self.largest, 1)
        where = row_of(self.region)
        where.addWidget(self.draw, 0)
        rows = form()
        rows.addRow("Frames", self.frames)
        rows.addRow("Only", sized)
        rows.addRow("Where", where)
        rows.addRow(self.border)
        self.setLayout(rows)

    def is_every_frame(self) -> bool:
        """Return whether all frames are to be looked at."""
        return bool(self.frames.currentData() == "all")

    def chosen_layer(self) -> int | None:
        """Return the place of the Shapes layer in which to look, among those listed; None for the whole frame."""
        return self.region.currentIndex() - 1 if self.region.currentIndex() > 0 else None

    def show_layers(self, names: Sequence[str], chosen: int | None) -> None:
        """List the Shapes layers without saying that one was chosen; None is the whole frame."""
        with signals_blocked(self.region):
            self.region.clear()
            for name in (WHOLE_FRAME, *names):
                self.region.addItem(name)
            self.region.setCurrentIndex(0 if chosen is None else chosen + 1)

    def show_choice(self, search: Search) -> None:
        """Show what a search is told without saying that it was chosen; its region is listed by `show_layers`."""
        with signals_blocked(self.frames), signals_blocked(self.smallest), signals_blocked(self.largest):
            self.frames.setCurrentIndex(int(search.every_frame))
            self.smallest.show_value(search.min_diameter_px)
            self.largest.show_value(search.max_diameter_px)
        with signals_blocked(self.border):
            self.border.setChecked(search.keep_border)


def _limit(tip: str) -> PixelsField:
    field = PixelsField("object_diameter_px")
    field.setSpecialValueText("any")
    field.setToolTip(tip)
    field.setAccessibleName(tip)
    return field
