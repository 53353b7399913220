from __future__ import annotations

import numpy as np
import pytest
from truth_predictors import TruthPredictor, drifting, nothing, perfect

from napari_sam2.evaluation.movies import RUNS, MovieTask, run_movie
from sam2_core.scoring.ground_truth import MovieScope, movie_targets
from sam2_core.scoring.metrics import movie_metrics
from sam2_core.training.synthetic import MovieSettings, make_movie

SIDE = 8


def squares(frames=14, width=160):
    """Two squares of 8 px that stand still, and from frame 3 on a third."""
    labels = np.zeros((frames, 50, width), np.uint16)
    labels[:, 10:18, 20:28] = 1
    labels[:, 30:38, 40:48] = 2
    labels[3:, 10:18, 70:78] = 3
    return labels


def task_for(labels, **selection):
    movie = np.zeros(labels.shape, np.uint8)
    return MovieTask(movie, labels, movie_targets(labels, MovieScope(**selection)), 9.0)


def measured(labels, draw, name):
    run = run_movie(TruthPredictor(labels, draw), task_for(labels), name)
    return movie_metrics(run.scores.values()), run


@pytest.mark.parametrize("name", RUNS)
def test_a_perfect_predictor_reaches_one_on_a_synthetic_movie(name):
    movie = make_movie(MovieSettings(frames=12), seed=11)
    metrics, run = measured(movie.labels, perfect, name)
    print("synthetic movie with seed 11")
    assert metrics.objects > 3
    assert (metrics.j, metrics.recall, metrics.j10, metrics.mean_iou_all) == (1.0, 1.0, 1.0, 1.0)
    assert metrics.shown_with_mask == 1.0
    assert metrics.gone_frames == 0 or metrics.gone_without_mask == 1.0
    assert run.corrections == 0


@pytest.mark.parametrize("name", RUNS)
def test_an_empty_predictor_reaches_zero(name):
    metrics, _ = measured(squares(), nothing, name)
    assert (metrics.j, metrics.recall, metrics.mean_iou_all, metrics.shown_with_mask) == (0.0, 0.0, 0.0, 0.0)
    assert metrics.object_frames == 13 + 13 + 10


def drifted_iou(frames):
    overlap = max(0, SIDE - frames)
    return overlap / (2 * SIDE - overlap)


@pytest.mark.parametrize("name", ["click", "box"])
def test_a_drifting_predictor_reaches_what_a_hand_computes(name):
    metrics, _ = measured(squares(), drifting, name)
    lives = [drifted_iou(k) for last in (13, 13, 10) for k in range(1, last + 1)]
    early = [drifted_iou(k) for _ in range(3) for k in range(1, 11)]
    assert metrics.j == pytest.approx(np.mean(lives))
    assert metrics.j10 == pytest.approx(np.mean(early))
    assert metrics.recall == pytest.approx(np.mean(np.array(lives) >= 0.5))


def test_corrections_are_given_where_iou_first_falls_under_a_half_and_no_more_than_three():
    """Drift passes 0.5 after 3 pixels (10/22 is less than 0.5): corrected on the third frame after each prompt."""
    labels = squares(frames=20)
    metrics, run = measured(labels, drifting, "corrections")
    assert drifted_iou(2) >= 0.5 > drifted_iou(3)
    expected = []
    for last in (19, 19, 16):
        since = [k % 3 if k < 9 else k - 9 for k in range(1, last + 1)]
        expected += [drifted_iou(k) for k in since]
    assert metrics.j == pytest.approx(np.mean(expected))
    assert run.corrections == 9
    assert {frame for object_id, frame in run.scores if object_id == 3} == set(range(3, 20))


def test_a_correction_on_the_prompted_frame_answers_the_mask_that_the_clicks_before_it_left():
    labels = squares(frames=5)
    predictor = TruthPredictor(labels, nothing)
    run = run_movie(predictor, task_for(labels, objects=1), "corrections")
    assert run.corrections == 3
    assert [call[0] for call in predictor.calls] == [0, 0, 0, 0]
    assert [(len(call[2]), call[5]) for call in predictor.calls] == [(1, False)] * 4  # nothing that was said is cleared
    assert all(set(call[3]) == {1} for call in predictor.calls)


def test_corrections_go_on_behind_the_frame_and_leave_the_past(monkeypatch):
    labels = squares(frames=9)
    predictor = TruthPredictor(labels, drifting)
    run_movie(predictor, task_for(labels, objects=1), "corrections")
    assert [call[0] for call in predictor.calls] == [0, 3, 6]
    for _, _, points, clicked, *_ in predictor.calls[1:]:
        x, y = points[-1].astype(int)
        assert (labels[0, y, x] == 1) == bool(clicked[-1])


def test_prompts_come_in_xy_on_the_first_frame():
    labels = squares()
    clicks, boxes = TruthPredictor(labels), TruthPredictor(labels)
    run_movie(clicks, task_for(labels), "click")
    run_movie(boxes, task_for(labels), "box")
    assert [(call[0], call[1]) for call in clicks.calls] == [(0, 1), (0, 2), (3, 3)]
    assert clicks.calls[0][2].tolist() == [[23.0, 13.0]]
    assert boxes.calls[2][4].tolist() == [70.0, 10.0, 77.0, 17.0]


def test_frames_without_the_object_count_for_presence_alone():
    labels = np.zeros((8, 40, 60), np.uint16)
    for t in range(5):
        labels[t, 10:20, 10 + 10 * t : 20 + 10 * t] = 1  # reaches the border on frame 4, then is gone
    metrics, _ = measured(labels, perfect, "click")
    assert (metrics.object_frames, metrics.gone_frames, metrics.gone_without_mask) == (4, 3, 1.0)
    metrics, _ = measured(labels, lambda truth, since: np.ones_like(truth), "click")
    assert metrics.gone_without_mask == 0.0


def test_every_object_frame_is_ticked():
    labels = squares()
    task, ticks = task_for(labels), []
    run = run_movie(TruthPredictor(labels), task, "click", lambda: ticks.append(1))
    assert len(ticks) == task.object_frames == len(run.scores) == 14 + 14 + 11
