from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.masks.mask_store import MaskStatus
from napari_sam2.viewer.label_layers import ALL_OBJECTS


def paint(layer, position, label, size=5):
    """A stroke as the mouse makes it: staged, then told of when it is finished."""
    layer.brush_size = size
    with layer.block_history():
        layer.paint(position, label, refresh=False)
        layer.paint(np.add(position, (0, 0, 2)), label, refresh=False)


def two_discs(desk):
    desk.points.add((0, 20, 15))
    desk.binding.current.choose(2)
    desk.points.add((0, 20, 40))


def test_a_stroke_is_a_mask_edit_and_one_step(desk):
    two_discs(desk)
    paint(desk.labels, (0, 20, 22), 1)
    mask = desk.session.masks.mask(1, 0)
    assert mask[20, 15]
    assert mask[20, 24]
    assert desk.session.masks.get((1, 0)).status is MaskStatus.edited
    assert desk.session.document.prompts[1, 0].mask[20, 24]
    assert len(desk.points.data) == 1  # the points of object 1 were replaced by the mask
    desk.binding.undo()
    assert not desk.session.masks.mask(1, 0)[20, 24]
    assert desk.shown()[20, 24] == 0
    assert len(desk.points.data) == 2


def test_painting_over_a_neighbour_edits_both_in_one_step(desk):
    two_discs(desk)
    paint(desk.labels, (0, 20, 36), 1)
    assert desk.session.masks.mask(1, 0)[20, 36]
    assert not desk.session.masks.mask(2, 0)[20, 36]
    assert desk.session.masks.mask(2, 0)[20, 42]
    desk.binding.undo()
    assert desk.session.masks.mask(2, 0)[20, 36]


def test_erasing_everything_says_that_the_object_is_not_there(desk):
    desk.points.add((0, 20, 15))
    desk.labels.fill((0, 20, 15), 0)
    assert desk.session.masks.get((1, 0)).is_empty
    assert not desk.shown().any()
    assert desk.session.masks.get((1, 0)).status is MaskStatus.edited


@pytest.mark.parametrize("tool", ["paint", "fill", "paint_polygon", "data_setitem"])
def test_every_tool_of_napari_edits(desk, tool):
    if tool == "paint":
        desk.labels.paint((2, 10, 10), 3)
    elif tool == "fill":
        desk.labels.fill((2, 10, 10), 3)
    elif tool == "paint_polygon":
        desk.labels.paint_polygon(np.array([(2, 5, 5), (2, 5, 15), (2, 15, 15), (2, 15, 5)]), 3)
    else:
        desk.labels.data_setitem((np.array([2, 2]), np.array([10, 10]), np.array([10, 11])), 3)
    assert desk.session.masks.mask(3, 2)[10, 10]
    assert 3 in desk.session.document.objects


def test_a_fill_through_all_frames_is_one_step(desk):
    desk.points.add((0, 20, 15))
    desk.binding.propagate_both()
    before = dict(desk.session.masks.items())
    desk.labels.n_edit_dimensions = 3
    desk.labels.fill((2, 20, 15), 9)
    assert [desk.session.masks.mask(9, frame)[20, 15] for frame in range(6)] == [True] * 6
    desk.binding.undo()
    assert dict(desk.session.masks.items()) == before
    assert 9 not in desk.session.document.objects
    desk.binding.redo()
    assert [desk.session.masks.mask(9, frame)[20, 15] for frame in range(6)] == [True] * 6


def test_a_fill_through_all_frames_names_a_locked_object_once(desk):
    desk.points.add((0, 20, 15))
    desk.binding.propagate_both()
    desk.session.set_locked(1, True)
    before = dict(desk.session.masks.items())
    desk.labels.n_edit_dimensions = 3
    desk.labels.fill((2, 20, 15), 9)
    assert dict(desk.session.masks.items()) == before
    assert sum("Object 1 is locked" in text for text in desk.messages) == 1


def test_napari_s_own_undo_is_an_edit_like_any_other(desk):
    desk.points.add((0, 20, 15))
    paint(desk.labels, (0, 20, 30), 1)
    desk.labels.undo()
    assert not desk.session.masks.mask(1, 0)[20, 30]
    assert desk.session.masks.mask(1, 0)[20, 15]


def test_covered_and_hidden_pixels_stay_in_their_mask(desk):
    square = np.zeros(desk.session.size, bool)
    square[10:20, 10:20] = True
    desk.session.edit_mask(1, 0, square)
    desk.session.set_visible(1, False)
    desk.labels.paint((0, 15, 15), 2)
    assert desk.session.masks.mask(1, 0).sum() == 100
    assert desk.session.masks.mask(2, 0)[15, 15]


def test_a_locked_object_is_not_painted_over(desk):
    desk.points.add((0, 20, 15))
    desk.session.set_locked(1, True)
    desk.labels.paint((0, 20, 15), 2)
    assert desk.session.masks.mask(2, 0) is None
    assert desk.shown()[20, 15] == 1
    assert any("locked" in text for text in desk.messages)


def test_picking_and_choosing_agree(desk):
    two_discs(desk)
    assert desk.labels.selected_label == 2
    desk.labels.selected_label = 1
    assert desk.binding.current.object_id == 1
    desk.labels.selected_label = 0
    assert desk.binding.current.object_id == 1
    desk.binding.current.choose(2)
    assert desk.labels.selected_label == 0  # an eraser stays an eraser


def test_hidden_objects_are_not_shown(desk):
    two_discs(desk)
    desk.session.set_visible(1, False)
    assert set(np.unique(desk.shown())) == {0, 2}
    desk.session.set_visible(1, True)
    assert set(np.unique(desk.shown())) == {0, 1, 2}


def test_large_ids_widen_the_layer(desk):
    two_discs(desk)
    assert desk.labels.data.dtype == np.uint16
    desk.binding.current.choose(70000)
    desk.points.add((0, 8, 50))
    assert desk.labels.data.dtype == np.uint32
    assert set(np.unique(desk.shown())) == {0, 1, 2, 70000}


def test_where_masks_may_overlap_each_object_has_a_layer(desk):
    two_discs(desk)
    desk.session.change_settings(overlaps="allowed")
    layers = desk.binding.labels.layers
    assert sorted(layers) == [1, 2]
    layers[1].paint((0, 20, 40), 1)
    assert desk.session.masks.mask(1, 0)[20, 40]
    assert desk.session.masks.mask(2, 0)[20, 40]
    desk.binding.current.choose(3)
    desk.points.add((0, 8, 50))
    layers = desk.binding.labels.layers
    assert sorted(layers) == [1, 2, 3]
    assert layers[3].data[0, 8, 50] == 3
    desk.session.remove_object(2)
    assert sorted(desk.binding.labels.layers) == [1, 3]
    desk.session.change_settings(overlaps="logits")
    assert sorted(desk.binding.labels.layers) == [0]
    assert [layer.name for layer in desk.viewer.layers].count("movie: masks") == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_no_label_is_grey_whatever_its_id(desk, dtype):
    ids = np.arange(1, min(np.iinfo(dtype).max, 70_000), dtype=dtype)
    colors = desk.labels.colormap.map(ids)[:, :3]
    assert (colors.max(axis=1) - colors.min(axis=1)).min() > 0.5
    assert not desk.labels.colormap.map(np.zeros(1, dtype)).any()


@pytest.mark.parametrize("erase", [False, True])
def test_locked_objects_keep_their_pixels_and_the_rest_of_a_stroke_counts(desk, erase):
    desk.session.edit_masks(0, {1: square(5, 20), 3: square(22, 30)})
    desk.session.set_locked(1, True)
    desk.binding.current.choose(2)
    stroke = np.mgrid[0:1, 10:12, 0:30]
    desk.labels.data_setitem(tuple(part.ravel() for part in stroke), 0 if erase else 2)
    assert desk.messages == ["Object 1 is locked and was not changed; unlock it first."]
    masks = desk.session.masks
    assert masks.mask(1, 0).sum() == square(5, 20).sum()
    assert not masks.mask(3, 0)[10:12].any()
    if not erase:
        assert masks.mask(2, 0)[10:12, :30].tolist() == (~square(5, 20))[10:12, :30].tolist()
    assert desk.shown()[10, 10] == 1
    assert desk.shown()[10, 25] == (0 if erase else 2)


def test_a_stroke_on_a_locked_object_alone_is_no_step(desk):
    desk.session.edit_mask(1, 0, square(5, 20))
    desk.session.set_locked(1, True)
    desk.labels.paint((0, 10, 10), 0)
    desk.binding.current.choose(2)
    desk.labels.paint((0, 10, 10), 2)
    assert desk.session.undo_text == "lock an object"
    assert 2 not in desk.session.document.objects
    assert desk.shown()[10, 10] == 1
    assert len(desk.messages) == 2


def square(left, right):
    mask = np.zeros((40, 60), bool)
    mask[5:20, left:right] = True
    return mask


def change_something(desk, rng):
    """Do at random what a person may do; nothing where it cannot be done."""
    session, frame, object_id = desk.session, int(rng.integers(2)), int(rng.integers(1, 7))
    y, x = (int(one) for one in rng.integers(0, 30, 2))
    mask = np.zeros(session.size, bool)
    mask[y : y + int(rng.integers(1, 9)), x : x + int(rng.integers(1, 20))] = True
    info, is_prompted = session.document.objects.get(object_id), bool(session.document.prompts)
    is_open = info is None or not info.locked
    possible = {
        "click": (is_open, lambda: session.add_points(object_id, frame, [(y, x)])),
        "paint": (is_open, lambda: session.edit_mask(object_id, frame, mask)),
        "hide": (info is not None, lambda: session.set_visible(object_id, not info.visible)),
        "lock": (info is not None, lambda: session.set_locked(object_id, not info.locked)),
        "remove": (info is not None and is_open, lambda: session.remove_object(object_id)),
        "undo": (True, session.undo),
        "redo": (True, session.redo),
        "look": (True, lambda: desk.viewer.dims.set_point(0, frame)),
        "track": (is_prompted, desk.binding.propagate_both),
    }
    can_be, change = possible[str(rng.choice(list(possible)))]
    if can_be:
        change()


@pytest.mark.parametrize("seed", range(3))
def test_what_is_shown_is_what_the_session_says_whatever_was_changed(make_desk, seed):
    desk, rng = make_desk(), np.random.default_rng(seed)
    seen = set()
    for _ in range(60):
        change_something(desk, rng)
        desk.binding.flush()
        frame = desk.binding.frame
        expected = desk.session.labels(frame)
        np.testing.assert_array_equal(desk.labels.data.frame(frame), expected)
        np.testing.assert_array_equal(desk.shown(), expected)
        seen.add(expected.tobytes())
    assert len(seen) > 5


@pytest.mark.parametrize("seed", range(3))
def test_layers_of_one_object_each_show_what_the_session_says_of_it(make_desk, seed):
    desk, rng = make_desk(), np.random.default_rng(seed)
    most = 0
    for _ in range(60):
        desk.session.change_settings(overlaps="allowed")  # that may be undone, too
        change_something(desk, rng)
        desk.binding.flush()
        frame, layers = desk.binding.frame, desk.binding.labels.layers
        for key, layer in layers.items():  # one of all where the setting was undone
            expected = desk.session.labels(frame, None if key == ALL_OBJECTS else key)
            np.testing.assert_array_equal(layer.data.frame(frame), expected)
        most = max(most, len(layers))
    assert most > 1
