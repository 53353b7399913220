"""How well all objects of a frame were found: AP, F1 and SEG of a label image against the truth.

Labels (H, W) are whole numbers, 0 for background, and every other value is an object; so no two objects of one image
share a pixel, and one value is one object even in several pieces. Order: `pair_ious` -> `matched_count` at a threshold
-> `frame_detection` -> `detection_metrics` of several frames. Which frames are judged is the caller's.

AP at a threshold is TP / (TP + FP + FN), as the Data Science Bowl 2018, StarDist and Cellpose count it: pairs of a
truth and a found object whose IoU is at least the threshold, each object in one pair at most, as many pairs as
possible. It is no area under a curve. SEG is that of the Cell Tracking Challenge (Maska et al. 2014): the mean over
the truth of the IoU with the found object that covers more than half of it, 0 where none does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from sam2_core.scoring.ground_truth import Labels

AP_THRESHOLDS = tuple(float(value) for value in np.arange(10, 20) / 20)
"""0.5, 0.55, ... 0.95."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Every truth object (N) of a frame beside every found one (M).

    Attributes
    ----------
    truth_ids, found_ids
        (N,) and (M,) label values, ascending.
    ious
        (N, M) intersection over union, 0 to 1.
    covered
        (N, M) share of the truth object's pixels that the found object holds.
    """

    truth_ids: NDArray[np.int64]
    found_ids: NDArray[np.int64]
    ious: NDArray[np.float64]
    covered: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FrameDetection:
    """One frame: objects of the truth, objects found, and pairs of them (TP) at each of `AP_THRESHOLDS`; SEG's IoUs."""

    truth: int
    found: int
    matched: tuple[int, ...]
    seg_ious: tuple[float, ...]

    def ap(self, index: int = 0) -> float:
        """Return TP / (TP + FP + FN) at a threshold by its index; 1 where there was nothing and nothing was found."""
        everything = self.truth + self.found - self.matched[index]
        return self.matched[index] / everything if everything else 1.0

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN) at 0.5; 1 where there was nothing and nothing was found."""
        everything = self.truth + self.found
        return 2 * self.matched[0] / everything if everything else 1.0


@dataclass(frozen=True, slots=True)
class DetectionMetrics:
    """Everything in a frame, over several frames.

    Attributes
    ----------
    frames, truth, found
        How many frames, objects in the truth, and objects found.
    ap50, ap75, ap
        AP at IoU 0.5, 0.75 and the mean over 0.5:0.95, each the mean over frames.
    f1
        At 0.5, the mean over frames.
    seg
        Mean over all objects of the truth; nan where there are none.
    """

    frames: int
    truth: int
    found: int
    ap50: float
    ap75: float
    ap: float
    f1: float
    seg: float


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """Objects found with a score from `low` up to `high`: how many, their mean score, and the share that is right.

    Where scores mean what they say, `right` is about `mean_score`.
    """

    low: float
    high: float
    objects: int
    mean_score: float
    right: float


def pair_ious(truth: Labels, found: Labels) -> Pairs:
    """Return every pair of objects of two label images (H, W) of one shape."""
    truth_ids, rows = np.unique(truth, return_inverse=True)
    found_ids, columns = np.unique(found, return_inverse=True)
    size = len(truth_ids), len(found_ids)
    shared = np.bincount(rows.ravel() * size[1] + columns.ravel(), minlength=size[0] * size[1]).reshape(size)
    areas, found_areas = shared.sum(axis=1), shared.sum(axis=0)
    kept = np.ix_(truth_ids != 0, found_ids != 0)
    union = areas[:, None] + found_areas[None, :] - shared
    ious, covered = shared / union, shared / areas[:, None]
    of_truth, of_found = (ids[ids != 0].astype(np.int64) for ids in (truth_ids, found_ids))
    return Pairs(of_truth, of_found, ious[kept], covered[kept])


def matched_pairs(ious: NDArray[np.float64], threshold: float) -> NDArray[np.int64]:
    """Return (P, 2): rows and columns of pairs of at least that IoU, one to one, as many as possible.

    Of several ways to make as many pairs, the one with the largest sum of IoUs.
    """
    good = ious >= threshold
    gain = good + np.where(good, ious, 0.0) / (2.0 * max(1, min(ious.shape)))  # the sum never outweighs a pair
    rows, columns = linear_sum_assignment(gain, maximize=True)
    kept = good[rows, columns]
    return np.stack([rows[kept], columns[kept]], axis=1).astype(np.int64)


def frame_detection(truth: Labels, found: Labels) -> FrameDetection:
    """Return how well a label image (H, W) agrees with the truth."""
    pairs = pair_ious(truth, found)
    matched = tuple(len(matched_pairs(pairs.ious, threshold)) for threshold in AP_THRESHOLDS)
    seg = np.where(pairs.covered > 0.5, pairs.ious, 0.0).max(axis=1, initial=0.0)
    return FrameDetection(len(pairs.truth_ids), len(pairs.found_ids), matched, tuple(seg.tolist()))


def ap50(truth: Labels, found: Labels) -> float:
    """Return AP at IoU 0.5 of a label image (H, W), 0 to 1."""
    return frame_detection(truth, found).ap(0)


def detection_metrics(frames: Sequence[FrameDetection]) -> DetectionMetrics:
    """Return the numbers of several frames; nan where there are none."""
    seg = [value for frame in frames for value in frame.seg_ious]
    ap = np.array([[frame.ap(index) for index in range(len(AP_THRESHOLDS))] for frame in frames])
    means = ap.mean(axis=0) if frames else np.full(len(AP_THRESHOLDS), np.nan)
    return DetectionMetrics(
        frames=len(frames),
        truth=sum(frame.truth for frame in frames),
        found=sum(frame.found for frame in frames),
        ap50=float(means[0]),
        ap75=float(means[AP_THRESHOLDS.index(0.75)]),
        ap=float(means.mean()),
        f1=float(np.mean([frame.f1 for frame in frames])) if frames else float("nan"),
        seg=float(np.mean(seg)) if seg else float("nan"),
    )


def rightly_found(truth: Labels, found: Labels, threshold: float = 0.5) -> frozenset[int]:
    """Return the values of found objects that are paired with one of the truth, at that IoU or a better one."""
    pairs = pair_ious(truth, found)
    return frozenset(pairs.found_ids[matched_pairs(pairs.ious, threshold)[:, 1]].tolist())


def calibration(scores: Sequence[float], right: Sequence[bool], bins: int = 10) -> tuple[ScoreBin, ...]:
    """Return what scores from 0 to 1 were worth, in bins of equal width; those without an object are left out."""
    values, hits = np.asarray(scores, dtype=np.float64), np.asarray(right, dtype=np.float64)
    places = np.minimum((values * bins).astype(int), bins - 1)
    curve = []
    for place in np.unique(places).tolist():
        here = places == place
        share, mean = float(hits[here].mean()), float(values[here].mean())
        curve.append(ScoreBin(place / bins, (place + 1) / bins, int(here.sum()), mean, share))
    return tuple(curve)
