from __future__ import annotations

import numpy as np
import pytest

from sam2_core.finding.votes import dense_instances


def maps_of(labels):
    """Maps as a perfect head would make them."""
    rows, columns = np.indices(labels.shape)
    offsets, diameters = np.zeros((2, *labels.shape), np.float32), np.full(labels.shape, 9.0, np.float32)
    for label in range(1, labels.max() + 1):
        mask = labels == label
        offsets[:, mask] = columns[mask].mean() - columns[mask], rows[mask].mean() - rows[mask]
        diameters[mask] = np.sqrt(4 * mask.sum() / np.pi)
    return np.where(labels > 0, 3.0, -3.0).astype(np.float32), offsets, diameters


def ellipses(*shapes):
    rows, columns = np.indices((64, 64))
    labels = np.zeros((64, 64), int)
    for label, (x, y, a, b) in enumerate(shapes, start=1):
        labels[((columns - x) / a) ** 2 + ((rows - y) / b) ** 2 <= 1] = label
    return labels


@pytest.mark.parametrize(
    "shapes",
    [
        [(20, 20, 5, 5)],
        [(20, 20, 5, 5), (29, 20, 5, 5), (25, 28, 5, 5)],  # touching
        [(20, 20, 3, 12), (26, 20, 3, 12)],  # rods side by side
        [(32, 32, 25, 25), (5, 5, 2, 2)],  # large and small
        [(0, 30, 5, 5), (63, 63, 6, 6)],  # at the border
    ],
)
def test_instances_are_the_objects_that_the_pixels_point_to(shapes):
    labels = ellipses(*shapes)
    found = dense_instances(*maps_of(labels))
    assert len(found) == len(shapes)
    for each in found:
        label = labels[int(each.inside_xy[1]), int(each.inside_xy[0])]
        truth = labels == label
        assert (truth & each.mask).sum() / (truth | each.mask).sum() > 0.9
        assert each.diameter == pytest.approx(np.sqrt(4 * truth.sum() / np.pi), rel=0.2)


def test_offsets_that_miss_the_centre_by_a_pixel_or_two_leave_objects_whole(rng):
    labels = ellipses((20, 20, 6, 6), (33, 20, 6, 6))
    foreground, offsets, diameters = maps_of(labels)
    offsets += rng.normal(0, 1, offsets.shape).astype(np.float32)
    assert len(dense_instances(foreground, offsets, diameters)) == 2


def test_nothing_is_found_where_there_is_no_foreground():
    assert dense_instances(*maps_of(np.zeros((64, 64), int))) == []
