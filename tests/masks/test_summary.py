from __future__ import annotations

import numpy as np

from napari_sam2.masks.summary import LabelCounts, ObjectSummary


def test_objects_are_counted_over_frames_and_missing_ones_are_listed():
    counts = LabelCounts([4, 2])
    counts.add(1, np.array([[0, 2, 2], [0, 0, 0]]))
    counts.add(5, np.array([[2, 2, 2], [2, 0, 9]]))
    assert counts.rows() == (
        ObjectSummary(2, 1, 5, 2, 3.0),
        ObjectSummary(4, None, None, 0, 0.0),
        ObjectSummary(9, 5, 5, 1, 1.0),
    )
