"""What stands beside tracks: a classical pipeline, and ours with a part left out."""

from __future__ import annotations

import sys

import networkx as nx
import numpy as np
import pytest
import tifffile
from finding_predictor import FindingPredictor

from napari_sam2.cli import main
from napari_sam2.evaluation.tracking import benchmark_tracking
from napari_sam2.evaluation.tracking_baselines import Images, classical_tracks, our_tracks, track_ids
from napari_sam2.io.track_files import TrackedLabels
from napari_sam2.session.settings import SessionSettings
from napari_sam2.stacks import open_labels, open_stack

PARENTS = {3: 2, 4: 2}
SETTINGS = SessionSettings(contrast_limits=[(0, 255)], object_diameter_px=10)


@pytest.fixture
def truth():
    """Six frames: a square that moves, unseen on frame 4 of the images, and one that divides on frame 3."""
    labels = np.zeros((6, 60, 80), np.uint8)
    for frame, plane in enumerate(labels):
        plane[6:15, 6 + frame : 15 + frame] = 1
        for value, (x0, x1) in {2: (28, 48)}.items() if frame < 3 else {3: (26, 36), 4: (40, 50)}.items():
            plane[36:48, x0:x1] = value
    return TrackedLabels(open_labels(labels, "TYX"), PARENTS)


@pytest.fixture
def images(truth):
    pixels = np.stack([np.where(frame > 0, 200, 0) for frame in truth.labels]).astype(np.uint8)
    pixels[4, :20] = 0
    return Images(open_stack(pixels, "TYX"), SETTINGS)


def test_ours_stand_there_in_full_and_with_a_part_left_out(images, truth):
    beside = our_tracks(images, FindingPredictor())
    rows = benchmark_tracking("drawn", "result", truth, truth, beside=beside).rows
    values = {row.run: row.values for row in rows}
    assert [run.removeprefix("ours, without ") for run in values] == ["result", "memory", "drift", "divisions", "ours"]
    assert [values[run]["fn_nodes"] for run in list(values)[1:]] == [1, 0, 0, 0]
    assert [values[run]["divisions_found"] for run in list(values)[1:]] == [1, 1, 0, 1]


def test_who_goes_on_and_who_comes_from_whom():
    graph = nx.DiGraph([((0, 1), (1, 0)), ((0, 0), (2, 0)), ((1, 0), (2, 1)), ((1, 0), (2, 2))])
    assert track_ids(graph, [2, 1, 4]) == ([[1, 2], [2], [1, 3, 4, 5]], {3: 2, 4: 2})


def test_classical_tracks_keep_ids_and_tell_daughters(images, truth):
    pytest.importorskip("laptrack")
    found = classical_tracks(images, truth.labels)
    (row,) = benchmark_tracking("drawn", "classical", truth, found).rows
    assert (row.values["fn_nodes"], row.values["links_found"]) == (1, 11 / 13)
    assert len(found.parents) == 2
    assert row.values["division_f1_0"] == 1


def test_the_library_that_is_missing_is_named_before_anything_is_computed(tmp_path, images, truth, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "laptrack", None)
    for name, frames in (("truth.tif", truth.labels), ("images.tif", images.stack.movie())):
        tifffile.imwrite(tmp_path / name, np.stack(list(frames)), metadata={"axes": "TYX"})
    truth_file = tmp_path / "truth.tif"
    line = f"evaluate {truth_file} --truth {truth_file} --out {tmp_path}/out --baselines {tmp_path}/images.tif"
    assert main(line.split()) == 1
    assert "give --tracking as well" in capsys.readouterr().err
    assert main([*line.split(), "--tracking"]) == 1
    assert 'pip install "napari-sam2[baselines]"' in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
