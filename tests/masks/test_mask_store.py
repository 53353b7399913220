from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.masks.mask_store import MaskChange, MaskStatus, MaskStore, Overlaps, StoredMask
from sam2_core.errors import PromptError, StackError

SIZE = (12, 16)


def block(rows: slice, columns: slice, logit: float = 5.0, **about) -> StoredMask:
    logits = np.full(SIZE, -5.0, np.float32)
    logits[rows, columns] = logit
    return StoredMask.of_logits(0, 0, logits, **about)


LEFT, RIGHT = (slice(0, 4), slice(0, 8)), (slice(0, 4), slice(4, 12))
SHARED = (0, slice(4, 8))


@pytest.fixture
def store() -> MaskStore:
    return MaskStore(SIZE, 10)


def content(store: MaskStore) -> dict:
    return dict(sorted(store.items()))


def check_indexes(store: MaskStore) -> None:
    """Check that objects, frames and statuses tell the same."""
    masks = content(store)
    assert len(store) == len(masks)
    assert store.object_ids() == tuple(sorted({object_id for object_id, _ in masks}))
    for object_id in range(1, 6):
        own = {frame: mask for (owner, frame), mask in masks.items() if owner == object_id}
        assert store.frames(object_id) == own
        assert list(store.frames(object_id)) == sorted(own)
        codes = store.statuses(object_id)
        assert codes.tolist() == [own[frame].status.code if frame in own else 0 for frame in range(10)]
    for frame in range(10):
        assert store.objects_on(frame) == tuple(sorted(object_id for object_id, at in masks if at == frame))


def test_a_mask_is_found_by_object_and_by_frame(store):
    mask = block(*LEFT)
    assert store.put((3, 7), mask) == MaskChange((3, 7), None, mask)
    assert store.get((3, 7)) is mask
    assert store.get((3, 6)) is None
    assert store.mask(3, 6) is None
    expected = np.zeros(SIZE, bool)
    expected[LEFT] = True
    np.testing.assert_array_equal(store.mask(3, 7), expected)
    check_indexes(store)


def test_a_mask_replaces_an_earlier_one_and_can_be_removed(store):
    first, second = block(*LEFT), StoredMask.empty()
    store.put((1, 0), first)
    assert store.put((1, 0), second) == MaskChange((1, 0), first, second)
    assert store.statuses(1)[0] == MaskStatus.absent.code
    assert store.remove((1, 0)) == MaskChange((1, 0), second, None)
    assert store.remove((1, 0)) == MaskChange((1, 0), None, None)
    assert not len(store)
    check_indexes(store)


def test_statuses_and_frames_are_copies(store):
    store.put((1, 0), block(*LEFT))
    store.statuses(1)[:] = 9
    store.frames(1).clear()
    check_indexes(store)


@pytest.mark.parametrize("frame", [-1, 10])
def test_a_frame_that_is_not_there_is_refused(store, frame):
    with pytest.raises(StackError, match="frames 0 to 9"):
        store.put((1, frame), block(*LEFT))


def test_a_mask_that_reaches_out_of_the_frame_is_refused(store):
    with pytest.raises(StackError, match="12 high and 16 wide"):
        store.put((1, 0), StoredMask.of_logits(10, 0, np.ones((3, 3), np.float32)))


def test_labels_of_a_frame_without_masks_are_empty_and_small(store):
    labels = store.labels(4)
    assert labels.shape == SIZE
    assert labels.dtype == np.uint16
    assert not labels.any()


def test_labels_are_wide_on_every_frame_where_an_id_needs_it(store):
    store.put((70_000, 0), block(*LEFT))
    assert store.labels(0).max() == 70_000
    assert store.labels(5).dtype == np.uint32


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_the_higher_logit_gets_the_pixel_in_whatever_order_masks_come(store, order):
    masks = {1: block(*LEFT, logit=3.0), 2: block(*RIGHT, logit=6.0)}
    for object_id in order:
        store.put((object_id, 0), masks[object_id])
    labels = store.labels(0)
    assert (labels[SHARED] == 2).all()
    assert (labels[0, :4] == 1).all()
    assert (labels[4:] == 0).all()


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
@pytest.mark.parametrize("logits", [(4.0, 4.0), (40.0, 90.0)])
def test_of_equal_logits_the_lower_id_gets_the_pixel(store, order, logits):
    masks = {1: block(*LEFT, logit=logits[0]), 2: block(*RIGHT, logit=logits[1])}
    for object_id in order:
        store.put((object_id, 0), masks[object_id])
    assert (store.labels(0)[SHARED] == 1).all()


def test_the_earlier_mask_keeps_its_pixels_even_after_it_was_improved(store):
    store.put((2, 0), block(*RIGHT, logit=1.0))
    store.put((1, 0), block(*LEFT, logit=9.0))
    store.put((2, 0), block(*RIGHT, logit=2.0))
    assert (store.labels(0, overlaps=Overlaps.keep)[SHARED] == 2).all()
    assert (store.labels(0)[SHARED] == 1).all()


def test_an_object_keeps_its_place_when_its_masks_went_and_came_back(store):
    store.put((2, 0), block(*RIGHT))
    store.put((1, 0), block(*LEFT))
    held = store.held(2)
    store.remove((2, 0))
    store.hold(2, held)
    assert (store.labels(0, overlaps=Overlaps.keep)[SHARED] == 2).all()
    assert [key for key, _ in store.items()] == [(2, 0), (1, 0)]


def test_the_order_of_the_objects_that_are_asked_for_says_who_keeps_a_pixel(store):
    store.put((2, 0), block(*RIGHT))
    store.put((1, 0), block(*LEFT))
    for order in ((1, 2), (2, 1)):
        assert (store.labels(0, order, Overlaps.keep)[SHARED] == order[0]).all()


@pytest.mark.parametrize("overlaps", Overlaps)
def test_a_painted_mask_wins_over_tracked_ones_and_a_locked_one_over_both(store, overlaps):
    store.put((1, 0), block(*LEFT, logit=30.0))
    painted = np.zeros(SIZE, bool)
    painted[RIGHT] = True
    store.put((2, 0), StoredMask.of_mask(painted))
    assert (store.labels(0, overlaps=overlaps)[SHARED] == 2).all()
    assert (store.labels(0, overlaps=overlaps, locked={1})[SHARED] == 1).all()
    store.put((3, 0), block(*RIGHT, logit=1.0))
    assert (store.labels(0, overlaps=overlaps, locked={3})[RIGHT] == 3).all()


def test_objects_that_are_left_out_neither_show_nor_take_pixels(store):
    store.put((1, 0), block(*LEFT, logit=3.0))
    store.put((2, 0), block(*RIGHT, logit=6.0))
    only = store.labels(0, objects=[1, 9], overlaps=Overlaps.allowed)
    assert (only[LEFT] == 1).all()
    assert set(np.unique(only)) == {0, 1}
    assert not store.labels(0, objects=[]).any()


def test_absent_objects_take_no_pixel(store):
    store.put((1, 0), block(*LEFT))
    store.put((2, 0), StoredMask.of_mask(np.zeros(SIZE, bool)))
    assert (store.labels(0, locked={2})[LEFT] == 1).all()


@pytest.mark.parametrize("seed", range(3))
def test_labels_agree_with_a_reference_that_looks_at_whole_planes(store, seed):
    rng = np.random.default_rng(seed)
    planes = np.zeros((6, *SIZE))
    for object_id in rng.permutation(6) + 1:
        logits = rng.integers(-40, 40, SIZE).astype(np.float32) / 4
        status = MaskStatus.edited if object_id % 3 == 0 else MaskStatus.tracked
        store.put((int(object_id), 0), StoredMask.of_logits(0, 0, logits, status))
        bonus = 1000 * (object_id == 4) + 500 * (object_id % 3 == 0)
        planes[object_id - 1] = np.where(logits > 0, logits + bonus, 0)
    expected = np.where(planes.max(axis=0) > 0, planes.argmax(axis=0) + 1, 0)
    np.testing.assert_array_equal(store.labels(0, locked={4}), expected)


@pytest.mark.parametrize("overlaps", Overlaps)
def test_labels_of_a_box_are_a_part_of_those_of_the_frame(store, overlaps):
    rng = np.random.default_rng(4)
    for object_id in range(1, 9):
        logits = rng.normal(0, 4, (rng.integers(2, 9), rng.integers(2, 9))).astype(np.float32)
        y0, x0 = rng.integers(0, SIZE[0] - logits.shape[0]), rng.integers(0, SIZE[1] - logits.shape[1])
        store.put((object_id, 0), StoredMask.of_logits(int(y0), int(x0), logits))
    whole = store.labels(0, overlaps=overlaps, locked={3})
    for box in [(0, 0, *SIZE), (3, 4, 9, 11), (0, 7, 1, 16), (5, 5, 5, 9), (11, 15, 12, 16)]:
        y0, x0, y1, x1 = box
        part = store.labels(0, overlaps=overlaps, locked={3}, box=box)
        np.testing.assert_array_equal(part, whole[y0:y1, x0:x1])


def test_merging_unites_masks_on_common_frames_and_moves_the_others(store):
    store.put((1, 0), block(*LEFT))
    store.put((2, 0), block(*RIGHT))
    store.put((2, 5), block(*RIGHT))
    store.put((3, 5), block(*LEFT))
    before = content(store)
    store.merge(1, 2)
    assert sorted(content(store)) == [(1, 0), (1, 5), (3, 5)]
    assert np.count_nonzero(store.mask(1, 0)) == 4 * 12
    assert store.get((1, 5)) == before[2, 5]
    check_indexes(store)
    with pytest.raises(PromptError, match="twice"):
        store.merge(2, 2)


def test_swapping_exchanges_masks_from_a_frame_on(store):
    for frame in (0, 4, 5):
        store.put((1, frame), block(*LEFT))
    for frame in (4, 6):
        store.put((2, frame), block(*RIGHT))
    before = content(store)
    store.swap(1, 2, from_frame=4)
    assert sorted(content(store)) == [(1, 0), (1, 4), (1, 6), (2, 4), (2, 5)]
    assert store.get((1, 4)) == before[2, 4]
    assert store.get((2, 5)) == before[1, 5]
    check_indexes(store)
    store.swap(2, 1, from_frame=4)
    assert content(store) == before
    with pytest.raises(PromptError, match="twice"):
        store.swap(1, 1, 0)


def test_an_object_goes_with_all_its_masks(store):
    for frame in range(4):
        store.put((1, frame), block(*LEFT))
        store.put((2, frame), block(*RIGHT))
    changes = store.remove_object(1)
    assert [change.key for change in changes] == [(1, frame) for frame in range(4)]
    assert store.object_ids() == (2,)
    check_indexes(store)


def test_tracked_masks_behind_an_edit_turn_stale_and_stay_visible(store):
    store.put((1, 3), block(*LEFT, status=MaskStatus.prompted))
    store.put((1, 4), block(*LEFT, leg="forward"))
    store.put((1, 5), StoredMask.empty(leg="forward"))
    store.put((1, 6), block(*LEFT, status=MaskStatus.edited))
    store.put((1, 2), block(*LEFT, leg="backward"))
    changes = store.turn_stale(1, lambda frame, mask: mask.leg == "forward" and frame > 3)
    assert [change.key for change in changes] == [(1, 4), (1, 5)]
    assert store.statuses(1).tolist() == [0, 0, 2, 1, 4, 4, 3, 0, 0, 0]
    assert (store.labels(4)[LEFT] == 1).all()


@pytest.mark.parametrize("seed", range(5))
def test_what_was_held_is_put_back_whatever_came_since_and_other_objects_stay(store, seed):
    rng = np.random.default_rng(seed)
    masks = [block(*LEFT), block(*RIGHT), StoredMask.empty(), block(slice(8, 9), slice(1, 3), leg="forward")]
    moments = []
    for _ in range(60):
        a, b, frame = (int(value) for value in rng.integers((1, 1, 0), (6, 6, 10)))
        other = b if b != a else a % 5 + 1
        moments.append((content(store), {one: store.held(one) for one in (a, other)}))
        edits = [
            lambda a=a, frame=frame: store.put((a, frame), masks[rng.integers(len(masks))]),
            lambda a=a, frame=frame: store.remove((a, frame)),
            lambda a=a, other=other: store.merge(a, other),
            lambda a=a, other=other, frame=frame: store.swap(a, other, frame),
            lambda a=a, frame=frame: store.turn_stale(a, lambda at, _, frame=frame: at > frame),
        ]
        edits[rng.choice(len(edits), p=[0.5, 0.1, 0.1, 0.15, 0.15])]()
        check_indexes(store)
    for before, held in reversed(moments):
        now = content(store)
        changes = [change for one, frames in held.items() for change in store.hold(one, frames)]
        assert content(store) == before
        assert {change.key for change in changes} >= {
            key for key in now.keys() | before if now.get(key) != before.get(key)
        }
        check_indexes(store)


def test_what_is_kept_of_a_hundred_cells_on_a_thousand_frames_is_small():
    store = MaskStore((200, 200), 1000)
    y, x = np.mgrid[:60, :60] - 29.5
    mask = StoredMask.of_logits(0, 0, (30 - np.hypot(y, x)).astype(np.float32))
    for object_id in range(1, 101):
        for frame in range(0, 1000, 50):
            store.put((object_id, frame), mask)
    assert sum(len(mask.packed) for _, mask in store.items()) / len(store) < 20_000
    assert store.objects_on(50) == tuple(range(1, 101))
    assert not store.objects_on(51)


@pytest.fixture
def filled(store: MaskStore) -> MaskStore:
    """Objects 1 and 2 on several frames, 3 absent on one."""
    for key in ((1, 0), (2, 0), (2, 4), (1, 2)):
        store.put(key, block(*(LEFT if key[0] == 1 else RIGHT)))
    store.put((3, 1), StoredMask.empty())
    return store


def test_a_store_made_of_masks_is_the_one_that_they_were_put_into(filled):
    made = MaskStore.of(filled.size, filled.frame_count, filled.held_all())
    check_indexes(made)
    assert list(made.items()) == list(filled.items())
    assert made.object_ids() == (1, 2, 3)
    with pytest.raises(StackError, match="reaches out of the frame"):
        MaskStore.of((2, 2), filled.frame_count, filled.held_all())


def test_all_masks_that_were_held_stay_as_they_were(filled):
    held, before = filled.held_all(), dict(filled.items())
    filled.put((1, 0), StoredMask.empty())
    filled.remove_object(2)
    filled.put((9, 0), StoredMask.empty())
    assert dict(held) == before != dict(filled.items())
    assert len(held) == len(before)
