"""Scores of tracking: the numbers of traccuracy 0.4.3 on movies drawn here, and small ones worked out by hand."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from drawn_movies import drawn_truth, spoilt

from sam2_core.errors import StackError
from sam2_core.scoring.tracking import judge_tracking

COLUMNS = (
    *("det", "tra", "lnk", "fn_nodes", "fp_nodes", "ns_nodes", "fn_links", "fp_links", "ws_links", "chota"),
    *("division_f1", "complete_tracks", "complete_lineages"),
)
# CTCMetrics, CHOTAMetric with CTCMatcher; DivisionMetrics(2) and CompleteTracks with IOUMatcher(0.5, one_to_one=True)
RECORDED = {
    2: (0.958823529, 0.926908150, 0.693548387, 1, 3, 3, 15, 3, 3, 0.815267258, (4 / 11, 6 / 11, 6 / 11), 0.5, 1 / 6),
    14: (0.890361446, 0.850872554, 0.567099567, 6, 6, 5, 26, 5, 6, 0.788254914, (0.4, 0.48, 0.48), 17 / 30, 1 / 6),
    37: (0.886516854, 0.837851158, 0.489959839, 5, 6, 9, 37, 6, 2, 0.773863493, (5 / 12, 0.5, 7 / 12), 9 / 14, 1 / 6),
    45: (0.876811594, 0.827915870, 0.470899471, 5, 0, 7, 30, 4, 1, 0.762672404, (0.6, 0.6, 0.8), 5 / 9, 1 / 3),
}


def strips(*rows: tuple[int, ...]) -> list[np.ndarray]:
    """Frames of one row each; each value is three pixels wide."""
    return [np.repeat(np.array([row], np.int32), 3, axis=1) for row in rows]


@pytest.mark.parametrize("seed", RECORDED)
def test_the_numbers_are_those_of_traccuracy(seed):
    rng = np.random.default_rng(seed)
    truth, parents = drawn_truth(rng)
    found, found_parents = spoilt(rng, truth, parents)
    scores = asdict(judge_tracking(truth, found, parents, found_parents))
    for column, value in zip(COLUMNS, RECORDED[seed], strict=True):
        assert scores[column] == pytest.approx(value, abs=1e-8), column


def test_a_perfect_result_under_other_ids():
    truth = strips((1, 0), (0, 0), (1, 0), (2, 3))  # also through a frame without it
    found = strips((7, 0), (0, 0), (7, 0), (9, 8))
    scores = judge_tracking(truth, found, {2: 1, 3: 1}, {8: 7, 9: 7})
    shares = (
        scores.seg,
        scores.det,
        scores.tra,
        scores.lnk,
        scores.chota,
        scores.links_found,
        scores.complete_lineages,
    )
    assert shares == (1, 1, 1, 1, 1, 1, 1)
    assert (scores.links, scores.divisions, scores.division_f1, scores.identity_switches) == (3, 1, (1, 1, 1), 0)


def test_parents_alone_make_a_division():
    truth = strips((1, 0), (2, 3))
    scores = judge_tracking(truth, truth, {2: 1, 3: 1}, {})
    assert (scores.det, scores.fn_links, scores.lnk, scores.division_f1) == (1, 2, 0, (0, 0, 0))
    assert (scores.complete_tracks, scores.complete_lineages) == (1, 0)


def test_identities_that_are_exchanged_are_two_switches():
    truth = strips((1, 2), (1, 2), (1, 2))
    scores = judge_tracking(truth, strips((1, 2), (1, 2), (2, 1)))
    assert (scores.identity_switches, scores.links_found, scores.links_right, scores.complete_tracks) == (
        2,
        0.5,
        0.5,
        0,
    )
    assert scores.det == 1


@pytest.mark.parametrize("swap", [False, True])
def test_a_division_that_is_a_frame_early_or_late(swap):
    tracks = strips((1, 0), (2, 0), (2, 3)), strips((1, 0), (1, 0), (2, 3))
    parents = {2: 1, 3: 1}, {2: 1, 3: 1}
    truth, found = tracks[::-1] if swap else tracks
    assert judge_tracking(truth, found, *parents).division_f1 == (0, 1, 1)


def test_a_result_without_objects_has_found_nothing():
    truth = strips((1, 0), (2, 3))
    scores = judge_tracking(truth, strips((0, 0), (0, 0)), {2: 1, 3: 1})
    assert (scores.seg, scores.det, scores.tra, scores.lnk, scores.chota, scores.complete_tracks) == (0,) * 6
    assert (scores.fn_nodes, scores.fn_links, scores.links_found, scores.division_f1) == (3, 2, 0, (0, 0, 0))


def test_nothing_to_judge_is_nan():
    scores = judge_tracking(strips((0, 0)), strips((0, 0)))
    assert np.isnan([scores.seg, scores.det, scores.tra, scores.lnk, scores.chota, *scores.division_f1]).all()
    assert (scores.fp_nodes, scores.identity_switches) == (0, 0)


@pytest.mark.parametrize("found", [strips((1, 0)), strips((1, 0, 0), (1, 0, 0)), strips((1, 0), (1, 0), (1, 0))])
def test_a_result_of_another_size_is_refused(found):
    with pytest.raises(StackError, match=r"same frames of the same size"):
        judge_tracking(strips((1, 0), (1, 0)), found)
