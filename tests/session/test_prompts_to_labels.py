"""Prompts go in and labels come out: which frames have which objects, with discs and with random weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from disc_predictor import DiscPredictor

from napari_sam2.session import CancelToken, Prompt, PropagateRequest, Session
from napari_sam2.stacks import open_stack
from sam2_core.build import build_model
from sam2_core.config import load_config
from sam2_core.inference.video_predictor import SAM2VideoPredictor

MASK = np.zeros((48, 64), bool)
MASK[10:30, 30:50] = True
PROMPTS = [
    Prompt(2, 1, ((20.0, 30.0), (5.0, 5.0)), (1, 0)),
    Prompt(5, 3, ((30.0, 40.0),), (1,), (20.0, 30.0, 40.0, 50.0)),
    Prompt(7, 3, ((20.0, 40.0),), (1,), mask=MASK),
    Prompt(2, 4, mask=MASK),
]
SHOWN = {
    "forward": {2: range(1, 6), 5: range(3, 6), 7: range(3, 6)},
    "backward": {2: range(5), 5: range(4), 7: range(4)},
    "both": {2: range(6), 5: range(6), 7: range(6)},
}


def prompted(predictor, prompts, shape=(10, 40, 60)):
    images = np.random.default_rng(2).integers(0, 5000, shape).astype(np.uint16)
    session = Session.open(images, axes="TYX", predictor=predictor)
    session.set_prompts({(one.object_id, one.frame): one for one in prompts})
    return session


def tracked(predictor, prompts, direction, path):
    """The labels of all frames, as they are written."""
    with prompted(predictor, prompts) as session:
        list(session.propagate(direction))
        session.export_labels(path)
    return list(open_stack(path).movie())


def click(object_id, frame, y, x):
    return Prompt(object_id, frame, ((y, x),), (1,))


def centre_yx(labels, value):
    return tuple(np.argwhere(labels == value).mean(axis=0))


def test_each_object_is_labelled_with_its_id_and_followed(tmp_path):
    labels = tracked(DiscPredictor(), [click(3, 0, 10.0, 12.0), click(7, 0, 30.0, 40.0)], "forward", tmp_path / "a.tif")
    assert len(labels) == 10
    assert set(np.unique(labels[9])) == {0, 3, 7}
    assert centre_yx(labels[9], 3) == (10.0, 21.0)
    assert labels[0].dtype == np.uint16


def test_points_and_boxes_reach_the_model_as_xy():
    predictor = DiscPredictor()
    with prompted(predictor, [Prompt(1, 0, ((10.0, 12.0), (11.0, 13.0)), (1, 0), (4.0, 5.0, 20.0, 30.0))]) as session:
        list(session.preview())
    box, *clicks = [call[1:] for call in predictor.calls if call[0] == "points"][-3:]
    assert (*box[:4], box[4].tolist()) == (0, 1, None, None, [5.0, 4.0, 30.0, 20.0])
    assert [(*call[:2], call[2].tolist(), call[3].tolist(), call[4]) for call in clicks] == [
        (0, 1, [[12.0, 10.0]], [1], None),
        (0, 1, [[13.0, 11.0]], [0], None),
    ]


def test_forward_an_object_is_absent_before_its_prompt(tmp_path):
    labels = tracked(DiscPredictor(), [click(1, 0, 9.0, 9.0), click(2, 4, 30.0, 30.0)], "forward", tmp_path / "a.tif")
    assert [2 in frame for frame in labels] == [False] * 4 + [True] * 6


def test_both_directions_give_every_object_on_every_frame(tmp_path):
    labels = tracked(DiscPredictor(), [click(1, 0, 9.0, 9.0), click(2, 4, 30.0, 30.0)], "both", tmp_path / "a.tif")
    assert all(1 in frame and 2 in frame for frame in labels)


def test_backward_from_the_first_frame_still_gives_that_frame(tmp_path):
    labels = tracked(DiscPredictor(), [click(1, 0, 9.0, 9.0)], "backward", tmp_path / "a.tif")
    assert [1 in frame for frame in labels] == [True] + [False] * 9


def test_large_ids_get_a_wider_type(tmp_path):
    labels = tracked(DiscPredictor(), [click(70_000, 0, 9.0, 9.0)], "forward", tmp_path / "a.tif")
    assert labels[0].dtype == np.uint32
    assert labels[0].max() == 70_000


def test_cancel_stops_after_the_frame_in_work():
    seen, token = [], CancelToken()

    def on_frame(frame):
        seen.append(frame)
        if frame == 3:
            token.cancel()

    with prompted(DiscPredictor(on_frame), [click(1, 0, 9.0, 9.0)]) as session:
        found = [
            update.frame_index for update in session.run(session.propagate_job(PropagateRequest("forward")), token)
        ]
    assert seen == [0, 1, 2, 3]
    assert found[1:] == [0, 1, 2, 3]  # behind the prompt's own


@pytest.fixture(scope="module")
def real():
    torch.manual_seed(0)
    return SAM2VideoPredictor(build_model(load_config("cells_nano", image_size=64)))


@pytest.mark.parametrize("size", [(40, 1), (1, 40), (40, 3), (3, 40)])
def test_frames_that_are_as_thin_as_channels_are_frames_where_that_is_said(real, tmp_path, size):
    spot = tuple(side // 2 for side in size)
    with prompted(real, [click(1, 0, *spot)], (3, *size)) as session:
        list(session.propagate("forward"))
        assert session.movie.shape == (3, *size)
        session.export_labels(tmp_path / "a.tif")
    assert [frame.shape for frame in open_stack(tmp_path / "a.tif").movie()] == [size] * 3


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_every_frame_of_a_leg_comes_once_and_in_order(real, direction):
    with prompted(real, PROMPTS, (6, 48, 64)) as session:
        updates = [update for update in session.propagate(direction) if update.leg != "prompt"]
        decided = {key for key, _ in session.masks.items()}
    for leg, sign in (("forward", 1), ("backward", -1)):
        frames = [sign * update.frame_index for update in updates if update.leg == leg]
        assert frames == sorted(set(frames))
    assert decided == {(one, frame) for one, frames in SHOWN[direction].items() for frame in frames}
