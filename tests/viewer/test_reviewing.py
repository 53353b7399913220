"""Going through the places in doubt: in which order, what is shown again, what a decision leads to."""

from __future__ import annotations

import numpy as np
import pytest
from linked_squares import FRAMES, SIZE, square, take

from napari_sam2.document.reviews import At, ReviewKind, ReviewState, Sampled
from napari_sam2.masks.stored_masks import MaskStatus, StoredMask
from napari_sam2.review.fixes import Verb
from napari_sam2.viewer.places import Listing, Order
from napari_sam2.viewer.reviewing import JUDGING
from sam2_core.errors import PromptError


def tracked(desk, object_id, frame, radius):
    rows, columns = np.mgrid[: desk.session.size[0], : desk.session.size[1]]
    logits = (radius - np.hypot(rows - 20, columns - 15 - frame)).astype(np.float32)
    desk.session.masks.put((object_id, frame), StoredMask.of_logits(0, 0, logits, MaskStatus.tracked, leg="forward"))


@pytest.fixture
def linked(make_desk):
    """Track 1 goes on as 2 from frame 4 on; 3 is whole; 4 jumps on frame 5; 5 begins on frame 1."""
    desk = make_desk(np.zeros((FRAMES, *SIZE), np.uint8))
    masks = {(one, frame): square(1, frame) for one, frames in ((1, range(4)), (2, range(4, 8))) for frame in frames}
    masks |= {(3, frame): square(3, frame) for frame in range(8)}
    masks |= {(4, frame): square(4, frame, shift=25 if frame >= 5 else 0) for frame in range(8)}
    masks |= {(5, frame): square(5, frame) for frame in range(1, 8)}
    take(desk.session, masks)
    desk.reviewing = desk.binding.reviewing
    return desk


def at(desk):
    item = desk.reviewing.item
    return None if item is None else (item.place.at, item.place.object_id, item.place.frame)


def test_the_mask_that_looks_wrong_is_shown_once_and_again_when_it_changed(make_desk):
    desk = make_desk(np.zeros((20, 40, 60), np.uint8))
    desk.session.add_points(3, 0, [(20, 15)])
    for frame in range(1, 20):
        tracked(desk, 3, frame, 15 if frame == 12 else 6)
    desk.binding.next_suspicious()
    assert (desk.binding.current.object_id, desk.binding.frame) == (3, 12)
    assert "Object 3 on frame 12" in desk.messages[-1]
    box = desk.labels._overlays["selection_box"]
    assert box.visible
    np.testing.assert_allclose(box.bounds, ((20 - 17, 27 - 17), (20 + 17, 27 + 17)), atol=1.01)
    desk.binding.show_frame(0)
    assert not box.visible
    desk.binding.next_suspicious()
    assert desk.binding.frame == 0
    assert desk.messages[-1] == "No more places look wrong. Still open: 1; W goes through them again."
    tracked(desk, 3, 12, 16)
    desk.binding.next_suspicious()
    assert desk.binding.frame == 12


def test_it_may_be_looked_for_elsewhere(make_desk):
    desk = make_desk()
    waiting = []
    desk.binding.reviewing.elsewhere = lambda function, then: waiting.append((function, then))
    desk.binding.next_suspicious()
    desk.binding.next_suspicious()
    assert len(waiting) == 1
    function, then = waiting.pop()
    then(function())
    assert desk.messages == ["No place looks wrong."]


def test_one_goes_on_down_the_list_as_it_is_sorted_and_back(linked):
    linked.reviewing.listing = Listing(order=Order.frame)
    for _ in range(3):
        linked.reviewing.next()
    assert at(linked) == (At.begin, 2, 4)
    linked.reviewing.show(linked.reviewing.listed[0])
    assert at(linked) == (At.begin, 5, 1)
    linked.reviewing.next()
    assert at(linked) == (At.step, 4, 5), "places that were shown are not shown again"
    linked.reviewing.back()
    assert at(linked) == (At.begin, 5, 1)
    linked.reviewing.previous()
    assert linked.messages[-1] == "This is the first place of the list."


def test_only_a_kind_is_listed_where_that_is_asked_for(linked):
    linked.reviewing.look()
    linked.reviewing.listing = Listing(kind=ReviewKind.ends_inside)
    assert [one.place.object_id for one in linked.reviewing.listed] == [1]
    assert linked.reviewing.places.progress.open == 4


def test_a_decision_leads_to_the_next_place_and_undo_brings_it_back(linked):
    linked.reviewing.next()
    first = linked.reviewing.item
    linked.reviewing.accept()
    assert linked.reviewing.item != first
    assert linked.reviewing.places.progress.accepted == 1
    linked.reviewing.dismiss()
    assert (linked.reviewing.places.progress.dismissed, len(linked.reviewing.listed)) == (1, 2)
    linked.session.undo()
    linked.session.undo()
    linked.reviewing.look()
    assert first in linked.reviewing.listed
    for _ in range(3):
        linked.reviewing.next()
        if linked.reviewing.item == first:
            break
    assert linked.reviewing.item == first, "what was taken back is not shown again"


def test_undo_and_redo_go_to_the_place_whose_decision_they_change(linked):
    linked.reviewing.next()
    first = linked.reviewing.item
    linked.reviewing.accept()
    second = linked.reviewing.item
    linked.reviewing.fix(1)
    assert linked.reviewing.item.place not in (first.place, second.place)
    linked.binding.undo()
    assert (linked.reviewing.item.place, linked.reviewing.item.state) == (second.place, ReviewState.open)
    assert linked.messages[-1].startswith("Undone: ")
    linked.binding.undo()
    assert (linked.reviewing.item, linked.binding.frame) == (first, first.place.frame)
    assert linked.reviewing.places.progress.accepted == 0
    linked.reviewing.look()
    assert linked.reviewing.item == first
    linked.binding.redo()
    assert (linked.reviewing.item.place, linked.reviewing.item.state) == (first.place, ReviewState.accepted)
    linked.reviewing.back()
    linked.binding.new_object()
    linked.session.add_points(9, 0, [(5, 5)])
    frame = linked.binding.frame
    linked.binding.undo()
    assert linked.binding.frame == frame, "what is no decision leads nowhere"


def test_a_number_corrects_and_the_next_place_is_none_of_the_same_cells(linked):
    linked.reviewing.listing = Listing(order=Order.object_id)
    linked.reviewing.next()
    assert at(linked) == (At.end, 1, 3)
    assert linked.reviewing.fixes[0].text == "1 goes on as 2"
    linked.reviewing.is_followed = True
    waiting = []
    linked.reviewing.elsewhere = lambda function, then: waiting.append((function, then))
    linked.reviewing.fix(1)
    assert 2 not in linked.session.document.objects
    assert at(linked) == (At.step, 4, 5), "the beginning of 2, which is no more, was shown"
    assert linked.messages[-1] == "Object 1 goes on as 2. Undo takes that back."
    linked.reviewing.look()
    function, then = waiting.pop()
    then(function())
    assert linked.reviewing.places.progress.corrected == 2
    assert {one.state for one in linked.reviewing.listed} == {ReviewState.open}
    linked.reviewing.fix(9)
    assert linked.messages[-1] == "There is no alternative 9 here."


def test_a_number_pressed_twice_is_not_the_answer_to_a_place_that_nobody_saw(linked):
    waiting = []
    linked.reviewing.listing = Listing(order=Order.object_id)
    linked.reviewing.next()
    linked.reviewing.soon = waiting.append
    linked.reviewing.fix(1)
    after = linked.session.document
    linked.reviewing.fix(1)
    assert linked.session.document is after
    waiting.pop()()
    assert not waiting
    assert at(linked) == (At.step, 4, 5)


def test_who_goes_elsewhere_before_the_next_place_came_stays_there(linked):
    linked.reviewing.next()
    first, waiting = linked.reviewing.item, []
    linked.reviewing.soon = waiting.append
    linked.reviewing.accept()
    linked.reviewing.accept()
    assert linked.reviewing.places.progress.accepted == 1, "nobody has seen the second place"
    linked.reviewing.back()
    assert linked.reviewing.item.place == first.place
    waiting.pop()()
    assert linked.reviewing.item.place == first.place
    linked.reviewing.show(linked.reviewing.listed[0])
    linked.reviewing.dismiss()
    chosen = linked.reviewing.listed[-1]
    linked.reviewing.show(chosen)
    waiting.pop()()
    assert linked.reviewing.item == chosen


def test_a_look_that_began_before_a_decision_does_not_open_the_place_again(linked):
    linked.reviewing.next()
    first, waiting = linked.reviewing.item, []
    linked.reviewing.elsewhere = lambda function, then: waiting.append((function, then))
    linked.reviewing.is_followed = True
    linked.reviewing.look()
    function, then = waiting.pop()
    found = function()
    linked.reviewing.accept()
    then(found)
    assert first.place not in {one.place for one in linked.reviewing.listed}
    function, then = waiting.pop()
    then(function())
    assert linked.reviewing.places.progress.accepted == 1
    assert not linked.reviewing.is_looking


def test_all_of_a_kind_that_are_sure_enough_are_accepted_in_one_step(linked):
    linked.reviewing.listing = Listing(order=Order.frame)
    linked.reviewing.next()
    linked.reviewing.above = 0.95
    linked.reviewing.accept_alike()
    assert linked.reviewing.places.progress.accepted == 0
    linked.reviewing.above = 0.05
    linked.reviewing.accept_alike()
    assert linked.reviewing.places.progress.accepted == 2
    assert linked.reviewing.item.kind is not ReviewKind.begins_inside
    linked.session.undo()
    linked.reviewing.look()
    assert linked.reviewing.places.progress.accepted == 0


def test_who_goes_on_before_an_undo_has_led_back_stays_there(linked):
    linked.reviewing.next()
    linked.reviewing.accept()
    linked.reviewing.is_followed = True
    waiting = []
    linked.reviewing.elsewhere = lambda function, then: waiting.append((function, then))
    linked.binding.undo()
    linked.reviewing.next()
    there = linked.reviewing.item.place
    while waiting:
        function, then = waiting.pop()
        then(function())
    assert linked.reviewing.item.place == there


def test_the_place_above_is_of_the_list_also_where_that_became_shorter(linked):
    linked.reviewing.next()
    linked.reviewing.show(linked.reviewing.listed[-1])
    kind = next(one.kind for one in linked.reviewing.listed if one.kind is not linked.reviewing.item.kind)
    linked.reviewing.listing = Listing(kind=kind)
    linked.reviewing.previous()
    assert linked.reviewing.item == linked.reviewing.listed[-1]


def test_an_object_that_is_there_no_more_is_exchanged_with_nobody(linked):
    linked.reviewing.look()
    step = next(one for one in linked.reviewing.listed if one.place.at is At.step)
    linked.reviewing.show(step)
    linked.reviewing.accept()
    linked.session.surgery.delete_from(step.place.object_id, step.place.frame)
    linked.reviewing.back()
    linked.reviewing.look()
    assert not [fix for fix in linked.session.review.fixes(step) if fix.verb is Verb.swap]


@pytest.mark.parametrize("gone", ["division", "object"])
@pytest.mark.parametrize("is_followed", [True, False])
def test_nothing_is_decided_about_a_place_that_is_no_more(linked, gone, is_followed):
    linked.session.lineage.divide(3, 4, [2, 5])
    linked.reviewing.is_followed = is_followed
    linked.reviewing.look()
    item = next(one for one in linked.reviewing.listed if one.place.at is At.division)
    linked.reviewing.show(item)
    if gone == "division":
        linked.session.surgery.undivide(3, item.place.frame)
    else:
        linked.session.remove_object([3])
    before = linked.session.edits.revision
    if is_followed:  # as the panel does after each edit
        linked.reviewing.look()
    else:
        linked.reviewing.accept()
    assert "That place is no more." in linked.messages
    assert linked.reviewing.item.place != item.place
    assert linked.session.edits.revision == before
    with pytest.raises(PromptError, match="no more"):
        linked.session.review.accept(item)
    assert linked.reviewing.item.place in [one.place for one in linked.reviewing.places.items]


def test_of_the_last_place_nothing_is_left_in_view_when_it_is_gone(linked):
    linked.reviewing.look()
    linked.reviewing.show(linked.reviewing.listed[0])
    linked.session.remove_object(list(linked.session.document.objects))
    linked.reviewing.look()
    assert (linked.reviewing.item, linked.reviewing.fixes, linked.reviewing.listed) == (None, (), ())


def test_nothing_is_decided_about_a_place_of_the_list_while_a_sample_is_judged(linked):
    linked.reviewing.next()
    linked.reviewing.accept()
    item, decisions = linked.reviewing.item, linked.session.document.review.decisions
    linked.binding.actions.sampling.draw(Sampled.masks, 3, seed=2)
    seen = linked.binding.current.object_id, linked.binding.frame
    for key in (
        linked.reviewing.dismiss,
        linked.reviewing.accept_alike,
        linked.reviewing.next,
        linked.reviewing.previous,
        lambda: linked.reviewing.fix(1),
    ):
        key()
        assert linked.messages[-1] == JUDGING
    linked.reviewing.correct(lambda: linked.session.add_points(9, 0, [(5, 5)]))
    assert linked.session.document.review.decisions == decisions
    for _ in range(3):
        linked.binding.undo()
    assert not linked.session.document.review.decisions
    assert (linked.binding.current.object_id, linked.binding.frame) == seen, "undo led away from what is judged"
    assert linked.reviewing.item.place == item.place


def test_an_answer_that_is_undone_leads_back_to_its_place(linked):
    actions = linked.binding.actions
    sampling = actions.sampling
    sampling.draw(Sampled.masks, 3, seed=2)
    places = linked.session.document.review.samples["masks"].places
    sampling.right()
    sampling.wrong()
    assert sampling.number == 2
    for number in (1, 0):
        actions.undo()
        assert sampling.number == number
        assert (linked.binding.current.object_id, linked.binding.frame) == places[number]
    sampling.right()
    assert sampling.number == 1
    actions.undo()
    actions.redo()
    assert sampling.number == 0


def test_what_is_judged_of_a_sample_becomes_a_rate(linked):
    sampling, messages = linked.binding.actions.sampling, linked.messages
    sampling.right()
    assert messages[-1] == "No sample is being judged; draw one."
    sampling.draw(Sampled.masks, 3, seed=2)
    places = linked.session.document.review.samples["masks"].places
    assert (linked.binding.current.object_id, linked.binding.frame) == places[0]
    sampling.right()
    sampling.wrong()
    sampling.back()
    assert (linked.binding.current.object_id, linked.binding.frame) == places[1]
    sampling.right()
    sampling.wrong()
    assert (sampling.rate.looked_at, sampling.rate.wrong) == (3, 1)
    assert "3 masks drawn at random" in messages[-1]
    sampling.draw(Sampled.masks, 2, seed=3)
    assert "Undo brings its answers back" in messages[-1]
    linked.session.undo()
    assert linked.session.review.error_rates[0].looked_at == 3


def test_a_found_cell_has_a_number_of_its_own_and_is_no_object(linked):
    """The cell that was left out is number 1, as is an object in doubt: what is done about one is not done for both."""
    cell = np.zeros(SIZE, bool)
    cell[70:78, 4:12] = True
    assert linked.session.proposals.add(0, [cell], "x", [0.9]).numbers == (1,)
    linked.reviewing.listing = Listing(order=Order.frame)
    seen = []
    for _ in range(20):
        linked.reviewing.next()
        if at(linked) is None or at(linked) in seen:
            break
        seen.append(at(linked))
        if at(linked)[0] is At.proposal:
            linked.reviewing.fix(1)
            assert any("Found cell 1 is an object. Undo" in text for text in linked.messages)
            if at(linked) not in seen:
                seen.append(at(linked))
    assert (At.proposal, 1, 0) in seen
    assert any(place is not At.proposal and number == 1 for place, number, _ in seen)
