from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bright_model import BrightModel, discs

from sam2_core.errors import PromptError
from sam2_core.finding import FindingOptions, find_objects
from sam2_core.finding.candidates import Candidate
from sam2_core.finding.contrast import prominence
from sam2_core.finding.picture import Picture


def scene(*levels, dark=100):
    """Discs of those levels beside each other, and a candidate each."""
    places = [(30 + 40 * index, 30) for index in range(len(levels))]
    _, labels = discs((60, 40 * len(levels) + 20), places, 24)
    image = np.array([dark, *levels], np.uint8)[labels]
    found = []
    for label, (x, y) in enumerate(places, start=1):
        box = (x - 12, y - 12, x + 13, y + 13)
        mask = labels[y - 12 : y + 13, x - 12 : x + 13] == label
        found.append(Candidate(box, mask, (float(x), float(y)), 0.9, 0.9, 0.9))
    return image, found


def test_what_is_faint_beside_others_stands_out_less():
    image, found = scene(20, 25, 20, 110)
    shares = prominence(Picture.of(image), found)
    assert shares[:3] == [1.0, 1.0, 1.0]
    assert shares[3] < 0.2


def test_dim_objects_among_bright_ones_are_none_the_less_objects():
    image, found = scene(200, 180, 60, dark=10)
    assert prominence(Picture.of(image), found) == [1.0, 1.0, 1.0]


def test_much_dust_that_is_hardly_believed_does_not_pass_for_what_the_frame_is_about():
    image, found = scene(20, 20, *[110] * 14)
    dust = [replace(each, predicted_iou=0.6, stability=0.6, agreement=0.6) for each in found[2:]]
    shares = prominence(Picture.of(image), [*found[:2], *dust])
    assert shares[:2] == [1.0, 1.0]
    assert max(shares[2:]) < 0.2


def test_two_cells_count_for_more_than_any_rings_of_dust_however_sure_those_look():
    image, found = scene(20, 20, *[110] * 12)
    shares = prominence(Picture.of(image), found)
    assert shares[:2] == [1.0, 1.0]
    assert max(shares[2:]) < 0.2


def test_where_all_are_faint_all_count_and_without_any_there_is_nothing():
    image, found = scene(110, 111)
    assert prominence(Picture.of(image), found) == [1.0, 1.0]
    assert prominence(Picture.of(image), []) == []


def test_a_faint_object_gets_a_lower_score_than_it_would_alone():
    image, _ = discs((200, 300), [(60, 60), (150, 120)], 26, bright=250, dark=108)
    image[(np.hypot(*(np.indices(image.shape) - np.array([60, 240])[:, None, None])) < 13)] = 122
    model, limits = BrightModel(), (0, 255)
    every = find_objects(model, image, FindingOptions(diameter_px=26, least_score=0.0), contrast_limits=limits)
    assert len(every) == 3
    assert every.objects[2].score < 0.2 < every.objects[1].score


def test_a_diameter_that_needs_too_many_tiles_is_refused_with_what_to_do():
    image = np.zeros((1300, 1300), np.uint8)
    with pytest.raises(PromptError, match=r"region"):
        find_objects(BrightModel(), image, FindingOptions(diameter_px=2.0))
