"""Linking carries on the objects that are there by what was found around them; what a person made of them stays."""

from __future__ import annotations

import numpy as np
import pytest
from finding_predictor import FindingPredictor
from moving_square import SIZE, left, square

from napari_sam2.document.track_events import EventKind, TrackEvent
from napari_sam2.lineage.tracks import tracks_of
from napari_sam2.linking import LinkingOptions
from napari_sam2.masks.stored_masks import MaskStatus, StoredMask
from napari_sam2.review.fixes import Fix, Verb
from napari_sam2.session import Session
from napari_sam2.session.looking_on import ends_job
from sam2_core.errors import StackError

FRAMES = 8
BIRTH = 4
"""Frame on which the lower square has divided."""


def movie():
    """A square that moves, and one below it that divides."""
    images = np.zeros((FRAMES, *SIZE), np.uint8)
    for frame, image in enumerate(images):
        image[6:15, left(frame) : left(frame) + 9] = 200
        if frame < BIRTH:
            image[36:48, 28:48] = 250
        else:
            image[36:48, 26:36] = image[36:48, 40:50] = 250
    return images


@pytest.fixture
def session():
    with opened(movie()) as made:
        yield made


def opened(images):
    made = Session.open(images, axes="TYX", predictor=FindingPredictor())
    made.change_settings(contrast_limits=((0, 255),))
    made._state.history.clear()
    return made


def find(session, frames=None):
    return session.proposals.find(frames=frames, diameter_px=10).numbers


def accept(session, frame):
    find(session, frame)
    return session.proposals.accept(session.proposals.chosen(frame=frame))


def at(session, frame, y, x):
    """Return the object at a place of a frame."""
    return int(session.labels(frame)[y, x])


def upper(session, frame):
    return at(session, frame, 10, left(frame) + 4)


def everything(session):
    document = session.document
    said = dict(document.objects), document.divisions, document.events, dict(document.claims), dict(document.prompts)
    return said, dict(document.proposals), dict(sorted(session.masks.items()))


def frames_of(session, object_id):
    return [frame for frame, mask in session.masks.frames(object_id).items() if not mask.is_empty]


@pytest.mark.parametrize("frame", [0, 3, 6, 7])
def test_accepted_cells_are_carried_on_both_ways_and_stay_what_they_are(session, frame):
    accepted = accept(session, frame)
    session.rename_object(accepted[0], "mine")
    session.set_visible(accepted[0], False)
    before, prompts, masks = dict(session.document.objects), dict(session.document.prompts), dict(session.masks.items())
    find(session)
    linked = session.proposals.link()
    assert linked.carried_on == accepted
    assert not {*linked.object_ids} & {*accepted}
    assert len(session.document.objects) == 4
    assert dict(session.document.prompts) == prompts
    assert {key: session.masks.get(key) for key in masks} == masks
    assert not session.document.proposals or {one.frame for one in session.document.proposals.values()} == {frame}
    session.set_visible(accepted[0], True)
    tracks = tracks_of(session.document, session.masks)
    (one,) = {upper(session, at) for at in range(FRAMES)}
    assert one in accepted
    assert (tracks[one].begin, tracks[one].end, tracks[one].gaps) == (0, FRAMES - 1, ())
    for known in accepted:
        info = session.document.objects[known]
        assert (info.name, info.links, info.source) == (
            before[known].name,
            before[known].links,
            before[known].source,
        )
        added = {mask.status for key, mask in session.masks.items() if key[0] == known and key not in masks}
        assert added == {MaskStatus.found}


def test_an_accepted_cell_divides_into_found_daughters(session):
    accept(session, 1)
    mother = at(session, 1, 42, 32)
    find(session)
    linked = session.proposals.link()
    (division,) = session.document.divisions
    assert linked.divisions == 1
    assert (division.mother, division.frame) == (mother, BIRTH)
    assert set(division.daughters) == set(linked.object_ids)
    assert {session.document.objects[one].parent for one in division.daughters} == {mother}
    assert session.document.claims[division.daughters[0]].confidence(BIRTH) > 0.5


def test_accepted_daughters_get_the_mother_that_was_found(session):
    accept(session, BIRTH + 1)
    daughters = {at(session, BIRTH + 1, 42, 30), at(session, BIRTH + 1, 42, 45)}
    find(session)
    linked = session.proposals.link()
    (division,) = session.document.divisions
    assert (division.mother, division.frame) == (*linked.object_ids, BIRTH)
    assert set(division.daughters) == daughters
    assert {session.document.objects[one].parent for one in daughters} == set(linked.object_ids)
    assert [frames_of(session, one)[0] for one in daughters] == [BIRTH, BIRTH]


def test_two_that_were_accepted_never_become_one_and_a_person_is_asked(session):
    first, second = {*accept(session, 1)}, {*accept(session, 6)}
    one, other = upper(session, 1), upper(session, 6)
    assert (one in first, other in second) == (True, True)
    find(session)
    linked = session.proposals.link()
    assert {one, other} <= {*linked.carried_on}
    known = [upper(session, frame) for frame in range(FRAMES)]
    assert {*known} == {one, other}
    assert known == sorted(known, key=[one, other].index)
    born = known.index(other)
    (rival,) = session.document.claims[other].rivals_at(born)
    assert (rival.object_id, rival.is_mother) == (one, False)
    offered = [fix for item in session.review.items() for fix in session.review.fixes(item)]
    assert Fix(Verb.connect, ((one, born - 1), (other, born))) in offered


def test_two_that_were_accepted_on_frames_in_a_row_stay_two(session):
    accept(session, 2)
    accept(session, 3)
    one, other = upper(session, 2), upper(session, 3)
    find(session)
    session.proposals.link()
    assert [upper(session, frame) for frame in range(FRAMES)] == [one] * 3 + [other] * (FRAMES - 3)


def test_frames_between_two_masks_of_a_cell_are_filled_by_what_was_found(session):
    for frame in (1, 6):
        session.add_mask(1, frame, square(frame))
    find(session)
    linked = session.proposals.link()
    assert linked.carried_on == (1,)
    assert frames_of(session, 1) == list(range(FRAMES))
    assert [mask.status for mask in session.masks.frames(1).values()].count(MaskStatus.prompted) == 2


def test_between_two_masks_that_no_way_joins_nothing_is_added(session):
    """The second mask is a person's, far from where what was found leads."""
    far = np.zeros(SIZE, bool)
    far[20:29, 70:79] = True
    session.add_mask(1, 1, square(1))
    session.add_mask(1, 6, far)
    find(session)
    session.proposals.link()
    assert frames_of(session, 1) == [0, 1, 6]
    assert len({upper(session, frame) for frame in range(2, FRAMES)} - {1}) == 1


def locked(session, one):
    session.set_locked(one, True)


def ended(session, one):
    for kind in (EventKind.appears, EventKind.dies):
        session.lineage.add_event(TrackEvent(one, 3, kind))


def painted_away(session, one):
    for frame in (0, 7):
        session.edit_mask(one, frame, np.zeros(SIZE, bool))


def said_elsewhere(session, one):
    for frame in (0, 7):
        session.add_points(one, frame, [(55, 80)])


def absent(session, one):
    for first, last in ((0, 1), (6, 7)):
        session.lineage.add_event(TrackEvent(one, first, EventKind.absent, last))


@pytest.mark.parametrize("closed", [locked, ended, painted_away, said_elsewhere, absent])
def test_nothing_is_added_where_a_person_said_something_else(session, closed):
    accept(session, 3)
    one = upper(session, 3)
    closed(session, one)
    find(session)
    events, masks = session.document.events, session.masks.frames(one)
    linked = session.proposals.link()
    assert one not in linked.carried_on
    assert session.masks.frames(one) == masks
    assert {event for event in session.document.events if event.object_id == one} == {
        event for event in events if event.object_id == one
    }
    assert one not in session.document.claims
    others = {upper(session, 2), upper(session, 4)}
    assert others.isdisjoint({0, one})
    assert len(others) == 2


def test_an_end_that_a_person_made_stays_where_it_is_and_the_beginning_is_open(session):
    accept(session, 3)
    one = upper(session, 3)
    session.surgery.end_here(one, 3)
    find(session)
    session.proposals.link()
    assert frames_of(session, one) == [0, 1, 2, 3]
    assert [(event.kind, event.frame) for event in session.document.events if event.object_id == one] == [
        (EventKind.dies, 3)
    ]


def test_a_mother_and_her_daughters_stay_a_family(session):
    accept(session, BIRTH - 1)
    accept(session, BIRTH)
    mother = at(session, BIRTH - 1, 42, 32)
    daughters = at(session, BIRTH, 42, 30), at(session, BIRTH, 42, 45)
    session.divide(mother, BIRTH, daughters)
    divisions = session.document.divisions
    find(session)
    linked = session.proposals.link()
    assert session.document.divisions == divisions
    assert linked.divisions == 0
    assert frames_of(session, mother) == list(range(BIRTH))
    assert [frames_of(session, one) for one in daughters] == [list(range(BIRTH, FRAMES))] * 2


def test_it_is_one_step(session):
    accept(session, 3)
    session.add_mask(9, 1, square(1))
    find(session)
    before = everything(session)
    session.proposals.link()
    after = everything(session)
    assert session.undo_text == "link cells"
    assert session.undo()
    assert everything(session) == before
    assert session.redo()
    assert everything(session) == after


def test_it_is_saved_and_opened_and_can_be_taken_back_then(session, tmp_path):
    accept(session, 3)
    find(session)
    before = everything(session)
    session.save(tmp_path / "movie.sam2")
    session.proposals.link()
    after = everything(session)
    session.close()
    with Session.open(tmp_path / "movie.sam2", predictor=FindingPredictor(), images=movie()) as again:
        assert everything(again) == after
        assert again.undo()
        assert everything(again) == before


def test_what_was_linked_before_is_carried_on_by_what_is_found_later(session):
    find(session, range(3))
    first = session.proposals.link()
    find(session, range(3, FRAMES))
    second = session.proposals.link()
    assert second.carried_on == first.object_ids
    assert {upper(session, frame) for frame in range(FRAMES)} <= {*first.object_ids}
    (division,) = session.document.divisions
    assert division.mother in first.object_ids
    assert set(division.daughters) == set(second.object_ids)
    find(session)
    assert not session.proposals.chosen()
    before = everything(session)
    assert session.proposals.link().carried_on == ()
    assert everything(session) == before


def test_an_end_that_a_program_claimed_is_open_for_what_is_found_later(session):
    find(session)
    gone = [number for number, one in session.document.proposals.items() if one.frame in (4, 5) and one.mask.y0 < 20]
    session.proposals.remove(gone)
    session.proposals.link()
    one, other = upper(session, 0), upper(session, 7)
    assert one != other
    claimed = {(event.object_id, event.kind) for event in session.document.events}
    assert {(one, EventKind.dies), (other, EventKind.appears)} <= claimed
    find(session, [4, 5])
    linked = session.proposals.link()
    assert {*linked.carried_on} <= {one, other}
    assert {upper(session, frame) for frame in (4, 5)} <= {one, other}
    frames = {each: frames_of(session, each) for each in (one, other)}
    assert all(
        event.frame in (frames[event.object_id][0], frames[event.object_id][-1])
        for event in session.document.events
        if event.object_id in frames
    )


def test_what_was_tracked_by_hand_is_carried_on_beyond(session):
    session.add_points(1, 0, [(10, left(0) + 4)])
    list(session.propagate("forward", frames=range(3)))
    tracked = session.masks.frames(1)
    find(session)
    assert session.proposals.link().carried_on == (1,)
    assert {frame: session.masks.get((1, frame)) for frame in tracked} == tracked
    assert frames_of(session, 1) == list(range(FRAMES))


def test_runs_leave_what_was_carried_on_and_corrections_win(session):
    accept(session, 3)
    one = upper(session, 3)
    images_gone = [2, 6]
    find(session)
    session.proposals.remove([n for n, p in session.document.proposals.items() if p.frame in images_gone])
    session.proposals.link()
    found = {frame: mask for frame, mask in session.masks.frames(one).items() if mask.status is MaskStatus.found}
    assert sorted(found) == [0, 1, 4, 5, 7]
    for again in (True, False):
        list(session.propagate(only_stale=again))
        assert {frame: session.masks.get((one, frame)) for frame in found} == found
        assert {session.masks.get((one, frame)).status for frame in images_gone} == {MaskStatus.tracked}
    corrected = square(5)
    corrected[6:9] = False
    session.edit_mask(one, 5, corrected)
    list(session.propagate())
    np.testing.assert_array_equal(session.labels(5) == one, corrected)
    assert session.masks.get((one, 4)) == found[4]


def test_a_frame_that_was_missed_beside_an_accepted_cell_is_filled(session):
    accept(session, 3)
    one = upper(session, 3)
    find(session)
    session.proposals.remove([n for n, p in session.document.proposals.items() if p.frame == 4])
    linked = session.proposals.link()
    list(session.fill_gaps((*linked.object_ids, *linked.carried_on)))
    assert session.masks.get((one, 4)).status is MaskStatus.tracked


def test_a_prompt_whose_mask_is_carried_on_can_be_tracked_again(session):
    accept(session, 3)
    one = upper(session, 3)
    find(session)
    session.proposals.link()
    request = session.surgery.track_again(one, 4)
    for update in session.run(session.propagate_job(request)):
        session.accept(update)
    assert frames_of(session, one) == list(range(FRAMES))
    assert {session.masks.get((one, frame)).status for frame in range(5, FRAMES)} == {MaskStatus.tracked}
    assert {session.masks.get((one, frame)).status for frame in range(3)} == {MaskStatus.found}


def test_an_object_that_changed_while_it_was_linked_is_not_carried_on(session):
    accept(session, 3)
    one = upper(session, 3)
    find(session)
    (tracks,) = [update for update in session.run(session.proposals.link_job()) if update.tracks is not None]
    session.set_locked(one, True)
    before = everything(session)
    with pytest.raises(StackError, match=f"Object {one} has changed"):
        session.accept(tracks)
    assert everything(session) == before
    session.set_locked(one, False)
    assert session.accept(tracks)
    assert frames_of(session, one) == list(range(FRAMES))


def test_a_found_cell_on_top_of_an_object_is_not_used(session):
    find(session)
    session.add_mask(1, 3, square(3))
    on_top = [n for n, p in session.document.proposals.items() if p.frame == 3 and p.mask.y0 < 20]
    session.proposals.link()
    assert [number for number in on_top if number in session.document.proposals] == on_top
    assert session.masks.get((1, 3)).status is MaskStatus.prompted


def test_what_lies_beyond_the_ends_of_a_carried_cell_is_in_doubt_as_of_any_that_was_linked(session):
    images = movie()
    images[5:, :20] = 0
    with opened(images) as made:
        accept(made, 2)
        one = upper(made, 2)
        find(made)
        made.proposals.link()
        assert any(item.place.object_id == one and "ends" in item.kind.value for item in made.review.items())


@pytest.mark.parametrize("is_closed", [False, True])
def test_memory_looks_behind_the_ends_of_objects_that_were_there_but_not_where_they_are_closed(is_closed):
    images = np.zeros((9, *SIZE), np.uint8)
    images[3:5, 20:30, 30:40] = 200
    images[:, 45:55, 30:40] = 200
    with opened(images) as session:
        accept(session, 3)
        one = at(session, 3, 25, 35)
        if is_closed:
            session.set_locked(one, True)
        find(session)
        (tracks,) = [each.tracks for each in session.run(session.proposals.link_job()) if each.tracks is not None]
        spans = ends_job(tracks, 0, 2).spans
        seen = {(span.leg, *span.frames) for span in spans if span.frames}
        backward = {("backward", 3, 2), ("forward", 5, 6)} if is_closed else {("backward", 2, 1), ("forward", 5, 6)}
        assert seen == backward
        list(session.proposals.look_on(2))
        session.proposals.link()
        assert frames_of(session, one) == ([3] if is_closed else list(range(1, 7)))


def test_memory_does_not_look_behind_where_a_run_has_come_to():
    images = np.zeros((9, *SIZE), np.uint8)
    images[:, 45:55, 30:40] = 200
    with opened(images) as session:
        session.add_points(1, 3, [(20, 30)])
        list(session.propagate("forward", frames=range(3, 6)))
        find(session)
        (tracks,) = [each.tracks for each in session.run(session.proposals.link_job()) if each.tracks is not None]
        spans = ends_job(tracks, 0, 2).spans
        assert {(span.leg, *span.frames) for span in spans} == {("backward", 2, 1)}


def test_along_z_objects_are_carried_on_too():
    images = np.zeros((6, *SIZE), np.uint8)
    images[:, 20:32, 30:42] = 200
    with Session.open(images, axes="ZYX", predictor=FindingPredictor()) as session:
        session.change_settings(contrast_limits=((0, 255),))
        (one,) = accept(session, 2)
        find(session)
        assert session.proposals.link().carried_on == (one,)
        assert frames_of(session, one) == list(range(6))


def test_what_is_said_of_linking_holds_for_objects_too(session):
    """Without gaps, a frame on which nothing was found ends what is carried on."""
    accept(session, 3)
    one = upper(session, 3)
    find(session)
    session.proposals.remove([n for n, p in session.document.proposals.items() if p.frame == 5])
    session.proposals.link(options=LinkingOptions(longest_gap=0))
    assert frames_of(session, one) == [0, 1, 2, 3, 4]


def test_where_a_run_had_lost_a_cell_it_is_carried_on_and_no_run_takes_that_back(session):
    session.add_points(1, 0, [(10, left(0) + 4)])
    list(session.propagate("forward", frames=range(3)))
    for frame in range(3, FRAMES):
        session._state.masks.put((1, frame), StoredMask.empty(MaskStatus.absent, leg="forward"))
    find(session)
    assert session.proposals.link().carried_on == (1,)
    found = {frame: session.masks.get((1, frame)) for frame in range(3, FRAMES)}
    assert {mask.status for mask in found.values()} == {MaskStatus.found}
    list(session.propagate(only_stale=False))
    assert {frame: session.masks.get((1, frame)) for frame in found} == found
    assert session.undo()
    assert session.masks.get((1, 5)).status is MaskStatus.absent


def test_an_object_that_nothing_is_added_to_may_go_while_all_is_linked(session):
    accept(session, 3)
    one = upper(session, 3)
    session.set_locked(one, True)
    find(session)
    updates = list(session.run(session.proposals.link_job()))
    session.set_locked(one, False)
    session.remove_object(one)
    linked = session.work.take(updates[-1])
    assert linked.object_ids
    assert one not in session.document.objects
    assert not session.masks.frames(one)
    before = everything(session)
    assert session.undo()
    assert session.redo()
    assert everything(session) == before


@pytest.mark.parametrize("is_drawn", [True, False])
def test_what_a_person_makes_meanwhile_gets_no_object_on_top_of_it(session, is_drawn):
    find(session)
    updates = list(session.run(session.proposals.link_job()))
    if is_drawn:
        session.add_mask(9, 2, square(2))
    else:
        session.add_points(9, 2, [(10, left(2) + 4)])
    before = everything(session)
    with pytest.raises(StackError, match="An object was made meanwhile"):
        session.work.take(updates[-1])
    assert everything(session) == before
    list(session.preview())
    session.proposals.link()
    assert {upper(session, frame) for frame in range(FRAMES)} == {9}


def test_what_a_person_makes_elsewhere_meanwhile_is_in_nobody_s_way(session):
    find(session)
    updates = list(session.run(session.proposals.link_job()))
    session.add_mask(9, 2, np.roll(square(2), 60, axis=1))
    assert session.work.take(updates[-1]).object_ids


def test_memory_may_go_on_behind_where_an_accepted_cell_was_found_last(session):
    accept(session, 1)
    one = upper(session, 1)
    find(session)
    session.proposals.remove([n for n, p in session.document.proposals.items() if p.frame > 4 and p.mask.y0 < 20])
    session.proposals.link()
    assert frames_of(session, one) == list(range(5))
    list(session.propagate())
    assert frames_of(session, one) == list(range(FRAMES))
    assert session.masks.get((one, 5)).status is MaskStatus.tracked


def test_an_event_that_is_taken_away_closes_nothing_any_more(session):
    find(session, range(4))
    session.proposals.link()
    one = upper(session, 3)
    event = TrackEvent(one, 3, EventKind.dies)
    session.lineage.add_event(event)
    find(session)
    assert one not in session.proposals.link().carried_on
    assert session.undo()
    session.lineage.remove_event(event)
    assert one in session.proposals.link().carried_on
