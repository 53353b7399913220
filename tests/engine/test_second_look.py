"""Whose masks may choose the size of windows: those of our own models, read as a session reads them."""

from __future__ import annotations

import pytest

from napari_sam2.engine.view import ViewChoice, choose_view, view_request
from sam2_core.build import build_model
from sam2_core.config import load_config
from sam2_core.inference.video_predictor import SAM2VideoPredictor

FRAME_HW = (600, 800)


def looks_again(config, **options):
    predictor = SAM2VideoPredictor(build_model(load_config(config, image_size=64)), **options)
    return choose_view(view_request(ViewChoice.windows, 20.0), predictor, FRAME_HW).predictor.second_look


def test_our_own_models_look_again():
    assert looks_again("cells_nano")


@pytest.mark.parametrize(
    ("config", "options"), [("cells_nano", {"semantics": "official"}), ("sam2.1_hiera_t", {}), ("sam2_hiera_t", {})]
)
def test_what_is_official_stays_as_it_is(config, options):
    assert not looks_again(config, **options)
