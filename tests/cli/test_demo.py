"""`napari-sam2 demo`: a movie with a division, found and tracked without a click, and compared with its truth."""

from __future__ import annotations

import csv
import re
import shlex

import numpy as np
import pytest
from finding_predictor import FindingPredictor
from PIL import Image

from napari_sam2 import samples
from napari_sam2.io.contact_sheet import object_colour, outlined
from napari_sam2.session import Session
from napari_sam2.stacks import open_labels
from sam2_core.training.synthetic import MovieSettings, SyntheticMovie
from sam2_core.training.synthetic.movie import LineageRow


def drawn_movie() -> SyntheticMovie:
    """Six frames with a cell that moves, and one that divides on frame 3."""
    labels = np.zeros((6, 60, 80), np.uint16)
    for frame, truth in enumerate(labels):
        truth[6:15, 6 + 2 * frame : 15 + 2 * frame] = 1
        for label, x0, x1 in ((2, 28, 48),) if frame < 3 else ((3, 26, 36), (4, 40, 50)):
            truth[36:48, x0:x1] = label
    lineage = (LineageRow(1, 0, 5, 0), LineageRow(2, 0, 2, 0), LineageRow(3, 3, 5, 2), LineageRow(4, 3, 5, 2))
    images = np.where(labels > 0, 250, 0).astype(np.uint8)
    return SyntheticMovie(images, labels, lineage, "fluorescence", 0, MovieSettings())


@pytest.fixture
def movie(monkeypatch):
    """The sample that the demo takes; bright pieces are found for cells."""
    made = drawn_movie()
    monkeypatch.setattr(samples, "sample_movie", lambda: made)
    predictor = FindingPredictor(dark=100)
    monkeypatch.setattr("napari_sam2.cli.terminal_run.load_predictor", lambda *args: predictor)
    return made


def row(out: str, name: str) -> list[int]:
    """The numbers of a row of the table."""
    return [int(word) for word in re.findall(r"\d+", next(line for line in out.splitlines() if f"│ {name}" in line))]


def test_cells_are_found_tracked_divided_and_written_without_a_click(work, movie, run):
    code, out, err = run("demo --out shown")
    assert code == 0, err
    folder = work / "shown"
    found = [len(np.unique(frame)) - 1 for frame in open_labels(folder / "labels.tif")]
    assert found == [2, 2, 2, 3, 3, 3]
    with Session.open(folder / "demo.sam2", predictor=FindingPredictor()) as session:
        assert not session.document.prompts
        assert len(session.document.divisions) == 1
    with (folder / "cells.csv").open() as table:
        assert len(list(csv.DictReader(table))) == 15
    assert len(np.loadtxt(folder / "01_RES" / "res_track.txt", dtype=int)) == 4
    assert (folder / "tracks.xml").is_file()
    assert (folder / "tracks.csv").is_file()
    with Image.open(folder / "demo.png") as picture:
        assert picture.size[0] > 600
    assert [row(out, name) for name in ("cells on", "tracks", "divisions")] == [[15, 15], [4, 4], [1, 1]]


def test_what_was_missed_is_told(work, movie, run):
    movie.images[4][movie.labels[4] == 4] = 0
    movie.images[:, :, :26][movie.labels[:, :, :26] == 1] = 0
    code, out, err = run("demo")
    assert code == 0, err
    truth, here = row(out, "cells on")
    assert truth == 15
    assert here < truth
    assert "100.0% found" not in out


def test_the_command_that_it_names_does_the_same(work, movie, run):
    _, out, _ = run("demo")
    line = next(line for line in out.splitlines() if line.strip().startswith("napari-sam2 track"))
    before = list(open_labels(work / "demo" / "labels.tif"))
    code, _, err = run(shlex.join([*shlex.split(line)[1:], "--overwrite"]))
    assert code == 0, err
    np.testing.assert_array_equal(list(open_labels(work / "demo" / "labels.tif")), before)


def test_it_can_be_run_again_in_its_own_folder_alone(work, movie, run):
    assert run("demo")[0] == 0
    assert run("demo")[0] == 0
    (work / "mine").mkdir()
    (work / "mine" / "truth.tif").write_bytes(b"the only copy")
    code, _, err = run("demo --out mine")
    assert (code, "truth.tif exists" in err) == (1, True)
    assert (work / "mine" / "truth.tif").read_bytes() == b"the only copy"


def test_outlines_are_drawn_in_the_colour_of_the_object():
    labels = np.zeros((40, 50), np.uint16)
    labels[10:20, 10:20] = 3
    pixels = np.array(outlined(np.zeros((40, 50), np.uint8), labels))
    factor = pixels.shape[0] // 40
    assert pixels.shape[1] == 50 * factor
    assert tuple(pixels[10 * factor, 15 * factor]) == object_colour(3)
    assert tuple(pixels[15 * factor, 15 * factor]) == (0, 0, 0)
    assert object_colour(3) != object_colour(4)
