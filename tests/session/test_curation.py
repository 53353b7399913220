"""The review of a session: what is in doubt, worst first; decisions hold as long as their ground, and are kept."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from linked_squares import FRAMES, SIZE, linked_session, square, take

from napari_sam2.document.reviews import At, ReviewKind, ReviewState
from napari_sam2.io.exports import export
from napari_sam2.session import Session
from napari_sam2.session.saved_results import open_results as again_results


def places(session, **asked):
    return [(item.place.at, item.place.object_id, item.place.frame) for item in session.review.items(**asked)]


@pytest.fixture
def session():
    """Track 1 goes on as 2; 3 is whole; 4 jumps on frame 5."""
    with linked_session({1: range(4), 2: range(4, 8), 3: range(8)}) as made:
        take(made, {(4, frame): square(4, frame, shift=25 if frame >= 5 else 0) for frame in range(8)})
        yield made


def test_frames_on_which_nobody_looked_put_nothing_in_doubt():
    """Frames 2 to 5 of eight were looked at: what is there on all of these neither begins nor ends inside."""
    with linked_session({1: range(2, 6), 2: range(2, 6), 3: range(3, 6)}) as session:
        assert places(session) == [(At.track, 3, 3)]


def test_what_is_in_doubt_comes_the_highest_gain_first(session):
    assert set(places(session)) == {(At.end, 1, 3), (At.begin, 2, 4), (At.step, 4, 5)}
    gains = [item.gain for item in session.review.items()]
    assert gains == sorted(gains, reverse=True)
    assert session.review.items(kind="ends inside")[0].kind is ReviewKind.ends_inside
    assert places(session, region=(0, 0, 26, 80)) == [(At.end, 1, 3)]


def test_what_is_accepted_is_done_and_can_be_undone(session):
    first = session.review.next()
    session.review.accept(first)
    assert first.place not in {item.place for item in session.review.items()}
    assert (session.review.progress.open, session.review.progress.accepted) == (2, 1)
    assert session.undo_text == "accept a place"
    assert session.undo()
    assert session.review.next() == first
    assert session.redo()
    session.review.reopen(first)
    assert session.review.next() == first


def test_a_place_whose_ground_changed_is_open_again(session):
    (jump,) = session.review.items(kind=ReviewKind.jump_of_place) or session.review.items(kind=ReviewKind.low_overlap)
    session.review.dismiss(jump)
    take(session, {(3, 2): square(3, 2, side=9)})
    assert (At.step, 4, 5) not in places(session)
    take(session, {(4, 5): square(4, 5, shift=24)})
    assert (At.step, 4, 5) in places(session)


def test_one_fix_that_is_offered_corrects_two_places_in_one_step(session):
    (item,) = session.review.items(kind="ends inside")
    take(session, {(2, frame): square(1, frame) for frame in range(4, 8)})
    fixes = session.review.fixes(session.review.items(kind="ends inside")[0])
    assert fixes[0].text == "1 goes on as 2"
    session.review.correct(item, fixes[0])
    assert places(session) == [(At.step, 4, 5)]
    assert session.review.progress.corrected == 2
    assert session.undo()
    assert set(places(session)) == {(At.end, 1, 3), (At.begin, 2, 4), (At.step, 4, 5)}
    assert session.review.progress.corrected == 0


def test_all_of_a_kind_above_a_confidence_are_accepted_at_once(session):
    assert session.review.accept_all("begins inside", above=0.99) == ()
    (accepted,) = session.review.accept_all("begins inside", above=0.05)
    assert accepted.place.at is At.begin
    assert session.undo_text == "accept a place"


def test_one_goes_on_behind_an_item_and_back(session):
    first, second, third = session.review.items()
    assert session.review.next(after=first) == second
    session.review.accept(second)
    assert session.review.next(after=first) == third
    assert session.review.previous(third).place == second.place
    assert session.review.previous(first) is None
    assert session.review.next(after=third) is None


def test_looking_again_after_an_edit_finds_what_looking_at_all_finds(session):
    session.review.items()
    take(session, {(1, 4): square(1, 4), (5, 3): square(3, 3, shift=3)})
    session.surgery.break_here(3, 6)
    session.divide(1, 5, [2, 4])
    again = session.review.items()
    session.review._prepared = None
    session.review._queue.__init__()
    assert session.review.items() == again
    assert {item.kind for item in again} >= {ReviewKind.in_conflict, ReviewKind.division}


def test_what_was_decided_is_there_after_reopening_without_closing(tmp_path):
    tifffile.imwrite(tmp_path / "movie.tif", np.zeros((FRAMES, *SIZE), np.uint8))
    session = linked_session({1: range(4), 2: range(4, 8), 3: range(6)}, tmp_path / "movie.tif")
    session.save(tmp_path / "a.sam2")
    session.review.accept(session.review.next())
    session.review.sample("links", n=4, seed=5)
    session.review.answer("links", 2, False)
    session.flush()
    session.saving.queue.discard()  # as a process that is killed leaves it
    with Session.open(tmp_path / "a.sam2") as again:
        assert again.notes == ()
        assert again.review.items() == session.review.items()
        assert again.review.items(state=ReviewState.accepted) == session.review.items(state="accepted")
        assert again.review.progress == session.review.progress
        export(again_results(tmp_path / "a.sam2"), {"error_rate": tmp_path / "error_rate.csv"})
        row = (tmp_path / "error_rate.csv").read_text().splitlines()[1]
        assert row.startswith('links,5,11,4,1,1,1.0000,0.2065,1.0000,"Of 1 links drawn at random from 11 (seed 5)')
        (rate,) = again.review.error_rates
        assert (rate.seed, rate.looked_at, rate.wrong, rate.drawn) == (5, 1, 1, 4)


def test_what_a_person_made_or_looked_at_is_not_in_doubt(session):
    session.set_links([1, 2], "looked at")
    assert places(session) == [(At.step, 4, 5)]
    session.set_locked(4, True)
    assert places(session) == []


def test_what_was_left_out_before_anything_was_linked_is_in_doubt_once_something_is(session):
    pixels = square(8, 2).placed(SIZE)
    session.set_links(list(session.document.objects), "made")
    (number,) = session.proposals.add(2, [pixels], "a model", scores=[0.8]).numbers
    assert not [one for one in session.review.items() if one.place.at is At.proposal]
    session.set_links([1], "linked")
    assert (At.proposal, number, 2) in places(session)
    session.set_links([1], "looked at")
    assert (At.proposal, number, 2) not in places(session)


def test_a_strong_proposal_that_was_left_out_is_in_doubt_until_an_object_is_there(session):
    pixels = square(8, 2).placed(SIZE)
    (number,) = session.proposals.add(2, [pixels], "a model", scores=[0.8]).numbers
    assert (At.proposal, number, 2) in places(session)
    (item,) = session.review.items(kind=ReviewKind.left_out)
    session.review.correct(item, session.review.fixes(item)[0])
    assert (At.proposal, number, 2) not in places(session)
