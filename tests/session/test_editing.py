from __future__ import annotations

import numpy as np
import pytest
from disc_predictor import DiscPredictor

from napari_sam2.session import MaskStatus, Prompt, Session
from sam2_core.errors import PromptError

FRAMES, SIZE = 12, (40, 60)


@pytest.fixture
def session():
    made = Session.open(np.zeros((FRAMES, *SIZE), np.uint8), predictor=DiscPredictor())
    yield made
    made.close()


def square(y0=10, x0=10, side=8):
    mask = np.zeros(SIZE, bool)
    mask[y0 : y0 + side, x0 : x0 + side] = True
    return mask


def everything(session):
    """All that a person can see: prompts, objects and masks."""
    prompts = {
        key: (one.points_yx, one.labels, one.box_yx, None if one.mask is None else one.mask.tobytes())
        for key, one in session.document.prompts.items()
    }
    return prompts, dict(session.document.objects), dict(session.masks.items())


def test_clicks_are_added_to_a_prompt_and_its_box_replaced(session):
    session.add_points(1, 3, [(5, 6)])
    session.add_points(1, 3, [(7, 8), (9, 9)], [0, 1])
    session.add_box(1, 3, (1, 2, 20, 30))
    session.add_box(1, 3, (1, 2, 20, 31))
    (prompt,) = session.document.prompts.values()
    assert prompt == Prompt(1, 3, ((5, 6), (7, 8), (9, 9)), (1, 0, 1), (1, 2, 20, 31))
    assert session.needs_preview


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda session: session.add_points(1, 3, [(50, 5)]), "y=50"),
        (lambda session: session.add_points(1, 12, [(5, 5)]), "no such frame"),
        (lambda session: session.add_points(1, 3, [5, 5]), "shape"),
        (lambda session: session.add_box(1, 3, (1, 2, 3)), "four numbers"),
        (lambda session: session.add_mask(1, 3, np.ones((4, 4))), "shape"),
        (lambda session: session.edit_mask(1, 3, np.ones((4, 4))), "shape"),
        (lambda session: session.edit_mask(1, 99, square()), "no such frame"),
        (lambda session: session.add_labels(3, np.zeros(SIZE, int)), "none of the objects"),
        (lambda session: session.add_labels(3, np.zeros(SIZE)), "whole numbers"),
        (lambda session: session.rename_object(4, "x"), "object 4 does not exist"),
    ],
)
def test_an_edit_that_does_not_fit_says_why_and_changes_nothing(session, edit, says):
    with pytest.raises(PromptError, match=says):
        edit(session)
    assert everything(session) == ({}, {}, {})
    assert not session.can_undo


def test_a_drawn_mask_is_shown_at_once_and_labels_keep_their_ids(session):
    labels = np.zeros(SIZE, np.uint16)
    labels[2:6, 2:6], labels[20:30, 20:30] = 7, 300
    assert session.add_labels(2, labels) == (7, 300)
    assert np.array_equal(session.labels(2), labels)
    assert not session.needs_preview
    session.add_polygon(9, 0, [(2, 2), (2, 10), (10, 10)])
    assert session.masks.get((9, 0)).status is MaskStatus.prompted


def test_painting_is_a_prompt_and_a_mask_and_wiping_out_says_absent(session):
    session.edit_mask(3, 4, square())
    assert np.array_equal(session.document.prompts[3, 4].mask, square())
    assert session.status(3).tolist() == [0] * 4 + [3] + [0] * 7
    session.edit_mask(3, 4, np.zeros(SIZE, bool))
    assert not session.document.prompts
    assert session.masks.get((3, 4)).is_empty
    assert session.masks.get((3, 4)).status is MaskStatus.edited


def test_what_a_deleted_prompt_left_goes_with_it_and_is_found_anew(session):
    session.add_points(1, 0, [(20, 20)])
    list(session.propagate())
    tracked = session.masks.mask(1, 5)
    session.edit_mask(1, 5, square())
    session.set_prompts({(1, 5): None})
    assert session.masks.get((1, 5)) is None
    list(session.propagate())
    assert np.array_equal(session.masks.mask(1, 5), tracked)


def test_that_an_object_is_not_there_stays_said_when_its_clicks_go(session):
    session.edit_mask(1, 3, np.zeros(SIZE, bool))
    session.add_points(1, 0, [(16, 14)])
    session.set_prompts({(1, 0): None})
    assert session.status(1).tolist() == [0, 0, 0, 3] + [0] * 8


def test_a_click_on_a_painted_mask_refines_it(session):
    session.edit_mask(3, 4, square())
    session.add_points(3, 4, [(12, 12)])
    assert session.needs_preview
    for _ in session.preview():
        pass
    assert session.masks.get((3, 4)).status is MaskStatus.prompted


def test_a_locked_object_is_not_changed(session):
    session.edit_mask(1, 0, square())
    session.set_locked(1, True)
    before = everything(session)
    for edit in (
        lambda: session.add_points(1, 0, [(5, 5)]),
        lambda: session.edit_mask(1, 0, square(side=3)),
        lambda: session.remove_object(1),
        lambda: session.merge_objects(2, 1),
        lambda: session.set_prompts({(1, 0): None}),
    ):
        with pytest.raises(PromptError, match="locked"):
            edit()
    assert everything(session) == before
    session.set_locked(1, False)
    session.remove_object(1)
    assert everything(session) == ({}, {}, {})


def test_merging_joins_prompts_and_masks(session):
    session.edit_mask(1, 0, square())
    session.edit_mask(2, 0, square(y0=25))
    session.merge_objects(1, 2)
    assert set(session.document.objects) == {1}
    assert np.array_equal(session.masks.mask(1, 0), square() | square(y0=25))


def test_swapping_pins_the_masks_on_the_first_frame(session):
    session.add_points(1, 0, [(10, 10)])
    session.add_points(2, 0, [(30, 30)])
    list(session.propagate())
    first, second = session.masks.mask(1, 5), session.masks.mask(2, 5)
    session.swap_objects(1, 2, 5)
    assert np.array_equal(session.masks.mask(1, 5), second)
    assert np.array_equal(session.document.prompts[2, 5].mask, first)
    assert session.status(1).tolist() == [1] + [2] * 4 + [3] + [2] * 6
    list(session.propagate(objects=[1, 2]))
    assert np.array_equal(session.masks.mask(1, 5), second), "a run does not swap them back"
    assert np.array_equal(session.masks.mask(1, 3), session.masks.mask(1, 3))
    assert session.masks.mask(1, 8)[30].any()


def test_names_and_visibility(session):
    assert session.new_object("nucleus") == 1
    assert session.new_object() == 2
    session.rename_object(2, "daughter")
    session.edit_mask(2, 0, square())
    assert session.labels(0).max() == 2
    session.set_visible(2, False)
    assert session.labels(0).max() == 0
    assert session.labels(0, object_id=2).max() == 2
    assert session.document.objects[2].name == "daughter"


def random_edit(session, random):
    one, frame = int(random.integers(1, 4)), int(random.integers(FRAMES))
    y, x = (int(random.integers(8, side - 8)) for side in SIZE)
    edits = [
        lambda: session.add_points(one, frame, [(y, x)], [int(random.integers(2))]),
        lambda: session.add_box(one, frame, (y - 5, x - 5, y + 5, x + 5)),
        lambda: session.edit_mask(one, frame, square(y - 8, x - 8)),
        lambda: session.set_prompts({key: None for key in session.document.prompts if key[0] == one}),
        lambda: session.remove_object(one),
        lambda: session.merge_objects(one, one % 3 + 1),
        lambda: session.swap_objects(one, one % 3 + 1, frame),
        lambda: session.rename_object(one, f"name {frame}"),
    ]
    try:
        edits[int(random.integers(len(edits)))]()
    except PromptError:
        return


@pytest.mark.parametrize("seed", range(8))
def test_undo_goes_back_through_any_edits_and_redo_forth_again(session, seed):
    random = np.random.default_rng(seed)
    states, made = [everything(session)], []
    session.events.history_changed.connect(lambda: made.append(session.undo_text))
    for _ in range(25):
        made.clear()
        random_edit(session, random)
        if made:
            states.append(everything(session))
    for state in reversed(states[:-1]):
        assert session.undo()
        assert everything(session) == state
    assert not session.undo()
    for state in states[1:]:
        assert session.redo()
        assert everything(session) == state
    assert not session.can_redo


def test_events_tell_what_changed(session):
    documents, masks = [], []
    session.events.document_changed.connect(documents.append)
    session.events.masks_changed.connect(lambda frame, ids: masks.append((frame, ids)))
    session.edit_masks(3, {1: square(), 2: square(y0=25)})
    assert [diff.changed for diff in documents] == [((1, 3), (2, 3))]
    assert masks == [(3, (1, 2))]
    assert session.undo_text == "paint"
    session.undo()
    assert documents[-1].removed == ((1, 3), (2, 3))
    assert documents[-1].removed_objects == (1, 2)
