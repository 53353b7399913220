"""From a person's labels: what is held out, movie or stills, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from sam2_core.errors import StackError
from sam2_core.training.held_out_scores import HeldOutFrames
from sam2_core.training.labelled_stack import SplitSettings, split_stack


def movie_of(frames=10, side=64, step=1):
    """Two discs that move slowly over a dark field, and their labels."""
    rows, columns = np.mgrid[:side, :side]
    labels = np.zeros((frames, side, side), dtype=np.uint16)
    for frame in range(frames):
        for identity, (y, x) in enumerate(((18, 18), (44, 42)), start=1):
            labels[frame][np.hypot(rows - y, columns - x - step * frame) < 8] = identity
    images = np.where(labels > 0, 3000, 400).astype(np.uint16)
    images += np.arange(side, dtype=np.uint16)[None, None]
    return images, labels


class Lazy:
    """Frames that are counted as they are read."""

    def __init__(self, array):
        self.array, self.read = array, []

    def __len__(self):
        return len(self.array)

    def __getitem__(self, index):
        self.read.append(index)
        return self.array[index]


def test_the_last_frames_of_a_movie_are_held_out():
    data = split_stack(*movie_of(10))
    assert data.is_movie
    assert (data.training_frames, data.held_out_frames) == (tuple(range(7)), (7, 8, 9))
    (record,) = data.training.records
    assert record.images.shape == (7, 64, 64)
    assert record.images.dtype == np.uint8
    assert np.array_equal(data.held_out.labels, movie_of(10)[1][7:])
    assert data.objects == 20
    assert (record.images.min(), record.images.max()) == (0, 255)


def test_stills_are_told_by_labels_that_change_and_every_fifth_is_held_out():
    images, labels = movie_of(11, step=0)
    for frame in range(0, 11, 2):
        labels[frame] = np.where(labels[frame] > 0, 3 - labels[frame] + 10 * frame, 0)
    data = split_stack(images, labels)
    assert not data.is_movie
    assert data.held_out_frames == (5, 10)
    assert [record.info.shape[0] for record in data.training.records] == [1] * 9
    assert split_stack(images, labels, SplitSettings("movie")).is_movie


def test_frames_without_labels_are_neither_trained_on_nor_read():
    images, labels = movie_of(20)
    labels[1::2] = 0
    lazy = Lazy(images)
    data = split_stack(lazy, Lazy(labels))
    assert (data.training_frames, data.held_out_frames) == (tuple(range(0, 14, 2)), (14, 16, 18))
    assert not {index for index in lazy.read if index % 2}


def test_large_objects_are_shrunk_and_large_label_values_kept_apart():
    images, labels = movie_of(4)
    big = np.kron(labels.astype(np.uint32), np.ones((1, 5, 5), dtype=np.uint32))
    big[big > 0] += 1_000_000
    data = split_stack(np.kron(images, np.ones((1, 5, 5), dtype=np.uint16)), big)
    assert data.held_out.info.diameter_px == pytest.approx(48, abs=1)
    assert sorted(np.unique(data.held_out.labels)) == [0, 1, 2]
    assert data.source_shape == (4, 320, 320)


def test_colour_frames_become_gray():
    images, labels = movie_of(4)
    colour = split_stack(np.repeat(images[..., None], 3, axis=-1), labels).held_out.images
    assert np.abs(colour.astype(int) - split_stack(images, labels).held_out.images).max() <= 1


def shorter(images, labels):
    return images, labels[:5]


def cropped(images, labels):
    return images, labels[:, :50]


def empty(images, labels):
    return images, np.zeros_like(labels)


def one_frame(images, labels):
    labels[1:] = 0
    return images, labels


def fractions(images, labels):
    return images, labels * 0.5


def negative(images, labels):
    return images, labels.astype(np.int32) - 1


def foreground(images, labels):
    return images, (labels > 0).astype(np.uint8)


def specks(images, labels):
    labels[:] = 0
    labels[:, 5:8, 5:8] = 1
    return images, labels


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (shorter, "10 image frames and 5 label frames"),
        (cropped, "image frame is 64 x 64 and a label frame 50 x 64"),
        (empty, "0 of 10 label frames hold objects"),
        (one_frame, "1 of 10 label frames hold objects"),
        (fractions, "frame 0 holds fractions"),
        (negative, "frame 0 holds -1"),
        (foreground, "all objects have the label 1, on 2 separate regions"),
        (specks, "no labelled object has 40 px or more"),
    ],
)
def test_what_cannot_be_learned_from_is_said(spoil, words):
    with pytest.raises(StackError, match=words):
        split_stack(*spoil(*movie_of(10)))


def test_small_objects_are_followed_on_a_close_up():
    images, labels = movie_of(6, side=300)
    labels[:, 250:262, 250:262] = 3
    close = HeldOutFrames(split_stack(images, labels), size=64).movie
    assert close is not None
    assert close.images.shape[1:] == close.labels.shape[1:]
    assert max(close.images.shape[1:]) < 100
    assert 2 in close.labels
    assert 3 not in close.labels
