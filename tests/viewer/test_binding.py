from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.masks.mask_store import MaskStatus
from napari_sam2.viewer import KEYS, InlineRunner, bind
from sam2_core.errors import StackError


def statuses(desk, object_id=1):
    return desk.session.status(object_id).tolist()


def test_a_day_s_work(desk):
    binding, session = desk.binding, desk.session
    desk.points.add((0, 20, 15))  # one cell
    binding.new_object()
    assert binding.current.object_id == 2
    desk.points.add((0, 10, 40))  # another
    binding.propagate_both()
    assert desk.messages[-1] == "Propagated over 6 of 6 frames."
    assert statuses(desk) == statuses(desk, 2) == [1, 2, 2, 2, 2, 2]
    for frame in range(6):
        binding.show_frame(frame)
        assert binding.frame == frame
        assert desk.shown()[20, 15 + frame] == 1
        assert desk.shown()[10, 40 + frame] == 2
    binding.show_frame(3)  # a correction of the second, in the middle
    desk.points.add((3, 30, 30))
    assert desk.shown()[30, 30] == 2
    assert statuses(desk, 2) == [1, 2, 2, 1, 4, 4]
    assert statuses(desk) == [1, 2, 2, 2, 2, 2]
    binding.propagate("forward", only_stale=True)
    assert statuses(desk, 2) == [1, 2, 2, 1, 2, 2]
    binding.show_frame(5)
    assert desk.shown()[30, 32] == 2
    binding.undo()
    assert session.document.prompts.keys() == {(1, 0), (2, 0)}
    binding.next_object()
    assert binding.current.object_id == 1
    binding.previous_object()
    assert binding.current.object_id == 2


def test_a_click_during_a_run_is_recorded_stops_it_and_is_shown(make_desk):
    desk = make_desk(stepped=True)
    desk.points.add((0, 20, 15))
    desk.runner.finish()
    desk.binding.propagate_forward()
    for _ in range(3):
        desk.runner.step()
    done = np.count_nonzero(desk.session.status(1))
    assert 1 < done < 6
    desk.points.add((0, 20, 18))
    assert len(desk.session.document.prompts[1, 0].points_yx) == 2  # at once, while the job still runs
    assert desk.binding.work.is_propagating
    desk.runner.step()  # the job sees that it is to stop
    assert not desk.binding.work.is_propagating
    assert desk.binding.work.busy  # the preview
    desk.runner.finish()
    assert not desk.session.needs_preview
    assert set(statuses(desk)[1:done]) == {MaskStatus.stale.code}
    assert not desk.binding.work.busy  # nothing goes on by itself
    assert any("Stopped after" in text for text in desk.messages)


def test_painting_during_a_run_stops_it_too_and_stays(make_desk):
    desk = make_desk(stepped=True)
    desk.points.add((0, 20, 15))
    desk.runner.finish()
    desk.binding.propagate_forward()
    desk.runner.step()
    desk.runner.step()
    desk.labels.paint((3, 5, 50), 1)
    desk.runner.finish()
    assert desk.session.status(1)[3] == MaskStatus.edited.code
    assert desk.session.masks.mask(1, 3)[5, 50]
    assert any("Stopped after" in text for text in desk.messages)
    desk.binding.propagate_both()
    desk.runner.finish()
    assert desk.session.status(1)[3] == MaskStatus.edited.code


def test_a_run_waits_for_a_preview_and_two_runs_are_refused(make_desk):
    desk = make_desk(stepped=True)
    desk.points.add((0, 20, 15))
    desk.binding.propagate_both()
    assert not desk.binding.work.is_propagating
    while not desk.binding.work.is_propagating:
        desk.runner.step()
    desk.binding.propagate_both()
    assert "stop it first" in desk.messages[-1]
    desk.binding.stop()
    desk.runner.finish()
    assert "Stopped after" in desk.messages[-1]


def test_propagating_without_prompts_says_so(desk):
    desk.binding.propagate_both()
    assert desk.messages
    assert not desk.binding.work.busy


def test_the_frame_in_view_is_refreshed_at_most_so_often(make_desk):
    desk = make_desk(stepped=True)
    desk.points.add((0, 20, 15))
    desk.runner.finish()
    now = [100.0]
    desk.binding.redraw.clock = lambda: now[0]
    desk.binding.flush()
    assert desk.binding.redraw._last < now[0]  # nothing was due
    refreshed = []
    desk.labels.events.set_data.connect(refreshed.append)
    desk.points.add((0, 21, 15))
    desk.runner.finish()
    first = len(refreshed)
    now[0] += 0.01
    desk.points.add((0, 25, 15))
    desk.runner.finish()
    assert len(refreshed) == first
    now[0] += 0.05
    assert desk.binding.redraw.if_due()
    assert len(refreshed) == first + 1
    assert not desk.binding.redraw.if_due()


def test_a_layer_that_is_deleted_loses_nothing_and_comes_back(desk):
    desk.points.add((0, 20, 15))
    desk.shapes.add(np.array([(2, 5, 5), (2, 5, 25), (2, 20, 25), (2, 20, 5)]), shape_type="polygon")
    for layer in desk.binding.layers():
        desk.viewer.layers.remove(layer)
    assert desk.session.document.prompts.keys() == {(1, 0), (1, 2)}
    assert sum("was removed" in text and "kept" in text for text in desk.messages) == 3
    desk.session.add_points(1, 4, [(9, 9)])
    desk.binding.make_layers()
    assert len(desk.points.data) == 2
    assert desk.session.document.prompts.keys() == {(1, 0), (1, 2), (1, 4)}
    desk.binding.show_frame(0)
    assert desk.shown()[20, 15] == 1
    desk.points.add((0, 21, 15))
    assert len(desk.session.document.prompts[1, 0].points_yx) == 2


def test_an_undo_that_leaves_nothing_of_a_stopped_run_to_do_takes_the_offer_to_resume_back(make_desk):
    desk = make_desk(stepped=True)
    desk.points.add((0, 20, 15))
    desk.runner.finish()
    desk.binding.propagate_forward()
    desk.runner.finish()
    before = statuses(desk)[1:]
    desk.session.change_settings(object_diameter_px=12)
    desk.runner.finish()
    desk.binding.propagate_forward()
    desk.binding.stop()
    desk.runner.finish()
    assert desk.binding.work.can_resume
    desk.binding.undo()
    assert statuses(desk)[1:] == before
    assert not desk.binding.work.can_resume


def test_renaming_and_reordering_do_not_matter(desk):
    desk.points.name = "clicks"
    desk.labels.name = "cells"
    desk.viewer.layers.move(len(desk.viewer.layers) - 1, 0)
    desk.points.add((0, 20, 15))
    assert desk.shown()[20, 15] == 1


def test_closing_in_the_middle_of_a_run_keeps_everything(make_desk):
    desk = make_desk(stepped=True)
    desk.points.add((0, 20, 15))
    desk.runner.finish()
    desk.binding.propagate_forward()
    desk.runner.step()
    desk.runner.step()
    known = statuses(desk)
    desk.viewer.layers.clear()  # what closing a viewer does
    assert any("image movie was removed" in text for text in desk.messages)
    desk.runner.finish()
    assert statuses(desk)[: len([one for one in known if one])] == [one for one in known if one]
    assert desk.session.document.prompts.keys() == {(1, 0)}


def test_nothing_is_taken_while_the_image_is_not_in_the_viewer(desk):
    desk.points.add((0, 20, 15))
    desk.viewer.layers.remove(desk.image)
    desk.points.add((1, 20, 15))
    desk.labels.paint((1, 20, 15), 1)
    desk.binding.deciding.find_cells()
    assert all("not in the viewer" in text for text in desk.messages[-3:])
    assert desk.session.document.prompts.keys() == {(1, 0)}
    assert not desk.session.document.proposals
    assert len(desk.points.data) == 1
    desk.viewer.layers.insert(0, desk.image)
    desk.points.add((1, 20, 15))
    assert desk.session.document.prompts.keys() == {(1, 0), (1, 1)}


def test_as_long_as_nothing_is_made_a_frame_is_shown_where_the_viewer_is(make_desk):
    desk = make_desk(np.zeros((6, 5, 40, 60), np.uint8), axis_labels=("t", "z", "y", "x"))
    desk.viewer.dims.set_point(1, 2)
    desk.binding.show_frame(4)
    assert tuple(desk.viewer.dims.point[:2]) == (4, 2)
    desk.points.add((4, 2, 20, 15))
    desk.viewer.dims.set_point(1, 0)
    desk.binding.show_frame(1)
    assert tuple(desk.viewer.dims.point[:2]) == (1, 2)


def test_nothing_is_taken_in_3d_display(desk):
    desk.points.add((0, 20, 15))
    desk.viewer.dims.ndisplay = 3
    desk.points.add((1, 20, 15))
    assert "switch to 2-D" in desk.messages[-1]
    assert desk.session.document.prompts.keys() == {(1, 0)}
    desk.viewer.dims.ndisplay = 2
    desk.points.add((1, 20, 15))
    assert desk.session.document.prompts.keys() == {(1, 0), (1, 1)}


def test_replacing_the_image_s_data_is_told(desk):
    desk.image.data = np.ones_like(desk.image.data)
    assert "were replaced" in desk.messages[-1]


def test_unbinding_lets_go_of_everything(desk):
    viewer, session = desk.viewer, desk.session
    points, labels = desk.points, desk.labels
    keys = len(points.keymap)
    desk.binding.unbind()
    desk.binding.unbind()
    points.add((0, 20, 15))
    labels.paint((0, 20, 15), 1)
    assert not session.document.prompts
    session.add_points(1, 0, [(3, 3)])
    assert len(points.data) == 1
    viewer.layers.remove(points)
    assert desk.messages == []
    assert keys == len(KEYS)
    assert not points.keymap
    again = bind(viewer, session, desk.image, InlineRunner(session))
    assert len(again.prompts.points.data) == 1
    again.unbind()


def test_a_binding_that_nobody_holds_goes_away(make_desk):
    desk = make_desk()
    gone = weakref.ref(desk.binding)
    desk.binding.unbind()
    fresh = bind(desk.viewer, desk.session, desk.image, desk.runner)
    desk.binding, fresh = fresh, None
    gc.collect()
    assert gone() is None


def test_scale_translate_and_an_extra_axis(make_desk):
    desk = make_desk(
        np.zeros((6, 4, 40, 60), np.uint8),
        axis_labels=("t", "z", "y", "x"),
        scale=(2, 3, 0.5, 0.5),
        translate=(1, 2, 3, 4),
        sliders=(0, 2, 0, 0),
    )
    assert desk.session.settings.fixed == {"Z": 2}
    world = desk.image.data_to_world((1, 2, 20, 30))
    desk.points.add(desk.points.world_to_data(world))
    assert desk.session.document.prompts[1, 1].points_yx == ((20.0, 30.0),)
    desk.binding.show_frame(1)
    assert desk.viewer.dims.point[0] == 3.0
    assert desk.labels.get_value(world, world=True) == 1
    assert desk.labels.data[1, 0, 20, 30] == 0
    desk.points.add((1, 0, 20, 30))
    assert "Z=0, but the session works at Z=2" in desk.messages[-1]
    assert len(desk.points.data) == 1
    assert len(desk.session.document.prompts[1, 1].points_yx) == 1
    desk.labels.paint((1, 0, 5, 5), 1)
    assert "not kept" in desk.messages[-1]
    assert desk.labels.data[1, 0, 5, 5] == 0


def test_layers_follow_the_image(desk):
    desk.points.add((0, 20, 30))
    desk.image.scale = (1, 0.25, 0.25)
    desk.image.translate = (0, 7, 7)
    for layer in desk.binding.layers():
        np.testing.assert_allclose(layer.data_to_world((0, 20, 30)), (0, 12, 14.5))
    assert desk.session.document.prompts[1, 0].points_yx == ((20.0, 30.0),)
    desk.points.add((0, 20, 32))
    assert desk.session.document.prompts[1, 0].points_yx == ((20.0, 30.0), (20.0, 32.0))


def test_depth_as_the_tracked_axis_and_a_single_image(make_desk):
    depth = make_desk(axis_labels=("z", "y", "x"))
    depth.points.add((2, 20, 15))
    depth.binding.propagate_both()
    assert statuses(depth) == [2, 2, 1, 2, 2, 2]
    single = make_desk(np.zeros((40, 60), np.uint8))
    single.points.add((20, 15))
    assert single.shown()[20, 15] == 1
    assert single.binding.frame == 0
    single.binding.show_frame(0)
    single.binding.next_prompted_frame()
    assert "no later" in single.messages[-1]


def test_two_viewers_and_two_images_in_one_do_not_disturb_each_other(make_desk):
    first = make_desk()
    second = make_desk(viewer=first.viewer, name="other", scale=(1, 2, 2))
    third = make_desk(viewer=ViewerModel())
    first.points.add((0, 20, 15))
    second.points.add((0, 10, 40))
    assert list(first.session.document.prompts) == [(1, 0)]
    assert first.session.document.prompts[1, 0].points_yx == ((20.0, 15.0),)
    assert second.session.document.prompts[1, 0].points_yx == ((10.0, 40.0),)
    assert not third.session.document.prompts
    first.viewer.layers.remove(first.labels)
    second.binding.propagate_both()
    assert statuses(second) == [1, 2, 2, 2, 2, 2]
    assert statuses(first) == [1, 0, 0, 0, 0, 0]
    assert second.messages == ["Propagated over 6 of 6 frames."]


def test_an_image_that_does_not_fit_the_session_is_refused(desk):
    other = desk.viewer.add_image(np.zeros((3, 40, 60)))
    with pytest.raises(StackError, match="works on a stack"):
        bind(desk.viewer, desk.session, other, desk.runner)


def test_prompted_frames_are_stepped_through(desk):
    for frame in (1, 4):
        desk.points.add((frame, 20, 15))
    desk.binding.next_prompted_frame()
    assert desk.binding.frame == 1
    desk.binding.next_prompted_frame()
    desk.binding.next_prompted_frame()
    assert desk.binding.frame == 4
    assert "no later" in desk.messages[-1]
    desk.binding.previous_prompted_frame()
    assert desk.binding.frame == 1


def test_a_session_that_is_reopened_shows_what_it_holds(make_desk):
    desk = make_desk()
    desk.points.add((0, 20, 15))
    desk.session.add_points(5, 2, [(9, 9)])
    desk.binding.unbind()
    viewer = ViewerModel()
    image = viewer.add_image(desk.image.data)
    again = bind(viewer, desk.session, image, desk.runner)
    assert len(again.prompts.points.data) == 2
    assert again.labels.layers[0].data[0, 20, 15] == 1
    again.unbind()


def test_the_frame_in_view_grows_while_a_run_goes_on(make_desk):
    desk = make_desk(stepped=True)
    desk.points.add((0, 20, 15))
    desk.runner.finish()
    desk.binding.show_frame(2)
    desk.binding.propagate_forward()
    seen = []
    while desk.runner.busy:
        desk.runner.step()
        seen.append(bool(desk.shown()[20, 17]))
    assert seen.index(True) < len(seen) - 2  # before the end
    assert desk.binding.work.done == desk.binding.work.total


def test_merging_and_swapping_objects_reach_the_layers(desk):
    desk.points.add((0, 20, 15))
    desk.binding.current.choose(2)
    desk.points.add((1, 10, 40))
    desk.session.swap_objects(1, 2, 1)
    assert list(desk.points.features["object_id"]) == [1, 1]
    desk.binding.undo()
    assert sorted(desk.points.features["object_id"]) == [1, 2]
    desk.session.merge_objects(1, 2)
    assert list(desk.points.features["object_id"]) == [1, 1]
    assert desk.session.document.prompts.keys() == {(1, 0), (1, 1)}


def test_data_of_the_labels_layer_that_are_replaced_come_back(desk):
    desk.points.add((0, 20, 15))
    desk.labels.data = np.zeros((6, 40, 60), np.uint8)
    assert desk.shown()[20, 15] == 1
    assert "were replaced" in desk.messages[-1]


def test_a_view_that_is_turned_around_still_works(desk):
    desk.viewer.dims.transpose()
    desk.points.add((0, 20, 15))
    assert desk.shown()[15, 20] == 1
    desk.labels.paint((0, 5, 50), 1)
    assert desk.session.masks.mask(1, 0)[5, 50]


def test_an_error_in_a_run_is_told_and_work_goes_on(desk):
    desk.session.work.close()  # nothing is computed any more
    desk.points.add((0, 20, 15))
    assert desk.messages
    assert not desk.binding.work.busy
    assert (1, 0) in desk.session.document.prompts


def test_a_click_in_a_session_that_was_closed_is_taken_back_and_told(desk):
    desk.session.close()
    desk.points.add((0, 20, 15))
    assert "The session was closed" in desk.messages[-1]
    assert not desk.session.document.prompts
    assert len(desk.points.data) == 0


def test_layers_may_come_one_by_one_and_not_after_letting_go(desk):
    viewer, turns = ViewerModel(), []
    image = viewer.add_image(desk.image.data, contrast_limits=(0, 255))
    binding = bind(viewer, desk.session, image, InlineRunner(desk.session), later=turns.append)
    assert list(viewer.layers) == [image]
    for count, turn in enumerate(turns[:2], 2):
        turn()
        assert len(viewer.layers) == count
    binding.unbind()
    turns[2]()
    assert len(viewer.layers) == 3


def test_a_run_that_a_click_stopped_is_gone_on_with(make_desk):
    desk = make_desk(stepped=True)
    desk.points.add((0, 20, 15))
    desk.runner.finish()
    desk.binding.propagate_forward()
    desk.runner.step()
    desk.runner.step()
    desk.binding.current.choose(2)
    desk.points.add((0, 10, 40))
    desk.runner.finish()
    assert desk.messages[-1].endswith("Resume goes on with the rest.")
    assert desk.binding.work.can_resume
    desk.binding.resume()
    desk.runner.finish()
    assert statuses(desk) == statuses(desk, 2) == [1, 2, 2, 2, 2, 2]
    assert not desk.binding.work.can_resume
    assert desk.messages[-1].startswith("Propagated over")


def test_after_merging_the_next_click_is_of_the_merged_object(desk):
    desk.points.add((0, 20, 15))
    desk.binding.current.choose(2)
    desk.points.add((0, 10, 40))
    desk.session.merge_objects(1, 2)
    assert desk.binding.current.object_id == 1
    desk.points.add((3, 10, 40))
    assert list(desk.session.document.objects) == [1]
    desk.binding.undo()
    desk.binding.undo()
    assert desk.binding.current.object_id in desk.session.document.objects
    desk.binding.redo()
    assert desk.binding.current.object_id == 1


@pytest.mark.parametrize("change", ["remove", "undo"])
def test_after_an_object_is_gone_the_next_click_is_of_no_other(desk, change):
    desk.points.add((0, 20, 15))
    desk.binding.new_object()
    desk.points.add((0, 10, 40))
    desk.session.remove_object(2) if change == "remove" else desk.binding.undo()
    desk.points.add((0, 30, 50))
    assert len(desk.session.document.prompts[1, 0].points_yx) == 1
    assert list(desk.session.document.objects) == [1, 2]


def test_each_click_or_box_makes_an_object_in_that_mode(desk):
    desk.binding.each_click_is_new_object = True
    desk.points.add((0, 20, 15))
    desk.points.add((0, 10, 40))
    assert desk.binding.current.object_id == 2
    desk.binding.flip_polarity()
    desk.points.add((0, 10, 50))  # outside of the one that was made last
    desk.binding.flip_polarity()
    desk.points.add((0, 99, 99))  # refused
    desk.shapes.add(np.array([(1, 5, 5), (1, 5, 25), (1, 20, 25), (1, 20, 5)]), shape_type="rectangle")
    assert desk.binding.current.object_id == 3
    prompts = desk.session.document.prompts
    assert {key: prompt.labels for key, prompt in prompts.items()} == {(1, 0): (1,), (2, 0): (1, 0), (3, 1): ()}
    desk.binding.new_object()
    desk.points.add((0, 30, 50))
    desk.binding.undo()
    desk.points.add((0, 30, 52))
    assert list(desk.session.document.objects) == [1, 2, 3, 4]
    desk.binding.next_object()
    desk.points.add((0, 30, 5))
    assert list(desk.session.document.objects) == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(desk.points.face_color[-1], desk.labels.get_color(5), atol=1e-6)
    desk.binding.each_click_is_new_object = False
    desk.points.add((0, 32, 5))
    assert len(desk.session.document.prompts[5, 0].points_yx) == 2


def test_locking_is_undone_with_a_word(desk):
    desk.points.add((0, 20, 15))
    desk.session.set_locked(1, True)
    desk.points.add((0, 22, 15))
    desk.binding.undo()
    assert desk.messages[-1] == "Undone: lock an object."


def test_swapping_and_undoing_shows_every_frame_as_it_is(desk):
    desk.points.add((0, 20, 15))
    desk.binding.current.choose(2)
    desk.points.add((0, 10, 40))
    desk.binding.propagate_both()
    for edit in (lambda: desk.session.swap_objects(1, 2, 2), desk.binding.undo, desk.binding.redo, desk.binding.undo):
        edit()
        for frame in range(6):
            desk.binding.show_frame(frame)
            np.testing.assert_array_equal(desk.shown(), desk.session.labels(frame))
