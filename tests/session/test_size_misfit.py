"""A click whose mask does not fit the size that the view was chosen for says so, and what to set instead."""

from __future__ import annotations

import numpy as np
import pytest
from disc_predictor import DiscPredictor

from napari_sam2.session import Session, SessionSettings
from napari_sam2.session.looks import size_misfit

SIZE = (64, 96)


def misfit_in(session):
    return size_misfit(session.settings, session.document, session.masks)


def clicked(diameter, view="auto", **prompt):
    """What a session says after a click on a cell, told that cells have a diameter."""
    settings = SessionSettings(object_diameter_px=diameter, view=view)
    images = np.zeros((3, *SIZE), np.uint8)
    with Session.open(images, axes="TYX", settings=settings, predictor=DiscPredictor()) as session:
        if prompt:
            session.add_box(1, 0, **prompt)
        else:
            session.add_points(1, 0, [(30, 40)])
        list(session.preview())
        return misfit_in(session), session.masks.get((1, 0))


@pytest.fixture(scope="module")
def true_px():
    _, mask = clicked(None)
    return float(np.sqrt(4 * mask.mask().sum() / np.pi))


@pytest.mark.parametrize("factor", [0.65, 1.0, 1.5])
def test_what_fits_well_enough_is_not_spoken_of(true_px, factor):
    assert clicked(max(1.0, factor * true_px))[0] is None


@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_what_does_not_fit_names_both_sizes(true_px, factor):
    misfit, _ = clicked(max(1.0, factor * true_px))
    assert misfit.clicked_px == pytest.approx(true_px, abs=1)
    assert misfit.chosen_px == max(1.0, factor * true_px)
    assert f"give --object-diameter {misfit.clicked_px:.0f} " in str(misfit)
    assert clicked(round(misfit.clicked_px))[0] is None, "what it asks for helps"


def test_without_a_size_or_on_whole_frames_there_is_nothing_to_fit(true_px):
    assert clicked(None)[0] is None
    assert clicked(3 * true_px, view="full")[0] is None


def test_a_box_tells_the_size_itself(true_px):
    assert clicked(4 * true_px, box_yx=(20, 20, 30, 30))[0] is None


def test_a_mask_that_holds_no_longer_tells_nothing(true_px):
    settings = SessionSettings(object_diameter_px=4 * true_px)
    images = np.zeros((3, *SIZE), np.uint8)
    with Session.open(images, axes="TYX", settings=settings, predictor=DiscPredictor()) as session:
        session.add_points(1, 0, [(30, 40)])
        list(session.preview())
        assert misfit_in(session) is not None
        session.change_settings(object_diameter_px=5 * true_px)
        assert misfit_in(session) is None, "the mask is stale until it is made again"
