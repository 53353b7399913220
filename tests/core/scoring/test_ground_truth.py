from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from sam2_core.errors import StackError
from sam2_core.scoring.ground_truth import (
    MovieScope,
    bounding_box,
    evenly,
    farthest_pixel,
    judged_ids,
    median_diameter,
    movie_targets,
    still_targets,
    typical_diameter,
)


def square(labels, value, top, left, side=8):
    labels[top : top + side, left : left + side] = value


def test_small_objects_and_those_at_the_border_are_not_judged():
    labels = np.zeros((40, 60), np.uint16)
    square(labels, 1, 10, 10)
    square(labels, 2, 0, 20)  # touches the upper border
    square(labels, 3, 20, 52)  # touches the right border
    labels[30:35, 5:13] = 4  # 40 px: just large enough
    labels[30:33, 20:33] = 5  # 39 px
    assert judged_ids(labels) == [1, 4]
    assert [target.object_id for target in still_targets(labels)] == [1, 4]


def test_a_click_is_the_first_of_equally_deep_pixels_in_row_order():
    even = np.zeros((12, 14), bool)
    even[2:8, 3:11] = True  # depth 3 in rows 4 and 5, columns 5 to 8
    assert farthest_pixel(even) == (4, 5)
    two = np.zeros((20, 20), bool)
    two[10:15, 2:7] = True
    two[3:8, 12:17] = True  # as deep, but an earlier row
    assert farthest_pixel(two) == (5, 14)


def test_the_border_of_the_image_counts_as_outline():
    half = np.zeros((9, 9), bool)
    half[0:5, 0:5] = True
    assert farthest_pixel(half) == (2, 2)
    assert farthest_pixel(np.ones((5, 5), bool)) == (2, 2)


def test_a_click_equals_the_plain_distance_transform(rng):
    for _ in range(20):
        noise = ndimage.gaussian_filter(rng.normal(size=(40, 50)), 3)
        mask = noise > np.quantile(noise, 0.7)
        depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
        assert farthest_pixel(mask) == np.unravel_index(np.argmax(depth), mask.shape)


def test_a_box_holds_the_outermost_pixels():
    mask = np.zeros((20, 30), bool)
    mask[4:9, 7:20] = True
    assert bounding_box(mask) == (4, 7, 8, 19)


def test_picks_are_even_and_hold_both_ends():
    assert evenly(list(range(9)), 3) == [0, 4, 8]
    assert evenly([5, 6], 40) == [5, 6]
    assert evenly([5, 6], None) == [5, 6]
    assert len(set(evenly(list(range(77)), 40))) == 40


def test_the_typical_diameter_is_the_median_over_all_frames_without_crumbs():
    labels = np.zeros((2, 60, 60), np.uint16)
    square(labels[0], 1, 5, 5, 10)
    square(labels[0], 2, 30, 5, 12)
    square(labels[1], 1, 5, 5, 20)
    square(labels[1], 3, 40, 40, 3)  # 9 px
    assert typical_diameter(labels) == pytest.approx(np.sqrt(4 * 144 / np.pi))
    assert median_diameter(np.zeros((1, 5, 5), int)) == 0.0
    with pytest.raises(StackError, match="at least 40 px"):
        typical_diameter(np.zeros((1, 5, 5), int))


@pytest.fixture
def movie():
    """Six frames: 1 stays, 2 leaves over the right border, 3 begins late, 4 ends inside, 5 has a gap, 6 begins at
    the border."""
    labels = np.zeros((6, 60, 80), np.uint16)
    for frame in range(6):
        square(labels[frame], 1, 5, 5)
        if frame < 4:
            left = 60 + 5 * frame
            labels[frame, 20:28, left : min(left + 8, 80)] = 2
        if frame >= 2:
            square(labels[frame], 3, 40, 10)
        if frame < 3:
            square(labels[frame], 4, 40, 40)
        if frame not in (2, 3):
            square(labels[frame], 5, 5, 40)
        square(labels[frame], 6, 50, 20 + frame, 10 if frame == 0 else 8)
    return labels


def test_objects_are_prompted_on_the_first_frame_on_which_they_exist(movie):
    targets = {target.object_id: target for target in movie_targets(movie)}
    assert sorted(targets) == [1, 2, 3, 4, 5]  # 6 touches the border on its first frame
    assert {key: (t.first_frame, t.last_frame) for key, t in targets.items()} == {
        1: (0, 5),
        2: (0, 3),
        3: (2, 5),
        4: (0, 2),
        5: (0, 5),
    }
    assert targets[3].click_yx == farthest_pixel(movie[2] == 3)
    assert targets[3].box_yx == (40, 10, 47, 17)


def test_a_mother_that_divides_at_the_border_has_not_left():
    labels = np.zeros((4, 40, 40), np.uint16)
    square(labels[0], 1, 10, 20)
    labels[1, 0:12, 10:20] = 1  # touches the border, and divides
    labels[2:, 0:5, 10:20], labels[2:, 7:12, 10:20] = 2, 3
    labels[:2, 20:30, 25:35] = 4
    labels[1, 20:30, 25:40] = 4  # touches the border, and leaves; nothing takes its place
    gone = {target.object_id: target.gone for target in movie_targets(labels)}
    assert gone[1] == ()
    assert gone[4] == (2, 3)


def test_gone_are_gaps_and_what_left_over_the_border_not_what_ends_inside(movie):
    gone = {target.object_id: target.gone for target in movie_targets(movie)}
    assert gone == {1: (), 2: (4, 5), 3: (), 4: (), 5: (2, 3)}
    assert {t.object_id: t.stop for t in movie_targets(movie)} == {1: 6, 2: 6, 3: 6, 4: 3, 5: 6}


def test_ids_and_frames_are_limited(movie):
    assert [t.object_id for t in movie_targets(movie, MovieScope(objects=3))] == [1, 3, 5]
    short = {t.object_id: t for t in movie_targets(movie, MovieScope(frames=3))}
    assert (short[1].last_frame, short[3].last_frame) == (2, 4)
    assert short[2].stop == 3
    assert short[5].gone == (2,)
    assert [t.object_id for t in movie_targets(movie, MovieScope(first_frame_only=True))] == [1, 2, 4, 5]


def test_labels_are_read_frame_after_frame_and_then_where_objects_are_prompted(movie):
    read = []

    class Recorder:
        def __len__(self):
            return len(movie)

        def __getitem__(self, index):
            read.append(index)
            return movie[index]

    movie_targets(Recorder())
    assert read == [0, 1, 2, 3, 4, 5, *(0, 0, 2, 0, 0)]


def test_a_movie_without_objects_is_refused():
    with pytest.raises(StackError, match="no object"):
        movie_targets(np.zeros((3, 10, 10), int))
