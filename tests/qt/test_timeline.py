from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QRect
from qtpy.QtGui import QColor, QImage, QPainter

from napari_sam2._qt.theme import Palette
from napari_sam2._qt.timeline import (
    ABSENT,
    EDITED,
    FOUND,
    IMPORTED,
    NOTHING,
    PROMPTED,
    STALE,
    TRACKED,
    frame_at,
    lane_runs,
    paint_current_frame,
    paint_lane,
)


def codes_of(*values: int) -> np.ndarray:
    return np.array(values, np.uint8)


def test_runs_cover_the_lane_without_gaps() -> None:
    runs = lane_runs(codes_of(NOTHING, PROMPTED, TRACKED, TRACKED, ABSENT), 50)
    assert [(run.x, run.width, run.code) for run in runs] == [
        (0, 10, NOTHING),
        (10, 10, PROMPTED),
        (20, 20, TRACKED),
        (40, 10, ABSENT),
    ]


@pytest.mark.parametrize("person", [PROMPTED, EDITED])
def test_one_click_in_a_long_movie_stays_visible(person: int) -> None:
    codes = np.full(5000, TRACKED, np.uint8)
    codes[1234] = person
    shown = [run for run in lane_runs(codes, 100) if run.code == person]
    assert len(shown) == 1
    assert shown[0].width >= 2


def test_stale_is_not_hidden_by_tracked_frames_of_the_same_pixel() -> None:
    codes = np.full(1000, TRACKED, np.uint8)
    codes[500] = STALE
    assert any(run.code == STALE for run in lane_runs(codes, 100))


def test_no_frames_or_no_room_give_no_runs() -> None:
    assert lane_runs(codes_of(), 10) == []
    assert lane_runs(codes_of(TRACKED), 0) == []


@pytest.mark.parametrize(("frames", "width"), [(30, 290), (30, 31), (1, 10), (999, 100)])
def test_every_pixel_names_a_frame_and_every_wide_frame_is_named(frames: int, width: int) -> None:
    named = [frame_at(x, width, frames) for x in range(width)]
    assert named[0] == 0
    assert all(0 <= frame < frames for frame in named)
    assert frames > width or set(named) == set(range(frames))


def test_pixel_and_frame_agree_with_what_is_painted() -> None:
    codes = codes_of(TRACKED, TRACKED, PROMPTED, TRACKED)
    run = next(run for run in lane_runs(codes, 97) if run.code == PROMPTED)
    assert {frame_at(x, 97, 4) for x in range(run.x, run.x + run.width - 1)} == {2}


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_states_differ_without_hue(theme: str, qapp: object) -> None:
    """Each pair differs in height, pattern or grey value by an amount that an eye sees."""
    palette = Palette.of(theme)
    looks = []
    for code in (NOTHING, PROMPTED, TRACKED, EDITED, STALE, ABSENT, IMPORTED):
        image = QImage(40, 10, QImage.Format.Format_RGB32)
        image.fill(QColor(palette.lane))
        painter = QPainter(image)
        paint_lane(painter, QRect(0, 0, 40, 10), lane_runs(codes_of(code), 40), palette)
        painter.end()
        looks.append(np.array([[QColor(image.pixel(x, y)).lightness() for x in range(40)] for y in range(10)], float))
    for first in range(len(looks)):
        for second in range(first):
            assert np.abs(looks[first] - looks[second]).max() >= 12, (theme, first, second)


def test_current_frame_is_marked_where_its_frame_is(qapp: object) -> None:
    palette = Palette.of("dark")
    image = QImage(100, 12, QImage.Format.Format_RGB32)
    image.fill(QColor(palette.lane))
    painter = QPainter(image)
    paint_lane(painter, QRect(0, 1, 100, 10), lane_runs(np.full(10, TRACKED, np.uint8), 100), palette)
    paint_current_frame(painter, QRect(0, 1, 100, 10), 7, 10, palette)
    painter.end()
    marked = [x for x in range(100) if QColor(image.pixel(x, 5)) == QColor(palette.text)]
    assert [frame_at(x, 100, 10) for x in marked] == [7]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_no_two_states_look_alike_to_who_sees_no_colours(theme: str) -> None:
    """All in one colour, as timelines are where colours stand for objects: shape alone tells them apart."""
    shapes = {}
    for code in (PROMPTED, TRACKED, EDITED, STALE, ABSENT, IMPORTED, FOUND):
        image = QImage(60, 9, QImage.Format.Format_Grayscale8)
        image.fill(0)
        painter = QPainter(image)
        run = lane_runs(codes_of(code), 60)
        paint_lane(painter, QRect(0, 0, 60, 9), run, Palette.of(theme), QColor("white"))
        painter.end()
        shapes[code] = np.array([[image.pixelColor(x, y).value() > 40 for x in range(60)] for y in range(9)])
    for code, shape in shapes.items():
        assert 20 < shape.sum() <= shape.size
        others = [np.count_nonzero(shape != other) for key, other in shapes.items() if key != code]
        assert min(others) > 0.05 * shape.size
