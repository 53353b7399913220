"""Where a track begins in the field, that a cell beside it is its mother is offered, whatever became of her."""

from __future__ import annotations

import numpy as np
import pytest
from linked_squares import SIZE, linked_session, take, there

from napari_sam2.document.reviews import At
from napari_sam2.masks.stored_masks import MaskStatus, StoredMask
from napari_sam2.review.fixes import OFFERED, Fix, Verb
from napari_sam2.session import Session

AT, LONG = 4, 8


def box(y, x, height=12, width=12):
    mask = np.zeros(SIZE, bool)
    mask[y : y + height, x : x + width] = True
    return StoredMask.of_mask(mask, MaskStatus.found)


def mother(frames, object_id=1):
    return {(object_id, frame): box(40, 30, width=14) for frame in frames}


def upper(frames, object_id):
    return {(object_id, frame): box(34, 30, height=9) for frame in frames}


def lower(frames, object_id):
    return {(object_id, frame): box(46, 30, height=9) for frame in frames}


def neighbours():
    places = {51: (40, 8), 52: (40, 54), 53: (80, 30)}
    return {(one, frame): box(*place) for one, place in places.items() for frame in range(LONG)}


WAYS = {
    "she goes on and got smaller": (mother(range(AT)) | upper(range(AT, LONG), 1), 1, AT),
    "she was missed just before": (mother(range(AT - 1)) | upper(range(AT, LONG), 1), 1, AT),
    "she was missed just then": (mother(range(AT)) | upper(range(AT + 1, LONG), 1), 1, AT),
    "her other half is a new track": (mother(range(AT)) | upper(range(AT, LONG), 2), 2, AT),
    "this half was found later": (mother(range(AT)) | upper(range(AT, LONG), 2), 2, AT + 1),
}
"""What there is of the mother, 1, and of one half; which object that half is; when the other half, 9, begins."""


def begin_of(session, object_id=9):
    places = (At.begin, At.track)
    (item,) = (one for one in session.review.items() if one.place.object_id == object_id and one.place.at in places)
    return item


def session_of(masks) -> Session:
    session = linked_session({})
    take(session, masks | neighbours())
    return session


@pytest.mark.parametrize("way", WAYS)
def test_a_mother_beside_a_track_that_begins_is_offered_and_one_press_makes_the_division(way):
    masks, sister, begin = WAYS[way]
    with session_of(masks | lower(range(begin, LONG), 9)) as session:
        item = begin_of(session)
        offered = session.review.fixes(item)[:OFFERED]
        divides = [fix for fix in offered if fix.verb is Verb.divide and fix.keys[0][0] == 1]
        assert [fix.keys[1:] for fix in divides] == [((sister, AT), (9, begin))]
        document, held = session.document, dict(session.masks.items())
        session.review.correct(item, divides[0])
        (division,) = session.document.divisions
        assert (division.mother, division.frame) == (1, AT)
        assert max(there(session, 1)) < AT
        half = [frame for one, frame in masks if one == sister and frame >= AT]
        assert [there(session, one) for one in division.daughters] == [half, list(range(begin, LONG))]
        assert not [one for one in session.review.items() if one.place == item.place]
        assert session.undo()
        assert session.document is document
        assert dict(session.masks.items()) == held


def test_of_a_mother_who_divided_into_another_one_the_nearer_daughter_stays():
    """A cell further away was taken for the second half."""
    masks = mother(range(AT)) | upper(range(AT, LONG), 2) | {(3, frame): box(40, 44, 9, 9) for frame in range(AT, LONG)}
    with session_of(masks | lower(range(AT, LONG), 9)) as session:
        session.divide(1, AT, [2, 3])
        offered = session.review.fixes(begin_of(session))[:OFFERED]
        (fix,) = (one for one in offered if one.verb is Verb.divide and one.keys[0] == (1, AT - 1))
        assert fix == Fix(Verb.divide, ((1, AT - 1), (2, AT), (9, AT)))
        session.review.correct(begin_of(session), fix)
        assert [(one.mother, set(one.daughters)) for one in session.document.divisions] == [(1, {2, 9})]
        assert session.document.objects[3].parent is None
        assert session.undo()
        assert [set(one.daughters) for one in session.document.divisions] == [{2, 3}]


def test_a_mother_who_got_smaller_comes_before_a_neighbour_who_did_not():
    """The neighbour is nearer."""
    near = {(4, frame): box(52, 42, 12, 8) for frame in range(LONG)}
    half = {(9, frame): box(53, 30, height=9) for frame in range(AT, LONG)}
    with session_of(mother(range(AT)) | upper(range(AT, LONG), 1) | near | half) as session:
        divides = [fix.keys[0][0] for fix in session.review.fixes(begin_of(session)) if fix.verb is Verb.divide]
        assert divides[:2] == [1, 4]
