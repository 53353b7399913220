"""Colours of a lineage in a real window: the table, the labels and the points say the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_sam2._qt.lineage_colors import GENERATION, LINEAGE, OWN
from napari_sam2.io.track_files import TrackedLabels
from napari_sam2.stacks import open_stack
from napari_sam2.viewer.label_colors import scale_of

PARENTS = {3: 1, 4: 1, 5: 3, 6: 3}


def import_lineage(desk: Any) -> None:
    """1 divides into 3 and 4, 3 into 5 and 6; 2 is alone. Areas grow with the id."""
    desk.open_movie()
    labels = np.zeros((8, 40, 60), np.uint16)
    for one, frames in {
        1: range(2),
        2: range(8),
        3: range(2, 5),
        4: range(2, 8),
        5: range(5, 8),
        6: range(5, 8),
    }.items():
        for frame in frames:
            labels[frame, one * 5 : one * 5 + 4, : one * 3] = one
    desk.session.import_tracks(TrackedLabels(open_stack(labels, "TYX").movie(), PARENTS))
    desk.panel.state.refresh()


def colours(desk: Any) -> dict[int, tuple[float, ...]]:
    """Of the labels; seen to be those of the table."""
    found = {}
    for row, one in enumerate(desk.panel.model.shown):
        found[one] = tuple(desk.binding.labels.color(one).round(2).tolist())
        layer = desk.binding.labels.layers[0].colormap.map(np.array([one], np.uint16))[0]
        np.testing.assert_allclose(layer, found[one], atol=0.006)
        swatch = desk.panel.model.index(row, 0).data(1).pixmap(14, 14).toImage().pixelColor(7, 7)
        np.testing.assert_allclose(swatch.getRgbF()[:3], found[one][:3], atol=0.02)
    return found


def test_colours_say_lineage_generation_or_what_was_measured(desk: Any) -> None:
    import_lineage(desk)
    model, by = desk.panel.model, desk.panel.objects.bar.colours
    own = colours(desk)
    assert len(set(own.values())) == 6
    by.choose(LINEAGE)
    lineage = colours(desk)
    assert {lineage[one] for one in (1, 3, 4, 5, 6)} == {own[1]}
    assert lineage[2] == own[2]
    assert model.colours_lanes
    by.choose(GENERATION)
    generation = colours(desk)
    assert [generation[one] for one in (2, 4, 6)] == [generation[one] for one in (1, 3, 5)]
    assert len(set(generation.values())) == 3
    by.choose("area")
    desk.until(lambda: "Colours by area" in desk.panel.message.text())
    area = colours(desk)
    expected, _ = scale_of({one: 12.0 * one for one in area})
    for one in area:
        np.testing.assert_allclose(area[one], expected[one], atol=0.01)
    by.choose(OWN)
    assert colours(desk) == own
    assert not model.colours_lanes


def test_a_daughter_that_gets_a_mother_takes_the_colour_of_her_lineage(desk: Any) -> None:
    import_lineage(desk)
    desk.panel.objects.bar.colours.choose(LINEAGE)
    before = colours(desk)
    desk.session.divide(6, 6, [2])
    desk.panel.state.refresh()
    after = colours(desk)
    assert after[2] == after[1] == before[1] != before[2]
    desk.session.undo()
    desk.panel.state.refresh()
    assert colours(desk) == before
