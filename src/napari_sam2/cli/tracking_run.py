"""One run from a stack and prompts to a label file: what `track` and `demo` do, without their options.

Order: the request is checked, contrast read, the model loaded, the journal opened, each leg tracked and every
finished frame kept, then the label file written from the journal and the journal removed. A run that is stopped
leaves the journal, and a later one with `resume` goes on behind it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.document.prompt import Prompt, check_prompts
from napari_sam2.engine.plan import Direction, Leg, plan_legs
from napari_sam2.engine.tracking import track
from napari_sam2.io import (
    Journal,
    LabelSpec,
    RunInfo,
    check_label_path,
    journal_folder,
    prompts_fingerprint,
    write_labels,
)
from napari_sam2.masks.overlaps import label_dtype
from napari_sam2.masks.summary import LabelCounts, ObjectSummary, counted
from napari_sam2.stacks import ContrastLimits, ModelMovie
from sam2_core.errors import StackError
from sam2_core.inference.video_calls import VideoPredictor

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrackingRequest:
    """What to track and where the labels go.

    Attributes
    ----------
    movie
        Frames as the model sees them.
    prompts
        At least one.
    out
        Label file, .tif or .zarr.
    frames
        Frames to track; the label file covers the whole movie.
    direction
        "forward", "backward" or "both".
    model
        Name of the model and what else changes the result, so that a run is only continued with the same.
    resume, overwrite
        Continue an interrupted run; replace what is there.
    """

    movie: ModelMovie
    prompts: Sequence[Prompt]
    out: Path
    frames: range
    direction: Direction
    model: str
    resume: bool = False
    overwrite: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """(frames, height, width) of the label file."""
        return (len(self.movie), self.movie.height, self.movie.width)

    def run_info(self) -> RunInfo:
        """Return what must be the same for a stopped run to be continued."""
        settings = f"{self.model}, {self.direction}, frames {self.frames.start} to {self.frames.stop}"
        return RunInfo(self.movie.movie.stack.name, self.shape, settings, prompts_fingerprint(self.prompts))

    def legs(self) -> tuple[Leg, ...]:
        """Return the runs of the predictor that make up the job."""
        return plan_legs(self.prompts, self.frames, self.direction)


@dataclass(frozen=True, slots=True)
class TrackingOutcome:
    """How a run ended: the rows of the summary, or None and the number of finished frames if it was stopped."""

    objects: tuple[ObjectSummary, ...] | None
    finished: int
    total: int


def check_request(request: TrackingRequest) -> None:
    """Return nothing if the run can start, before any model is loaded.

    Raises
    ------
    PromptError
        If the prompts do not fit the movie or the range.
    StackError
        If the output cannot be written, exists, or was interrupted and neither resume nor overwrite says what to do.
    """
    check_prompts(request.prompts, request.shape)
    request.legs()
    check_label_path(request.out)
    partial = journal_folder(request.out)
    if request.resume and request.overwrite:
        raise StackError("--resume and --overwrite exclude each other: continue the old run, or start again.")
    if request.resume:
        Journal.reopen(request.out, request.run_info())
    if request.resume or request.overwrite:
        return
    if partial.exists():
        raise StackError(
            f"An interrupted run towards {request.out.name} is in {partial}; continue it with --resume, or start again "
            "with --overwrite."
        )
    if request.out.exists():
        raise StackError(f"{request.out} exists; choose another name for --out, or replace it with --overwrite.")


def run_tracking(
    load_predictor: Callable[[], VideoPredictor],
    request: TrackingRequest,
    on_progress: Callable[[int, int], None],
    is_cancelled: Callable[[], bool] = lambda: False,
) -> TrackingOutcome:
    """Return how the run ended, with the label file written if it was not stopped.

    Parameters
    ----------
    load_predictor
        Called once, after all checks.
    request
        What to do.
    on_progress
        Called with the number of finished frames and of all frames, before the first and after each.
    is_cancelled
        Asked before each frame.

    Raises
    ------
    StackError, PromptError
        See `check_request`; also if a frame cannot be read.
    """
    check_request(request)
    _log.info("Contrast: %s", _described(request.movie.limits))
    predictor = load_predictor()
    journal = _journal(request)
    try:
        legs = request.legs()
        total = sum(len(leg.frames) for leg in legs)
        done = journal.count()
        on_progress(done, total)
        for leg in legs:
            for result in track(predictor, request.movie, request.prompts, leg, journal.last(leg), is_cancelled):
                journal.add(result)
                done += 1
                on_progress(done, total)
        if done < total:
            return TrackingOutcome(None, done, total)
        return TrackingOutcome(_write_labels(request, journal), total, total)
    finally:
        journal.discard_if_empty()


def _write_labels(request: TrackingRequest, journal: Journal) -> tuple[ObjectSummary, ...]:
    """Return the summary of a finished run after its label file is written and its journal removed."""
    object_ids = [prompt.object_id for prompt in request.prompts]
    counts = LabelCounts(object_ids)
    spec = LabelSpec.like(request.movie.movie, label_dtype(object_ids))
    write_labels(request.out, counted(journal.merged(spec), counts), spec)
    journal.discard()
    return counts.rows()


def _described(limits: ContrastLimits) -> str:
    pairs = zip(limits.low, limits.high, strict=True)
    return ", ".join(f"{low:g} to {high:g}" for low, high in pairs) + " shown as black to white."


def _journal(request: TrackingRequest) -> Journal:
    open_journal = Journal.reopen if request.resume else Journal.create
    return open_journal(request.out, request.run_info())
