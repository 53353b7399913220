"""Predicted cells come in one piece where the model says so; what a person drew stays as it was drawn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from small_models import reconfigured

from sam2_core import SAM2ImagePredictor, SAM2VideoPredictor, build_sam2
from sam2_core.modeling.sam2 import Sam2Model

ROWS, COLUMNS = np.mgrid[:128, :128]
TWO_DISCS = (np.hypot(ROWS - 40, COLUMNS - 40) < 20) | (np.hypot(ROWS - 90, COLUMNS - 95) < 14)
IMAGE = np.where(TWO_DISCS, 200, 30).astype(np.uint8)
ON_BOTH = {"points": [(40, 40), (95, 90)], "labels": [1, 1]}


def model_that_keeps(share: float) -> Sam2Model:
    """The bundled model, with another share for the pieces that stay."""
    return reconfigured(build_sam2("cells_nano", "cells-nano", device="cpu"), smallest_piece=share)


def pieces(mask: np.ndarray) -> int:
    return int(ndimage.label(mask, np.ones((3, 3)))[1])


@pytest.mark.parametrize(("share", "expected"), [(0.0, False), (1.0, True)])
def test_masks_of_a_video(share: float, expected: bool) -> None:
    predictor = SAM2VideoPredictor(model_that_keeps(share))
    state = predictor.init_state(np.stack([IMAGE] * 3))
    predictor.add_new_points_or_box(state, 0, 1, **ON_BOTH)
    counts = [pieces(logits[0, 0].numpy() > 0) for _, _, logits in predictor.propagate_in_video(state)]
    assert [count == 1 for count in counts] == [expected] * 3, f"pieces frame by frame: {counts}"


@pytest.mark.parametrize(("share", "expected"), [(0.0, False), (1.0, True)])
def test_masks_of_an_image(share: float, expected: bool) -> None:
    predictor = SAM2ImagePredictor(model_that_keeps(share))
    predictor.set_image(IMAGE)
    points, labels = ON_BOTH.values()
    masks, _, _ = predictor.predict(point_coords=points, point_labels=labels, multimask_output=False)
    assert (pieces(masks[0] > 0) == 1) == expected


def test_a_drawn_mask_keeps_its_pieces() -> None:
    predictor = SAM2VideoPredictor(model_that_keeps(1.0))
    state = predictor.init_state(IMAGE[None])
    drawn = predictor.add_new_mask(state, 0, 1, TWO_DISCS)[2]
    assert pieces(drawn[0, 0].numpy() > 0) == 2
