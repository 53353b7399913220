from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_sam2.document.prompt import Prompt
from napari_sam2.engine.give_prompt import give_prompt


class Recorder:
    def __init__(self):
        self.calls = []

    def add_new_mask(self, state, frame_idx, obj_id, mask, need_output=True):
        self.calls.append("mask")
        return frame_idx, [obj_id], np.ones((1, 1, 50, 60), np.float32)

    def add_new_points_or_box(
        self, state, frame_idx, obj_id, points=None, labels=None, box=None, clear_old_points=True, need_output=True
    ):
        call = [None if points is None else points.tolist(), None if labels is None else labels.tolist()]
        self.calls.append((*call, None if box is None else box.tolist(), clear_old_points))
        return frame_idx, [obj_id], np.ones((1, 1, 50, 60), np.float32)


WHOLE = Prompt(
    1,
    3,
    ((10.0, 20.0), (11.0, 21.0), (12.0, 22.0)),
    (1, 0, 1),
    box_yx=(5.0, 6.0, 30.0, 40.0),
    mask=np.ones((50, 60), bool),
)


def test_mask_first_then_the_box_then_click_after_click():
    recorder = Recorder()
    give_prompt(recorder, None, WHOLE)
    assert recorder.calls == [
        "mask",
        (None, None, [6.0, 5.0, 40.0, 30.0], True),
        ([[20.0, 10.0]], [1], None, False),
        ([[21.0, 11.0]], [0], None, False),
        ([[22.0, 12.0]], [1], None, False),
    ]


def test_only_clicks_that_were_added_are_given():
    recorder = Recorder()
    give_prompt(recorder, None, WHOLE, said=2)
    assert recorder.calls == [([[22.0, 12.0]], [1], None, False)]


def test_a_prompt_of_clicks_alone_begins_with_the_first():
    recorder = Recorder()
    give_prompt(recorder, None, Prompt(1, 0, ((1.0, 2.0),), (1,)))
    assert recorder.calls == [([[2.0, 1.0]], [1], None, False)]


def test_a_box_alone_is_one_call():
    recorder = Recorder()
    give_prompt(recorder, None, Prompt(1, 0, box_yx=(1.0, 2.0, 3.0, 4.0)))
    assert recorder.calls == [(None, None, [2.0, 1.0, 4.0, 3.0], True)]


def test_a_prompt_extends_another_only_by_clicks_at_its_end():
    shorter = replace(WHOLE, points_yx=WHOLE.points_yx[:2], labels=WHOLE.labels[:2])
    assert WHOLE.extends(shorter)
    assert replace(WHOLE, mask=WHOLE.mask.copy()).extends(shorter)
    assert not shorter.extends(WHOLE)
    assert not WHOLE.extends(WHOLE)
    assert not WHOLE.extends(replace(shorter, labels=(1, 1)))
    assert not WHOLE.extends(replace(shorter, box_yx=None))
    assert not WHOLE.extends(replace(shorter, mask=np.zeros((50, 60), bool)))
    assert not WHOLE.extends(replace(shorter, mask=None))
