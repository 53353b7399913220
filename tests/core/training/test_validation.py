"""Validation: the protocol's click, the windows, and scores of a model that is known to be right or wrong."""

from __future__ import annotations

import numpy as np
import torch

from sam2_core.scoring.ground_truth import farthest_pixel, still_targets
from sam2_core.scoring.metrics import movie_metrics
from sam2_core.training.rollout import FrameMemory, recall
from sam2_core.training.validation import (
    FollowedMovie,
    LabelledImage,
    StillSettings,
    evaluate_movie,
    evaluate_stills,
    still_tasks,
)


def squares() -> LabelledImage:
    labels = np.zeros((80, 120), dtype=np.int64)
    labels[10:30, 20:40] = 1
    labels[50:66, 80:100] = 2
    labels[0:20, 90:110] = 3  # touches the border
    labels[40:44, 4:8] = 4  # too small
    return LabelledImage(np.where(labels > 0, 200, 30).astype(np.uint8), labels)


def test_objects_at_the_border_and_specks_are_not_judged():
    assert [target.object_id for target in still_targets(squares().labels)] == [1, 2]
    assert [target.object_id for target in still_targets(squares().labels, most=1)] == [1]


def test_the_click_is_the_first_of_the_deepest_pixels():
    assert farthest_pixel(squares().labels == 1) == (19, 29)
    ring = np.zeros((30, 30), dtype=bool)
    ring[5:25, 5:25] = True
    ring[9:21, 9:21] = False
    y, x = farthest_pixel(ring)
    assert ring[y, x]


def test_windows_put_the_click_on_the_object():
    for task in still_tasks(squares(), StillSettings(span=0.4, size=64)):
        assert task.window.shape == (64, 64)
        x, y = (round(value) for value in task.click_xy)
        assert task.window[y, x] > 0.7
        assert task.area_outside == 0


def test_every_judged_object_gets_an_iou(tiny_model):
    ious = evaluate_stills(tiny_model(), [squares(), squares()], StillSettings(span=0.4, size=64))
    assert ious.shape == (4,)
    assert ((ious >= 0) & (ious <= 1)).all()


def test_a_movie_is_followed_from_the_first_to_the_last_frame_of_each_object(tiny_model):
    still = squares()
    labels = np.stack([still.labels] * 4)
    labels[0][labels[0] == 2] = 0  # 2 begins on frame 1
    labels[3][labels[3] == 1] = 0  # 1 ends on frame 2
    images = np.stack([still.image] * 4)
    scores = evaluate_movie(tiny_model(), FollowedMovie(images, labels, size=64))
    assert sorted(score.distance for score in scores) == [0, 0, 1, 1, 2, 2]
    assert 0 <= movie_metrics(scores).j <= 1
    first = evaluate_movie(tiny_model(), FollowedMovie(images, labels, size=64), only_first_frame=True)
    assert [score.distance for score in first] == [0, 1, 2]


def test_a_movie_without_objects_has_no_score(tiny_model):
    labels = np.zeros((2, 64, 64), dtype=np.int64)
    scores = evaluate_movie(tiny_model(), FollowedMovie(labels.astype(np.uint8), labels, size=64))
    assert scores == []
    assert np.isnan(movie_metrics(scores).j)


def test_memory_is_picked_as_the_predictors_do(tiny_model):
    model = tiny_model()
    seen: dict[str, list[tuple[int, float]]] = {}

    class Spy(type(model)):  # type: ignore[misc]
        def memory_tokens(self, spatial, pointers, pointer_span):
            seen["spatial"] = [(int(features[0, 0, 0, 0]), slot) for features, slot in spatial]
            seen["pointers"] = [(int(pointer[0, 0]), distance) for pointer, distance in pointers]
            return super().memory_tokens(spatial, pointers, pointer_span)

    model.__class__ = Spy
    frames = range(20)
    memories = [
        FrameMemory(frame, frame == 0, torch.full((1, 8, 4, 4), float(frame)), torch.full((1, 32), float(frame)))
        for frame in frames
    ]
    recall(model, memories, 20)
    assert sorted(seen["spatial"]) == [(0, 6), (14, 5), (15, 4), (16, 3), (17, 2), (18, 1), (19, 0)]
    assert seen["pointers"][0] == (0, 20.0)
    assert seen["pointers"][1:] == [(frame, float(20 - frame)) for frame in range(19, 4, -1)]
