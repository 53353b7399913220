"""Who divides and who ends on the frame in view, a key each, with what is chosen or what lies nearest."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.document.track_events import Division, EventKind, TrackEvent

FRAME = 3


@pytest.fixture
def family(desk):
    """A desk with a mother on all frames, two near her and one far away that begin on the frame in view."""
    desk.verbs = desk.binding.actions.lineage
    for object_id, (y, x), frame in (
        (1, (20, 15), 0),
        (2, (16, 12), FRAME),
        (3, (25, 18), FRAME),
        (4, (30, 55), FRAME),
    ):
        desk.binding.current.choose(object_id)
        desk.points.add((frame, y, x))
    desk.binding.propagate_forward()
    desk.binding.current.choose(1)
    desk.binding.show_frame(FRAME)
    return desk


def there(desk, object_id):
    masks = desk.session.masks.frames(object_id)
    return [frame for frame, mask in masks.items() if not mask.is_empty]


def test_the_two_nearest_that_begin_here_are_the_daughters_and_the_mother_ends(family):
    before = there(family, 1)
    family.verbs.divide_here()
    assert family.session.document.divisions == (Division(1, FRAME, (2, 3)),)
    assert there(family, 1) == list(range(FRAME))
    assert sorted(family.session.document.objects) == [1, 2, 3, 4], "what a run made of her is an object of its own"
    assert family.messages[-1] == "Object 1 divides into 2 and 3 on frame 3; it ends on frame 2. Undo takes that back."
    family.binding.propagate_forward()
    assert there(family, 1) == list(range(FRAME)), "a run brought her back"
    family.session.undo()
    assert there(family, 1) == before
    assert not family.session.document.divisions


def test_daughters_that_are_chosen_find_their_mother(family):
    family.verbs.chosen = lambda: (3, 4)
    family.verbs.divide_here()
    assert family.session.document.divisions == (Division(1, FRAME, (3, 4)),)


def test_with_one_daughter_the_mother_goes_on(family):
    for object_id in (2, 4):
        family.session.remove_object(object_id)
    family.verbs.divide_here()
    assert family.session.document.divisions == (Division(1, FRAME, (3,)),)
    assert FRAME + 1 in there(family, 1)
    assert family.messages[-1].endswith("it goes on beside it. Undo takes that back.")


def test_another_daughter_joins_the_one_that_is_known(family):
    for object_id in (2, 4):
        family.session.remove_object(object_id)
    family.verbs.divide_here()
    family.binding.current.choose(5)
    family.points.add((FRAME, 16, 12))
    family.binding.propagate_forward()
    family.binding.current.choose(1)
    family.binding.show_frame(FRAME)
    family.verbs.divide_here()
    assert family.session.document.divisions == (Division(1, FRAME, (3, 5)),)
    assert there(family, 1) == list(range(FRAME)), "with two daughters she ends"


@pytest.mark.parametrize(
    ("frame", "current", "said"),
    [(FRAME + 1, 1, "No object begins on frame 4 near object 1"), (0, 2, "Nobody divides on frame 0, the first one")],
)
def test_where_it_is_not_clear_nothing_changes_and_there_is_a_word(family, frame, current, said):
    before = family.session.document
    family.binding.current.choose(current)
    family.binding.show_frame(frame)
    family.verbs.divide_here()
    assert family.session.document is before
    assert family.messages[-1].startswith(said)


def test_an_end_holds_against_a_run_and_is_undone(family):
    before = there(family, 2)
    family.binding.current.choose(2)
    family.binding.show_frame(FRAME + 1)
    family.verbs.end_here()
    assert family.session.document.events == (TrackEvent(2, FRAME + 1, EventKind.dies),)
    assert there(family, 2) == [FRAME, FRAME + 1]
    family.verbs.end_here()
    assert family.messages[-1] == "That is so already; nothing was changed."
    family.binding.propagate_forward()
    assert there(family, 2) == [FRAME, FRAME + 1]
    family.session.undo()
    assert there(family, 2) == before


def test_what_was_tracked_backward_from_a_later_prompt_stays(desk):
    desk.points.add((5, 20, 15))
    desk.binding.propagate_both()
    masks = [desk.session.masks.mask(1, frame) for frame in range(4)]
    desk.session.surgery.end_here(1, 3)
    assert there(desk, 1) == [0, 1, 2, 3]
    np.testing.assert_array_equal([desk.session.masks.mask(1, frame) for frame in range(4)], masks)


def test_a_locked_object_does_not_end(family):
    family.session.set_locked(1, True)
    before = there(family, 1)
    family.verbs.divide_here()
    assert "locked" in family.messages[-1]
    family.verbs.end_here()
    assert there(family, 1) == before
    assert not family.session.document.divisions
