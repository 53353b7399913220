"""The tree of a panel once more, below the image and as wide as the window: a whole colony at a glance.

Both show the same rows, and what is chosen in one is chosen in the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_sam2._qt.manners import Manners
from napari_sam2._qt.objects_bar import ObjectsBar
from napari_sam2._qt.objects_cells import RowSize
from napari_sam2._qt.objects_section import ObjectsSection
from napari_sam2._qt.objects_table import ObjectsTable
from napari_sam2._qt.plot_dock import TITLE as PLOT_TITLE
from napari_sam2._qt.plot_dock import PlotDock
from napari_sam2._qt.slots import Slots
from napari_sam2._qt.texts import apply_theme

if TYPE_CHECKING:
    import napari

TITLE = "Lineage"


class LineageDock(QWidget):
    """A second table on the objects of a panel's section."""

    def __init__(self, section: ObjectsSection, theme_id: str) -> None:
        super().__init__()
        self.table = ObjectsTable(section.model)
        self.table.setSelectionModel(section.table.selectionModel())
        self.table.set_frame(section.table.frame)
        self.table.frame_chosen.connect(section.table.frame_chosen)
        section.table.frame_shown.connect(self.table.set_frame)
        self.bar = ObjectsBar(self.table)
        self.bar.colours = section.bar.colours
        for button in (self.bar.large, self.bar.plot):
            button.setVisible(False)
        self.table.show_rows(RowSize.compact)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.addWidget(self.bar)
        column.addWidget(self.table, 1)
        self._manners = Manners(self)
        apply_theme(self, theme_id)

    def sizeHint(self) -> QSize:
        """Return room for a dozen rows."""
        return QSize(600, 260)


class ObjectDocks:
    """Opens the tree and the plot below the image from the buttons of a panel's section, each once.

    Both go with the panel, whose objects they show.
    """

    def __init__(self, viewer: napari.viewer.Viewer, section: ObjectsSection, slots: Slots) -> None:
        self._viewer = viewer
        self._section = section
        self._shown: dict[str, QWidget] = {}
        slots.connect(section.bar.large.clicked, self.show_tree)
        slots.connect(section.bar.plot.clicked, self.show_plot)
        viewer.events.theme.connect(self._take_theme)

    def show_tree(self) -> LineageDock:
        """Return the tree, made where it is not there."""
        tree = self._docked(TITLE, lambda: LineageDock(self._section, self._viewer.theme))
        assert isinstance(tree, LineageDock)
        return tree

    def show_plot(self) -> PlotDock:
        """Return the plot, made where it is not there."""
        plot = self._docked(PLOT_TITLE, lambda: PlotDock(self._viewer))
        assert isinstance(plot, PlotDock)
        return plot

    def close(self) -> None:
        """Take both away."""
        self._viewer.events.theme.disconnect(self._take_theme)
        for widget in self._shown.values():
            if widget.parentWidget() is not None:
                self._viewer.window.remove_dock_widget(widget)
            widget.deleteLater()
        self._shown.clear()

    def _docked(self, title: str, make: Callable[[], QWidget]) -> QWidget:
        """Return what is docked under a title; what a person closed has no parent any more, and is made anew."""
        widget = self._shown.get(title)
        if widget is not None and widget.parentWidget() is None:
            widget.deleteLater()
            widget = None
        if widget is None:
            widget = self._shown[title] = make()
            self._viewer.window.add_dock_widget(widget, name=title, area="bottom")
        return widget

    def _take_theme(self) -> None:
        for widget in self._shown.values():
            apply_theme(widget, self._viewer.theme)
