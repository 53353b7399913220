"""What is found is proposed, and a person decides: nothing that is there is overwritten, all of it can be undone."""

from __future__ import annotations

import tracemalloc
from itertools import islice

import numpy as np
import pytest
from disc_predictor import DiscPredictor
from finding_predictor import FindingPredictor

from napari_sam2.document.difference import difference
from napari_sam2.document.prompt_parts import Mask
from napari_sam2.session import FindRequest, ProposalState, Proposed, Session
from sam2_core.errors import PromptError, StackError

FRAMES, SIZE = 4, (60, 80)
SPOTS = {250: (5, 5), 200: (5, 30), 150: (30, 5), 110: (30, 30)}


def movie():
    frames = np.zeros((FRAMES, *SIZE), np.uint8)
    for value, (y, x) in SPOTS.items():
        frames[:2, y : y + 9, x : x + 9] = value
    return frames


def spot(value, side=9):
    y, x = SPOTS[value]
    return Mask.in_box(SIZE, y, x, np.ones((side, side), bool))


@pytest.fixture
def predictor():
    return FindingPredictor()


@pytest.fixture
def session(predictor):
    with Session.open(movie(), axes="TYX", predictor=predictor) as made:
        made.change_settings(contrast_limits=((0, 255),))
        made._state.history.clear()
        yield made


def masks_of(session):
    return {number: one.mask for number, one in session.document.proposals.items()}


def test_why_nothing_was_found_on_a_frame_is_no_remark_where_something_was_on_another():
    some, none = Proposed((1, 2), diameter_px=9.0), Proposed(diameter_px=9.0, remark="Nothing was found.")
    assert some.joined(none).remark == none.joined(some).remark == ""
    assert none.joined(none).remark == "Nothing was found."


def test_what_is_linked_of_many_frames_takes_the_memory_of_one():
    """Who has which pixel is asked frame by frame: 500 large frames at once do not fit into a laptop."""
    frames, side = 40, 300
    labels = np.zeros((frames, side, side), np.uint8)
    labels[:, 20:40, 20:40] = 1
    with Session.open(labels, axes="TYX") as session:
        for frame in range(frames):
            session.proposals.from_labels(labels[frame], "grid", frame=frame)
        tracemalloc.start()
        job = session.proposals.link_job()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert len(job.proposals) == frames
    assert peak < 10 * 4 * side**2


def test_a_search_of_all_frames_is_one_step_unless_something_comes_between(session):
    session.proposals.find(frames=None)
    assert len(session.document.proposals) == 8
    assert session.undo()
    assert not session.document.proposals
    assert not session.can_undo
    assert session.redo()
    assert len(session.document.proposals) == 8
    session.proposals.find(frames=None)
    assert session.undo()
    assert len(session.document.proposals) == 8, "another search is another step"
    updates = session.run(session.proposals.find_job(FindRequest((0, 1))))
    for update in updates:
        if session.accept(update) and update.frame_index == 0:
            session.new_object()
    assert session.undo()
    assert session.undo_text == "add an object"


def test_what_is_found_is_proposed_best_first_and_is_one_step(session):
    came = session.proposals.find(frames=0)
    assert came == Proposed((1, 2, 3, 4), diameter_px=9.0)
    assert list(masks_of(session).values()) == [spot(value) for value in SPOTS]
    assert session.undo_text == "find cells"
    assert not session.document.objects
    assert session.undo()
    assert not session.document.proposals
    assert session.redo()
    assert len(session.proposals.shown(0)) == 4


def test_updates_tell_how_far_it_is_and_come_on_the_lane_until_it_is_cancelled(session, predictor):
    job = session.proposals.find_job(FindRequest((0, 1)))
    updates = list(session.run(job))
    assert [update.done for update in updates] == [20, 40, 60, 80, 100, 120, 140, 160, 180, 200]
    assert {update.total for update in updates} == {200}
    assert [update.found is not None for update in updates].count(True) == 2
    assert not session.document.proposals
    assert session.accept(updates[4])
    assert not session.accept(updates[0])
    assert {one.frame for one in session.document.proposals.values()} == {0}
    list(islice(session.run(session.proposals.find_job(FindRequest())), 1))
    assert predictor.closed == 3
    assert not session.is_running


def test_a_size_that_settings_say_is_told_to_who_finds(session, predictor):
    session.change_settings(object_diameter_px=17)
    session.proposals.find(0, region=(0, 0, 20, 80), min_score=0.9)
    session.proposals.find(0, diameter_px=12)
    assert [request.diameter_px for request in predictor.requests] == [17, 12]
    assert predictor.requests[0].region.sum() == 20 * 80
    assert predictor.requests[0].min_score == 0.9


def test_a_size_of_nothing_is_not_taken_for_none(session, predictor):
    session.change_settings(object_diameter_px=30)
    session.proposals.find(0, diameter_px=0)
    assert predictor.requests[-1].diameter_px == 0  # which who finds refuses


def test_what_was_found_under_other_settings_is_void(session):
    (*_, last) = session.run(session.proposals.find_job(FindRequest()))
    session.change_settings(contrast_limits=((0, 100),))
    assert not session.accept(last)
    assert not session.document.proposals


def test_accepting_makes_objects_with_source_and_score_and_undo_takes_them_back(session):
    session.proposals.find(0)
    before = session.document
    assert session.proposals.accept() == (1, 2, 3, 4)
    assert session.undo_text == "accept 4 proposals"
    assert {one.source for one in session.document.objects.values()} == {"cells-nano"}
    assert session.document.objects[1].score == pytest.approx(250 / 255)
    assert session.document.prompts[1, 0].drawn == spot(250)
    assert np.array_equal(session.masks.mask(1, 0), spot(250).mask)
    assert session.status(1)[0] == 1
    assert not session.needs_preview
    assert not session.proposals.shown(0)
    session.undo()
    assert difference(before, session.document).is_empty
    assert not len(session.masks)
    session.redo()
    list(session.propagate())
    assert np.array_equal(session.masks.mask(1, 0), spot(250).mask)


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({"min_score": 0.7}, [250, 200]),
        ({"region": (0, 0, 60, 20)}, [250, 150]),
        ({"region": np.arange(60)[:, None] * np.ones(80) > 20}, [150, 110]),
        ({"region": (0, 0, 60, 20), "min_score": 0.7}, [250]),
        ({"point_yx": (9.2, 33)}, [200]),
        ({"point_yx": (20, 20)}, []),
        ({"frame": 1}, []),
        ({"frame": 0}, [250, 200, 150, 110]),
    ],
)
def test_those_above_a_score_in_a_region_or_at_a_point_are_chosen(session, asked, ids):
    session.proposals.find(0)
    chosen = session.proposals.chosen(**asked)
    assert [session.document.proposals[number].mask for number in chosen] == [spot(value) for value in ids]
    assert len(session.proposals.accept(chosen)) == len(ids)
    assert len(session.document.objects) == len(ids)


def test_rejected_ones_are_not_shown_and_the_same_source_does_not_propose_them_again(session):
    session.proposals.find(0)
    session.proposals.reject(session.proposals.chosen(point_yx=(9, 9)))
    assert session.undo_text == "reject a proposal"
    assert len(session.proposals.shown(0)) == 3
    again = session.proposals.find(0)
    assert (len(again.numbers), again.rejected_before, again.on_objects) == (3, 1, 0)
    assert session.proposals.add(0, [spot(250)], "other").rejected_before == 0
    session.proposals.remove()
    assert not session.document.proposals
    assert len(session.proposals.find(0).numbers) == 4
    session.proposals.accept()
    with pytest.raises(PromptError, match="remove the object"):
        session.proposals.reject(list(session.document.proposals))


def test_what_a_person_made_is_neither_covered_nor_overwritten(session):
    session.proposals.find(0)
    session.edit_mask(8, 0, spot(200, side=12).mask)
    session.add_points(9, 0, [(34, 9)])
    assert [session.document.proposals[n].mask for n in session.proposals.shown(0)] == [spot(250), spot(110)]
    assert len(session.proposals.accept([2, 3])) == 0
    assert session.undo_text == "add a point"
    assert session.proposals.accept([1, 2, 3, 4]) == (10, 11)
    assert np.array_equal(session.masks.mask(8, 0), spot(200, side=12).mask)
    assert session.proposals.find(0).on_objects == 4


def test_of_proposals_on_top_of_one_another_the_surest_becomes_an_object(session):
    session.proposals.add(0, [spot(250, side=8), spot(250)], "mine", [0.2, 0.9])
    assert len(session.proposals.shown(0)) == 2
    (made,) = session.proposals.accept()
    assert session.document.prompts[made, 0].drawn == spot(250)


def test_labels_of_another_program_keep_the_ids_that_are_free(session):
    session.rename_object(session.new_object(), "mine")
    labels = np.zeros(SIZE, np.int32)
    for label, value in ((1, 250), (2, 200), (70_000, 150)):
        labels[spot(value).mask] = label
    came = session.proposals.from_labels(labels, "Cellpose")
    assert len(came.numbers) == 3
    assert sorted(session.proposals.accept()) == [2, 3, 70_000]
    assert session.document.prompts[2, 0].drawn == spot(200)
    assert session.document.prompts[70_000, 0].drawn == spot(150)
    assert session.document.objects[1].name == "mine"
    with pytest.raises(PromptError, match="whole numbers"):
        session.proposals.from_labels(labels * 1.5, "Cellpose")


def test_a_session_is_reopened_with_its_proposals_and_what_was_made_of_them(session, predictor, tmp_path):
    session.save(tmp_path / "a.sam2")
    session.proposals.find((0, 1))
    session.proposals.accept([2])
    session.proposals.reject([1])
    session.proposals.from_labels(spot(110).mask * np.uint16(40), "StarDist", frame=2)
    session.close()
    with Session.open(tmp_path / "a.sam2", images=movie(), predictor=predictor) as back:
        assert difference(session.document, back.document).is_empty
        assert back.document.proposals[1].state is ProposalState.rejected
        assert back.document.objects[1].source == "cells-nano"
        assert not back.notes
        assert back.proposals.accept(back.proposals.chosen(frame=2)) == (40,)


def test_accepting_many_looks_at_each_once(session, monkeypatch):
    size, looked = (400, 400), []
    many = Session.open(np.zeros(size, np.uint8), axes="YX", predictor=DiscPredictor())
    labels = np.kron(np.arange(1, 401).reshape(20, 20), np.ones((20, 20), int))
    many.proposals.from_labels(labels, "grid")
    inside = Mask.inside.fget
    monkeypatch.setattr(Mask, "inside", property(lambda mask: looked.append(mask) or inside(mask)))
    assert len(many.proposals.accept()) == 400
    assert len(looked) < 10 * 400
    many.close()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda p: p.find(9),
        lambda p: p.find([]),
        lambda p: p.find(0, region=np.ones((3, 3), bool)),
        lambda p: p.add(0, [np.ones((3, 3), bool)], "x"),
        lambda p: p.add(0, [np.zeros(SIZE, bool)], "x"),
        lambda p: p.add(FRAMES, [], "x"),
        lambda p: p.accept([77]),
        lambda p: p.chosen(region=(1, 2)),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(session, wrong):
    before = session.document
    with pytest.raises(PromptError):
        wrong(session.proposals)
    assert session.document is before
    assert not session.can_undo


def test_a_predictor_that_finds_nothing_by_itself_says_so():
    with (
        Session.open(movie(), axes="TYX", predictor=DiscPredictor()) as session,
        pytest.raises(StackError, match="from_labels"),
    ):
        session.proposals.find(0)


def test_frames_cannot_become_others_under_proposals(session):
    session.proposals.find(0)
    with pytest.raises(StackError, match="proposals"):
        session.change_settings(track_axis="Z")
    assert len(session.document.proposals) == 4
