"""What was found, in a viewer without a window: shown, filtered, accepted and rejected, added to, and undone."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from app_model.types import KeyCode, KeyMod
from finding_predictor import FindingPredictor
from napari.utils.key_bindings import KeymapHandler

from napari_sam2.document.prompt_parts import Mask
from napari_sam2.viewer import proposal_layer, redraw
from napari_sam2.viewer.proposal_layer import OUTLINE, RULER, circle, outline
from sam2_core.errors import PromptError

SPOTS = {250: (5, 5), 200: (5, 30), 100: (25, 5)}
SHAPE = (3, 40, 60)


def movie():
    frames = np.zeros(SHAPE, np.uint8)
    for value, (y, x) in SPOTS.items():
        frames[:2, y : y + 9, x : x + 9] = value
    frames[1, 25:34, 5:14] = 0
    return frames


@pytest.fixture
def found(make_desk):
    """A desk on which all cells of frame 0 were looked for; of the three the last has a score of 0.39."""
    predictor = FindingPredictor()
    desk = make_desk(movie(), contrast_limits=(0, 255), predictor=predictor)
    desk.predictor, desk.deciding = predictor, desk.binding.deciding
    desk.deciding.find_cells()
    return desk


def drawn(desk, frame=0):
    desk.binding.poll()
    return np.asarray(desk.binding.found.layer.data[frame])


def click(desk, y, x, frame=0, dragged=0.0):
    """Press and release the mouse on the layer, as napari tells its layers of it."""
    event = SimpleNamespace(
        button=1, modifiers=(), type="mouse_press", pos=(0.0, 0.0), position=(float(frame), float(y), float(x))
    )
    told = desk.binding.found._on_press(desk.binding.found.layer, event)
    next(told)
    if dragged:
        event.type, event.pos = "mouse_move", (dragged, 0.0)
        next(told, None)
    event.type = "mouse_release"
    next(told, None)


def point_at(desk, y, x):
    desk.viewer.cursor.position = (0.0, float(y), float(x))


def test_what_is_sure_enough_is_outlined_with_a_circle_of_its_size(found):
    assert "Found: 2 cells of about 9 px, and 1 less sure." in found.messages
    assert found.deciding.counts() == (3, 2)
    plane = drawn(found)
    assert plane[5, 9] == plane[13, 5] == plane[5, 34] == OUTLINE
    assert not plane[9, 9]
    assert not plane[25, 9]
    assert np.count_nonzero(plane == RULER) == len(np.unique(circle((40, 60), 9.0, (slice(0, 40), slice(0, 60)))))
    assert not found.session.document.objects


def test_a_lower_score_shows_more_and_asks_nobody(found):
    found.deciding.proposals.least_score = 0.1
    assert found.deciding.counts() == (3, 3)
    assert drawn(found)[25, 9] == OUTLINE
    assert len(found.predictor.requests) == 1
    found.deciding.proposals.least_score = 0.9
    assert found.deciding.counts() == (3, 1)
    assert not drawn(found)[5, 34]


def test_each_frame_shows_its_own(found):
    found.binding.show_frame(1)
    assert found.deciding.counts() == (0, 0)
    assert not np.any(drawn(found, 1) == OUTLINE)
    found.deciding.find_cells()
    assert found.deciding.counts() == (2, 2)
    assert drawn(found, 1)[5, 9] == OUTLINE
    found.binding.show_frame(0)
    assert found.deciding.counts() == (3, 2)


def test_a_click_accepts_one_adds_one_or_chooses_an_object_and_undo_takes_each_back(found):
    click(found, 9, 9)
    assert list(found.session.document.objects) == [1]
    assert found.session.document.objects[1].score == pytest.approx(250 / 255)
    assert found.deciding.counts() == (2, 1)
    assert not drawn(found)[5, 9]
    assert found.shown()[9, 9] == 1
    click(found, 33, 50)
    assert found.session.document.prompts[2, 0].points_yx == ((33.0, 50.0),)
    assert len(found.points.data) == 1
    click(found, 9, 9)
    assert found.binding.current.object_id == 1
    assert len(found.session.document.prompts) == 2
    found.binding.undo()
    assert list(found.session.document.objects) == [1]
    found.binding.undo()
    assert not found.session.document.objects
    assert found.deciding.counts() == (3, 2)
    found.binding.undo()
    assert found.deciding.counts() == (0, 0)
    found.binding.redo()
    assert drawn(found)[5, 9] == OUTLINE


def test_a_drag_moves_the_view_and_decides_nothing(found):
    click(found, 9, 9, dragged=30.0)
    assert not found.session.document.objects
    click(found, 9, 9, dragged=2.0)
    assert list(found.session.document.objects) == [1]


def test_a_click_beside_the_image_is_refused_in_words(found):
    click(found, -20, 9)
    assert "outside" in found.messages[-1]
    assert not found.session.document.prompts


def test_all_of_it_goes_by_keys(found):
    handler = KeymapHandler()
    handler.keymap_providers = [found.binding.found.layer]
    point_at(found, 9, 9)
    handler.press_key(KeyCode.Delete)
    assert found.deciding.counts() == (2, 1)
    handler.press_key(KeyCode.Delete)
    assert "no found cell under the mouse" in found.messages[-1]
    found.deciding.proposals.least_score = 0.1
    handler.press_key(KeyCode.KeyU)  # the least sure one, wherever the mouse is
    assert found.labels._overlays["selection_box"].visible
    handler.press_key(KeyMod.Shift | KeyCode.KeyY)
    assert [one.score for one in found.session.document.objects.values()] == [pytest.approx(100 / 255)]
    handler.press_key(KeyMod.Shift | KeyCode.KeyS)
    assert sorted(found.session.document.objects) == [1, 2]
    assert found.deciding.counts() == (0, 0)
    handler.press_key(KeyMod.Shift | KeyCode.KeyF)
    assert "on top of objects that are there" in found.messages[-1]
    assert "rejected before" in found.messages[-1]


def test_the_next_one_is_surer_and_after_the_last_comes_the_first(found):
    found.deciding.proposals.least_score = 0.0
    scores = []
    for _ in range(4):
        found.deciding.next_proposal()
        scores.append(found.messages[-1].split("score ")[1][:4])
    assert scores == ["0.39", "0.78", "0.98", "0.39"]
    point_at(found, 9, 9)  # the mouse has moved: what it points at is meant
    found.deciding.reject_here()
    assert 250 / 255 not in [one.score for one in found.deciding.proposals.found(0).values()]


def test_what_is_accepted_propagates_as_any_object(found):
    found.deciding.accept_shown()
    assert not drawn(found).any()  # no circle either, though a less sure one is left
    assert found.deciding.counts() == (1, 0)
    found.binding.propagate("forward")
    assert found.session.status(1).tolist() == [1, 2, 2]


def test_deleting_the_layer_loses_nothing(found):
    layer = found.binding.found.layer
    found.viewer.layers.remove(layer)
    assert found.binding.found.layer is None
    assert not layer.keymap
    assert found.deciding.counts() == (3, 2)
    assert found.binding.make_found() in found.viewer.layers
    assert drawn(found)[5, 9] == OUTLINE
    found.binding.make_layers()
    assert len([one for one in found.viewer.layers if one.name.endswith("found")]) == 1


def test_nothing_is_painted_into_it_and_other_data_go_again(found):
    layer = found.binding.found.layer
    assert not layer.editable
    layer.data = np.ones(SHAPE, np.uint8)
    found.deciding.proposals.least_score = 0.2
    assert drawn(found)[5, 9] == OUTLINE


@pytest.mark.parametrize("stack", [True, False])
def test_any_labels_layer_is_taken_over_with_its_ids(found, stack):
    labels = np.zeros(SHAPE, np.int64)
    labels[0, 20:28, 40:50] = 70
    layer = found.viewer.add_labels(labels if stack else labels[0], name="cellpose")
    found.deciding.take_labels(layer)
    found.deciding.click((0.0, 24.0, 45.0))
    assert list(found.session.document.objects) == [70]
    assert found.session.document.objects[70].source == "cellpose"


def test_labels_of_another_size_or_of_too_few_frames_are_refused_in_words(found):
    with pytest.raises(PromptError, match="of shape"):
        found.deciding.take_labels(found.viewer.add_labels(np.ones((3, 5, 5), int)))
    found.binding.show_frame(2)
    with pytest.raises(PromptError, match="nothing for frame 2"):
        found.deciding.take_labels(found.viewer.add_labels(np.ones((2, 40, 60), int), name="short"))


def test_at_another_place_nothing_is_shown_and_nothing_is_decided(make_desk):
    volume = np.stack([movie(), movie()], axis=1)
    desk = make_desk(
        volume,
        contrast_limits=(0, 255),
        predictor=FindingPredictor(),
        axis_labels=("t", "z", "y", "x"),
        sliders=(0, 0, 0, 0),
    )
    deciding = desk.binding.deciding
    deciding.find_cells()
    assert deciding.counts() == (3, 2)
    desk.viewer.dims.set_point(1, 1)
    assert deciding.counts() == (0, 0)
    for decide in (deciding.accept_shown, deciding.reject_shown, deciding.link_shown, deciding.next_proposal):
        decide()
    assert not desk.session.document.objects
    assert "No found cell is shown on this frame." in desk.messages
    desk.viewer.dims.set_point(1, 0)
    assert deciding.counts() == (3, 2)


def test_where_a_timer_looks_outlines_and_masks_are_drawn_part_by_part(make_desk, monkeypatch):
    monkeypatch.setattr(proposal_layer, "NEW_AT_A_TIME", 2)
    monkeypatch.setattr(redraw, "AT_ONCE", 2)
    desk = make_desk(movie(), contrast_limits=(0, 255), predictor=FindingPredictor())
    desk.binding.follow_timer()
    deciding, made = desk.binding.deciding, []
    monkeypatch.setattr(proposal_layer, "outline", lambda mask, px: made.append(mask) or outline(mask, px))
    deciding.proposals.least_score = 0.1
    deciding.find_cells()
    assert len(made) <= 2
    while desk.binding.found.go_on():
        pass
    assert len(made) == 3
    assert drawn(desk)[25, 9] == OUTLINE
    deciding.accept_shown()
    assert len(desk.session.document.objects) == 3
    assert not desk.shown().any(), "many objects are not drawn with the edit"
    desk.binding.poll()
    desk.binding.poll()
    assert len(np.unique(desk.shown())) == 4


def test_a_search_is_cancelled_and_waits_for_nobody_to_click(make_desk):
    desk = make_desk(movie(), contrast_limits=(0, 255), predictor=FindingPredictor(), stepped=True)
    desk.binding.deciding.find_cells()
    desk.runner.step()
    assert desk.binding.work.is_finding
    assert not desk.binding.work.is_propagating
    desk.binding.deciding.find_cells()
    assert "search is running" in desk.messages[-1]
    desk.binding.stop()
    desk.runner.finish()
    assert desk.messages[-1] == "The search was stopped; nothing has changed."
    assert not desk.session.document.proposals


def test_a_click_during_a_search_is_answered_after_it(make_desk):
    desk = make_desk(movie(), contrast_limits=(0, 255), predictor=FindingPredictor(), stepped=True)
    desk.binding.deciding.find_cells()
    desk.runner.step()
    desk.points.add((0, 33, 50))
    desk.runner.finish()
    assert desk.binding.deciding.counts() == (3, 2)
    assert desk.session.masks.mask(1, 0)[33, 50]


def test_an_outline_lies_inside_and_small_ones_stay_open():
    inside = np.ones((9, 9), bool)
    rim = np.zeros((20, 20), np.uint8)
    rim.ravel()[outline(Mask.in_box((20, 20), 11, 11, inside), thickness=3)] = 1
    expected = np.zeros((20, 20), np.uint8)
    expected[11:20, 11:20] = 1
    expected[12:19, 12:19] = 0
    np.testing.assert_array_equal(rim, expected)
