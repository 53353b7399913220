"""The feature store forgets what was not used for longest."""

from __future__ import annotations

import pytest
import torch

from sam2_core.inference.features import FeatureStore, LruFeatures
from sam2_core.modeling.image_encoder import ImageFeatures


def features() -> ImageFeatures:
    return ImageFeatures(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 4, 4))


def filled(frames: list[int], max_frames: int = 3) -> LruFeatures:
    store = LruFeatures(max_frames)
    for frame in frames:
        store.put(frame, features())
    return store


def kept(store: FeatureStore, frames: range) -> list[int]:
    return [frame for frame in frames if store.get(frame) is not None]


def test_what_was_put_comes_back_until_cleared() -> None:
    store, one = LruFeatures(), features()
    assert store.get(7) is None
    store.put(7, one)
    assert store.get(7) is one
    store.clear()
    assert store.get(7) is None
    assert len(store) == 0


def test_going_backward_keeps_the_newest_not_the_highest_frames() -> None:
    assert kept(filled([9, 8, 7, 6, 5]), range(10)) == [5, 6, 7]


def test_a_frame_that_was_used_again_outlives_the_others() -> None:
    store = filled([1, 2, 3])
    store.get(1)
    store.put(4, features())
    assert kept(store, range(6)) == [1, 3, 4]


def test_putting_a_frame_again_replaces_it_and_counts_as_use() -> None:
    store, again = filled([1, 2, 3]), features()
    store.put(1, again)
    store.put(4, features())
    assert len(store) == 3
    assert store.get(1) is again
    assert store.get(2) is None


def test_a_store_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="max_frames is 0"):
        LruFeatures(0)
