"""What the colours of objects say, in the table and in the image: nothing but who they are, or more.

By lineage all that come of one cell have its colour; by generation or by a measurement colours go from violet to
yellow. Measuring runs in a worker; colours follow when objects come, go or get another parent.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from napari_sam2._qt.objects_model import ObjectsModel
from napari_sam2._qt.slots import Slots
from napari_sam2._qt.texts import told_number
from napari_sam2._qt.workbench import Workbench

OWN, LINEAGE, GENERATION = "own", "lineage", "generation"
COLOURS = {OWN: "Each its own", LINEAGE: "By lineage", GENERATION: "By generation"}
"""Those that need no measuring; the others are named like what is measured."""


class ObjectColours(QObject):
    """The colours of the objects of a session: `by` says what they stand for."""

    def __init__(self, bench: Workbench, model: ObjectsModel, slots: Slots) -> None:
        super().__init__(model)
        self.by = OWN
        self._bench = bench
        self._model = model
        self._made_of: tuple[object, ...] = ()
        self._is_measuring = False
        slots.connect(model.modelReset, self._follow)
        slots.connect(model.rowsInserted, self._follow)
        slots.connect(model.dataChanged, self._follow)
        slots.connect(bench.changed, self._begin)

    def choices(self) -> dict[str, str]:
        """Return what colours can stand for, with the words for it."""
        session = self._bench.session
        if session is None:
            return COLOURS
        from napari_sam2.io.measuring import measures_of

        return COLOURS | {name: f"By {name}, mean of the track" for name in measures_of(session.movie.movie)}

    def choose(self, by: str) -> None:
        """Let colours stand for something else."""
        self.by = by
        self._made_of = ()
        self._follow()

    def _begin(self) -> None:
        """Show the objects of another session in their own colours."""
        self.by, self._made_of = OWN, ()
        self._model.colours_lanes = False

    def _follow(self) -> None:
        """Colour objects anew where they are others than those that were coloured."""
        session, forest = self._bench.session, self._model.forest
        made_of = (OWN,) if self.by == OWN else (self.by, forest.order, forest.parent)
        if session is None or made_of == self._made_of or self._is_measuring:
            return
        self._made_of = made_of
        if self.by == OWN:
            self._show(None)
        elif self.by == GENERATION:
            self._show_values({one: float(number) for one, number in forest.generation.items()})
        elif self.by == LINEAGE:
            self._show_lineages()
        else:
            self._measure(self.by)

    def _show_lineages(self) -> None:
        from napari_sam2.viewer.label_colors import strong_colors

        colors, forest = strong_colors(), self._model.forest
        self._show({one: np.asarray(colors.map(first)).reshape(4) for one, first in forest.lineage.items()})

    def _measure(self, name: str) -> None:
        from napari_sam2.io.measuring import Measurable, series_of

        session = self._bench.session
        assert session is not None
        self._is_measuring = True
        measurable = Measurable.of(session.document, session.masks, session.movie.movie, session.settings.overlaps)
        ids = self._model.forest.order

        def measured(means: Mapping[int, float]) -> None:
            self._is_measuring = False
            if self._bench.session is session and self.by == name:
                self._show_values(means)
            self._follow()

        def means() -> dict[int, float]:
            series = series_of(measurable, ids, [name])
            return {one: float(np.nanmean(of.values[name])) for one, of in series.items() if _is_known(of.values[name])}

        self._bench.said.emit(f"Measuring {name} of {len(ids)} objects …")
        self._bench.run(means, measured, self._failed)

    def _failed(self, error: Exception) -> None:
        self._is_measuring = False
        self._bench.failed.emit(error)

    def _show_values(self, values: Mapping[int, float]) -> None:
        from napari_sam2.viewer.label_colors import scale_of

        colours, (low, high) = scale_of(values)
        self._show(colours)
        self._bench.said.emit(f"Colours by {self.by}: violet is {told_number(low)}, yellow is {told_number(high)}.")

    def _show(self, colours: Mapping[int, NDArray[np.float64]] | None) -> None:
        if self._bench.binding is not None:
            self._bench.binding.labels.color_by(colours)
        self._model.colours_lanes = colours is not None
        self._model.recolour()


def _is_known(values: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(values).any())
