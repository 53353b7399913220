from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_sam2.document.difference import DocumentDiff, difference
from napari_sam2.document.document import Document, PromptKey, mask_of_polygon
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.prompt import Prompt
from sam2_core.errors import PromptError


def click(object_id: int, frame: int, y: float = 1.0, label: int = 1) -> Prompt:
    return Prompt(object_id, frame, ((y, 2.0),), (label,))


def drawn(object_id: int, frame: int, rows: slice) -> Prompt:
    mask = np.zeros((6, 8), bool)
    mask[rows] = True
    return Prompt(object_id, frame, mask=mask)


def said(prompt: Prompt) -> dict[PromptKey, Prompt]:
    return {(prompt.object_id, prompt.frame): prompt}


def test_a_prompt_makes_its_object_and_the_old_document_stays():
    old = Document()
    new = old.with_prompts(said(click(3, 5)))
    assert list(new.prompts) == [(3, 5)]
    assert new.objects[3] == ObjectInfo(3)
    assert not old.prompts
    assert not old.objects


def test_a_prompt_replaces_what_was_said_there_and_objects_keep_their_names():
    document = Document.of([click(1, 0), click(1, 2)], [ObjectInfo(1, "nucleus")])
    new = document.with_prompts(said(click(1, 0, y=4.0)))
    assert new.prompts[1, 0].points_yx == ((4.0, 2.0),)
    assert new.prompts[1, 2] is document.prompts[1, 2]
    assert new.objects[1].name == "nucleus"


def test_prompts_come_ascending_whatever_the_order_of_edits():
    document = Document.of([click(2, 9), click(10, 0), click(2, 1), click(1, 5)])
    document = document.with_prompts(said(click(2, 4))).with_prompts({(10, 0): None})
    assert list(document.prompts) == [(1, 5), (2, 1), (2, 4), (2, 9)]
    assert list(document.prompts_of(2)) == [1, 4, 9]
    assert len(document.prompts) == 4
    assert (10, 0) not in document.prompts


def test_nobody_can_change_a_document_from_outside():
    document = Document.of([click(1, 0)])
    with pytest.raises(TypeError):
        document.prompts[1, 1] = click(1, 1)
    with pytest.raises(TypeError):
        document.objects[2] = ObjectInfo(2)
    document.prompts_of(1).clear()
    assert (1, 0) in document.prompts


def test_many_prompts_change_in_one_go_and_a_missing_one_may_be_taken_away():
    document = Document.of([click(1, 0), click(2, 0)])
    new = document.with_prompts({(1, 0): None, (2, 7): None, (3, 3): click(3, 3)})
    assert list(new.prompts) == [(2, 0), (3, 3)]
    assert sorted(new.objects) == [1, 2, 3]


def test_a_prompt_under_a_foreign_key_is_refused():
    with pytest.raises(PromptError, match="given for object 1, frame 4"):
        Document().with_prompts({(1, 4): click(1, 5)})


def test_prompts_of_objects_that_are_not_there_are_refused():
    with pytest.raises(PromptError, match=r"objects \[7\]"):
        Document({(7, 0): click(7, 0)}, {1: ObjectInfo(1)})


def test_new_objects_count_on_from_the_highest():
    assert Document().next_object_id() == 1
    assert Document.of([click(41, 0), click(3, 0)]).next_object_id() == 42


def test_an_object_goes_with_its_prompts_and_its_children_lose_their_parent():
    document = Document.of([click(1, 0), click(2, 3), click(1, 8)], [ObjectInfo(1), ObjectInfo(2, parent=1)])
    new = document.without_object(1)
    assert list(new.prompts) == [(2, 3)]
    assert dict(new.objects) == {2: ObjectInfo(2)}
    with pytest.raises(PromptError, match=r"object 1 does not exist; there are \[2\]"):
        new.without_object(1)


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([], "there are none yet: add a prompt"),
        ([2, 7], r"there are \[2, 7\]: choose one"),
        (range(3, 90), "there are 87, from 3 to 89: choose one"),
    ],
)
def test_an_object_that_is_not_there_is_said_beside_those_that_are_however_many(ids, words):
    with pytest.raises(PromptError, match=words):
        Document(objects={one: ObjectInfo(one) for one in ids}).check_object(1)


def test_locked_objects_are_known():
    document = Document.of([], [ObjectInfo(1, locked=True), ObjectInfo(2), ObjectInfo(5, locked=True)])
    assert document.locked == {1, 5}


def test_a_parent_must_exist_and_must_not_descend_from_its_child():
    document = Document.of([], [ObjectInfo(1), ObjectInfo(2, parent=1), ObjectInfo(3, parent=2)])
    assert document.ancestors(3) == [2, 1]
    with pytest.raises(PromptError, match="a circle"):
        document.with_object(ObjectInfo(1, parent=3))
    with pytest.raises(PromptError, match="object 8, the parent of 1, does not exist"):
        document.with_object(ObjectInfo(1, parent=8))
    with pytest.raises(PromptError, match="its own parent"):
        ObjectInfo(4, parent=4)


@pytest.mark.parametrize("object_id", [0, -1, 2**32])
def test_an_id_that_cannot_be_a_label_is_refused(object_id):
    with pytest.raises(PromptError, match="cannot be a label"):
        ObjectInfo(object_id)


def test_merging_joins_prompts_frame_by_frame():
    into = replace(drawn(1, 4, slice(0, 2)), points_yx=((1.0, 1.0),), labels=(1,), box_yx=(0.0, 0.0, 3.0, 3.0))
    other = replace(drawn(2, 4, slice(1, 3)), points_yx=((5.0, 5.0),), labels=(0,), box_yx=(1.0, 1.0, 5.0, 2.0))
    new = Document.of([into, other, click(2, 9), click(1, 1)], [ObjectInfo(2, "right")]).merged(1, 2)
    assert list(new.prompts) == [(1, 1), (1, 4), (1, 9)]
    joined = new.prompts[1, 4]
    assert joined.points_yx == ((1.0, 1.0), (5.0, 5.0))
    assert joined.labels == (1, 0)
    assert joined.box_yx == (0.0, 0.0, 5.0, 3.0)
    assert joined.mask[:3].all()
    assert not joined.mask[3:].any()
    assert new.prompts[1, 9].object_id == 1
    assert dict(new.objects) == {1: ObjectInfo(1, "right")}


def test_merging_hands_children_over_and_makes_no_circle():
    lineage = [ObjectInfo(1), ObjectInfo(2, parent=1), ObjectInfo(3, parent=2), ObjectInfo(4, parent=3)]
    document = Document.of([], lineage)
    assert document.merged(1, 3).objects[4].parent == 1
    assert document.merged(1, 3).objects[1].parent is None
    upward = document.merged(3, 1)
    assert {object_id: info.parent for object_id, info in upward.objects.items()} == {2: 3, 3: None, 4: 3}


@pytest.mark.parametrize("pair", [(1, 1), (1, 9), (9, 1)])
def test_merging_and_swapping_need_two_objects_that_exist(pair):
    document = Document.of([click(1, 0), click(2, 0)])
    with pytest.raises(PromptError, match=r"twice|does not exist"):
        document.merged(*pair)
    with pytest.raises(PromptError, match=r"twice|does not exist"):
        document.swapped(*pair, 0)


def test_swapping_exchanges_prompts_from_a_frame_on_and_swapping_again_undoes_it():
    document = Document.of([click(1, 0), click(1, 5, y=3.0), click(2, 4), click(2, 6, y=4.0), click(3, 5)])
    new = document.swapped(1, 2, from_frame=5)
    assert {key: prompt.points_yx[0][0] for key, prompt in new.prompts.items()} == {
        (1, 0): 1.0,
        (1, 6): 4.0,
        (2, 4): 1.0,
        (2, 5): 3.0,
        (3, 5): 1.0,
    }
    assert all((prompt.object_id, prompt.frame) == key for key, prompt in new.prompts.items())
    assert difference(document, new.swapped(2, 1, from_frame=5)).is_empty


def test_the_difference_names_what_was_added_changed_and_removed():
    old = Document.of([click(1, 0), click(2, 0), click(3, 0)], [ObjectInfo(2, "b")])
    new = old.with_prompts(said(click(1, 0, label=0)) | said(click(1, 7))).without_object(3).with_object(ObjectInfo(2))
    assert difference(old, new) == DocumentDiff(
        changed=((1, 0), (1, 7)), removed=((3, 0),), objects=(2,), removed_objects=(3,)
    )
    assert difference(old, new).keys == ((1, 0), (1, 7), (3, 0))
    assert difference(old, old).is_empty


def test_the_difference_looks_into_masks():
    old = Document.of([drawn(1, 0, slice(0, 2))])
    assert difference(old, old.with_prompts(said(drawn(1, 0, slice(0, 2))))).is_empty
    assert difference(old, old.with_prompts(said(drawn(1, 0, slice(0, 3))))).changed == ((1, 0),)
    with_click = replace(drawn(1, 0, slice(0, 2)), points_yx=((0.0, 0.0),), labels=(1,))
    without_mask = replace(with_click, mask=None)
    assert difference(old.with_prompts(said(with_click)), old.with_prompts(said(without_mask))).changed == ((1, 0),)


def test_where_a_prompt_was_written_is_no_difference():
    old = Document.of([click(1, 0)])
    assert difference(old, old.with_prompts(said(replace(click(1, 0), origin="prompts.csv, row 2")))).is_empty


def applied(old: Document, new: Document, diff: DocumentDiff) -> Document:
    """Go from one document to the other by what the difference names, as the engine does."""
    changes: dict[PromptKey, Prompt | None] = dict.fromkeys(diff.removed)
    document = old.with_prompts(changes | {key: new.prompts[key] for key in diff.changed})
    for object_id in diff.removed_objects:
        document = document.without_object(object_id)
    return Document(document.prompts, dict(document.objects) | {key: new.objects[key] for key in diff.objects})


def edited(document: Document, rng: np.random.Generator) -> Document:
    """Make one edit of any kind."""
    a, b, frame = (int(value) for value in rng.integers((1, 1, 0), (6, 6, 9)))
    edits = [
        lambda: document.with_prompts(said(click(a, frame, y=float(rng.integers(6))))),
        lambda: document.with_prompts(said(drawn(a, frame, slice(0, int(rng.integers(1, 6)))))),
        lambda: document.with_prompts({(a, frame): None}),
        lambda: document.with_object(ObjectInfo(a, name=str(frame))),
        lambda: document.without_object(a),
        lambda: document.merged(a, b),
        lambda: document.swapped(a, b, frame),
    ]
    try:
        return edits[rng.integers(len(edits))]()
    except PromptError:
        return document


@pytest.mark.parametrize("seed", range(5))
def test_following_differences_leads_to_the_same_document(seed):
    rng = np.random.default_rng(seed)
    document = followed = Document()
    for step in range(200):
        document = edited(document, rng)
        if step % 3 == 0:
            followed = applied(followed, document, difference(followed, document))
            assert difference(document, followed).is_empty
            assert difference(followed, document).is_empty


def test_a_polygon_holds_the_pixels_whose_centre_lies_inside():
    mask = mask_of_polygon([(0.6, 0.6), (0.6, 3.4), (2.4, 3.4), (2.4, 0.6)], (6, 8))
    assert np.argwhere(mask).tolist() == [[y, x] for y in (1, 2) for x in (1, 2, 3)]


def test_a_lasso_may_be_concave_and_leave_the_frame():
    u_shape = [(-5, -5), (-5, 1.5), (3.5, 1.5), (3.5, 4.5), (-5, 4.5), (-5, 20), (9, 20), (9, -5)]
    mask = mask_of_polygon(u_shape, (6, 8))
    notch = np.zeros((6, 8), bool)
    notch[:4, 2:5] = True
    np.testing.assert_array_equal(mask, ~notch)


@pytest.mark.parametrize(
    ("vertices", "words"),
    [
        ([(0, 0), (1, 1)], "three or more"),
        ([(0, 0), (1, np.nan), (2, 0)], "finite"),
        ([(0, 0, 0)] * 4, "three or more"),
        ([(1.2, 1.2), (1.2, 1.4), (1.4, 1.4)], "holds no pixel"),
        ([(50, 50), (50, 60), (60, 60)], "6 high and 8 wide"),
    ],
)
def test_a_polygon_without_a_pixel_is_refused(vertices, words):
    with pytest.raises(PromptError, match=words):
        mask_of_polygon(vertices, (6, 8))


def test_polygons_are_filled_as_scikit_image_fills_them():
    from skimage.draw import polygon

    rng = np.random.default_rng(0)
    for _ in range(100):
        vertices = rng.uniform(-10, 60, (rng.integers(3, 12), 2))
        expected = np.zeros((50, 45), bool)
        expected[polygon(vertices[:, 0], vertices[:, 1], expected.shape)] = True
        if expected.any():
            assert np.array_equal(mask_of_polygon(vertices, expected.shape), expected)


def test_a_name_is_a_text_that_files_can_hold():
    """A command line hands bytes that are no text on as half characters."""
    assert ObjectInfo(1, "cell \udcff", source="\ud800").name == "cell ?"
    assert ObjectInfo(1, "细胞 µ\u202e").name == "细胞 µ\u202e"
