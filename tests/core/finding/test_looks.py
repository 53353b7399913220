from __future__ import annotations

import numpy as np
import pytest
from bright_model import BrightModel, discs

from sam2_core.finding import FindingOptions, find_objects
from sam2_core.finding.found import FoundObject, labels_of
from sam2_core.finding.looks import agreed, is_sure

FRAME_HW = (80, 120)


def square(x, y, side, score):
    return FoundObject((x, y, x + side, y + side), np.ones((side, side), bool), (x + side / 2, y + side / 2), score)


def test_what_other_looks_saw_too_counts_for_more():
    alone, shared = square(10, 10, 20, 0.8), square(60, 10, 20, 0.8)
    found = agreed([[alone, shared], [square(61, 10, 20, 0.7)], []], FRAME_HW)
    assert [each.box_xyxy[0] for each in found] == [60, 10]
    assert [each.score for each in found] == pytest.approx([(0.8 + 1.5 / 3) / 2, (0.8 + 0.8 / 3) / 2])


def test_an_outline_is_what_most_looks_saw():
    looks = [[square(20, 20, 24, 0.9)], [square(20, 20, 20, 0.8)], [square(20, 20, 20, 0.7)]]
    (found,) = agreed(looks, FRAME_HW)
    assert found.box_xyxy == (20, 20, 40, 40)
    (found,) = agreed(looks[:2], FRAME_HW)
    assert found.box_xyxy == (20, 20, 44, 44)  # the surer one where there are two


def test_parts_give_way_to_a_whole_that_most_looks_saw():
    parts = [square(20, 20, 10, 0.6), square(30, 20, 10, 0.6)]
    whole = FoundObject((20, 20, 40, 30), np.ones((10, 20), bool), (30.0, 25.0), 0.6)
    found = agreed([parts, [whole], [whole], [whole]], FRAME_HW)
    assert [each.area for each in found] == [200]


def test_no_two_share_a_pixel_and_the_best_are_first():
    rng = np.random.default_rng(0)
    looks = []
    for _ in range(4):
        places = [(x + int(rng.integers(-4, 5)), y + int(rng.integers(-4, 5))) for x in (10, 50, 90) for y in (10, 45)]
        looks.append([square(x, y, 20, float(rng.uniform(0.1, 0.9))) for x, y in places])
    found = agreed(looks, FRAME_HW)
    assert sum(each.area for each in found) == np.count_nonzero(labels_of(found, FRAME_HW))
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    assert len(found) == 6


@pytest.mark.parametrize(
    ("look", "sure"),
    [
        ([], True),
        ([square(0, 0, 20, 0.95), square(40, 0, 22, 0.9)], True),
        ([square(0, 0, 20, 0.6), square(40, 0, 22, 0.7)], False),
        ([square(0, 0, 10, 0.95), square(40, 0, 30, 0.95)], False),
        ([square(0, 0, 20, 0.95), square(40, 0, 22, 0.1)], True),
    ],
    ids=["nothing", "like ones", "unsure ones", "of two sizes", "one and a trace"],
)
def test_only_looks_that_are_unsure_or_show_many_sizes_are_taken_again(look, sure):
    assert is_sure(look) is sure


def test_objects_of_two_sizes_are_sought_at_other_scales_too():
    small = [(x, y) for x in range(30, 300, 60) for y in (40, 100)]
    image, _ = discs((300, 330), small, 20)
    large, _ = discs((300, 330), [(80, 220), (240, 220)], 70)
    both, once, again = np.maximum(image, large), BrightModel(), BrightModel()
    find_objects(once, image, FindingOptions(diameter_px=20))
    found = find_objects(again, both, FindingOptions(diameter_px=20))
    assert again.encoded > 2 * once.encoded
    assert len(found) == len(small) + 2
