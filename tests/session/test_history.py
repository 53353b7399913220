from __future__ import annotations

from types import MappingProxyType

import pytest

from napari_sam2.document.document import Document
from napari_sam2.session.history import History, Moment, Step


def moment() -> Moment:
    return Moment(Document(), MappingProxyType({}), frozenset())


def history(sizes=None, **limits) -> History:
    """A history in which a step takes as many bytes as `sizes` says for its text."""
    return History(lambda step: (sizes or {}).get(step.text, 0), **limits)


def texts(made: History) -> list[str]:
    """What can be undone, the last first."""
    found = []
    while made.can_undo:
        found.append(made.undo_text)
        made.undo(moment())
    return found


def test_steps_are_crossed_in_order_and_keep_what_was_left():
    made, sides = history(), [moment() for _ in range(4)]
    for text, side in zip("abc", sides, strict=False):
        made.push(Step(side, text))
    assert made.last_done.moment is sides[2]
    made.undo(sides[3])
    assert (made.undo_text, made.redo_text) == ("b", "c")
    assert made.last_undone.moment is sides[3], "what was there when it was undone is what redo brings"
    later = moment()
    made.redo(later)
    assert made.last_done == Step(later, "c")
    assert texts(made) == ["c", "b", "a"]
    assert made.last_done is None
    assert made.can_redo


def test_a_new_step_ends_what_could_be_redone():
    made = history()
    made.push(Step(moment(), "a"))
    made.undo(moment())
    made.push(Step(moment(), "b"))
    assert not made.can_redo
    assert (made.last_undone, made.redo_text) == (None, "")


def test_nothing_to_undo_at_first_and_after_all_is_forgotten():
    made = history()
    for _ in range(2):
        assert (made.can_undo, made.undo_text, made.last_done) == (False, "", None)
        made.push(Step(moment(), "a"))
        made.clear()


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({"longest": 3}, ["e", "d", "c"]),
        ({"largest_bytes": 30}, ["e", "d", "c"]),
        ({"largest_bytes": 5}, ["e"]),
    ],
)
def test_the_oldest_steps_are_forgotten_when_they_are_too_many_or_take_too_much(limits, kept):
    made = history(dict.fromkeys("abcde", 10), **limits)
    for text in "abcde":
        made.push(Step(moment(), text))
    assert texts(made) == kept


def test_what_a_run_replaced_since_is_counted_when_the_next_step_comes():
    sizes = {"a": 0, "b": 0, "c": 0}
    made = history(sizes, largest_bytes=30)
    made.push(Step(moment(), "a"))
    sizes["a"] = 40
    made.recount()
    made.push(Step(moment(), "b"))
    assert texts(made) == ["b"]
