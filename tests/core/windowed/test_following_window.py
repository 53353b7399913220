from __future__ import annotations

import numpy as np
import pytest

from sam2_core.windowed.following_window import FollowingWindow, Place, RecentFrames
from sam2_core.windowed.window import Window, cut, paste, usual_span, window_at, window_side

PLANE = np.arange(20 * 30).reshape(20, 30)


class Frames:
    contrast_limits = None

    def __init__(self, planes):
        self.planes = planes
        self.height, self.width = planes.shape[1:3]
        self.read = []

    def __len__(self):
        return len(self.planes)

    def __getitem__(self, index):
        self.read.append(index)
        return self.planes[index]


def test_an_object_takes_its_share_of_the_side():
    assert window_side(60, 0.25) == 240
    assert window_side(1, 0.25) == 16


def test_an_object_is_seen_at_the_same_size_by_every_model_input():
    sides = [window_side(60, usual_span(image_size)) for image_size in (128, 192, 256)]
    seen = [60 * image_size / side for image_size, side in zip((128, 192, 256), sides, strict=True)]
    assert seen == pytest.approx([48, 48, 48], rel=0.07)
    assert usual_span(1024) == usual_span(2048)


@pytest.mark.parametrize(("diameter", "span"), [(0, 0.3), (-4, 0.3), (float("nan"), 0.3), (20, 0), (20, 1.5)])
def test_what_makes_no_window_is_said(diameter, span):
    with pytest.raises(ValueError, match="makes no window"):
        window_side(diameter, span)


def test_a_cut_is_the_part_of_the_plane():
    np.testing.assert_array_equal(cut(PLANE, Window(5, 3, 8, 8)), PLANE[3:11, 5:13])
    colour = np.stack([PLANE] * 3, axis=-1)
    np.testing.assert_array_equal(cut(colour, Window(5, 3, 8, 8)), colour[3:11, 5:13])


@pytest.mark.parametrize("window", [Window(-6, -4, 12, 12), Window(25, 14, 12, 12), Window(-5, -5, 40, 40)])
def test_beyond_the_border_the_edge_is_repeated(window):
    seen = cut(PLANE, window)
    assert seen.shape == (window.height, window.width)
    for row in range(window.height):
        for column in range(window.width):
            y, x = min(max(window.y0 + row, 0), 19), min(max(window.x0 + column, 0), 29)
            assert seen[row, column] == PLANE[y, x]


@pytest.mark.parametrize(
    "window", [Window(5, 3, 8, 8), Window(-6, -4, 12, 12), Window(25, 14, 12, 12), Window(-5, -5, 40, 40)]
)
def test_what_was_cut_is_pasted_back_where_it_was(window):
    out = np.full(PLANE.shape, -1)
    paste(cut(PLANE, window), window, out)
    rows, columns = window.region(PLANE.shape)
    np.testing.assert_array_equal(out[rows, columns], PLANE[rows, columns])
    assert np.count_nonzero(out == -1) == PLANE.size - PLANE[rows, columns].size


def test_a_window_beside_the_plane_pastes_nothing():
    out = np.zeros(PLANE.shape)
    paste(np.ones((5, 5)), Window(2, 40, 5, 5), out)
    paste(np.ones((5, 5)), Window(-9, 2, 5, 5), out)
    assert not out.any()


def test_a_window_stays_inside_where_it_fits_and_is_even_where_it_does_not():
    assert window_at((15.0, 10.0), (7, 7), (20, 30)) == Window(12, 7, 7, 7)
    assert window_at((29.0, 1.0), (8, 8), (20, 30)) == Window(22, 0, 8, 8)
    assert window_at((2.0, 19.0), (24, 24), (20, 30)) == Window(0, -2, 24, 24)
    assert window_at((3.0, 3.0), (20, 30), (20, 30)) == Window(0, 0, 30, 20)


def test_a_window_is_placed_with_its_middle_on_the_place():
    for centre in ((14.0, 9.0), (12.5, 10.5)):
        middle = window_at(centre, (8, 8), (20, 30)).centre_xy
        assert np.abs(np.subtract(middle, centre)).max() <= 0.5


def test_a_following_window_shows_each_frame_where_it_was_placed():
    movie = Frames(np.stack([PLANE + 1000 * index for index in range(5)]))
    source = FollowingWindow(movie, 7)
    source.put(1, source.around((10.0, 10.0)))
    source.put(3, source.around((20.0, 10.0)))
    assert (len(source), source.height, source.width) == (5, 7, 7)
    np.testing.assert_array_equal(source[1], movie.planes[1][7:14, 7:14])
    np.testing.assert_array_equal(source[3], movie.planes[3][7:14, 17:24])
    assert source.window(0) == source.window(1)
    assert source.window(4) == source.window(3)
    assert [source.is_placed(index) for index in range(5)] == [False, True, False, True, False]


def test_a_place_that_was_left_is_as_if_it_had_never_been_set():
    source = FollowingWindow(Frames(PLANE[None]), 7)
    middle = source.window(0)
    source.put(0, source.around((4.0, 2.0)))
    assert source.is_placed(0)
    assert source.window(0) != middle
    source.leave(0)
    assert not source.is_placed(0)
    assert source.window(0) == middle
    assert source.places == ()


def test_what_one_window_saw_is_moved_to_where_the_object_is_expected_in_another():
    source = FollowingWindow(Frames(np.stack([PLANE] * 4)), 10)
    source.put(0, Place(Window(0, 0, 10, 10), (5.0, 7.0)))
    source.put(1, Place(Window(0, 0, 10, 10), (5.0, 8.0)))
    source.put(2, Place(Window(2, 5, 10, 10), (5.0, 9.0)))
    assert source.shift(0, 1) == (0, 0)
    assert source.shift(0, 2) == pytest.approx((-0.3, -0.2))
    assert source.shift(2, 0) == pytest.approx((0.3, 0.2))


def test_a_window_without_a_side_shows_whole_frames():
    source = FollowingWindow(Frames(PLANE[None]))
    assert source.shows_all
    source.put(0, source.around((2.0, 2.0)))
    np.testing.assert_array_equal(source[0], PLANE)


def test_contrast_limits_of_the_movie_are_passed_on():
    movie = Frames(PLANE[None])
    assert FollowingWindow(RecentFrames(movie), 7).contrast_limits is None
    movie.contrast_limits = (0, 700)
    assert FollowingWindow(RecentFrames(movie), 7).contrast_limits == (0, 700)


def test_many_windows_read_a_frame_once_and_few_frames_are_kept():
    movie = Frames(np.stack([PLANE] * 9))
    recent = RecentFrames(movie, keep=2)
    windows = [FollowingWindow(recent, 7) for _ in range(4)]
    for index in range(9):
        for window in windows:
            window[index]
    assert movie.read == list(range(9))
    windows[0][0]
    assert movie.read[-1] == 0
