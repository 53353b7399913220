from __future__ import annotations

import numpy as np
import pytest

from sam2_core.inference.mask_logits import ABSENT_LOGIT, LogitPatch, WindowedLogits, labels_from_logits

U16 = np.dtype(np.uint16)


def random_logits(seed):
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    covered = [(slice(0, 9), slice(4, 16)), (slice(2, 14), slice(6, 18)), (slice(10, 20), slice(20, 30))]
    patches = [
        LogitPatch(rows, columns, rng.normal(size=(rows.stop - rows.start, columns.stop - columns.start)).astype("f4"))
        for rows, columns in covered
    ]
    return WindowedLogits([patches[0], None, *patches[1:]], (20, 30))


def test_patches_and_the_full_array_give_the_same_labels():
    logits = random_logits(4)
    full = np.asarray(logits)
    assert full.shape == logits.shape == (4, 1, 20, 30)
    assert (full[1] == ABSENT_LOGIT).all()
    for values in ([1, 2, 3, 4], [7, 0, 0, 9]):
        expected = labels_from_logits(full, values, U16)
        assert expected.any()
        np.testing.assert_array_equal(labels_from_logits(logits, values, U16), expected)


def test_outside_its_window_an_object_is_absent():
    full = np.asarray(random_logits(5))
    outside = np.ones((20, 30), bool)
    outside[0:9, 4:16] = False
    assert (full[0, 0][outside] == ABSENT_LOGIT).all()
    assert (full[0, 0][~outside] > -10).all()


def test_labels_need_as_many_values_as_objects():
    with pytest.raises(ValueError, match="zip"):
        labels_from_logits(random_logits(6), [1, 2, 3], U16)


def test_overlap_goes_to_the_higher_logit_and_hidden_objects_stay_out():
    logits = np.array([[[[2.0, 1.0, -1.0, 3.0]]], [[[1.0, 2.0, -2.0, 4.0]]]])
    assert labels_from_logits(logits, [5, 6], U16).tolist() == [[5, 6, 0, 6]]
    assert labels_from_logits(logits, [5, 0], U16).tolist() == [[5, 5, 0, 5]]


def test_tensors_are_taken_as_well_as_arrays():
    torch = pytest.importorskip("torch")
    logits = torch.tensor([[[[0.5, -0.5]]]], dtype=torch.bfloat16, requires_grad=True)
    assert labels_from_logits(logits, [9], U16).tolist() == [[9, 0]]
