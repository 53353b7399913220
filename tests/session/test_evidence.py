"""Masks that no prompt made (found, imported) stand: prompts refine them, runs leave them, nothing takes them away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from disc_predictor import DiscPredictor

from napari_sam2.document.objects import ObjectInfo
from napari_sam2.masks.stored_masks import MaskStatus, StoredMask
from napari_sam2.session import Session
from sam2_core.errors import PromptError

FRAMES, SIZE = 6, (40, 60)


def square(y, x):
    mask = np.zeros(SIZE, bool)
    mask[y - 6 : y + 6, x - 6 : x + 6] = True
    return mask


@pytest.fixture
def session():
    """Object 1 was found on frames 1 to 3."""
    with Session.open(np.zeros((FRAMES, *SIZE), np.uint8), axes="TYX", predictor=DiscPredictor()) as made:
        state = made._state
        state.document = state.document.with_object(ObjectInfo(1, source="cells-nano"))
        for frame in (1, 2, 3):
            state.masks.put((1, frame), StoredMask.of_mask(square(20, 20 + frame), MaskStatus.found))
        yield made


def found(session):
    return [frame for frame, mask in session.masks.frames(1).items() if mask.status is MaskStatus.found]


def test_a_click_refines_the_mask_that_was_found(session):
    before = session.masks.get((1, 2)).drawn(SIZE)
    session.add_points(1, 2, [(20, 27)], [0])
    assert session.document.prompts[1, 2].drawn == before
    list(session.preview())
    assert session.masks.get((1, 2)).status is MaskStatus.prompted
    assert found(session) == [1, 3]


def test_a_box_is_said_by_itself(session):
    session.add_box(1, 2, (10, 10, 20, 20))
    assert session.document.prompts[1, 2].drawn is None


def test_when_the_clicks_go_the_mask_is_as_it_was_found(session):
    before = session.masks.get((1, 2)).placed(SIZE)
    session.add_points(1, 2, [(20, 27)], [0])
    list(session.preview())
    clicked = session.document.prompts[1, 2]
    session.set_prompts({(1, 2): replace(clicked, points_yx=(), labels=(), mask=clicked.drawn)})
    np.testing.assert_array_equal(session.masks.get((1, 2)).placed(SIZE), before)
    assert session.undo()
    assert session.undo()
    assert found(session) == [1, 2, 3]


def test_runs_fill_what_is_missing_and_leave_what_was_found(session):
    before = {frame: session.masks.get((1, frame)) for frame in (1, 3)}
    session.add_points(1, 2, [(20, 27)], [0])
    for again in (False, True):
        list(session.propagate(only_stale=not again))
        assert {frame: session.masks.get((1, frame)) for frame in (1, 3)} == before
        assert [session.masks.get((1, frame)).status for frame in (0, 4, 5)] == [MaskStatus.tracked] * 3


def test_removing_the_last_prompt_keeps_what_was_found(session):
    session.add_points(1, 5, [(20, 27)])
    list(session.propagate())
    session.set_prompts({(1, 5): None})
    assert list(session.masks.frames(1)) == [1, 2, 3]
    assert found(session) == [1, 2, 3]


def test_a_run_ends_where_somebody_else_was_found_and_takes_nothing_of_neighbours(session):
    session.add_points(2, 0, [(20, 16)])
    list(session.propagate())
    disc = session.masks.frames(2)
    assert [disc[frame].is_empty for frame in range(FRAMES)] == [False, True, True, True, False, False]
    session.add_points(3, 0, [(20, 10)])
    list(session.propagate())
    for frame in (1, 2, 3):
        beside = session.masks.get((3, frame)).placed(SIZE)
        assert beside.any()
        assert not (beside & session.masks.get((1, frame)).placed(SIZE)).any()


def test_a_correction_lies_over_what_was_found(session):
    session.add_mask(4, 2, square(20, 28))
    np.testing.assert_array_equal(session.labels(2) == 4, square(20, 28))


@pytest.mark.parametrize("objects", [None, [1]])
def test_that_a_run_does_not_go_on_from_what_was_found_is_said_with_what_to_do(session, objects):
    with pytest.raises(PromptError, match="found or imported stays as it is") as said:
        list(session.propagate(objects=objects))
    assert "add_points(1, frame" in str(said.value)
    assert "track --auto --session" in str(said.value)
