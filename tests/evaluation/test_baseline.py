from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.evaluation.baseline import ClassicalFrame, next_region, region_under
from napari_sam2.evaluation.movies import MovieTask, run_baseline
from napari_sam2.evaluation.stills import Still, baseline_still
from sam2_core.scoring.ground_truth import movie_targets, typical_diameter
from sam2_core.scoring.metrics import iou, movie_metrics

RADIUS = 9


def discs(centres, shape=(80, 120)):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, np.uint16)
    for value, (y, x) in enumerate(centres, 1):
        labels[np.hypot(rows - y, columns - x) <= RADIUS] = value
    return labels


def painted(labels, rng, inside=180, outside=60):
    image = np.where(labels > 0, inside, outside) + rng.normal(0, 5, labels.shape)
    return image.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(("inside", "outside"), [(180, 60), (60, 180)], ids=["bright", "dark"])
def test_blobs_are_found_and_touching_ones_split(rng, inside, outside):
    labels = discs([(25, 25), (25, 42), (55, 90)])  # the first two touch
    ious = baseline_still(Still("discs", painted(labels, rng, inside, outside), labels))
    assert len(ious) == 3
    assert min(ious) > 0.85


def test_colour_is_averaged(rng):
    labels = discs([(30, 30), (50, 80)])
    grey = painted(labels, rng)
    assert min(baseline_still(Still("colour", np.stack([grey] * 3, -1), labels))) > 0.85


def test_the_next_region_is_that_of_most_overlap():
    regions = np.zeros((10, 10), int)
    regions[:5], regions[5:] = 1, 2
    before = np.zeros((10, 10), bool)
    before[3:9, 3:6] = True
    assert np.array_equal(next_region(regions, before), regions == 2)
    assert not next_region(np.zeros_like(regions), before).any()


def test_blobs_are_followed_until_they_are_lost(rng):
    frames = [discs([(25, 20 + 3 * t), (55, 90 - 3 * t)]) for t in range(6)]
    labels = np.stack(frames)
    movie = np.stack([painted(frame, rng) for frame in frames])
    task = MovieTask(movie, labels, movie_targets(labels), typical_diameter(labels))
    assert movie_metrics(run_baseline(task).scores.values()).j > 0.85
    movie[3:] = painted(discs([(70, 110)]), rng)  # from here on nothing overlaps
    metrics = movie_metrics(run_baseline(task).scores.values())
    assert metrics.shown_with_mask == pytest.approx(2 / 5)


def test_an_even_image_gives_some_region_and_no_error():
    frame = ClassicalFrame(np.full((30, 30), 7, np.uint8), 10.0)
    assert region_under(frame, (15, 15)).any()
    assert iou(region_under(frame, (15, 15)), np.ones((30, 30), bool)) > 0.2
