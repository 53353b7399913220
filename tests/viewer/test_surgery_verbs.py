"""Surgery by keys: on the cell under the mouse, on those chosen with Shift+click, or on the current one."""

from __future__ import annotations

import numpy as np
import pytest
from linked_squares import FRAMES, SIZE, square, take, there
from mouse_events import Event
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import mouse_press_callbacks, mouse_release_callbacks

from napari_sam2.document.reviews import At, Place, ReviewKind, ReviewState
from napari_sam2.document.track_events import Division
from napari_sam2.review.items import ReviewItem


@pytest.fixture
def cells(make_desk):
    """Squares in rows: 1 until frame 3, 2 from 4 on in the same row; 3 and 4 on all frames, 5 from 4 on below 4."""
    desk = make_desk(np.zeros((FRAMES, *SIZE), np.uint8))
    rows = {1: (1, range(4)), 2: (1, range(4, 8)), 3: (6, range(8)), 4: (3, range(8)), 5: (4, range(4, 8))}
    take(desk.session, {(one, frame): square(row, frame) for one, (row, frames) in rows.items() for frame in frames})
    desk.rows = {one: row for one, (row, _) in rows.items()}
    desk.verbs = desk.binding.actions.surgery
    desk.binding.review(True)
    return desk


def place(desk, object_id):
    return 8 + 12 * desk.rows[object_id], 24 + 2 * desk.binding.frame


def hover(desk, object_id, frame):
    desk.binding.show_frame(frame)
    desk.viewer.cursor.position = (frame, *place(desk, object_id))


def press(desk, object_id, frame, *modifiers):
    """A click as a canvas sends it: first to the viewer, then to the active layer."""
    hover(desk, object_id, frame)
    position = desk.viewer.cursor.position
    for kind, send in (("press", mouse_press_callbacks), ("release", mouse_release_callbacks)):
        event = Event(f"mouse_{kind}", position, pos=np.array(position[1:]), modifiers=modifiers, dims_point=position)
        wrapped = ReadOnlyWrapper(event, exceptions=("handled",))
        send(desk.viewer, wrapped)
        send(desk.points, wrapped)


def test_shift_click_chooses_and_adds_no_point(cells):
    cells.viewer.layers.selection.active = cells.points
    cells.points.mode = "add"
    press(cells, 3, 2, "Shift")
    press(cells, 4, 5, "Shift")
    picking = cells.binding.actions.picking
    assert picking.keys == ((3, 2), (4, 5))
    assert not cells.session.document.prompts
    press(cells, 4, 5, "Shift")
    assert picking.keys == ((3, 2),)
    press(cells, 4, 5)
    assert len(cells.session.document.prompts) == 1, "clicks without Shift are the tool's again"
    cells.binding.review(False)
    press(cells, 4, 6, "Shift")
    assert picking.keys == ()


def test_a_release_that_is_lost_leaves_the_mouse_to_the_tool(cells):
    cells.viewer.layers.selection.active = cells.points
    cells.points.mode = "add"
    of_the_tool = list(cells.points.mouse_drag_callbacks)
    hover(cells, 3, 2)
    event = Event("mouse_press", cells.viewer.cursor.position, modifiers=("Shift",))
    mouse_press_callbacks(cells.viewer, ReadOnlyWrapper(event, exceptions=("handled",)))
    press(cells, 4, 5, "Shift")
    assert list(cells.points.mouse_drag_callbacks) == of_the_tool
    press(cells, 4, 5)
    assert len(cells.session.document.prompts) == 1


def test_the_current_cell_is_connected_to_the_one_under_the_mouse(cells):
    cells.binding.current.choose(1)
    hover(cells, 2, 4)
    cells.verbs.connect()
    assert there(cells.session, 1) == list(range(8))
    assert cells.messages[-1] == "Object 1 goes on as 2 from frame 4: one track, 1. Undo takes that back."


def test_cells_are_connected_in_order_of_time_however_they_were_chosen(cells):
    press(cells, 4, 6, "Shift")
    press(cells, 1, 2, "Shift")
    cells.verbs.connect()
    assert there(cells.session, 1) == [0, 1, 2, 6, 7]
    assert cells.binding.actions.picking.keys == ()


def test_what_is_not_clear_changes_nothing_and_is_told(cells):
    before = cells.session.document
    cells.binding.current.choose(3)
    hover(cells, 4, 5)
    cells.verbs.connect()
    assert "are both there on frame 5" in cells.messages[-1]
    hover(cells, 3, 5)
    cells.verbs.swap()
    assert "takes two cells" in cells.messages[-1]
    assert cells.session.document is before


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("break_here", {4: [0, 1, 2, 3, 4], 6: [5, 6, 7]}),
        ("end", {4: [0, 1, 2, 3, 4, 5]}),
        ("begin", {4: [5, 6, 7]}),
        ("absent", {4: [0, 1, 2, 3, 4, 6, 7]}),
        ("delete_from", {4: [0, 1, 2, 3, 4]}),
    ],
)
def test_a_verb_is_about_the_cell_under_the_mouse_and_is_one_step(cells, verb, expected):
    cells.binding.current.choose(3)
    hover(cells, 4, 5)
    getattr(cells.verbs, verb)()
    assert {one: there(cells.session, one) for one in expected} == expected
    assert there(cells.session, 3) == list(range(8))
    cells.session.undo()
    assert there(cells.session, 4) == list(range(8))


@pytest.mark.parametrize("verb", ["end", "begin", "absent", "looked_at"])
def test_a_verb_that_changes_nothing_says_so_and_is_no_step(cells, verb):
    cells.binding.current.choose(4)
    hover(cells, 4, 5)
    getattr(cells.verbs, verb)()
    assert cells.messages[-1].endswith("Undo takes that back.")
    step = cells.session.undo_text, cells.session.edits.revision
    getattr(cells.verbs, verb)()
    assert cells.messages[-1] == "That is so already; nothing was changed."
    assert (cells.session.undo_text, cells.session.edits.revision) == step


def test_nobody_divides_on_the_first_frame(cells):
    before = cells.session.document
    hover(cells, 4, 0)
    cells.verbs.divide()
    assert cells.messages[-1].startswith("Nobody divides on frame 0, the first one")
    assert cells.session.document is before


@pytest.mark.parametrize("verb", ["break_here", "end", "begin", "absent", "delete_from", "merge"])
def test_a_verb_about_several_cells_is_one_step_or_none(cells, verb):
    def all_of_them():
        return {one: there(cells.session, one) for one in cells.session.masks.object_ids()}

    before = all_of_them()
    for chosen in (3, 4):
        press(cells, chosen, 5, "Shift")
    cells.session.set_locked(4, True)
    getattr(cells.verbs, verb)()
    assert "object 4 is locked" in cells.messages[-1]
    assert all_of_them() == before
    cells.session.set_locked(4, False)
    getattr(cells.verbs, verb)()
    changed = {one for one, frames in before.items() if all_of_them().get(one) != frames}
    assert changed == ({3, 4} if verb != "merge" else {4}), cells.messages[-1]
    assert cells.session.undo()
    assert all_of_them() == before


def test_the_mouse_counts_for_nothing_while_it_rests_where_another_place_came_into_view(cells):
    hover(cells, 4, 5)
    cells.binding.reviewing.next()
    current = cells.binding.current.object_id
    assert current != 4
    cells.binding.show_frame(there(cells.session, current)[0])
    cells.verbs.delete_from()
    assert there(cells.session, 4) == list(range(8))
    assert current not in cells.session.document.objects, "on its first frame all of it is deleted"


def test_absent_reaches_from_where_the_cell_was_chosen(cells):
    press(cells, 3, 2, "Shift")
    cells.binding.show_frame(4)
    cells.viewer.cursor.position = (4, 1, 1)
    cells.verbs.absent()
    assert there(cells.session, 3) == [0, 1, 5, 6, 7]


def test_a_mother_ends_and_the_two_nearest_are_her_daughters_herself_among_them(cells):
    hover(cells, 4, 4)
    cells.verbs.divide()
    (division,) = cells.session.document.divisions
    assert (division.mother, division.frame) == (4, 4)
    assert there(cells.session, 4) == [0, 1, 2, 3]
    assert 5 in division.daughters


def test_daughters_that_were_chosen_are_hers(cells):
    press(cells, 2, 4, "Shift")
    press(cells, 5, 4, "Shift")
    cells.binding.current.choose(4)
    cells.verbs.divide()
    assert cells.session.document.divisions == (Division(4, 4, (2, 5)),)


def test_two_are_exchanged_or_made_one(cells):
    before = cells.session.masks.get((3, 6))
    press(cells, 3, 5, "Shift")
    hover(cells, 4, 5)
    cells.verbs.swap()
    assert cells.session.masks.get((4, 6)) == before
    press(cells, 1, 2, "Shift")
    hover(cells, 2, 5)
    cells.verbs.merge()
    assert there(cells.session, 1) == list(range(8))


def test_a_daughter_who_loses_her_mother_by_a_merge_is_told(cells):
    cells.session.lineage.divide(1, 4, [2, 5])
    press(cells, 4, 2, "Shift")
    hover(cells, 5, 5)
    cells.verbs.merge()
    told = "5 is part of object 4 now. 4 has no parent any more, being there before its division."
    assert told in cells.messages[-1]


def test_an_edit_of_the_cell_in_doubt_corrects_the_place(cells):
    reviewing = cells.binding.reviewing
    reviewing.look()
    item = next(one for one in reviewing.listed if one.place.object_id == 5)
    reviewing.show(item)
    hover(cells, 5, 6)
    cells.verbs.delete_from()
    reviewing.look()
    states = {one.place: one.state for one in reviewing.places.items}
    assert states[item.place] is ReviewState.corrected


@pytest.mark.parametrize("at", [At.division, At.end])
def test_what_is_done_to_a_daughter_is_done_to_the_division_that_she_came_of(cells, at):
    cells.session.lineage.divide(1, 4, [2, 5])
    reviewing = cells.binding.reviewing
    place = Place(at, 1, 4)
    reviewing.show(ReviewItem(place, ReviewKind.division, 0.5, ("2 daughters",), 3))
    hover(cells, 5, 4)
    cells.verbs.begin()
    assert Division(1, 4, (2, 5)) not in cells.session.document.divisions
    decision = cells.session.document.review.decisions.get(place)
    assert (decision is not None and decision.state is ReviewState.corrected) == (at is At.division)
    reviewing.look()
    assert reviewing.item.place == place
    assert "That place is no more." not in cells.messages


def test_a_track_that_was_looked_at_is_in_doubt_no_more(cells):
    hover(cells, 5, 6)
    cells.verbs.looked_at()
    assert 5 not in {one.place.object_id for one in cells.session.review.items()}


def test_a_cell_is_tracked_again_from_here(cells):
    hover(cells, 3, 5)
    cells.verbs.track_on()
    assert "Object 3 is tracked again from frame 5 on. Undo takes that back." in cells.messages
    assert there(cells.session, 3) == list(range(FRAMES))
    assert {frame: mask.status.value for frame, mask in cells.session.masks.frames(3).items() if frame > 3} == {
        4: "found",
        5: "edited",
        6: "tracked",
        7: "tracked",
    }
    hover(cells, 5, 6)
    cells.verbs.track_back()
    assert there(cells.session, 5) == list(range(FRAMES)), "also where it was not seen before"
