"""Edits of tracks leave a lineage that holds: divisions, absences, claims, and what was decided, go with the cells."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from linked_squares import SIZE, linked_session, square, take, there

from napari_sam2.document.claims import LinkClaims
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.reviews import At, Place, ReviewState
from napari_sam2.document.track_events import Division, EventKind, TrackEvent
from napari_sam2.io.exports import export, export_everything
from napari_sam2.io.results import Results
from napari_sam2.lineage.tracks import links_of, tracks_of
from napari_sam2.masks.stored_masks import MaskStatus
from napari_sam2.review.queue import Queue
from napari_sam2.review.scene import Scene
from sam2_core.errors import PromptError

ALL = range(8)


def painted(row, frame):
    """A mask (H, W) of the square of a row."""
    mask = np.zeros(SIZE, bool)
    one = square(row, frame)
    mask[one.rows, one.columns] = one.mask()
    return mask


def parents(session):
    return {one: info.parent for one, info in session.document.objects.items() if info.parent is not None}


def mothers(session):
    links = links_of(tracks_of(session.document, session.masks))
    return {after[0]: before[0] for before, after in links if before[0] != after[0]}


def overlapping(session, *frames):
    """Lets objects 1 and 2 overlap on some frames."""
    for frame in frames:
        both = painted(2, frame)
        session.edit_masks(frame, {1: both, 2: both | painted(3, frame)})


def open_overlaps(session):
    return [item.place for item in session.review.items() if item.place.at is At.overlap]


def test_who_is_broken_where_it_divides_stays_the_mother():
    with linked_session({1: ALL, 2: range(4, 8), 3: range(6, 8)}) as session:
        session.divide(1, 4, [2])
        session.divide(1, 6, [3])
        rest = session.surgery.break_here(1, 4)
        assert mothers(session) == {2: 1, 3: rest}, "what is born on the frame comes from who was there before"
        assert session.document.divisions == (Division(1, 4, (2,)), Division(rest, 6, (3,)))


def test_another_division_on_the_frame_takes_the_place_of_the_first():
    with linked_session({1: range(4), 2: range(4, 8), 3: range(4, 8), 4: range(4, 8)}) as session:
        session.divide(1, 4, [2, 3])
        session.divide(1, 4, [2, 4])
        assert session.document.divisions == (Division(1, 4, (2, 4)),)
        assert parents(session) == {2: 1, 4: 1}
        session.undo()
        assert parents(session) == {2: 1, 3: 1}


def test_a_daughter_is_in_one_division():
    with linked_session({1: range(4), 2: range(4, 8), 3: range(4, 8)}) as session:
        session.divide(1, 3, [2, 3])
        session.divide(1, 4, [2])
        assert session.document.divisions == (Division(1, 3, (3,)), Division(1, 4, (2,)))


def test_a_swap_behind_a_division_leaves_a_daughter_who_was_found_late():
    with linked_session({1: range(3), 2: range(5, 8), 3: range(3, 8), 4: ALL}) as session:
        session.surgery.divide_here(1, 3, [2, 3])
        session.swap_objects(1, 4, 4)
        assert session.document.divisions == (Division(1, 3, (2, 3)),)
        assert parents(session) == {2: 1, 3: 1}


def test_who_begins_behind_her_division_is_nobodys_mother():
    with linked_session({1: ALL, 2: range(4, 8), 3: range(4, 8), 4: range(7, 8)}) as session:
        session.divide(1, 4, [2, 3])
        session.divide(1, 7, [4])
        assert session.surgery.begin_here(1, 6) == (2, 3)
        assert session.document.divisions == (Division(1, 7, (4,)),)
        assert parents(session) == mothers(session) == {4: 1}


@pytest.mark.parametrize("said", [True, False])
def test_a_swap_makes_nobody_a_mother_who_begins_with_her_daughters(said):
    with linked_session({1: ALL, 2: range(4, 8), 3: range(4, 8)}) as session:
        session.divide(1, 4, [2])
        if not said:
            alone = session.document.without_division(1, 4)
            session.edits._steps.make(alone.with_object(session.document.objects[2]), "parent")
        session.swap_objects(1, 3, 4)
        assert parents(session) == mothers(session) == {2: 1}
        assert session.document.divisions == ((Division(1, 4, (2,)),) if said else ())


def test_of_two_daughters_the_one_that_is_left_stays_where_the_mother_goes_on():
    with linked_session({1: ALL, 2: range(4, 8), 3: range(4, 8)}) as session:
        session.divide(1, 4, [2, 3])
        assert session.surgery.begin_here(2, 4) == ()
        assert session.document.divisions == (Division(1, 4, (3,)),)


def test_who_was_clicked_before_is_not_deleted_as_a_whole():
    with linked_session({1: range(3, 6)}) as session:
        session.add_points(1, 0, [(20, 20)])
        with pytest.raises(PromptError, match="is not there before frame 3"):
            session.surgery.delete_from(1, 3, whole=True)
        assert list(session.document.prompts) == [(1, 0)]


def test_absences_on_frames_in_a_row_are_one():
    with linked_session({1: ALL}) as session:
        session.surgery.absent(1, 4, 5)
        session.surgery.absent(1, 3, 3)
        assert session.document.events == (TrackEvent(1, 3, EventKind.absent, 5),)


def test_who_is_merged_with_its_mother_too_is_not_said_to_have_lost_her():
    for order in ([2, 3], [3, 2]):
        with linked_session({1: range(4, 8), 2: range(2, 4), 3: range(4)}) as session:
            session.divide(3, 4, [1])
            assert session.merge_objects(1, order) == ()


def test_two_daughters_that_begin_by_themselves_leave_their_mother_as_she_is():
    with linked_session({1: range(4), 2: range(4, 8), 3: range(4, 8)}) as session:
        session.divide(1, 4, [2, 3])
        assert session.surgery.begin_here(np.array([2, 3]), 5) == ()
        left = {one: there(session, one) for one in session.masks.object_ids()}
        assert left == {1: [0, 1, 2, 3], 2: [5, 6, 7], 3: [5, 6, 7]}
        assert (session.document.divisions, parents(session)) == ((), {})


@pytest.mark.parametrize(
    ("edit", "first"),
    [(lambda s: s.swap_objects(1, 2, 0), 0), (lambda s: s.surgery.break_here(1, 4), 4)],
    ids=["swap", "break"],
)
def test_what_was_decided_of_an_overlap_goes_with_its_two_cells(edit, first):
    with linked_session({1: ALL, 2: ALL}) as session:
        overlapping(session, *range(first, 8))
        session.review.accept([item for item in session.review.items() if item.place.at is At.overlap])
        edit(session)
        decided = [place for place in session.document.review.decisions if place.at is At.overlap]
        assert open_overlaps(session) == []
        assert [place.frame for place in decided] == [first]
        assert all(place.object_id < place.other for place in decided)


def test_overlaps_of_cells_that_became_one_are_forgotten():
    with linked_session({1: ALL, 2: ALL}) as session:
        overlapping(session, 0, 1)
        session.review.accept([item for item in session.review.items() if item.place.at is At.overlap])
        session.merge_objects(1, 2)
        assert [place for place in session.document.review.decisions if place.at is At.overlap] == []


@pytest.mark.parametrize("verb", ["begin_here", "end_here"])
def test_said_twice_is_a_step_of_its_own(verb):
    with linked_session({1: ALL}) as session:
        getattr(session.surgery, verb)(1, 3)
        session.edit_mask(1, 3, painted(4, 3))
        getattr(session.surgery, verb)(1, 3)
        assert session.undo()
        np.testing.assert_array_equal(session.masks.mask(1, 3), painted(4, 3), "undo took the painting")


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_who_is_merged_is_absent_only_where_neither_is_there(order):
    with linked_session({1: [0, 1, 2, 3, 5, 6, 7], 2: ALL}) as session:
        session.surgery.absent(2, 3, 5)
        session.merge_objects(*order)
        assert session.document.events == (TrackEvent(order[0], 4, EventKind.absent, 4),)
        statuses = {frame: mask.status for frame, mask in session.masks.frames(order[0]).items()}
        assert statuses[3] is statuses[5] is MaskStatus.found, "nobody painted it"
        assert there(session, order[0]) == [0, 1, 2, 3, 5, 6, 7]


def test_a_swap_within_an_absence_parts_it():
    with linked_session({1: ALL, 2: ALL}) as session:
        session.surgery.absent(2, 4, 6)
        session.swap_objects(1, 2, 6)
        assert session.document.events == (
            TrackEvent(1, 6, EventKind.absent, 6),
            TrackEvent(2, 4, EventKind.absent, 5),
        )


def test_nothing_is_claimed_about_links_of_masks_that_were_taken_away():
    with linked_session({1: ALL}) as session:
        claims = LinkClaims(1, tuple(range(1, 8)), (0.5,) * 7)
        session.edits._steps.make(session.document.with_tracks([], claims=[claims]), "link cells")
        session.surgery.absent(1, 3, 4)
        assert session.document.claims[1].frames == (1, 2, 6, 7)
        session.surgery.end_here(1, 6)
        assert session.document.claims[1].frames == (1, 2, 6)
        session.surgery.begin_here(1, 2)
        assert session.document.claims[1].frames == (6,)
        for _ in range(3):
            session.undo()
        assert session.document.claims[1].frames == tuple(range(1, 8))


def test_an_end_behind_the_next_prompt_is_not_tracked_past():
    with linked_session({1: ALL, 2: range(6)}) as session:
        session.surgery.end_here([1, 2], 5)
        session.edit_mask(1, 4, painted(1, 4))
        session.edit_mask(2, 3, painted(2, 3))
        request = session.surgery.track_again([1, 2], 2)
        assert (list(request.frames), request.object_ids) == ([3], (1,)), "2 has no frame before its next prompt"
        assert [(one.object_id, one.frame) for one in session.document.events if one.kind.is_end] == [(1, 5), (2, 5)]
        assert (2, 2) not in session.document.prompts
        session.surgery.track_again(1, 4)
        assert [(one.object_id, one.frame) for one in session.document.events if one.kind.is_end] == [(2, 5)]


def test_a_beginning_before_the_prompt_before_is_not_tracked_past():
    with linked_session({1: ALL}) as session:
        session.surgery.begin_here(1, 2)
        session.edit_mask(1, 4, painted(1, 4))
        session.surgery.track_again(1, 7, backward=True)
        assert [(one.kind, one.frame) for one in session.document.events] == [(EventKind.appears, 2)]


@pytest.mark.parametrize(
    "edit",
    [
        lambda s: s.surgery.break_all([1, 2], 4),
        lambda s: s.surgery.begin_here([1, 2], 4),
        lambda s: s.surgery.absent_all({1: (2, 3), 2: (4, 5)}),
        lambda s: s.surgery.delete_from([1, 2], 4),
        lambda s: s.surgery.delete_from([1, 2], 0, whole=True),
        lambda s: s.merge_objects(3, [1, 2]),
        lambda s: s.remove_object([1, 2]),
    ],
    ids=["break", "begin", "absent", "delete", "delete all", "merge", "remove"],
)
def test_what_is_said_of_several_is_one_step_or_none(edit):
    def all_of(session):
        return session.document.objects, session.document.events, dict(session.masks.items())

    with linked_session({1: ALL, 2: ALL, 3: ALL}) as session:
        before = all_of(session)
        edit(session)
        assert all_of(session) != before
        assert session.undo()
        assert all_of(session) == before
        session.set_locked(2, True)
        locked = all_of(session)
        with pytest.raises(PromptError, match="object 2 is locked"):
            edit(session)
        assert all_of(session) == locked


def test_tracks_of_which_a_mother_is_nowhere_are_exported_and_brought_in_again(tmp_path):
    with linked_session({1: range(4), 2: range(4, 8), 3: range(4, 8)}) as session:
        session.divide(1, 4, [2, 3])
        for frame in range(4):
            session.edit_mask(1, frame, np.zeros(SIZE, bool))
        results = Results(session.document, session.masks, session.movie.movie, session.settings.overlaps)
        export_everything(tmp_path / "all", results)
        with (tmp_path / "all" / "tracks.csv").open() as file:
            assert [row["parent"] for row in csv.DictReader(file)] == ["", ""]
        assert len(session.import_tracks(tmp_path / "all")) == 2


def test_which_parents_are_not_in_files_of_links_is_told(tmp_path, caplog):
    with linked_session({1: range(2, 8), 2: range(8), 3: range(4, 8)}) as session:
        session.divide(1, 4, [2, 3])
        results = Results(session.document, session.masks, session.movie.movie, session.settings.overlaps)
        export(results, {"labels": tmp_path / "a.tif"})
        assert not caplog.messages
        export(results, {"ctc": tmp_path / "01_RES"})
        assert caplog.messages == [
            "Tracks are written without the parents of objects 2, which are nowhere before them."
        ]
        assert "2 0 7 0" in (tmp_path / "01_RES" / "res_track.txt").read_text().splitlines()


def test_a_daughter_who_is_gone_is_counted_no_more_by_her_mothers_review():
    usual = dict.fromkeys(range(5, 11), ALL)
    with linked_session({1: range(4), 2: range(4, 8), **usual}) as session:
        session.add_mask(3, 4, painted(3, 4))
        session.divide(1, 4, [2, 3])
        session.set_links([1], "linked")
        session.review.items()
        session.set_prompts({(3, 4): None})
        seen = {item.place: item.reasons for item in session.review.items()}
        queue = Queue()
        queue.look(Scene.of(session.document, session.masks))
        assert {place: item.reasons for place, item in queue.items().items()} == seen


def test_who_is_gone_is_asked_about_no_more_also_if_another_one_gets_its_number():
    with linked_session({1: ALL, 2: range(2, 4)}) as session:
        session.review.accept(session.review.items())
        session.review.sample("masks", n=10)
        places = session.document.review.samples
        number = [one for one, _ in next(iter(places.values())).places].index(2)
        session.review.answer("masks", number, True)
        session.remove_object(2)
        (sample,) = session.document.review.samples.values()
        assert [one for one, _ in sample.places].count(2) == 1, "what was answered stays"
        assert not [place for place in session.document.review.decisions if place.object_id == 2]
        assert session.new_object() == 2
        assert not [item for item in session.review.items(state=ReviewState.accepted) if item.place.object_id == 2]
        session.undo()
        session.undo()
        (sample,) = session.document.review.samples.values()
        assert [one for one, _ in sample.places].count(2) == 2


def test_proposals_are_decided_about_where_an_object_has_the_highest_number():
    with linked_session({1: ALL}) as session:
        take(session, {(2**32 - 1, 0): square(3, 0)})
        session.proposals.add(0, [painted(5, 0)], "x")
        with pytest.raises(PromptError, match="cannot be a label"):
            session.proposals.accept()


def test_places_of_an_overlap_are_of_two_in_order():
    place = Place(At.overlap, 2, 3, 5)
    assert place.renamed({5: 1}, 0) == Place(At.overlap, 1, 3, 2)
    assert place.renamed({5: 1}, 4) == place
    assert place.is_about({5})
    assert not Place(At.proposal, 5, 0).is_about({5})


@pytest.mark.parametrize("is_division", [True, False])
def test_who_is_born_in_a_gap_stays_with_whom_was_there_before(is_division):
    with linked_session({1: [0, 1, 2, 6, 7], 2: range(4, 8)}) as session:
        if is_division:
            session.divide(1, 4, [2])
        else:
            session.edits._steps.make(session.document.with_object(ObjectInfo(2, parent=1)), "a parent")
        new = session.surgery.break_here(1, 3)
        assert there(session, new) == [6, 7]
        assert parents(session) == {2: 1}
        assert [one.mother for one in session.document.divisions] == [1] * is_division


@pytest.mark.parametrize("pair", [(1, 2), (2, 1)])
def test_a_mother_who_ended_goes_on_as_the_daughter_that_she_is_swapped_with(pair):
    with linked_session({1: range(4), 2: range(4, 8), 3: range(4, 8)}) as session:
        session.divide(1, 4, [2, 3])
        session.swap_objects(*pair, 4)
        assert there(session, 1) == list(range(8))
        assert there(session, 2) == []
        assert session.document.divisions == (Division(1, 4, (3,)),)
        assert (session.document.objects[2].parent, session.document.objects[3].parent) == (None, 1)
        session.undo()
        assert session.document.divisions == (Division(1, 4, (2, 3)),)


def test_a_mother_who_stays_and_her_daughter_are_swapped_and_later_divisions_follow():
    with linked_session({1: range(8), 2: range(4, 6), 3: range(6, 8), 4: range(6, 8)}) as session:
        session.divide(1, 4, [2])
        session.divide(2, 6, [3, 4])
        session.swap_objects(1, 2, 4)
        assert (there(session, 1), there(session, 2)) == (list(range(6)), list(range(4, 8)))
        assert session.document.divisions == (Division(1, 4, (2,)), Division(1, 6, (3, 4)))
