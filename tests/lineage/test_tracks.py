"""Tracks of a document and its masks: where objects are, where they are not, and whom they come from."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.document.document import Document
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.track_events import Division
from napari_sam2.lineage.tracks import Track, divisions_of, tracks_of
from napari_sam2.masks.mask_store import MaskStore, StoredMask

HERE = StoredMask.of_logits(1, 1, np.ones((3, 3), np.float32))


@pytest.fixture
def masks():
    """Object 1 on frames 0 to 9, 2 with gaps, 9 looked for and nowhere; 4 is in no document."""
    store = MaskStore((8, 8), 10)
    for frame in range(10):
        store.put((1, frame), HERE)
    for frame in (8, 5, 1, 2, 6):
        store.put((2, frame), HERE)
    for key in ((2, 3), (9, 0)):
        store.put(key, StoredMask.empty())
    store.put((4, 7), HERE)
    return store


def test_tracks_have_begin_end_parent_and_gaps(masks):
    document = Document.of([], [ObjectInfo(1), ObjectInfo(2, parent=1), ObjectInfo(9)])
    tracks = tracks_of(document, masks)
    assert tracks == {
        1: Track(1, None, ((0, 9),)),
        2: Track(2, 1, ((1, 2), (5, 6), (8, 8))),
        4: Track(4, None, ((7, 7),)),
    }
    assert list(tracks) == [1, 2, 4]
    assert (tracks[2].begin, tracks[2].end, tracks[2].gaps) == (1, 8, ((3, 4), (7, 7)))
    assert tracks[1].gaps == ()


def test_hidden_masks_do_not_count(masks):
    tracks = tracks_of(Document(), masks, {(4, 7), (1, 0), (1, 4)})
    assert tracks[1].stretches == ((1, 3), (5, 9))
    assert 4 not in tracks


def test_nobody_divides_before_being_there():
    """Tables of other programs name mothers who begin with their daughters, or later."""
    tracks = {1: Track(1, None, ((2, 4),)), 2: Track(2, 1, ((0, 1),)), 3: Track(3, 1, ((2, 3),))}
    assert divisions_of(tracks) == ()
    assert divisions_of(tracks | {4: Track(4, 1, ((3, 3),))}) == (Division(1, 3, (4,)),)
