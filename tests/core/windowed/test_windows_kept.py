"""Windows on the real predictor: prompts without output, and image features that are found on disk."""

from __future__ import annotations

import numpy as np
from stand_ins import movie

from sam2_core import SAM2VideoPredictor, WindowedPredictor
from sam2_core.inference.feature_folder import FeatureFolder

CLICKS = {1: (112, 35), 2: (71, 100)}  # x, y of two discs of the movie
FRAMES = 4


def tracked(model, need_output=True, cache=False):
    """Return the logits (T, O, 1, H, W) of a run, and what the prompts returned."""
    predictor = WindowedPredictor(SAM2VideoPredictor(model, feature_cache=cache), object_diameter_px=20)
    state = predictor.init_state(movie(FRAMES, seed=11))
    answers = [
        predictor.add_new_points_or_box(state, 0, object_id, points=[xy], labels=[1], need_output=need_output)
        for object_id, xy in CLICKS.items()
    ]
    return np.stack([np.asarray(logits) for _, _, logits in predictor.propagate_in_video(state)]), answers


def test_prompts_without_output_return_none_and_the_run_is_the_same(nano):
    (one, answers), (other, nothing) = tracked(nano), tracked(nano, need_output=False)
    assert [answer[1][-1] for answer in answers] == [1, 2]
    assert nothing == [None, None]
    assert (one > 0).any()
    np.testing.assert_array_equal(one, other)


def test_a_second_run_through_the_same_windows_encodes_nothing(nano, tmp_path, encoded):
    folder = FeatureFolder(tmp_path, exact=True)
    plain, _ = tracked(nano)
    encoded.clear()
    cold, _ = tracked(nano, cache=folder)
    assert sum(encoded) == folder.count() >= FRAMES
    encoded.clear()
    warm, _ = tracked(nano, cache=folder)
    assert not encoded
    np.testing.assert_array_equal(cold, warm)
    np.testing.assert_array_equal(plain, cold)
