"""`track --find`: no prompt file."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest
import tifffile
from finding_predictor import FindingPredictor
from label_stacks import labels_of, seen

from napari_sam2.session import Session

TRACK = "track cells.tif --find --out labels.tif --contrast 0 255"


@pytest.fixture
def found(work, monkeypatch):
    """Six frames with two bright squares, the second from frame 2 on; bright pieces are found instead of cells."""
    frames = np.zeros((6, 40, 60), np.uint8)
    frames[:, 5:14, 5:14] = 250
    frames[2:, 25:34, 25:34] = 110
    tifffile.imwrite(work / "cells.tif", frames, imagej=True, metadata={"axes": "TYX"})
    made = FindingPredictor()
    monkeypatch.setattr("napari_sam2.cli.terminal_run.load_predictor", lambda *args: made)
    return made


def test_what_is_found_on_the_first_frame_is_tracked(work, found, run):
    code, out, err = run(TRACK)
    assert code == 0, err
    assert seen(work / "labels.tif") == [[0, 1]] * 6
    assert "Found on frame 0: 1 objects, sought with a diameter of 9 px." in err
    assert "labels.tif" in out


def test_another_frame_can_be_given_and_what_is_not_sure_left_out(work, found, run):
    assert run(f"{TRACK} --find-frame 3 --direction both --object-diameter 11")[0] == 0
    assert seen(work / "labels.tif") == [[0, 1, 2]] * 6
    assert found.requests[-1].diameter_px == 11
    assert run(f"{TRACK} --find-frame 3 --min-score 0.5 --overwrite --start 2")[0] == 0
    assert seen(work / "labels.tif") == [[0]] * 3 + [[0, 1]] * 3
    assert run(f"{TRACK} --start 2 --overwrite")[0] == 0
    assert found.requests[-1].diameter_px is None
    assert seen(work / "labels.tif") == [[0]] * 2 + [[0, 1, 2]] * 4


def test_prompts_add_to_what_is_found_and_are_not_covered(work, found, run):
    (work / "clicks.csv").write_text("object_id,frame,y,x\n7,0,9,9\n")
    assert run(f"{TRACK} --find-frame 2 --prompts clicks.csv")[0] == 0
    assert seen(work / "labels.tif")[5] == [0, 7, 8, 9]
    assert run(f"{TRACK} --prompts clicks.csv --overwrite")[0] == 0
    assert seen(work / "labels.tif") == [[0, 7]] * 6


def test_a_stopped_run_goes_on_with_what_was_found(work, found, run):
    assert run(f"{TRACK} --session found.sam2")[0] == 0
    with Session.open(work / "found.sam2", predictor=found) as session:
        assert session.document.objects[1].source == "cells-nano"
    whole, frames = labels_of(work / "labels.tif"), []

    def press(frame):
        frames.append(frame)
        if len(frames) == 3:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)

    found.on_frame = press
    (work / "labels.tif").unlink()
    assert run(TRACK)[0] == 130
    looked = len(found.requests)
    assert "started differently" in run(f"{TRACK} --resume --object-diameter 20")[2]
    assert run(f"{TRACK} --resume")[0] == 0
    assert len(found.requests) == looked
    assert np.array_equal(labels_of(work / "labels.tif"), whole)


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (f"{TRACK} --find-frame 4 --stop 4", 1, "frames that are tracked, 0 to 3"),
        (TRACK.replace("--find", "--prompts prompts.json --min-score 0.5"), 2, "give --find as well"),
        (TRACK.replace("--find ", ""), 2, "--prompts, --find or --auto"),
        (f"{TRACK} --min-score 0.99", 1, "No object was found on frame 0"),
    ],
)
def test_what_cannot_be_is_said(work, found, run, line, code, said):
    got, _, err = run(line)
    assert (got, said in err) == (code, True), err
    assert not (work / "labels.tif.partial").exists()
