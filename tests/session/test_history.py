from __future__ import annotations

import numpy as np

from napari_sam2.document.document import Document
from napari_sam2.document.prompt import Prompt
from napari_sam2.masks.mask_store import MaskChange, StoredMask
from napari_sam2.session.history import History, Step


def step(text: str, changes: tuple[MaskChange, ...] = ()) -> Step:
    before = Document()
    return Step(before, before.with_prompts({(1, 0): Prompt(1, 0, ((1.0, 1.0),), (1,))}), changes, text)


def test_steps_come_back_in_order_and_can_be_made_again():
    history = History()
    steps = [step(text) for text in "abc"]
    for one in steps:
        history.push(one)
    assert history.undo_text == "c"
    assert [history.undo(), history.undo()] == [steps[2], steps[1]]
    assert (history.undo_text, history.redo_text) == ("a", "b")
    assert history.redo() is steps[1]
    assert history.undo() is steps[1]
    assert history.undo() is steps[0]
    assert history.undo() is None
    assert not history.can_undo
    assert history.can_redo


def test_a_new_step_ends_what_could_be_redone():
    history = History()
    history.push(step("a"))
    history.undo()
    history.push(step("b"))
    assert not history.can_redo
    assert history.redo() is None
    assert history.redo_text == ""


def test_nothing_to_undo_at_first():
    history = History()
    assert (history.can_undo, history.undo_text) == (False, "")
    assert history.undo() is None


def test_the_oldest_steps_are_forgotten_when_there_are_too_many():
    history = History(longest=3)
    for text in "abcde":
        history.push(step(text))
    assert [history.undo().text for _ in range(3)] == ["e", "d", "c"]
    assert history.undo() is None


def test_the_oldest_steps_are_forgotten_when_their_masks_take_too_much():
    rng = np.random.default_rng(0)
    mask = StoredMask.of_logits(0, 0, rng.uniform(1, 30, (50, 50)).astype(np.float32))
    history = History(largest_bytes=3 * len(mask.packed))
    for text in "abcde":
        history.push(step(text, (MaskChange((1, 0), mask, None),)))
    history.push(step("added", (MaskChange((1, 0), None, mask),)))
    assert [history.undo().text for _ in range(4)] == ["added", "e", "d", "c"]
    assert history.undo() is None
    history.redo()
    history.push(step("large", (MaskChange((1, 0), mask, None),) * 10))
    assert history.undo().text == "large"
    assert history.undo() is None
