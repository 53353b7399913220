"""How well a movie was tracked: a result beside its truth, as numbers, and as a picture of both lineages.

Both may be anything that `io.track_files.open_tracks` opens, or a session. Which numbers there are, and what they mean,
is in `sam2_core.scoring.tracking`. No model is loaded, and no image is read, but for baselines beside it
(`tracking_baselines`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from napari_sam2.evaluation.benchmark import Begin, Findings, unseen
from napari_sam2.evaluation.judged_stacks import check_fit
from napari_sam2.evaluation.lineage_picture import lineage_panels
from napari_sam2.evaluation.movies import Tick
from napari_sam2.evaluation.report import ReportRow
from napari_sam2.io.import_spots import import_spots
from napari_sam2.io.label_array import ResultLabels
from napari_sam2.io.results import Results
from napari_sam2.io.session_files import is_session_folder
from napari_sam2.io.track_files import open_tracks
from napari_sam2.io.tracked import TrackedLabels, TrackedSpots
from napari_sam2.masks.stored_masks import Array
from napari_sam2.session.saved_results import open_results
from napari_sam2.stacks import Movie, open_labels, open_stack
from sam2_core.errors import StackError
from sam2_core.scoring.tracking import TOLERANCES, TrackingMetrics, judge_tracking, paired_tracks, tracking_metrics


def open_judged(
    path: str | Path,
    table: str | Path | None = None,
    track_axis: str | None = None,
    fixed: Mapping[str, int] | None = None,
) -> TrackedLabels:
    """Return the labels and parents of a session, or of what `open_tracks` opens from the same arguments.

    Raises
    ------
    StackError, PromptError
        If it cannot be read, or has no labels.
    """
    if not is_session_folder(path):
        tracks = open_tracks(path, table, track_axis, fixed)
        return _drawn(tracks) if isinstance(tracks, TrackedSpots) else tracks
    results = open_results(path)
    parents = {one: info.parent for one, info in results.document.objects.items() if info.parent is not None}
    return TrackedLabels(open_labels(ResultLabels(results), "TYX"), parents)


def _drawn(spots: TrackedSpots) -> TrackedLabels:
    """Return the labels that outlines come to, where all places have one."""
    if spots.shape is None or len(spots.outlines_yx) < len(spots.frames):
        raise StackError(
            f"{spots.name} has places without outlines, and scores are of masks: import it, track the session, and "
            "evaluate that."
        )
    document, masks = import_spots(spots, spots.shape[0], spots.shape[1:])
    blank = open_stack(np.broadcast_to(np.uint8(0), spots.shape), "TYX").movie()
    return TrackedLabels(open_labels(ResultLabels(Results(document, masks, blank)), "TYX"), spots.parents)


def benchmark_tracking(
    name: str,
    run: str,
    truth: TrackedLabels,
    found: TrackedLabels,
    begin: Begin = unseen,
    beside: Iterable[tuple[str, TrackedLabels]] = (),
) -> Findings:
    """Return what a result is worth: a row of the table, and a picture of the lineages of truth and result.

    Parameters
    ----------
    name, run
        What the movie and the result are called.
    beside
        Other tracks of the same movie, by name: a row each below.

    Raises
    ------
    StackError
        If they differ in frames or size.
    """
    check_fit(truth.labels, found.labels)
    tick = begin(f"{name}: {run}", len(truth.labels))
    paired = paired_tracks(truth.labels, _ticking(found.labels, tick), truth.parents, found.parents)
    rows = [tracking_row(name, run, tracking_metrics(paired))]
    for what, tracks in beside:
        tick = begin(f"{name}: {what}", len(truth.labels))
        metrics = judge_tracking(truth.labels, _ticking(tracks.labels, tick), truth.parents, tracks.parents)
        rows.append(tracking_row(name, what, metrics))
    return Findings(name, rows, lineage_panels(paired))


def tracking_row(name: str, run: str, metrics: TrackingMetrics) -> ReportRow:
    """Return the row of a result."""
    values = asdict(metrics)
    within = values.pop("division_f1")
    values |= {f"division_f1_{frames}": value for frames, value in zip(TOLERANCES, within, strict=True)}
    return ReportRow(name, "tracking", run, values, math.nan)


def _ticking(labels: Movie, tick: Tick) -> Iterator[Array]:
    for frame in labels:
        yield frame
        tick()
