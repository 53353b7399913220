"""Tracks cut and joined: each verb one step, nothing of the masks is lost but what is deleted, undo is exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from disc_predictor import DiscPredictor
from linked_squares import FRAMES, SIZE, linked_session, square, take, there

from napari_sam2.document.reviews import At, ReviewState
from napari_sam2.document.track_events import Division, EventKind
from napari_sam2.lineage.tracks import links_of, tracks_of
from napari_sam2.masks.stored_masks import MaskStatus
from sam2_core.errors import PromptError


@pytest.fixture
def session():
    with linked_session({1: range(4), 2: range(4, 8), 3: range(8), 4: range(2, 6)}) as made:
        yield made


def everything(session):
    document = session.document
    return dict(document.objects), document.divisions, document.events, dict(sorted(session.masks.items()))


def frames(session):
    return {one: there(session, one) for one in session.masks.object_ids()}


def test_a_track_is_broken_in_two(session):
    before = everything(session)
    new = session.surgery.break_here(3, 5)
    assert (there(session, 3), there(session, new)) == ([0, 1, 2, 3, 4], [5, 6, 7])
    after = everything(session)
    assert session.undo()
    assert everything(session) == before
    assert session.redo()
    assert everything(session) == after


def test_two_tracks_are_connected(session):
    assert session.surgery.connect((1, 3), (2, 4)) == 1
    assert there(session, 1) == list(range(8))
    assert 2 not in session.document.objects


def test_connecting_cuts_what_goes_on_and_what_was_there_before(session):
    session.surgery.connect((3, 2), (2, 5))
    assert there(session, 3) == [0, 1, 2, 5, 6, 7]
    assert there(session, 2) == [4]
    assert sorted(map(tuple, frames(session).values())).count((3, 4, 5, 6, 7)) == 1


def test_a_mother_ends_and_goes_on_as_a_daughter(session):
    division = session.surgery.divide_here(3, 2, [3, 4])
    assert there(session, 3) == [0, 1]
    assert [there(session, one) for one in division.daughters] == [[2, 3, 4, 5, 6, 7], [2, 3, 4, 5]]
    assert [session.document.objects[one].parent for one in division.daughters] == [3, 3]
    assert session.document.divisions == (division,)


def test_a_mother_who_goes_on_as_a_daughter_has_not_divided(session):
    session.divide(1, 4, [2, 4])
    session.surgery.connect((1, 3), (2, 4))
    assert session.document.divisions == ()
    assert session.document.objects[4].parent is None
    assert there(session, 1) == list(range(8))


def test_where_one_of_two_daughters_is_taken_away_the_mother_goes_on_as_the_other():
    with linked_session({1: range(3), 2: range(3, 8), 3: range(3, 8), 4: range(3)}) as session:
        session.divide(1, 3, [2, 3])
        session.surgery.connect((4, 2), (3, 3))
        assert {one: (spans[0], spans[-1]) for one, spans in frames(session).items() if spans} == {1: (0, 7), 4: (0, 7)}
        assert session.document.divisions == ()


def test_the_two_nearest_are_the_daughters_where_none_are_named():
    with linked_session({1: range(3), 2: range(3, 8), 3: range(3, 8), 9: range(8)}) as session:
        assert session.surgery.divide_here(1, 3) == Division(1, 3, (2, 3))


@pytest.mark.parametrize(
    ("verb", "arguments", "left"),
    [
        ("end_here", (3, 4), [0, 1, 2, 3, 4]),
        ("delete_from", (3, 4), [0, 1, 2, 3]),
        ("begin_here", (3, 4), [4, 5, 6, 7]),
        ("absent", (3, 2, 4), [0, 1, 5, 6, 7]),
    ],
)
def test_ends_beginnings_and_absences_delete_and_say_so(session, verb, arguments, left):
    before = everything(session)
    getattr(session.surgery, verb)(*arguments)
    assert there(session, 3) == left
    assert session.document.events[-1].object_id == 3
    assert session.undo()
    assert everything(session) == before


@pytest.mark.parametrize(
    ("verb", "arguments"), [("end_here", (3, 4)), ("begin_here", (3, 4)), ("absent", (3, 2, 4)), ("absent", (3, 0, 7))]
)
def test_what_is_said_again_is_no_step(session, verb, arguments):
    getattr(session.surgery, verb)(*arguments)
    said, revision = everything(session), session.edits.revision
    getattr(session.surgery, verb)(*arguments)
    assert everything(session) == said
    assert session.edits.revision == revision
    assert session.undo()
    assert there(session, 3) == list(range(8))


def test_what_was_made_by_hand_is_decided(session):
    session.surgery.connect((1, 3), (2, 4))
    session.surgery.end_here(3, 5)
    decided = {(place.at, place.object_id, place.frame) for place in session.document.review.decisions}
    assert decided == {(At.step, 1, 4), (At.end, 3, 5)}
    assert {one.state for one in session.document.review.decisions.values()} == {ReviewState.corrected}


@pytest.mark.parametrize(
    ("verb", "arguments", "words"),
    [
        ("break_here", (3, 0), "there from frame 0 to 7"),
        ("connect", ((1, 3), (2, 2)), "frame 2 is not later than frame 3"),
        ("connect", ((1, 6), (2, 7)), "object 1 is not there on frame 6"),
        ("end_here", (7, 1), "object 7 does not exist"),
        ("absent", (3, 5, 99), f"two of 0 to {FRAMES - 1}"),
        ("divide_here", (2, 4, (3, 4)), "object 2 is not there before frame 4"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(session, verb, arguments, words):
    before = everything(session)
    with pytest.raises(PromptError, match=words):
        getattr(session.surgery, verb)(*arguments)
    assert everything(session) == before


def test_a_locked_object_is_not_cut(session):
    session.set_locked(3, True)
    with pytest.raises(PromptError, match="object 3 is locked"):
        session.surgery.break_here(3, 4)
    with pytest.raises(PromptError, match="object 3 is locked"):
        session.surgery.connect((1, 3), (3, 5))


def test_no_run_goes_over_an_end_or_an_absence():
    from napari_sam2.engine.jobs import PropagateRequest
    from napari_sam2.engine.span_plan import plan_spans

    with linked_session({}) as session:
        session.add_points(5, 1, [(10, 10)])
        session.surgery.absent(5, 3, 4)

        def wanted():
            spans = plan_spans(PropagateRequest("both"), session.document, session.masks, FRAMES)
            return {(span.leg, frame) for span in spans for frame in span.frames}

        assert wanted() == {("forward", 1), ("forward", 2), ("backward", 0)}
        session.add_points(5, 6, [(10, 10)])
        assert {("forward", 7), ("backward", 5)} <= wanted()
        assert not {frame for _, frame in wanted()} & {3, 4}
        assert session.document.events[-1].kind is EventKind.absent
        np.testing.assert_array_equal(session.status(5)[3:5] > 0, True)


def test_a_track_is_made_anew_from_a_frame_to_the_next_prompt():
    """The mask there is gone on from; what is painted, earlier or of others stays, and one step takes it back."""
    with linked_session({1: range(6), 2: range(8)}, predictor=DiscPredictor()) as session:
        session.surgery.end_here(1, 4)
        before = everything(session)
        others = {key: mask for key, mask in session.masks.items() if key[0] == 2}
        request = session.surgery.track_again(1, 2)
        assert there(session, 1) == [0, 1, 2]
        assert session.document.events == ()
        list(session.propagate(request.direction, request.frames, request.object_ids, request.until_next_prompt))
        assert there(session, 1) == list(range(FRAMES))
        assert {key: mask for key, mask in session.masks.items() if key[0] == 2} == others
        session.edit_mask(1, 4, np.ones(SIZE, bool))
        assert session.surgery.track_again(1, 2).frames == range(3, 4), "what is painted stays"
        with pytest.raises(PromptError, match="nothing to track"):
            session.surgery.track_again(1, 3)
        for _ in range(3):
            session.undo()
        assert everything(session) == before


def tracked(session, object_id, first, stop):
    """Let a run have carried an object over frames."""
    rows = {frame: square(object_id, frame).with_status(MaskStatus.tracked) for frame in range(first, stop)}
    take(session, {(object_id, frame): mask for frame, mask in rows.items()})


def test_prompts_and_masks_of_a_part_stay_when_what_a_run_made_of_the_first_goes():
    """The first has prompts before; the part that it goes on as has one too, whose mask is drawn."""
    with linked_session({1: range(3), 2: range(8)}) as session:
        session.add_mask(1, 1, square(1, 1).placed(SIZE))
        session.add_mask(2, 6, square(2, 6).placed(SIZE))
        tracked(session, 1, 3, 8)
        before = {frame: mask for frame, mask in session.masks.frames(2).items() if frame >= 4}
        session.surgery.connect((1, 3), (2, 4))
        assert {frame: mask for frame, mask in session.masks.frames(1).items() if frame >= 4} == before
        assert list(session.document.prompts) == [(1, 1), (1, 6)]


@pytest.mark.parametrize("verb", ["connect", "divide_here"])
def test_a_click_whose_mask_is_not_made_yet_is_not_what_a_run_made(verb):
    with linked_session({1: range(3), 2: range(4, 8), 3: range(4, 8)}) as session:
        tracked(session, 1, 3, 8)
        session.add_points(1, 6, [(20, 30)])
        arguments = ((1, 3), (2, 4)) if verb == "connect" else (1, 4, [2, 3])
        getattr(session.surgery, verb)(*arguments)
        assert [prompt.points_yx for prompt in session.document.prompts.values()] == [((20, 30),)]


def test_the_sister_keeps_what_is_hers_when_a_daughter_begins_later():
    """The mother goes on as the sister, and of the daughter a prompt is taken away while another one stays."""
    with linked_session({1: range(3), 2: range(3, 8), 3: range(3, 8)}) as session:
        session.divide(1, 3, [2, 3])
        for frame in (3, 6):
            session.add_mask(3, frame, square(3, frame).placed(SIZE))
        session.surgery.begin_here(3, 5)
        assert frames(session) == {1: list(range(8)), 3: [5, 6, 7]}


@pytest.mark.parametrize("verb", ["merge", "connect"])
def test_a_box_is_shown_where_it_is_joined_with_what_was_found(verb):
    """Its mask is not made yet when the other one, which is there already, becomes a part of the object."""
    with linked_session({1: range(4), 2: range(4, 8)}, predictor=DiscPredictor()) as session:
        session.add_box(1, 6, (60, 40, 70, 50))
        if verb == "merge":
            session.merge_objects(1, 2)
        else:
            session.surgery.connect((1, 3), (2, 4))
        list(session.preview())
        assert not session.needs_preview
        assert session.masks.get((1, 6)).status is MaskStatus.prompted
        assert session.masks.get((1, 5)).status is MaskStatus.found


def families(session):
    """Return the parents of objects, and check that a GEFF would hold each of them."""
    tracks = tracks_of(session.document, session.masks)
    parents = {one: track.parent for one, track in tracks.items() if track.parent is not None}
    told = {after[0]: before[0] for before, after in links_of(tracks) if before[0] != after[0]}
    assert told == parents
    assert all(
        tracks[one].begin >= division.frame for division in session.document.divisions for one in division.daughters
    )
    return parents


@pytest.fixture
def family():
    """A session in which 1 divides into 2 and 3 on frame 4, and 4 and 5 have no parent."""
    there_on = {1: range(2, 4), 2: range(4, 8), 3: range(4, 8), 4: range(3), 5: range(6, 8)}
    with linked_session(there_on) as made:
        made.lineage.divide(1, 4, [2, 3])
        yield made


@pytest.mark.parametrize("pair", [(2, 4), (4, 2)])
def test_a_daughter_that_becomes_one_with_what_is_there_before_her_division_has_no_mother_any_more(family, pair):
    before = everything(family)
    assert family.merge_objects(*pair) == (pair[0],)
    assert there(family, pair[0]) == [0, 1, 2, 4, 5, 6, 7]
    assert families(family) == {3: 1}
    assert family.document.divisions == (Division(1, 4, (3,)),)
    assert family.undo()
    assert everything(family) == before


@pytest.mark.parametrize(("pair", "left"), [((2, 5), {2: 1, 3: 1}), ((5, 2), {5: 1, 3: 1}), ((1, 4), {2: 1, 3: 1})])
def test_a_daughter_that_begins_as_before_keeps_her_mother_when_merged(family, pair, left):
    assert family.merge_objects(*pair) == ()
    assert families(family) == left


def test_of_two_that_are_merged_the_mother_of_the_one_that_begins_earlier_stays(family):
    take(family, {(6, frame): square(6, frame) for frame in (0, 1)})
    family.lineage.divide(6, 2, [1])
    family.lineage.divide(1, 4, [2, 3])
    family.merge_objects(2, 1)
    assert families(family) == {2: 6, 3: 2}


@pytest.mark.parametrize(
    ("frame", "alone", "left"), [(0, (), {4: 1, 3: 1}), (1, (4,), {3: 1}), (4, (4,), {3: 1}), (5, (), {2: 1, 3: 1})]
)
def test_where_a_swap_lets_a_daughter_be_there_before_her_division_she_has_no_mother_any_more(
    family, frame, alone, left
):
    before = everything(family)
    assert family.swap_objects(2, 4, frame) == alone
    assert families(family) == left
    assert family.undo()
    assert everything(family) == before


def test_a_child_without_a_division_that_comes_to_begin_with_its_parent_has_none_any_more(family):
    family.edits._describe(replace(family.document.objects[5], parent=2), "say a parent")
    assert families(family) == {2: 1, 3: 1, 5: 2}
    assert family.merge_objects(5, 4) == (5,)
    assert families(family) == {2: 1, 3: 1}


def test_a_parent_that_a_person_gave_to_what_is_there_before_stays_where_nothing_changes_that(family):
    family.lineage.divide(1, 4, [2, 3, 4])
    assert family.merge_objects(4, 5) == ()
    assert family.document.objects[4].parent == 1
