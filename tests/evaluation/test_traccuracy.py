"""Live against traccuracy, where it is installed: its checks take our CTC folders, and its numbers are ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn_movies import drawn_truth, spoilt

from napari_sam2.io.ctc_files import TRUTH, export_ctc
from napari_sam2.io.imports import import_labels
from napari_sam2.io.results import Results
from napari_sam2.io.track_files import open_tracks
from napari_sam2.stacks import open_stack
from sam2_core.scoring.tracking import judge_tracking

traccuracy = pytest.importorskip("traccuracy")
pytestmark = pytest.mark.filterwarnings("ignore")


def as_folder(folder: Path, labels, parents, **names):
    present = set(np.unique(labels).tolist())
    known = {child: parent for child, parent in parents.items() if {child, parent} <= present}
    kept = {child: parent for child, parent in known.items() if fits(child, parent, labels)}
    document, masks = import_labels(open_stack(np.asarray(labels), "TYX").movie(), kept)
    movie = open_stack(np.zeros(np.shape(labels), np.uint8), "TYX").movie()
    export_ctc(folder, Results(document, masks, movie), **names)
    return folder


def fits(child, parent, labels):
    """A parent that is there before its child: no circle, and nothing that a CTC folder cannot say."""
    begins = {one: min(t for t, frame in enumerate(labels) if (frame == one).any()) for one in (child, parent)}
    return begins[parent] < begins[child]


@pytest.mark.parametrize("seed", range(3))
def test_its_loader_and_its_metrics(tmp_path, seed):
    from traccuracy.loaders import load_ctc_data
    from traccuracy.matchers import CTCMatcher
    from traccuracy.metrics import CHOTAMetric, CTCMetrics

    rng = np.random.default_rng(seed)
    truth, parents = drawn_truth(rng)
    found = as_folder(tmp_path / "RES", *spoilt(rng, truth, parents))
    folders = as_folder(tmp_path / "GT", truth, parents, names=TRUTH), found
    graphs = [load_ctc_data(str(folder), run_checks=True) for folder in folders]
    theirs = CTCMetrics().compute(CTCMatcher().compute_mapping(*graphs)).results
    graphs = [load_ctc_data(str(folder)) for folder in folders]
    theirs |= CHOTAMetric().compute(CTCMatcher().compute_mapping(*graphs)).results
    true, seen = (open_tracks(folder) for folder in folders)
    ours = judge_tracking(true.labels, seen.labels, true.parents, seen.parents)
    assert (ours.det, ours.tra, ours.lnk, ours.chota) == pytest.approx(
        [theirs[name] for name in ("DET", "TRA", "LNK", "CHOTA")]
    )
