from __future__ import annotations

import pytest

from napari_sam2.document.document import Document
from napari_sam2.document.reviews import Sample, Sampled
from napari_sam2.lineage.tracks import Track
from napari_sam2.review.error_rate import drawn, error_rate, wilson
from sam2_core.errors import PromptError


@pytest.mark.parametrize(
    ("wrong", "looked_at", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_that_of_newcombe_1998_table_1_method_3(wrong, looked_at, low, high):
    assert wilson(wrong, looked_at) == pytest.approx((low, high), abs=5e-5)


def test_of_nothing_nothing_is_known():
    assert wilson(0, 0) == (0.0, 1.0)


def sample(*answers: bool | None) -> Sample:
    return Sample(Sampled.links, 7, 400, tuple((1, frame) for frame in range(len(answers))), answers)


def test_an_error_rate_counts_what_was_judged_and_says_it_in_a_sentence():
    rate = error_rate(sample(True, False, None, True))
    assert (rate.looked_at, rate.wrong, rate.drawn) == (3, 1, 4)
    assert rate.share == pytest.approx(1 / 3)
    assert "3 links drawn at random from 400 (seed 7)" in rate.sentence
    assert "1 was wrong: 33.3% (95 % Wilson interval 6.1% to 79.2%)" in rate.sentence


def test_an_answer_can_be_given_and_taken_back():
    assert sample(None, None).answered(1, False).answers == (None, False)
    assert sample(None, False).answered(1, None).answers == (None, None)
    with pytest.raises(PromptError, match="no place 2 in the sample; it has 0 to 1"):
        sample(None, None).answered(2, True)


def test_places_are_drawn_once_each_by_the_seed():
    tracks = {1: Track(1, None, ((0, 9),)), 2: Track(2, 1, ((10, 14),))}
    links = drawn(Sampled.links, tracks, Document(), 50, 3)
    assert sorted(links.places) == [(1, frame) for frame in range(1, 10)] + [(2, frame) for frame in range(10, 15)]
    assert drawn(Sampled.links, tracks, Document(), 5, 3).places == links.places[:5]
    assert drawn(Sampled.links, tracks, Document(), 50, 4).places != links.places
    assert drawn(Sampled.masks, tracks, Document(), 5, 3).among == 15
    with pytest.raises(PromptError, match="0 divisions"):
        drawn(Sampled.divisions, tracks, Document(), 5, 3)
