"""The numbers of the protocol, from the IoU of every judged object on every frame.

`FrameScore` is one object on one frame. Stills: mean IoU, and recall, the share with IoU of at least 0.5. Movies: J,
recall and J@10 over the frames behind the prompted one, where an object without a mask counts 0; and presence: how
often an object that is there has a mask, and one that left has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sam2_core.scoring.ground_truth import Mask

GOOD_IOU = 0.5
EARLY_FRAMES = 10


@dataclass(frozen=True, slots=True)
class FrameScore:
    """One object on one frame, `distance` frames after its prompt.

    iou: 0 to 1; None where the object is truly not in the image. has_mask: whether any pixel was found.
    """

    object_id: int
    frame_index: int
    distance: int
    iou: float | None
    has_mask: bool


@dataclass(frozen=True, slots=True)
class StillMetrics:
    """Mean IoU and the share of objects with IoU >= 0.5; nan where there are none."""

    objects: int
    mean_iou: float
    recall: float


@dataclass(frozen=True, slots=True)
class MovieMetrics:
    """What tracking reached; a share that has nothing to count is nan.

    Attributes
    ----------
    objects, object_frames
        How many ids, and frames of them behind the prompted one.
    j, recall, j10
        Mean IoU, share with IoU >= 0.5, and mean IoU over the first 10 frames, behind the prompted frame.
    mean_iou_all
        Mean IoU with the prompted frame.
    shown_with_mask
        Share of the frames with the object, behind the prompted one, that have a mask.
    gone_without_mask, gone_frames
        Share of the frames without the object that have none, and how many there are.
    """

    objects: int
    object_frames: int
    j: float
    recall: float
    j10: float
    mean_iou_all: float
    shown_with_mask: float
    gone_without_mask: float
    gone_frames: int


def iou(first: Mask, second: Mask, unseen: int = 0) -> float:
    """Return the intersection over the union of two masks of one shape; two empty ones agree (1).

    unseen: pixels of one of them that lie outside of what is compared.
    """
    union = int(np.count_nonzero(first | second)) + unseen
    return int(np.count_nonzero(first & second)) / union if union else 1.0


def score_frame(object_id: int, frame_index: int, distance: int, truth: Mask, found: Mask) -> FrameScore:
    """Return the score of one object on one frame from its masks (H, W)."""
    value = iou(truth, found) if truth.any() else None
    return FrameScore(object_id, frame_index, distance, value, bool(found.any()))


def still_metrics(ious: Sequence[float]) -> StillMetrics:
    """Return mean and recall of the IoUs of all objects of all stills."""
    return StillMetrics(len(ious), _mean(ious), _mean([value >= GOOD_IOU for value in ious]))


def movie_metrics(scores: Iterable[FrameScore]) -> MovieMetrics:
    """Return the numbers of a movie; every object-frame weighs the same."""
    listed = list(scores)
    shown = [(score, score.iou) for score in listed if score.iou is not None]
    behind = [(score, value) for score, value in shown if score.distance > 0]
    gone = [score for score in listed if score.iou is None and score.distance > 0]
    return MovieMetrics(
        objects=len({score.object_id for score in listed}),
        object_frames=len(behind),
        j=_mean([value for _, value in behind]),
        recall=_mean([value >= GOOD_IOU for _, value in behind]),
        j10=_mean([value for score, value in behind if score.distance <= EARLY_FRAMES]),
        mean_iou_all=_mean([value for _, value in shown]),
        shown_with_mask=_mean([score.has_mask for score, _ in behind]),
        gone_without_mask=_mean([not score.has_mask for score in gone]),
        gone_frames=len(gone),
    )


def object_means(scores: Iterable[FrameScore]) -> dict[int, float]:
    """Return object id -> mean IoU behind its prompted frame, for the objects that exist there."""
    values: dict[int, list[float]] = {}
    for score in scores:
        if score.iou is not None and score.distance > 0:
            values.setdefault(score.object_id, []).append(score.iou)
    return {object_id: _mean(found) for object_id, found in values.items()}


def _mean(values: Sequence[float | bool]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
