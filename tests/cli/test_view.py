from __future__ import annotations

import json

import numpy as np
import pytest

from napari_sam2.engine.view import ViewChoice, ViewRequest, choose_view, view_request
from napari_sam2.session import Prompt, typical_diameter
from napari_sam2.stacks import open_stack
from sam2_core import WindowedPredictor
from sam2_core.errors import StackError
from sam2_core.windowed.window import usual_span, window_side

TRACK = "track movie.tif --prompts prompts.json --out labels.tif"
CLICK = Prompt(1, 0, ((10.0, 12.0),), (1,))


def disc_mask(area):
    mask = np.zeros((300, 300), bool)
    mask.flat[:area] = True
    return mask


def chosen(predictor, view, diameter, size=(1024, 1024)):
    return choose_view(ViewRequest(ViewChoice(view), diameter, "as given"), predictor, size)


def test_small_objects_in_a_large_field_are_looked_at_in_windows(predictor):
    choice = chosen(predictor, "auto", 60)
    assert isinstance(choice.predictor, WindowedPredictor)
    side = choice.predictor.side_on((1024, 1024))
    assert window_side(60, usual_span(256)) < side < 1.3 * window_side(60, usual_span(256))
    assert f"windows of {side} x {side} px" in choice.sentence
    assert "an object of 60 px (as given) takes 15 of the model's 256 pixels" in choice.sentence


def test_objects_that_the_model_sees_well_are_looked_at_on_whole_frames(predictor):
    assert chosen(predictor, "auto", 150).predictor is predictor
    predictor.image_size = 1024
    assert chosen(predictor, "auto", 60).predictor is predictor


def test_a_view_can_be_asked_for(predictor):
    assert chosen(predictor, "full", 60).predictor is predictor
    assert isinstance(chosen(predictor, "windows", 150).predictor, WindowedPredictor)


def test_a_window_as_large_as_the_frame_is_the_frame(predictor):
    assert chosen(predictor, "windows", 60, (220, 240)).predictor is predictor


def test_without_a_size_the_whole_frame_is_looked_at_and_a_large_one_gets_a_hint(predictor):
    assert chosen(predictor, "auto", None).predictor is predictor
    assert "--object-diameter" in chosen(predictor, "auto", None).sentence
    assert chosen(predictor, "auto", None, (300, 400)).sentence == "View: full frame."
    assert chosen(predictor, "full", None).sentence == "View: full frame."


def test_the_size_is_told_by_first_boxes_and_masks():
    boxes = [Prompt(2, 0, box_yx=(0, 0, 40, 40)), Prompt(3, 1, box_yx=(0, 0, 20, 80)), CLICK]
    assert typical_diameter(boxes) == 40
    assert typical_diameter([*boxes, Prompt(3, 0, ((5.0, 5.0),), (1,))]) == 40
    assert typical_diameter([Prompt(1, 4, mask=disc_mask(707))]) == pytest.approx(30, abs=0.01)
    assert typical_diameter([CLICK]) is None


@pytest.mark.parametrize(("view", "diameter"), [("auto", 0), ("auto", float("nan")), ("full", -3)])
def test_a_size_that_is_none_is_an_error(view, diameter):
    with pytest.raises(StackError, match="--object-diameter"):
        view_request(ViewChoice(view), diameter)


@pytest.mark.parametrize(("words", "windows"), [("", False), ("--object-diameter 3", True), ("--view windows", True)])
def test_the_command_says_how_it_looked(work, predictor, run, words, windows):
    boxes = [{"object_id": 3, "frame": 2, "box_yx": [8, 10, 13, 15]}]
    entries = boxes if "--view" in words else [{"object_id": 3, "frame": 2, "points_yx": [[10, 12]]}]
    head = {"format": "napari-sam2-prompts", "version": 1}
    (work / "prompts.json").write_text(json.dumps({**head, "prompts": entries}))
    code, out, err = run(f"{TRACK} {words}")
    assert code == 0
    assert ("View: windows of" in out) == ("View: windows of" in err) == windows
    size = "an object of 11.1 px (estimated from the first mask) takes 47 of the model's 256 pixels"
    assert (f"View: full frame; {size}" in out) == (not windows)
    labels = np.stack(list(open_stack(work / "labels.tif").movie()))
    assert all(3 in frame for frame in labels[2:])


def test_a_run_is_not_continued_with_another_view(work, predictor, run):
    def fail(frame):
        if frame == 6:
            raise MemoryError("no room")

    predictor.on_frame = fail
    assert run(TRACK)[0] == 3
    predictor.on_frame = lambda frame: None
    code, _, err = run(f"{TRACK} --resume --object-diameter 3")
    assert (code, "was started differently" in err) == (1, True)
    assert run(f"{TRACK} --resume")[0] == 0


@pytest.mark.parametrize(("side", "is_sure", "hints"), [(512, False, True), (512, True, False), (256, False, False)])
def test_a_size_that_the_model_measured_itself_is_doubted(predictor, side, is_sure, hints):
    request = ViewRequest(ViewChoice.auto, 80.0, "estimated from the first mask", is_sure)
    sentence = choose_view(request, predictor, (side, side)).sentence
    assert ("much smaller than that, give --object-diameter" in sentence) == hints
