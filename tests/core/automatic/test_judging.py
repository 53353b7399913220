"""Masks judged on a window are those judged on the whole frame by plain torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from sam2_core.automatic.judging import Judge


def blob(size: int, x: float, y: float, radius: float) -> torch.Tensor:
    places = torch.arange(size, dtype=torch.float32)
    return radius - torch.hypot(places[None] - x, places[:, None] - y)


def noise(size: int) -> torch.Tensor:
    return torch.randn(size, size, generator=torch.Generator().manual_seed(3)) * 3


@pytest.mark.parametrize(
    "logits",
    [blob(32, 20.3, 9.1, 4.2), blob(32, 0.2, 31, 5), blob(32, 16, 16, 40), noise(32), blob(32, 34, 5, 6)],
    ids=["small", "in a corner", "over the frame", "noise", "half outside"],
)
@pytest.mark.parametrize("frame_hw", [(128, 128), (101, 77), (32, 32), (20, 300)])
@pytest.mark.parametrize(("threshold", "offset"), [(0.0, 1.0), (1.5, 0.7), (-1.0, -0.5)])
def test_a_window_gives_what_the_whole_frame_gives(logits, frame_hw, threshold, offset) -> None:
    judged = Judge((32, 32), frame_hw, threshold, offset, 0.0).mask(logits)
    whole = interpolate(logits[None, None], frame_hw, mode="bilinear", align_corners=False)[0, 0].numpy()
    x0, y0, x1, y1 = judged.box
    mask = np.zeros(frame_hw, dtype=bool)
    mask[y0 : y1 + 1, x0 : x1 + 1] = judged.patch
    assert np.array_equal(mask, whole > threshold)
    assert judged.area == mask.sum() > 0
    assert judged.patch.any(axis=0)[[0, -1]].all()
    assert judged.patch.any(axis=1)[[0, -1]].all()
    expected = (whole > threshold + offset).sum() / (whole > threshold - offset).sum()
    assert judged.stability == pytest.approx(expected, rel=1e-6)


def test_what_is_not_stable_is_no_mask() -> None:
    logits = blob(32, 16, 16, 5)  # shifted by 1 its radius is 4 and 6: stable at about 16 / 36
    assert Judge((32, 32), (128, 128), 0.0, 1.0, 0.5).mask(logits) is None
    assert Judge((32, 32), (128, 128), 0.0, 1.0, 0.4).mask(logits) is not None


def test_an_empty_mask_is_neither_stable_nor_anywhere() -> None:
    logits = torch.full((32, 32), -9.0)
    assert Judge((32, 32), (128, 128), 0.0, 1.0, 0.01).mask(logits) is None
    empty = Judge((32, 32), (128, 128), 0.0, 1.0, 0.0).mask(logits)
    assert (empty.box, empty.area, empty.patch.tolist()) == ((0, 0, 0, 0), 0, [[False]])
    assert np.isnan(empty.stability)
