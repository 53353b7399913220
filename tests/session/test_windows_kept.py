"""Windows on the real predictor: prompts without output, and image features that are found on disk."""

from __future__ import annotations

import numpy as np
import pytest
from stand_ins import movie

from napari_sam2.session import WindowedPredictor
from sam2_core import SAM2VideoPredictor, build_sam2
from sam2_core.inference.feature_folder import FeatureFolder

CLICKS = {1: (112, 35), 2: (71, 100)}  # x, y of two discs of the movie
FRAMES = 4


@pytest.fixture(scope="module")
def model():
    return build_sam2("cells_nano", "cells-nano", device="cpu", image_size=64)


def tracked(model, need_output=True, cache=False):
    """Return the logits (T, O, 1, H, W) of a run, and what the prompts returned."""
    predictor = WindowedPredictor(SAM2VideoPredictor(model, feature_cache=cache), object_diameter_px=20)
    state = predictor.init_state(movie(FRAMES, seed=11))
    answers = [
        predictor.add_new_points_or_box(state, 0, object_id, points=[xy], labels=[1], need_output=need_output)
        for object_id, xy in CLICKS.items()
    ]
    return np.stack([np.asarray(logits) for _, _, logits in predictor.propagate_in_video(state)]), answers


def test_prompts_without_output_return_none_and_the_run_is_the_same(model):
    (one, answers), (other, nothing) = tracked(model), tracked(model, need_output=False)
    assert [answer[1][-1] for answer in answers] == [1, 2]
    assert nothing == [None, None]
    assert (one > 0).any()
    np.testing.assert_array_equal(one, other)


def test_a_second_run_through_the_same_windows_encodes_nothing(model, tmp_path):
    encoded: list[int] = []
    folder = FeatureFolder(tmp_path, exact=True)
    plain, _ = tracked(model)
    hook = model.image_encoder.register_forward_hook(lambda module, given, found: encoded.append(len(found[0])))
    cold, _ = tracked(model, cache=folder)
    assert sum(encoded) == folder.count() >= FRAMES
    encoded.clear()
    warm, _ = tracked(model, cache=folder)
    hook.remove()
    assert not encoded
    np.testing.assert_array_equal(cold, warm)
    np.testing.assert_array_equal(plain, cold)
