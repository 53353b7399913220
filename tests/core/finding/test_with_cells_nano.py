"""What the shipped model finds on our own samples, which are made and not downloaded."""

from __future__ import annotations

import numpy as np
import pytest
from small_models import fresh_model

from napari_sam2.samples import sample_movie
from sam2_core.finding import FindingOptions, find_diameter, find_objects
from sam2_core.scoring.detection import frame_detection
from sam2_core.scoring.ground_truth import median_diameter


@pytest.fixture(scope="module")
def model():
    return fresh_model("cells-nano")


@pytest.mark.parametrize("style", ["fluorescence", "phase"])
def test_nearly_all_cells_of_the_samples_are_found_without_a_word(model, style):
    movie = sample_movie(style)
    found = find_objects(model, movie.images[15])
    assert found.diameter_px == pytest.approx(median_diameter([movie.labels[15]]), rel=0.2)
    assert frame_detection(movie.labels[15], found.labels()).ap(0) >= 0.85
    assert min(each.score for each in found.objects) >= 0.4


def test_one_cell_that_fills_the_frame_is_found(model):
    rows, columns = np.indices((200, 200))
    inside = (rows - 100) ** 2 + (columns - 100) ** 2 < 80**2
    image = (np.where(inside, 180, 30) + np.random.default_rng(1).normal(0, 5, inside.shape)).astype(np.uint8)
    found = find_objects(model, image)
    assert len(found) == 1
    assert (found.labels().astype(bool) & inside).sum() / (found.labels().astype(bool) | inside).sum() > 0.9


def test_nothing_is_made_up_in_noise(model):
    noise = np.random.default_rng(2).poisson(3, (200, 300)).astype(np.uint16)
    found = find_objects(model, noise)
    assert len(found) == 0
    assert "diameter" in found.remark


@pytest.mark.parametrize(("diameter", "least"), [(None, 44), (3.0, 42)])
def test_specks_of_three_pixels_are_found(model, diameter, least):
    image = np.full((80, 80), 20.0)
    for y in range(6, 80, 12):
        for x in range(6, 80, 12):
            image[y - 1 : y + 2, x - 1 : x + 2] = 180
    found = find_objects(model, image.astype(np.uint8), FindingOptions(diameter_px=diameter))
    assert len(found) >= least  # of 49


def test_a_picture_of_hardly_any_pixels_has_no_diameter(model):
    assert find_diameter(model, np.full((1, 300), 7, np.uint8)) is None
    assert find_diameter(model, np.array([[3]], np.uint8)) is None
