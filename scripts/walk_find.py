"""A step of `walk_through.py`: cells are found without a click, looked at, and followed; see `walk_items.py`."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QWidget
from walk_items import Movie, states
from walk_window import Window, pause

from sam2_core.scoring.ground_truth import farthest_pixel


def found_cells_are_looked_at_and_tracked(window: Window, movie: Movie) -> None:
    """16. Find cells, reject two (Delete), add one by a click, accept the rest, propagate: all in view, none lost."""
    window.open_image(movie.found_on, axis_labels=("t", "y", "x"))
    panel = window.panel
    in_view(window, panel.finding.go)
    window.press(panel.finding.go)
    deciding = window.binding.deciding
    window.wait(lambda: deciding.counts()[0] > 0 and not window.binding.work.busy, "the search", 600)
    pause(500)
    window.picture("16_found")
    in_view(window, panel.finding.accept)
    in_view(window, panel.propagate.go)
    shown = deciding.proposals.shown(0)
    areas = {number: np.count_nonzero(one.mask.inside) for number, one in shown.items()}
    large = [number for number, area in areas.items() if area > np.median(list(areas.values())) / 2]
    wrong = [farthest_pixel(shown[number].mask.mask) for number in large[-2:]]  # the least sure that a mouse hits
    for place in wrong:
        window.point_at(*place)
        window.key(Qt.Key.Key_Delete)
    assert len(deciding.proposals.shown(0)) == len(shown) - 2, "Delete did not reject what is under the mouse"
    window.click(*wrong[0])
    assert len(window.session.document.objects) == 1, "a click beside the found cells added none"
    window.picture("16_decided")
    window.press(panel.finding.accept)
    window.idle()
    assert len(window.session.document.objects) == len(shown) - 1
    assert "left on this frame" in panel.finding.text()
    window.press(panel.propagate.go)
    window.wait(lambda: window.binding.work.done >= 1, "the first frame", 600)
    window.picture("16_running")
    window.wait(lambda: not window.binding.work.busy, "the run", 3000)
    window.binding.show_frame(window.session.frame_count - 1)
    assert set(states(window)) == {"done"}


def in_view(window: Window, button: QWidget) -> None:
    """See that all of a button can be seen, without scrolling."""
    area = window.panel.area.viewport()
    rect = button.rect().translated(button.mapTo(window.panel.area.widget(), QPoint(0, 0)))
    top = window.panel.area.verticalScrollBar().value()
    assert rect.bottom() - top <= area.height(), f"{button.text()} is out of view"
