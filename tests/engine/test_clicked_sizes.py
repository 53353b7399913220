"""Clicks on small cells: the model looks through windows by itself, whoever clicks, and says so."""

from __future__ import annotations

import numpy as np
import pytest
from disc_predictor import DiscPredictor
from scipy.ndimage import gaussian_filter, zoom

from napari_sam2 import samples
from napari_sam2.session import Session, SessionSettings
from sam2_core import SAM2VideoPredictor, build_sam2


@pytest.fixture(scope="module")
def predictor():
    return SAM2VideoPredictor(build_sam2("cells-nano", "cells-nano", device="cpu"))


def field(side, radius, seed=0):
    """Return an image of crowded discs (H, W), and the middles (y, x) and radii of those around the middle."""
    rng = np.random.default_rng(seed)
    places = np.mgrid[2 * radius : side - radius : 2.3 * radius, 2 * radius : side - radius : 2.3 * radius]
    middles = places.reshape(2, -1).T + rng.uniform(-0.15 * radius, 0.15 * radius, (places[0].size, 2))
    radii = radius * rng.uniform(0.85, 1.1, len(middles))
    rows, columns = np.mgrid[:side, :side]
    image = rng.normal(20, 8, (side, side))
    for (y, x), size, light in zip(middles, radii, rng.uniform(60, 150, len(middles)), strict=True):
        image += light / (1 + np.exp(np.clip(np.hypot(rows - y, columns - x) - size, -50, 50)))
    near = np.argsort(np.hypot(*(middles - side / 2).T))[:3]
    return np.clip(image, 0, 255).astype(np.uint8), middles[near], radii[near]


def tracked(images, predictor, clicks, shown=False, **settings):
    """Return labels, the view's sentence and the size that was kept, with or without a look after every click."""
    with Session.open(images, axes="TYX", predictor=predictor, settings=SessionSettings(**settings)) as session:
        for object_id, place in enumerate(clicks, 1):
            session.add_points(object_id, 0, [tuple(map(float, place))])
            if shown:
                list(session.preview())
        first = session.view_sentence
        list(session.propagate("forward"))
        labels = np.stack([session.labels(frame) for frame in range(len(images))])
        return labels, session.view_sentence, session.settings.estimated_diameter_px, first


def test_small_clicked_cells_are_looked_at_in_windows_and_it_is_said(predictor):
    image, middles, radii = field(512, 9)
    movie = np.stack([image, image])
    labels, sentence, size, _ = tracked(movie, predictor, middles)
    areas = np.bincount(labels[0].ravel(), minlength=4)[1:]
    assert areas.min() > 0
    assert np.median(areas / (np.pi * radii**2)) < 1.6
    assert sentence.startswith("View: windows of")
    assert f"{size:.3g} px (measured in windows around the first clicks)" in sentence
    assert "To choose yourself, give --object-diameter" in sentence
    again, said, same, first = tracked(movie, predictor, middles, shown=True)
    assert first.startswith("View: windows of")
    assert (said, same) == (sentence, size)
    np.testing.assert_array_equal(again, labels)


def ordinary(name):
    """Return two frames and clicks (y, x)."""
    if name == "nuclei of 72 px":
        image, middles, _ = field(512, 36)
        return np.stack([image, image]), middles
    movie = samples.sample_movie(name)
    return movie.images[:2], [(click.y, click.x) for click in samples.first_clicks(movie)[:3]]


@pytest.mark.parametrize("name", ["fluorescence", "phase", "nuclei of 72 px"])
def test_cells_of_ordinary_size_keep_the_whole_frame(predictor, name):
    images, clicks = ordinary(name)
    assert tracked(images, predictor, clicks)[1].startswith("View: full frame; an object of")


def textured(side, diameter):
    """Return an image of four large cells with texture in them (H, W), and their middles (y, x)."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side]
    middles = side * np.array([(0.28, 0.3), (0.3, 0.72), (0.71, 0.27), (0.69, 0.7)])
    image = np.zeros((side, side))
    for y, x in middles:
        texture = 1 + 3 * zoom(gaussian_filter(rng.normal(size=(side // 4, side // 4)), 4), 4, order=1)
        inside = np.hypot(rows - y, (columns - x) * rng.uniform(0.9, 1.2)) < diameter / 2
        image += inside * 2000 * rng.uniform(0.6, 1.2) * np.clip(texture, 0.3, 2)
    return rng.poisson(gaussian_filter(image, 2.5) + 200).astype(np.uint16), middles


def test_large_cells_are_not_taken_for_their_texture(predictor):
    image, middles = textured(1440, 240)
    labels, sentence, _, _ = tracked(image[None], predictor, middles[:3])
    areas = np.bincount(labels[0].ravel(), minlength=4)[1:]
    assert sentence.startswith("View: full frame")
    assert areas.min() > 0.7 * np.pi * 120**2


class Clumps(DiscPredictor):
    """Object 1 seems large on whole frames and small in windows; all others are large in both."""

    def _anchor(self, state, frame, object_id, place):
        seen_in_window = state.movie.height < 400
        radius = 10 if object_id == 1 and seen_in_window else 50
        return super()._anchor(state, frame, object_id, (*place[:2], radius))


def test_a_first_click_that_seemed_small_alone_decides_nothing():
    movie, clicks = np.zeros((2, 400, 600), np.uint8), [(100, 100), (200, 300), (300, 500)]
    script = tracked(movie, Clumps(), clicks)
    shown = tracked(movie, Clumps(), clicks, shown=True)
    assert shown[3].startswith("View: windows of")
    assert script[1].startswith("View: full frame")
    assert shown[1:3] == script[1:3]
    np.testing.assert_array_equal(shown[0], script[0])


@pytest.mark.parametrize("settings", [{"view": "full"}, {"object_diameter_px": 80.0}])
def test_what_a_person_chose_stays(settings):
    movie = np.zeros((2, 400, 600), np.uint8)
    assert tracked(movie, Clumps(), [(100, 100)])[1].startswith("View: windows of")
    sentence = tracked(movie, Clumps(), [(100, 100)], **settings)[1]
    assert sentence.startswith("View: full frame")
    assert "measured" not in sentence


def test_a_box_tells_the_size_by_itself():
    with Session.open(np.zeros((2, 400, 600), np.uint8), predictor=Clumps()) as session:
        session.add_points(1, 0, [(100, 100)])
        session.add_box(2, 0, (150, 250, 250, 350))
        list(session.propagate("forward"))
        assert "estimated from the first prompts" in session.view_sentence
