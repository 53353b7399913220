from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.masks.stored_masks import STEPS_PER_LOGIT, MaskChange, MaskStatus, StoredMask, frames_of
from sam2_core.errors import PromptError


def cell_logits(diameter: int, seed: int = 0) -> np.ndarray:
    """Return what a model says about a round cell: a slope at its border, some noise."""
    y, x = np.mgrid[: diameter + 20, : diameter + 20] - (diameter + 20) / 2
    noise = np.random.default_rng(seed).normal(size=y.shape)
    return ((diameter / 2 - np.hypot(y, x)) * 0.8 + noise).astype(np.float32)


def test_the_mask_is_kept_exactly_and_the_logits_to_a_quarter():
    logits = cell_logits(60)
    stored = StoredMask.of_logits(100, 200, logits, score=7.5, leg="forward")
    rows, columns = slice(stored.y0 - 100, stored.rows.stop - 100), slice(stored.x0 - 200, stored.columns.stop - 200)
    cut = logits[rows, columns]
    np.testing.assert_array_equal(stored.mask(), cut > 0)
    assert np.count_nonzero(stored.mask()) == np.count_nonzero(logits > 0)
    kept, given = (stored.codes() / STEPS_PER_LOGIT)[cut > 0], cut[cut > 0]
    assert np.abs(kept - given).max() <= 0.25
    assert ((stored.codes() / STEPS_PER_LOGIT)[cut <= 0] == 0).all()
    assert (stored.status, stored.score, stored.leg) == (MaskStatus.tracked, 7.5, "forward")


def test_the_box_is_as_small_as_the_mask():
    logits = np.full((9, 9), -3.0, np.float32)
    logits[2, 3:6] = (0.01, -1.0, 400.0)
    stored = StoredMask.of_logits(10, 20, logits)
    assert stored.box_yx == (12, 23, 13, 26)
    assert stored.shape == (1, 3)
    assert stored.mask().tolist() == [[True, False, True]]
    assert (stored.codes() / STEPS_PER_LOGIT).tolist() == [[0.25, 0.0, 31.75]]


def test_infinite_logits_and_holes_are_kept_and_what_is_no_number_is_outside():
    stored = StoredMask.of_logits(0, 0, np.array([[np.inf, np.nan, -np.inf, 1.0]], np.float32))
    assert stored.mask().tolist() == [[True, False, False, True]]


def test_a_drawn_mask_comes_back_in_its_frame():
    mask = np.zeros((30, 40), bool)
    mask[4:9, 30:40] = True
    mask[6, 33] = False
    stored = StoredMask.of_mask(mask)
    np.testing.assert_array_equal(stored.placed((30, 40)), mask)
    assert stored.status is MaskStatus.edited
    assert stored.leg == "prompt"


def test_without_a_pixel_the_object_is_absent_unless_a_person_says_so():
    nothing = np.full((5, 5), -1.0, np.float32)
    tracked = StoredMask.of_logits(3, 3, nothing, score=-4.0, leg="backward")
    assert tracked == StoredMask.empty(score=-4.0, leg="backward")
    assert tracked.is_empty
    assert tracked.mask().shape == (0, 0)
    assert not tracked.placed((8, 8)).any()
    assert StoredMask.of_mask(np.zeros((5, 5), bool)).status is MaskStatus.edited


def test_logits_that_are_no_plane_are_refused():
    with pytest.raises(PromptError, match=r"\(1, 4, 4\)"):
        StoredMask.of_logits(0, 0, np.ones((1, 4, 4), np.float32))


@pytest.mark.parametrize("diameter", [20, 60, 140])
def test_a_typical_cell_takes_little(diameter):
    assert len(StoredMask.of_logits(0, 0, cell_logits(diameter)).packed) <= 20_000


def test_equal_masks_are_equal_and_statuses_tell_them_apart():
    first, second = (StoredMask.of_logits(1, 1, cell_logits(20)) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    assert first.with_status(MaskStatus.stale) != second
    assert first.with_status(MaskStatus.stale).packed == second.packed


def test_statuses_have_codes_for_a_timeline():
    assert [status.code for status in MaskStatus] == [1, 2, 3, 4, 5, 6, 7]


def test_two_masks_become_one_with_the_higher_logit():
    first = StoredMask.of_logits(2, 2, np.full((3, 3), 2.0, np.float32), MaskStatus.tracked, 1.0, "forward")
    second = StoredMask.of_logits(4, 3, np.full((2, 4), 5.0, np.float32), MaskStatus.edited, 3.0, "prompt")
    both = StoredMask.united(first, second)
    np.testing.assert_array_equal(both.placed((9, 9)), first.placed((9, 9)) | second.placed((9, 9)))
    assert both.box_yx == (2, 2, 6, 7)
    assert both.codes()[2, 1] / STEPS_PER_LOGIT == 5.0
    assert (both.status, both.score, both.leg) == (MaskStatus.edited, 3.0, "forward")


def test_a_mask_and_an_absence_become_the_mask():
    mask = StoredMask.of_logits(2, 2, np.ones((3, 3), np.float32), leg="forward")
    both = StoredMask.united(StoredMask.empty(leg="backward"), mask)
    assert both.status is MaskStatus.tracked
    np.testing.assert_array_equal(both.placed((6, 6)), mask.placed((6, 6)))
    assert StoredMask.united(StoredMask.empty(), StoredMask.empty()).status is MaskStatus.absent


def test_changes_tell_their_frames():
    changes = [MaskChange(key, None, StoredMask.empty()) for key in ((2, 5), (1, 5), (1, 0), (2, 5))]
    assert frames_of(changes) == {0: (1,), 5: (1, 2)}
