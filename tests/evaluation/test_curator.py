"""The simulated curator: from a result with errors to the truth, every key and click counted."""

from __future__ import annotations

import numpy as np
import pytest
from linked_squares import FRAMES, SIZE, linked_session, square

from napari_sam2.evaluation.curator import Curator, Policy, one_click_each, scored
from napari_sam2.evaluation.true_tracks import TrueTracks
from napari_sam2.io.track_files import TrackedLabels
from napari_sam2.stacks import open_labels

TRUE = {1: range(8), 2: range(4), 3: range(4, 8), 4: range(4, 8)}
PARENTS = {3: 2, 4: 2}


@pytest.fixture
def truth():
    """A cell over all frames, and one that divides on frame 4."""
    labels = np.zeros((FRAMES, *SIZE), np.uint16)
    for one, frames in TRUE.items():
        for frame in frames:
            labels[frame][square(one, frame).placed(SIZE)] = one
    return TrueTracks(TrackedLabels(open_labels(labels, "TYX"), PARENTS))


@pytest.mark.parametrize("policy", Policy)
def test_links_that_are_missing_are_made_and_a_division_is_found(truth, policy):
    with linked_session({1: range(3), 9: (), 2: range(4), 3: range(4, 8), 4: range(4, 8)}) as session:
        session.surgery  # noqa: B018
        take_row(session, 9, 1, range(3, 8))
        assert scored(session, truth).links_found < 1
        curator = Curator(session, truth, policy)
        list(curator.steps())
        reached = scored(session, truth)
        assert (reached.tra, reached.links_found, reached.division_f1[0]) == (1, 1, 1)
        assert session.review.progress.open == 0 or policy is Policy.all
        assert curator.actions < 30


def test_what_was_missed_is_drawn_and_what_is_nothing_is_deleted(truth):
    with linked_session({1: range(6), 2: range(4), 3: range(4, 8), 4: range(4, 8), 7: range(2, 4)}) as session:
        session.divide(2, 4, [3, 4])
        curator = Curator(session, truth)
        list(curator.steps())
        assert scored(session, truth).tra == 1
        assert 7 not in session.document.objects
        assert sum(wrong for _, wrong in curator.tally.values()) == 2


def test_a_result_that_is_right_costs_a_key_for_each_place(truth):
    with linked_session(TRUE) as session:
        session.divide(2, 4, [3, 4])
        curator = Curator(session, truth)
        visited = list(curator.steps())
        assert curator.actions == len(visited) == 1
        assert scored(session, truth).tra == 1


def test_without_automatics_each_cell_is_a_click_and_each_division_a_key(truth):
    assert one_click_each(truth) == 5


def take_row(session, object_id, row, frames):
    from linked_squares import take

    take(session, {(object_id, frame): square(row, frame) for frame in frames})
