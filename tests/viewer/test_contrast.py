"""The contrast that the model sees follows the layer until the first prompt, and by a button afterwards."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.masks.stored_masks import MaskStatus
from napari_sam2.viewer.shown_contrast import ShownContrast


@pytest.fixture
def contrast(desk):
    desk.session.change_settings(contrast_limits=(desk.image.contrast_limits,))
    shown = ShownContrast(desk.session, (desk.image,))
    yield shown
    shown.close()


def test_it_is_followed_until_the_first_prompt_and_then_taken_over_as_a_step(desk, contrast):
    told = []
    contrast.changed.connect(lambda: told.append(contrast.limits))
    desk.image.contrast_limits = (1, 90)
    assert told == [((1.0, 90.0),)]
    contrast.follow()
    assert desk.session.settings.contrast_limits == ((1.0, 90.0),)
    assert contrast.is_seen

    desk.points.add((0, 20, 15))
    desk.binding.propagate()
    before = desk.session.status(1).tolist()
    desk.image.contrast_limits = (1, 60)
    contrast.follow()
    assert not contrast.is_seen
    assert desk.session.status(1).tolist() == before

    contrast.take()
    assert desk.session.settings.contrast_limits == ((1.0, 60.0),)
    assert np.any(desk.session.status(1) == MaskStatus.stale.code)
    assert "ontrast" in desk.session.undo_text
    desk.session.undo()
    assert desk.session.settings.contrast_limits == ((1.0, 90.0),)
    assert desk.session.status(1).tolist() == before


def test_what_somebody_else_set_is_not_followed(desk, contrast):
    desk.session.change_settings(contrast_limits=((0, 5),))
    desk.image.contrast_limits = (1, 90)
    contrast.follow()
    assert desk.session.settings.contrast_limits == ((0.0, 5.0),)
    assert not contrast.is_seen
    contrast.close()
    desk.image.contrast_limits = (1, 80)
    assert desk.session.settings.contrast_limits == ((0.0, 5.0),)
