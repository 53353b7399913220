"""Everything in a frame, without a prompt: what a model finds, against all labels of the truth.

Frame by frame: the model finds objects (`finder`), at a diameter that it finds too unless it is told; the classical
baseline, told the truth's diameter, finds its own; both are judged by `sam2_core.scoring.detection`. Objects at the
border of the image count like all others. Each frame weighs the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Protocol

from napari_sam2.evaluation.baseline import regions_of_frame
from napari_sam2.evaluation.benchmark import Begin, Findings, unseen
from napari_sam2.evaluation.movies import BASELINE
from napari_sam2.evaluation.pictures import FramePanel
from napari_sam2.evaluation.report import ReportRow
from napari_sam2.evaluation.stills import Still
from napari_sam2.evaluation.timing import Stopwatch
from napari_sam2.masks.stored_masks import Array
from sam2_core.errors import StackError
from sam2_core.scoring.detection import FrameDetection, calibration, detection_metrics, frame_detection, rightly_found
from sam2_core.scoring.ground_truth import evenly, median_diameter

FIND = "find"
FRAMES_SHOWN = 6  # evenly picked
_A_ROW = 3  # of the picture
_ANY_DIAMETER_PX = 30.0  # of the baseline on a frame without objects


class Scored(Protocol):
    """What is needed of `sam2_core.finding.FoundObject`."""

    @property
    def score(self) -> float:
        """How likely the object is right, 0 to 1."""


class Found(Protocol):
    """What is needed of `sam2_core.finding.FoundObjects`."""

    @property
    def objects(self) -> Sequence[Scored]:
        """Those of label 1, 2 and so on."""

    @property
    def diameter_px(self) -> float | None:
        """Of a typical object; None where it could not be told."""

    def labels(self) -> Array:
        """Return the objects as labels (H, W)."""


Find = Callable[[Array, float | None], Found]
"""Finds the objects of an image (H, W) or (H, W, 3) uint8, at a diameter that it is told, or not."""


class Frames(Protocol):
    """Stills one after another, and how many; see `judged_stacks`."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __iter__(self) -> Iterator[Still]:
        """Return one after another."""


@dataclass(frozen=True, slots=True)
class JudgedFrame:
    """One frame: how what was found there agrees with the truth, and so of the baseline, where that is wanted.

    diameter_px: that the objects were sought at, nan where it could not be told. true_diameter_px: the truth's median,
    nan where there is none. scored: of each object that was found its score, and whether it was right.
    """

    name: str
    score: FrameDetection
    baseline: FrameDetection | None
    diameter_px: float
    true_diameter_px: float
    seconds: float
    scored: Sequence[tuple[float, bool]] = ()

    @property
    def caption(self) -> str:
        """What is written above its picture."""
        score = self.score
        return f"{self.name}: AP50 {score.ap():.2f}, {score.matched[0]} of {score.truth} hit, {score.found} found"


def finder(predictor: Any) -> Find:
    """Return what finds objects with the model of a `sam2_core.inference.SAM2VideoPredictor`."""
    from sam2_core.finding import FindingOptions, find_objects

    def find(image: Array, diameter_px: float | None) -> Found:
        options = FindingOptions(diameter_px=diameter_px)
        return find_objects(predictor.model, image, options, contrast_limits=(0, 255))

    return find


def judge_frame(still: Still, find: Find, baseline: bool = True) -> tuple[JudgedFrame, Array]:
    """Return what was found on one still or frame, judged, and its labels (H, W)."""
    watch = Stopwatch()
    with watch:
        found = find(still.image, still.diameter_px)
    truth, labels = still.labels, found.labels()
    true_diameter = median_diameter([truth])
    classical = None
    if baseline:
        diameter = still.diameter_px or true_diameter or _ANY_DIAMETER_PX
        classical = frame_detection(truth, regions_of_frame(still.image, truth, diameter))
    judged = JudgedFrame(
        still.name,
        frame_detection(truth, labels),
        classical,
        math.nan if found.diameter_px is None else found.diameter_px,
        true_diameter or math.nan,
        watch.seconds,
        _scored(truth, labels, found.objects),
    )
    return judged, labels


def benchmark_finding(name: str, frames: Frames, find: Find, baseline: bool = True, begin: Begin = unseen) -> Findings:
    """Return what was found on stills, or on frames of a movie: a row of the table, the baseline's, and a picture.

    Raises
    ------
    StackError
        If there is no frame, or one does not fit its truth.
    """
    tick, shown = begin(f"{name}: {FIND}", len(frames)), set(evenly(range(len(frames)), FRAMES_SHOWN))
    judged: list[JudgedFrame] = []
    panels: list[FramePanel] = []
    for index, still in enumerate(frames):
        frame, labels = judge_frame(still, find, baseline)
        judged.append(frame)
        if index in shown:
            panels.append(FramePanel(still.image, still.labels, labels, frame.caption))
        tick()
    if not judged:
        raise StackError(f"{name} has no frame to judge; give a stack, or two folders, with labels")
    rows = [finding_row(name, FIND, judged)]
    if baseline:
        rows.append(finding_row(name, BASELINE, judged))
    return Findings(name, rows, [panels[first : first + _A_ROW] for first in range(0, len(panels), _A_ROW)])


def finding_row(name: str, run: str, judged: Sequence[JudgedFrame]) -> ReportRow:
    """Return the row of what the model found, or the baseline; by name of the frame, its AP at IoU 0.5."""
    finds = run == FIND
    every = [(frame.name, frame.score if finds else frame.baseline) for frame in judged]
    scores = {frame: score for frame, score in every if score is not None}
    diameters = [frame.diameter_px if finds else frame.true_diameter_px for frame in judged]
    true_diameters = [frame.true_diameter_px for frame in judged]
    values = asdict(detection_metrics(list(scores.values()))) | {"true_diameter": _median(true_diameters)}
    seconds = sum(frame.seconds for frame in judged) / len(judged) if finds else math.nan
    by_frame = {frame: score.ap() for frame, score in scores.items()}
    scored = [entry for frame in judged for entry in frame.scored] if finds else []
    curve = calibration([score for score, _ in scored], [right for _, right in scored])
    return ReportRow(name, "frames", run, values, seconds, _median(diameters), by_frame, curve)


def _scored(truth: Array, labels: Array, objects: Sequence[Scored]) -> tuple[tuple[float, bool], ...]:
    """Return of each object its score and whether it was right."""
    right = rightly_found(truth, labels)
    return tuple((each.score, label in right) for label, each in enumerate(objects, start=1))


def _median(values: Sequence[float]) -> float:
    """Return the median of those that are known, nan where none is."""
    known = [value for value in values if not math.isnan(value)]
    return median(known) if known else math.nan
