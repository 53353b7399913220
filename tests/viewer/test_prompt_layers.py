from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Points, Shapes

from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_parts import Mask
from napari_sam2.viewer import bind, prompt_rows

BOX = np.array([(0, 5, 5), (0, 5, 25), (0, 20, 25), (0, 20, 5)], float)


def on_frame(frame):
    return np.add(BOX, (frame, 0, 0))


def prompts(desk):
    return dict(desk.session.document.prompts)


def test_a_click_is_a_prompt_and_a_mask_appears(desk):
    desk.points.add((0, 20, 30))
    assert prompts(desk)[1, 0].points_yx == ((20.0, 30.0),)
    assert desk.shown()[20, 30] == 1
    assert desk.shown()[5, 5] == 0
    assert desk.messages == []


def test_clicks_follow_the_current_object_and_sign(desk):
    desk.points.add((0, 20, 30))
    desk.binding.current.choose(2)
    desk.points.add((1, 10, 12))
    desk.binding.flip_polarity()
    desk.points.add((1, 10, 25))
    assert prompts(desk)[2, 1].labels == (1, 0)
    assert list(desk.points.features["object_id"]) == [1, 2, 2]
    assert list(desk.points.features["polarity"]) == ["in", "in", "out"]
    assert [str(one) for one in desk.points.symbol] == ["disc", "disc", "x"]


def test_moving_deleting_and_pasting_points(desk):
    desk.points.add((0, 20, 30))
    desk.points.add((0, 22, 31))
    moved = desk.points.data.copy()
    moved[0] = (0, 10, 12)
    desk.points.data = moved
    assert prompts(desk)[1, 0].points_yx == ((10.0, 12.0), (22.0, 31.0))
    desk.points.selected_data = {1}
    desk.points.remove_selected()
    assert prompts(desk)[1, 0].points_yx == ((10.0, 12.0),)
    desk.points.remove([0])
    assert prompts(desk) == {}
    assert not desk.shown().any()


def test_a_frame_follows_the_coordinate(desk):
    desk.points.add((3, 20, 30))
    desk.points.data = np.array([(4.0, 20, 30)])
    assert list(prompts(desk)) == [(1, 4)]


def test_features_typed_by_a_script_and_in_the_table(desk):
    desk.points.add((0, 20, 30))
    desk.points.features = {"object_id": [5], "polarity": ["in"]}
    assert list(prompts(desk)) == [(5, 0)]
    desk.points.features.iloc[0, 0] = 7  # what napari's table does: it tells nobody
    desk.binding.poll()
    assert list(prompts(desk)) == [(7, 0)]
    desk.points.features.iloc[0, 0] = 8
    desk.viewer.dims.set_current_step(0, 2)
    assert list(prompts(desk)) == [(8, 0)]


def test_pasted_points_count(make_desk):
    desk = make_desk(np.zeros((40, 60), np.uint8))
    desk.points.add((20, 30))
    desk.points.selected_data = {0}
    desk.points._copy_data()
    desk.points._clipboard["data"] += 3
    desk.points._paste_data()
    assert prompts(desk)[1, 0].points_yx == ((20.0, 30.0), (23.0, 33.0))


def test_rectangles_are_boxes_and_outlines_are_masks(desk):
    desk.shapes.add(BOX, shape_type="rectangle")
    assert prompts(desk)[1, 0].box_yx == (5, 5, 20, 25)
    desk.binding.current.choose(2)
    for kind, frame in (("polygon", 1), ("path", 2), ("ellipse", 3)):
        desk.shapes.add(on_frame(frame), shape_type=kind)
        assert prompts(desk)[2, frame].mask[12, 15]
    assert list(desk.shapes.features["object_id"]) == [1, 2, 2, 2]


def test_a_box_and_points_of_one_object_are_one_prompt(desk):
    desk.shapes.add(BOX, shape_type="rectangle")
    desk.points.add((0, 12, 14))
    only = prompts(desk)[1, 0]
    assert (only.box_yx, only.points_yx) == ((5, 5, 20, 25), ((12.0, 14.0),))
    desk.shapes.remove([0])
    assert prompts(desk)[1, 0].box_yx is None


def add_point(point):
    return lambda desk: desk.points.add(point)


def add_shape(vertices, shape_type="rectangle", polarity="in"):
    def add(desk):
        desk.binding.current.choose(polarity=polarity)
        desk.shapes.add(vertices, shape_type=shape_type)

    return add


def on_a_locked_object(edit):
    def do(desk):
        desk.session.set_locked(1, True)
        edit(desk)

    return do


def drag(desk):
    desk.points.data = np.add(desk.points.data, (0, 0, 500))


def drag_box(desk):
    desk.shapes.data = [desk.shapes.data[0] + (0, 500, 0)]


def type_id(desk):
    desk.points.features.iloc[0, 0] = 0
    desk.binding.poll()


def delete(desk):
    desk.points.selected_data = {0}
    desk.points.remove_selected()


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (add_point((0, 20, 99)), "The click was not taken: the point y=20, x=99 lies outside the image"),
        (add_point((9, 2, 3)), "The click was not taken: it lies on frame 9"),
        (add_shape(np.add(BOX, (0, 100, 0))), "The box was not taken"),
        (add_shape(on_frame(9)), "The box was not taken: it lies on frame 9"),
        (add_shape(np.add(BOX, (0, 100, 0)), "polygon"), "The outline was not taken"),
        (add_shape(on_frame(2), "polygon", "out"), "The outline was not taken: nothing is left"),
        (drag, "The click was put back: the point"),
        (drag_box, "The box was put back"),
        (type_id, "The click was put back: object id 0 cannot be a label"),
        (on_a_locked_object(add_point((0, 22, 15))), "Object 1 is locked"),
        (on_a_locked_object(add_shape(on_frame(3))), "Object 1 is locked"),
        (on_a_locked_object(add_shape(on_frame(3), "polygon")), "Object 1 is locked"),
        (on_a_locked_object(drag_box), "The box was put back"),
        (on_a_locked_object(delete), "Object 1 is locked"),
    ],
)
def test_what_is_refused_goes_at_once_with_a_word_and_changes_nothing(desk, edit, words):
    desk.points.add((0, 20, 15))
    desk.shapes.add(BOX, shape_type="rectangle")
    locked = desk.session.undo_text
    edit(desk)
    assert sorted(map(tuple, desk.points.data)) == [(0, 20, 15)]
    np.testing.assert_array_equal(desk.shapes.data, [BOX])
    assert [str(one) for one in desk.points.symbol] == ["disc"]
    assert list(prompts(desk)) == [(1, 0)]
    assert desk.session.undo_text in (locked, "lock an object")
    assert len([text for text in desk.messages if words in text]) == len(desk.messages) == 1
    desk.binding.current.choose(2, "in")
    desk.points.add((1, 11, 11))
    assert (2, 1) in prompts(desk)
    desk.binding.undo()
    assert desk.messages[-1] == "Undone: prompt of object 2 on frame 1."
    desk.session.set_locked(1, False)
    assert prompts(desk)[1, 0].points_yx == ((20.0, 15.0),)


def test_a_later_box_takes_the_place_of_the_one_before(desk):
    desk.shapes.add(BOX, shape_type="rectangle")
    desk.shapes.add(np.add(BOX, (0, 3, 3)), shape_type="rectangle")
    np.testing.assert_array_equal(desk.shapes.data, [np.add(BOX, (0, 3, 3))])
    desk.binding.undo()
    np.testing.assert_array_equal(desk.shapes.data, [BOX])


def test_rows_of_an_adopted_layer_that_cannot_be_prompts_stay_and_are_told_once(make_desk):
    features = {"object_id": [1, 0], "polarity": ["in", "in"]}
    desk = make_desk(adopt=(Points([(0, 10, 10), (0, 12, 12)], features=features),))
    assert str(desk.points.symbol[1]) == "triangle_up"
    assert len(desk.messages) == 1
    assert "row 1: object id 0 cannot be a label" in desk.messages[0]
    desk.points.add((1, 11, 11))
    assert len(desk.points.data) == 3
    assert len(desk.messages) == 1
    desk.points.features.iloc[1, 0] = 4
    desk.binding.poll()
    assert set(prompts(desk)) == {(1, 0), (1, 1), (4, 0)}


@pytest.mark.parametrize(("change", "frame"), [("merge", 3), ("swap", 0), ("swap", 3)])
def test_an_outline_goes_along_with_its_object(desk, change, frame):
    desk.points.add((0, 20, 15))
    desk.binding.current.choose(2)
    desk.points.add((1, 10, 40))
    desk.shapes.add(on_frame(frame), shape_type="polygon")
    if change == "merge":
        desk.session.merge_objects(1, 2)
    else:
        desk.session.swap_objects(1, 2, 0)
    assert list(desk.shapes.features["object_id"]) == [1]
    np.testing.assert_array_equal(desk.shapes.data, [on_frame(frame)])
    said = {key for key, prompt in prompts(desk).items() if prompt.mask is not None}
    desk.binding.current.choose(1)
    desk.points.add((5, 20, 20))
    assert {key for key, prompt in prompts(desk).items() if prompt.mask is not None} == said == {(1, frame)}
    desk.binding.undo()
    desk.binding.undo()
    assert list(desk.shapes.features["object_id"]) == [2]


def test_where_both_are_there_a_merge_says_their_pixels_instead_of_a_click_and_an_outline(desk):
    desk.points.add((0, 20, 15))
    desk.binding.current.choose(2)
    desk.shapes.add(on_frame(0), shape_type="polygon")
    both = desk.session.masks.mask(1, 0) | desk.session.masks.mask(2, 0)
    desk.session.merge_objects(1, 2)
    assert (len(desk.points.data), len(desk.shapes.data)) == (0, 0)
    np.testing.assert_array_equal(prompts(desk)[1, 0].mask, both)
    np.testing.assert_array_equal(desk.session.masks.mask(1, 0), both)
    desk.binding.undo()
    assert (len(desk.points.data), list(desk.shapes.features["object_id"])) == (1, [2])


def test_outlines_of_one_form_on_two_frames_stay_apart(desk):
    desk.shapes.add(on_frame(1), shape_type="polygon")
    desk.binding.current.choose(2)
    desk.shapes.add(on_frame(4), shape_type="polygon")
    desk.session.remove_object(1)
    desk.binding.undo()
    frames = [int(data[0][0]) for data in desk.shapes.data]
    assert dict(zip(frames, desk.shapes.features["object_id"], strict=True)) == {1: 1, 4: 2}


def test_a_click_among_many_reads_and_compares_its_own_prompt_only(desk, monkeypatch):
    desk.session.set_prompts({(one, 0): Prompt(one, 0, ((20.0, 30.0),), (1,)) for one in range(1, 60)})
    desk.shapes.add(on_frame(2), shape_type="polygon")
    made = []
    monkeypatch.setattr(prompt_rows, "Prompt", lambda *args, **fields: made.append(args) or Prompt(*args, **fields))
    compared = Mask.__hash__
    monkeypatch.setattr(Mask, "__hash__", lambda mask: made.append("mask") or compared(mask))
    desk.binding.current.choose(7)
    desk.points.add((3, 20, 30))
    assert made == [(7, 3)]


def test_undo_and_redo_reach_the_layers(desk):
    desk.points.add((0, 20, 30))
    desk.points.add((0, 22, 31))
    desk.shapes.add(on_frame(2), shape_type="polygon")
    desk.binding.undo()
    assert len(desk.shapes.data) == 0
    desk.binding.undo()
    np.testing.assert_array_equal(desk.points.data, [(0, 20, 30)])
    assert prompts(desk)[1, 0].points_yx == ((20.0, 30.0),)
    desk.binding.undo()
    assert len(desk.points.data) == 0
    for _ in range(3):
        desk.binding.redo()
    assert len(desk.points.data) == 2
    assert list(desk.shapes.shape_type) == ["polygon"]  # the outline as it was drawn
    assert prompts(desk)[1, 2].mask[12, 15]
    desk.binding.redo()
    assert desk.messages[:4] == [
        "Undone: prompt of object 1 on frame 2.",
        "Undone: prompt of object 1 on frame 0.",
        "Undone: prompt of object 1 on frame 0.",
        "Done again: prompt of object 1 on frame 0.",
    ]
    assert desk.messages[-1] == "There is nothing to redo."


def test_edits_make_no_loops(desk):
    steps = []
    desk.session.events.document_changed.connect(steps.append)
    desk.points.add((0, 20, 30))
    desk.shapes.add(BOX + 0.3, shape_type="rectangle")
    desk.points.features = {"object_id": [1], "polarity": ["out"]}
    desk.viewer.dims.set_current_step(0, 3)
    assert len(steps) == 3


def test_what_a_script_says_appears_in_the_layers(desk):
    desk.session.set_prompts({(2, 1): Prompt(2, 1, ((3.0, 4.0), (5.0, 6.0)), (1, 0), (1.0, 2.0, 9.0, 10.0))})
    np.testing.assert_array_equal(desk.points.data, [(1, 3, 4), (1, 5, 6)])
    assert list(desk.points.features["polarity"]) == ["in", "out"]
    assert list(desk.shapes.features["object_id"]) == [2]
    np.testing.assert_array_equal(desk.shapes.data[0][0], (1, 1, 2))
    desk.session.remove_object(2)
    assert len(desk.points.data) == len(desk.shapes.data) == 0


def test_colours_follow_labels_and_signs(desk):
    desk.points.add((0, 20, 30))
    desk.binding.current.choose(4, "out")
    desk.points.add((0, 20, 40))
    desk.shapes.add(BOX, shape_type="polygon")
    np.testing.assert_allclose(desk.points.face_color[0], desk.labels.get_color(1))
    np.testing.assert_allclose(desk.points.face_color[1], desk.labels.get_color(4))
    assert not np.allclose(desk.points.border_color[0], desk.points.border_color[1])
    desk.labels.new_colormap(seed=5)
    np.testing.assert_allclose(desk.points.face_color[0], desk.labels.get_color(1), atol=1e-6)


def test_selecting_a_row_makes_its_object_current(desk):
    desk.points.add((0, 20, 30))
    desk.binding.current.choose(2, "out")
    desk.points.add((0, 20, 40))
    desk.points.selected_data = {0}
    assert (desk.binding.current.object_id, desk.binding.current.polarity) == (1, "in")
    desk.binding.current.choose(6)
    assert list(desk.points.features["object_id"]) == [1, 2]  # the selected row is not changed by choosing


def test_layers_with_the_features_are_adopted(make_desk):
    points = Points(
        [(1, 10, 12), (2, 10, 12)],
        features={"object_id": [3, 3], "polarity": ["in", "in"], "who": ["me", "you"]},
    )
    shapes = Shapes([BOX], shape_type="rectangle", features={"object_id": [4], "polarity": ["in"]})
    desk = make_desk(adopt=(points, shapes))
    assert desk.points is points
    assert set(prompts(desk)) == {(3, 1), (3, 2), (4, 0)}
    desk.session.add_points(3, 2, [(20, 20)])
    assert len(points.data) == 3
    assert list(points.features["who"])[:1] == ["me"]
    assert list(desk.viewer.layers).count(points) == 1


def test_layers_without_the_features_are_refused(make_desk):
    with pytest.raises(ValueError, match="has no feature object_id and polarity"):
        make_desk(adopt=(Points(np.zeros((1, 3))),))


def test_painting_takes_the_place_of_an_outline_until_undone(desk):
    desk.shapes.add(BOX, shape_type="polygon")
    desk.labels.selected_label = 1
    desk.labels.paint((0, 30, 50), 1)
    assert len(desk.shapes.data) == 0
    assert prompts(desk)[1, 0].mask[30, 50]
    desk.binding.undo()
    assert len(desk.shapes.data) == 1
    assert not prompts(desk)[1, 0].mask[30, 50]


def test_an_adopted_layer_keeps_its_own_place_in_the_world(make_desk):
    points = Points(
        [(1, 10, 15)], features={"object_id": [1], "polarity": ["in"]}, scale=(1, 1, 1), translate=(0, 0, 0)
    )
    desk = make_desk(adopt=(points,), scale=(1, 0.5, 0.5))
    assert prompts(desk)[1, 1].points_yx == ((20.0, 30.0),)
    desk.session.add_points(2, 0, [(8, 8)])
    np.testing.assert_allclose(points.data[1], (0, 4, 4))
    assert len(prompts(desk)) == 2


def test_adopted_rows_are_added_to_what_the_session_says(make_desk):
    desk = make_desk()
    desk.session.add_points(1, 0, [(20, 15)])
    desk.session.add_box(1, 0, (5, 5, 30, 30))
    desk.session.add_points(2, 3, [(9, 9)])
    desk.binding.unbind()
    points = Points([(0, 10, 12)], features={"object_id": [1], "polarity": ["in"]})
    desk.binding = bind(ViewerModel(), desk.session, desk.image, desk.runner, adopt=(points,))
    assert prompts(desk)[1, 0].points_yx == ((10.0, 12.0),)
    assert prompts(desk)[1, 0].box_yx == (5, 5, 30, 30)
    assert len(points.data) == 2
    assert len(desk.shapes.data) == 1
