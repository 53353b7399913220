"""Frames on which found objects were missed: what is filled, and what was begun and stopped."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from disc_predictor import DiscPredictor
from linked_squares import SIZE, linked_session, square, take

from napari_sam2.masks.stored_masks import MaskStatus


@pytest.fixture
def missed():
    """Makes a session with two squares that were missed on frames 2 to 4, one of them on frame 6 as well."""
    return lambda: linked_session({1: (0, 1, 5, 7), 2: (0, 1, 5, 6, 7)}, predictor=DiscPredictor())


@pytest.mark.parametrize("frames", [0, 1, 2, 3])
def test_a_filling_that_was_stopped_is_made_anew_and_ends_as_if_it_had_not_been(missed, frames):
    with missed() as whole, missed() as stopped:
        assert [update.frame_index for update in whole.fill_gaps() if update.leg == "forward"] == [2, 3, 4, 6]
        said = len(stopped.work.gap_job().document.prompts)
        assert len(list(islice(stopped.fill_gaps(), said + frames))) == said + frames
        list(stopped.fill_gaps())
        assert dict(stopped.masks.items()) == dict(whole.masks.items())
        assert not list(stopped.fill_gaps())


def test_where_memory_saw_nothing_it_is_not_asked_again(missed):
    with missed() as session:
        empty = {(1, frame): square(1, frame).empty(MaskStatus.absent, leg="forward") for frame in (2, 3, 4, 6)}
        take(session, empty)
        spans = {(span.object_id, tuple(span.frames)) for span in session.work.gap_job().spans}
        assert spans == {(2, (2, 3, 4))}


def test_what_a_person_said_in_a_gap_and_what_prompts_lead_to_is_left(missed):
    with missed() as session:
        session.edit_mask(1, 3, np.zeros(SIZE, bool))
        session.add_points(2, 0, [(30, 22)])
        list(session.propagate(frames=range(1, 3)))
        assert session.status(2)[2] == MaskStatus.tracked.code
        spans = {(span.object_id, tuple(span.frames)) for span in session.work.gap_job().spans}
        assert spans == {(1, (6,))}


def test_what_was_filled_is_let_go_before_the_next_is_taken_in():
    """There may be thousands of gaps, and of ends behind which memory looks: each holds memories and image features."""
    predictor = DiscPredictor()
    with linked_session({1: (0, 3, 4, 5, 6, 7), 2: (0, 1, 2, 3, 4, 7)}, predictor=predictor) as session:
        session.change_settings(view="full")  # nothing is measured before
        list(session.fill_gaps())
        calls = [(call[0], call[2] if call[0] == "mask" else call[1]) for call in predictor.calls]
        about = [call for call in calls if call[0] in ("mask", "remove")]
        assert about == [*[("mask", 1)] * 2, ("remove", 1), *[("mask", 2)] * 2, ("remove", 2)]
        assert session.status(1)[1] == session.status(2)[5] == MaskStatus.tracked.code
