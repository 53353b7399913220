"""What was merged stays merged: on each frame the pixels of both, whoever was corrected before, and in chains."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from disc_predictor import DiscPredictor
from linked_squares import SIZE, linked_session, square

from napari_sam2.masks.stored_masks import MaskStatus

FRAMES = 4
SAID = 1  # the frame on which something is said
PAIR = [(1, 2), (2, 1)]


def pixels(one, frame, side=8):
    return square(one, frame, side).placed(SIZE)


def all_pixels(session, one):
    return [session.labels(frame) == one for frame in range(FRAMES)]


def masks_of(session):
    return dict(session.masks.items()), dict(session.document.prompts), dict(session.document.objects)


@pytest.fixture
def session():
    """Objects 1 to 3 were found on each frame."""
    found = dict.fromkeys((1, 2, 3), range(FRAMES))
    with linked_session(found, np.zeros((FRAMES, *SIZE), np.uint8), DiscPredictor()) as made:
        yield made


EDITS = {
    "painted": lambda s: s.edit_mask(1, SAID, pixels(1, SAID)),
    "partly erased": lambda s: s.edit_mask(1, SAID, pixels(1, SAID, side=4)),
    "drawn": lambda s: s.add_mask(1, SAID, pixels(1, SAID)),
    "both painted": lambda s: s.paint({(one, SAID): pixels(one, SAID) for one in (1, 2)}),
    "clicked": lambda s: (s.add_points(1, SAID, [(20, 26)]), list(s.preview())),
    "boxed": lambda s: (s.add_box(1, SAID, (14, 18, 26, 34)), list(s.preview())),
}


@pytest.mark.parametrize("order", PAIR)
@pytest.mark.parametrize("edit", EDITS)
def test_a_corrected_cell_and_a_found_one_stay_merged(session, edit, order):
    EDITS[edit](session)
    both = [first | second for first, second in zip(all_pixels(session, 1), all_pixels(session, 2), strict=True)]
    before = masks_of(session)
    session.merge_objects(*order)
    np.testing.assert_array_equal(all_pixels(session, order[0]), both)
    np.testing.assert_array_equal(session.document.prompts[order[0], SAID].mask, both[SAID])
    assert not session.needs_preview
    list(session.preview())
    list(session.propagate())
    np.testing.assert_array_equal(all_pixels(session, order[0]), both)
    session.undo()
    assert masks_of(session) == before
    session.redo()
    np.testing.assert_array_equal(all_pixels(session, order[0]), both)


@pytest.mark.parametrize("order", PAIR)
def test_what_was_painted_stays_painted(session, order):
    session.edit_mask(1, SAID, pixels(1, SAID))
    session.merge_objects(*order)
    assert session.masks.get((order[0], SAID)).status is MaskStatus.edited


@pytest.mark.parametrize("order", PAIR)
def test_an_accepted_fragment_is_part_of_the_cell_that_it_is_merged_with(session, order):
    cell, fragment = pixels(2, 0), pixels(5, 0)
    session.proposals.from_labels(fragment.astype(np.uint8), source="another", frame=0)
    (accepted,) = session.proposals.accept()
    names = {1: accepted, 2: 2}
    into, other = (names[one] for one in order)
    session.merge_objects(into, other)
    np.testing.assert_array_equal(session.labels(0) == into, cell | fragment)


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
@pytest.mark.parametrize("at_once", [True, False])
def test_chains_of_merges_lose_nothing(session, order, at_once):
    session.edit_mask(1, SAID, pixels(1, SAID))
    session.add_points(3, 2, [(44, 26)])
    list(session.preview())
    united = [session.labels(frame) > 0 for frame in range(FRAMES)]
    first, second, third = order
    if at_once:
        session.merge_objects(first, [second, third])
    else:
        session.merge_objects(second, third)
        session.merge_objects(first, second)
    list(session.preview())
    list(session.propagate())
    np.testing.assert_array_equal(all_pixels(session, first), united)


@pytest.mark.parametrize("order", PAIR)
def test_a_click_that_waits_for_its_mask_refines_the_found_one_that_it_is_merged_with(session, order):
    session.add_box(4, SAID, (50, 18, 62, 34))
    names = {1: 4, 2: 2}
    into, other = (names[one] for one in order)
    session.merge_objects(into, other)
    prompt = session.document.prompts[into, SAID]
    np.testing.assert_array_equal(prompt.mask, pixels(2, SAID))
    assert prompt.box_yx == (50, 18, 62, 34)
    np.testing.assert_array_equal(session.labels(SAID) == into, pixels(2, SAID))
    assert session.needs_preview


def test_a_run_goes_on_from_both_where_both_were_tracked(session):
    for one, row in ((5, 64), (6, 76)):
        session.add_points(one, 0, [(row, 24)])
    list(session.propagate())
    session.add_points(6, 2, [(76, 26)])
    list(session.propagate())
    both = [session.labels(frame) >= 5 for frame in (0, 2)]
    session.merge_objects(5, 6)
    list(session.preview())
    list(session.propagate())
    for frame, expected in zip((0, 2), both, strict=True):
        np.testing.assert_array_equal(session.labels(frame) == 5, expected)


def test_connecting_keeps_a_found_cell_where_a_click_on_the_other_waits(session):
    session.surgery.break_here(1, 2)
    session.surgery.delete_from(2, 2)
    session.add_box(2, 3, (14, 18, 26, 40))
    later = max(session.document.objects)
    session.surgery.connect((2, 1), (later, 2))
    np.testing.assert_array_equal(session.document.prompts[2, 3].mask, pixels(1, 3))
