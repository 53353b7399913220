"""Objects measured over time: what the labels show of them, and nothing that was not asked for."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.document.document import Document
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.io.measuring import AREA, MAJOR, SPEED, Measurable, X, Y, measures_of, series_of
from napari_sam2.masks.mask_store import MaskStatus, MaskStore, Overlaps, StoredMask
from napari_sam2.stacks import open_stack

SIZE = (20, 30)


class CountedMovie:
    """Intensity = 10 times the frame; counts how often a frame is read."""

    def __init__(self, frames: int) -> None:
        self.movie = open_stack(np.arange(frames, dtype=np.uint8)[:, None, None] * np.full(SIZE, 10, np.uint8), "TYX")


@pytest.fixture
def store():
    """Object 1 goes 3 px right and 4 px down from frame 0 to 2; 2 lies under it on frame 0, absent on 1."""
    store = MaskStore(SIZE, 4)
    square = np.full((4, 4), 8, np.float32)
    store.put((1, 0), StoredMask.of_logits(2, 2, square))
    store.put((1, 2), StoredMask.of_logits(6, 5, square, MaskStatus.found))
    store.put((1, 3), StoredMask.empty())
    store.put((2, 0), StoredMask.of_logits(4, 4, square / 4))
    store.put((2, 1), StoredMask.empty())
    return store


def measurable(store, overlaps=Overlaps.logits):
    document = Document.of((), [ObjectInfo(1), ObjectInfo(2)])
    return Measurable.of(document, store, CountedMovie(4).movie.movie(), overlaps)


def test_area_speed_place_and_intensity_over_time(store):
    of = series_of(measurable(store), [1], [AREA, SPEED, Y, X, "mean intensity"])[1]
    assert of.frames.tolist() == [0, 2]
    assert of.values[AREA].tolist() == [16, 16]
    assert (of.values[Y].tolist(), of.values[X].tolist()) == ([3.5, 7.5], [3.5, 6.5])
    assert np.isnan(of.values[SPEED][0])
    assert of.values[SPEED][1] == pytest.approx(2.5)  # 5 px in two frames
    assert of.values["mean intensity"].tolist() == [0, 20]
    assert MAJOR not in of.values


@pytest.mark.parametrize(("overlaps", "area"), [(Overlaps.logits, 12), (Overlaps.allowed, 16)])
def test_what_another_object_won_is_not_measured(store, overlaps, area):
    assert series_of(measurable(store, overlaps), [2], [AREA])[2].values[AREA].tolist() == [area]


def test_masks_that_change_meanwhile_change_nothing(store):
    held = measurable(store)
    store.remove((1, 0))
    assert series_of(held, [1], [AREA])[1].frames.tolist() == [0, 2]
    assert series_of(measurable(store), [1], [AREA])[1].frames.tolist() == [2]


def test_an_object_without_masks_has_an_empty_series_and_a_stop_gives_none(store):
    of = series_of(measurable(store), [7], [AREA, SPEED])[7]
    assert (of.frames.tolist(), of.values[AREA].tolist()) == ([], [])
    assert series_of(measurable(store), [1, 2], [AREA], lambda: True) == {}


def test_measures_have_the_names_of_the_channels():
    stack = open_stack(np.zeros((2, 3, *SIZE), np.uint8), "TCYX")
    assert measures_of(stack.movie(channel=0))[-3:] == ("mean channel0", "mean channel1", "mean channel2")
