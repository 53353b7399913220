from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.document.prompt import Prompt
from napari_sam2.viewer.coordinates import Grid
from napari_sam2.viewer.prompt_rows import PromptRow, box_row, point_rows, read_rows

GRID = Grid("TYX", (5, 30, 40), "T")
SQUARE = [(5, 5), (5, 15), (15, 15), (15, 5)]


def row(kind, frame, places, object_id=1, polarity="in"):
    return PromptRow(kind, GRID.place(frame, places), object_id, polarity)


def read(*rows):
    return read_rows(GRID, rows)


def test_points_join_in_their_order():
    reading = read(row("point", 2, [(3, 4)]), row("point", 2, [(5, 6)], polarity="out"), row("point", 1, [(1, 1)], 7))
    assert reading.prompts[1, 2].points_yx == ((3.0, 4.0), (5.0, 6.0))
    assert reading.prompts[1, 2].labels == (1, 0)
    assert reading.prompts[7, 1].labels == (1,)
    assert reading.keys == ((1, 2), (1, 2), (7, 1))


def test_a_rectangle_is_a_box_cut_to_the_image():
    assert read(row("rectangle", 0, [(-4, 5), (-4, 50), (9, 50), (9, 5)])).prompts[1, 0].box_yx == (0, 5, 9, 40)


def test_outlines_are_masks_and_add_up():
    reading = read(row("polygon", 0, SQUARE), row("path", 0, [(20, 20), (20, 25), (25, 25)]))
    assert reading.prompts[1, 0].mask[10, 10]
    assert reading.prompts[1, 0].mask[21, 24]
    cut = read(row("polygon", 0, SQUARE), row("polygon", 0, [(8, 8), (8, 12), (12, 12), (12, 8)], polarity="out"))
    assert not cut.prompts[1, 0].mask[10, 10]
    assert cut.prompts[1, 0].mask[6, 6]


def test_an_ellipse_is_round():
    mask = read(row("ellipse", 0, SQUARE)).prompts[1, 0].mask
    assert mask[10, 10]
    assert not mask[5, 5]
    assert mask.sum() == pytest.approx(np.pi * 25, rel=0.1)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (row("point", 0, [(3, 4)], 0), "object id 0"),
        (row("point", 0, [(3, 4)], 1.5), "object id 1.5"),
        (row("point", 0, [(3, 4)], "cell"), "object id cell"),
        (row("point", 0, [(3, 4)], polarity="maybe"), "'maybe' is unknown"),
        (row("point", 0, [(3, 99)]), "outside the image"),
        (row("point", 9, [(3, 4)]), "frame 9"),
        (row("rectangle", 0, [(50, 50), (50, 60), (60, 60), (60, 50)]), "holds nothing of the image"),
        (row("rectangle", 0, SQUARE, polarity="out"), "polarity is 'in'"),
        (row("line", 0, [(5, 5), (9, 9)]), "three or more"),
        (row("polygon", 0, SQUARE, polarity="out"), "nothing is left"),
    ],
)
def test_rows_that_cannot_be_prompts_say_why_and_harm_no_other(bad, words):
    reading = read(row("point", 3, [(1, 2)], 4), bad)
    assert words in reading.problems[1]
    assert reading.problems[0] == ""
    assert reading.keys == ((4, 3), None)
    assert set(reading.prompts) == {(4, 3)}


def test_a_shape_over_several_frames_is_refused():
    corners = np.array([(0, 5, 5), (1, 5, 15), (1, 15, 15), (0, 15, 5)], float)
    assert "frames 0 to 1" in read(PromptRow("rectangle", corners, 1, "in")).problems[0]


def test_of_two_boxes_the_later_counts():
    reading = read(row("rectangle", 0, SQUARE), row("rectangle", 0, [(1, 1), (1, 3), (3, 3), (3, 1)]))
    assert reading.prompts[1, 0].box_yx == (1, 1, 3, 3)
    assert reading.keys == (None, (1, 0))
    assert "later box" in reading.problems[0]


def test_what_is_written_is_read():
    prompt = Prompt(3, 2, ((1.25, 2.5), (3, 4)), (1, 0), (1, 2, 8, 9))
    parts = read(*point_rows(prompt, GRID), *box_row(prompt, GRID)).prompts[3, 2]
    assert (tuple(parts.points_yx), tuple(parts.labels), parts.box_yx) == (
        prompt.points_yx,
        prompt.labels,
        prompt.box_yx,
    )
