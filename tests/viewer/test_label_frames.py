from __future__ import annotations

from copy import copy, deepcopy

import numpy as np
import pytest
from napari.layers import Labels

from napari_sam2.viewer.coordinates import Grid
from napari_sam2.viewer.label_frames import KEPT_FRAMES, LabelFrames

SIZE = (6, 7)


def whole(frames=5):
    return np.random.default_rng(3).integers(0, 9, (frames, *SIZE)).astype(np.uint16)


def frames_of(grid, truth):
    reads = []

    def read(frame):
        reads.append(frame)
        return truth[frame]

    return LabelFrames(grid, np.dtype(np.uint16), read), reads


TYX = Grid("TYX", (5, *SIZE), "T")


@pytest.mark.parametrize(
    "index",
    [
        (2, slice(None), slice(None)),
        (slice(1, 4), slice(None), slice(2, 5)),
        (slice(None, None, -1), 3, slice(None)),
        (2, 3, 4),
        (-1, ..., 0),
        2,
        ...,
        (slice(None), slice(None, None, 2), slice(4, None, -1)),
        (np.array([0, 2, 2]), np.array([1, 1, 5]), np.array([6, 0, 3])),
    ],
)
def test_reads_as_an_array_would(index):
    truth = whole()
    frames, _ = frames_of(TYX, truth)
    np.testing.assert_array_equal(frames[index], truth[index])


def test_only_frames_that_are_looked_at_are_computed_and_few_are_kept():
    frames, reads = frames_of(TYX, whole())
    frames[3, 0:2, 0:2], frames[3], frames[4]
    assert reads == [3, 4]
    frames.forget(3)
    frames[3], frames[4]
    assert reads == [3, 4, 3]
    long, reads = frames_of(Grid("TYX", (20, *SIZE), "T"), whole(20))
    for frame in range(20):
        long.frame(frame)
    long.frame(19 - KEPT_FRAMES + 1)
    long.frame(0)
    assert reads == [*range(20), 0]


@pytest.mark.parametrize(
    ("index", "value"),
    [
        ((slice(1, 3), slice(2, 4), slice(1, 6)), 7),
        ((2, slice(2, 4), slice(1, 6)), np.arange(10).reshape(2, 5)),
        ((np.array([0, 2, 2]), np.array([1, 1, 5]), np.array([6, 0, 3])), np.array([7, 8, 9])),
        ((2, 3, 4), 9),
    ],
)
def test_what_is_painted_is_read_and_told_per_frame(index, value):
    truth = whole()
    frames, _ = frames_of(TYX, truth.copy())
    frames[index] = value
    assert frames.is_painted
    expected = truth.copy()
    expected[index] = value
    np.testing.assert_array_equal(frames[...], expected)
    strokes = frames.strokes()
    changed = np.flatnonzero((expected != truth).any(axis=(1, 2)))
    assert [stroke.frame for stroke in strokes] == changed.tolist()
    for stroke in strokes:
        np.testing.assert_array_equal(stroke.before, truth[stroke.frame])
        np.testing.assert_array_equal(stroke.after, expected[stroke.frame])
    np.testing.assert_array_equal(frames[...], truth)  # the source did not change


def test_labels_show_where_the_session_holds_an_axis_and_on_every_channel():
    truth = whole()
    grid = Grid("TCZYX", (5, 2, 3, *SIZE), "T", {"Z": 1})
    frames, _ = frames_of(grid, truth)
    np.testing.assert_array_equal(frames[2, 0, 1], truth[2])
    np.testing.assert_array_equal(frames[2, 1, 1], truth[2])
    assert not frames[2, 0, 0].any()
    frames[2:3, 1:2, 1:2, 0:2, 0:2] = np.full((1, 1, 1, 2, 2), 9)
    assert (frames[2, 0, 1][:2, :2] == 9).all()
    assert [stroke.frame for stroke in frames.strokes()] == [2]
    frames[2:3, 0:1, 2:3, 0:2, 0:2] = 9
    assert frames.missed
    assert frames.strokes() == []


def test_axes_may_stand_in_another_order():
    truth = whole()
    frames, _ = frames_of(Grid("XTY", (SIZE[1], 5, SIZE[0]), "T"), truth)
    np.testing.assert_array_equal(frames[...], truth.transpose(2, 0, 1))
    frames[2:5, 1:2, 0:3] = 8
    (stroke,) = frames.strokes()
    assert (stroke.after[0:3, 2:5] == 8).all()


def test_a_single_image():
    truth = whole(1)
    frames, _ = frames_of(Grid("YX", SIZE, None), truth)
    np.testing.assert_array_equal(frames[...], truth[0])
    frames[0:2, 0:2] = 8
    assert [stroke.frame for stroke in frames.strokes()] == [0]


def test_a_layer_of_a_long_stack_reads_one_frame():
    reads = []

    def read(frame):
        reads.append(frame)
        return np.zeros((64, 64), np.uint16)

    frames = LabelFrames(Grid("TYX", (1000, 64, 64), "T"), np.dtype(np.uint16), read)
    layer = Labels(frames)
    assert set(reads) == {0}
    assert layer.data is frames


def test_copies_are_plain_arrays_of_the_labels_as_they_are():
    truth = whole()
    frames, _ = frames_of(TYX, truth)
    copies = [copy(frames), deepcopy(frames), frames.astype(np.int64)]
    frames[:] = 0
    for one in copies:
        assert type(one) is np.ndarray
        np.testing.assert_array_equal(one, truth)
    assert copies[2].dtype == np.int64
