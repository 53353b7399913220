"""napari's own tools, driven by the mouse events that a canvas would send."""

from __future__ import annotations

from queue import SimpleQueue

import numpy as np
from disc_predictor import DiscPredictor
from mouse_events import Event
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks


def send(layer, kind, position, dragging=False):
    event = Event(kind, position, dragging, np.array(position[-2:], float), dims_point=position)
    callbacks = {"press": mouse_press_callbacks, "move": mouse_move_callbacks, "release": mouse_release_callbacks}
    wrapped = ReadOnlyWrapper(event, exceptions=("handled",))
    wrapped.__wrapped__.type = f"mouse_{kind}"
    callbacks[kind](layer, wrapped)


def drag(layer, *positions, between=lambda: None):
    send(layer, "press", positions[0])
    for position in positions[1:]:
        send(layer, "move", position, dragging=True)
        between()
    send(layer, "release", positions[-1])


def prompts(desk):
    return dict(desk.session.document.prompts)


def test_clicking_adds_a_point_where_it_is_seen(make_desk):
    desk = make_desk(scale=(1, 0.5, 0.5))
    desk.points.mode = "add"
    drag(desk.points, (0, 10, 15))
    assert prompts(desk)[1, 0].points_yx == ((20.0, 30.0),)
    assert desk.shown()[20, 30] == 1


def test_dragging_a_point_is_one_step_made_when_it_is_dropped(desk):
    desk.points.add((0, 20, 15))
    desk.points.mode = "select"
    steps, during = [], []
    desk.session.events.document_changed.connect(steps.append)
    drag(desk.points, (0, 20, 15), (0, 22, 20), (0, 25, 30), between=lambda: during.append(len(steps)))
    assert during == [0, 0]
    assert len(steps) == 1
    np.testing.assert_allclose(prompts(desk)[1, 0].points_yx, [(25, 30)])
    desk.binding.undo()
    np.testing.assert_allclose(desk.points.data, [(0, 20, 15)])


def test_a_box_counts_when_it_is_drawn(desk):
    desk.shapes.mode = "add_rectangle"
    steps = []
    desk.session.events.document_changed.connect(steps.append)
    drag(desk.shapes, (0, 5, 5), (0, 10, 12), (0, 20, 25), between=desk.binding.poll)
    assert len(steps) == 1
    np.testing.assert_allclose(prompts(desk)[1, 0].box_yx, (5, 5, 20, 25))


def test_a_lasso_counts_when_it_is_closed(desk):
    desk.shapes.mode = "add_polygon_lasso"
    steps = []
    desk.session.events.document_changed.connect(steps.append)
    corners = [(0, 5, 5), (0, 5, 15), (0, 5, 25), (0, 20, 25), (0, 20, 15), (0, 20, 5), (0, 12, 5)]
    drag(desk.shapes, *corners, between=desk.binding.poll)
    assert len(steps) == 1
    mask = prompts(desk)[1, 0].mask
    assert mask[12, 15]
    assert not mask[30, 15]


def test_dragging_a_box_or_its_handle_changes_the_prompt(desk):
    desk.shapes.add(np.array([(0, 5, 5), (0, 5, 25), (0, 20, 25), (0, 20, 5)]), shape_type="rectangle")
    desk.shapes.mode = "select"
    desk.shapes.selected_data = {0}
    drag(desk.shapes, (0, 10, 10), (0, 11, 12), (0, 13, 14))
    corners = desk.shapes.data[0][:, 1:]
    box_yx = prompts(desk)[1, 0].box_yx
    assert box_yx != (5, 5, 20, 25)
    np.testing.assert_allclose(box_yx, [*corners.min(axis=0), *corners.max(axis=0)], atol=1e-4)


def test_a_stroke_of_the_brush_is_one_step_made_when_the_button_is_let_go(desk):
    desk.labels.mode = "paint"
    desk.labels.selected_label = 1
    desk.labels.brush_size = 4
    steps, during = [], []
    desk.session.events.document_changed.connect(steps.append)
    positions = [(0, 20, 10), (0, 20, 20), (0, 20, 30)]
    drag(desk.labels, *positions, between=lambda: during.append((len(steps), int(desk.shown()[20, 15]))))
    assert during == [(0, 1), (0, 1)]  # seen at once, an edit later
    assert len(steps) == 1
    assert desk.session.masks.mask(1, 0)[20, 10:30].all()
    desk.labels.mode = "erase"
    drag(desk.labels, (0, 20, 25), (0, 20, 30))
    assert not desk.session.masks.mask(1, 0)[20, 27]
    desk.binding.undo()
    desk.binding.undo()
    assert not desk.shown().any()


def test_results_do_not_disturb_a_stroke(make_desk):
    desk = make_desk(stepped=True)
    desk.points.add((0, 20, 15))
    desk.runner.finish()
    desk.points.add((0, 22, 15))  # a preview that has not come yet
    desk.labels.mode = "paint"
    desk.labels.brush_size = 4
    drag(desk.labels, (0, 5, 40), (0, 5, 45), (0, 5, 50), between=desk.runner.step)
    assert desk.session.masks.mask(1, 0)[5, 40:50].all()
    desk.runner.finish()
    desk.binding.flush()
    assert desk.shown()[5, 45] == 1


class Watchful(DiscPredictor):
    """Says where it was asked to look before anybody clicked."""

    def __init__(self):
        super().__init__()
        self.looks = SimpleQueue()

    def look_at(self, inference_state, frame_idx, point_xy):
        self.looks.put((frame_idx, point_xy))
        yield


def rest(desk, *position):
    """Leave the pointer at a position for a while."""
    desk.viewer.cursor.position = position
    for _ in range(3):
        desk.binding.poll()


def test_the_model_looks_where_the_pointer_rests_ready_to_click_and_nowhere_else(make_desk):
    predictor = Watchful()
    desk = make_desk(scale=(1, 0.5, 0.5), predictor=predictor)
    desk.viewer.layers.selection.active = desk.points
    desk.points.mode = "add"
    rest(desk, 0, 5, 5)  # no prompt has loaded the model
    drag(desk.points, (0, 10, 15))
    rest(desk, 2, 10.5, 20)
    assert predictor.looks.get(timeout=30) == (2, (40.0, 21.0))
    rest(desk, 2, 300, 20)  # beside the image
    desk.points.mode = "pan_zoom"
    rest(desk, 2, 4, 8)
    desk.points.mode = "add"
    desk.viewer.layers.selection.active = desk.shapes
    rest(desk, 2, 4, 9)
    desk.viewer.layers.selection.active = desk.points
    for x in range(5):
        desk.viewer.cursor.position = (2, 4, x)  # it moves
        desk.binding.poll()
    rest(desk, 2, 1, 1)
    assert predictor.looks.get(timeout=30) == (2, (2.0, 2.0)), "nowhere in between"
    inside = np.zeros(desk.session.size, bool)
    inside[10:20, 10:20] = True
    desk.session.proposals.add(2, [inside], "drawn")
    desk.viewer.layers.selection.active = desk.binding.make_found()
    rest(desk, 2, 7, 7)  # there a click accepts what was found
    rest(desk, 2, 12, 12)
    assert predictor.looks.get(timeout=30) == (2, (24.0, 24.0)), "beside it, a click adds a cell"
    desk.session.close()
    assert predictor.looks.empty(), "each place once"
    assert set(prompts(desk)) == {(1, 0)}
