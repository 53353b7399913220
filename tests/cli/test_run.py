"""`napari-sam2 run`: the movies of a plan, their status, and what is written of all of them."""

from __future__ import annotations

import csv
import os
import signal

import numpy as np
import pytest
import tifffile
from finding_predictor import FindingPredictor

from napari_sam2.plates import new_worker

PLAN = """out = "out"
[[movies]]
paths = "raw/*.tif"
[do]
task = "track"
diameter_px = 10
[settings]
contrast_limits = [[0, 255]]
"""


@pytest.fixture
def plate(work, monkeypatch):
    """A plan of three movies, the second of them damaged; bright pieces are found for cells."""
    (work / "raw").mkdir()
    for number in range(3):
        frames = np.zeros((3, 40, 60), np.uint8)
        frames[:, 6:15, 6 + number : 15 + number] = 200
        tifffile.imwrite(work / "raw" / f"{number}.tif", frames, imagej=True, metadata={"axes": "TYX"})
    (work / "raw" / "1.tif").write_bytes(b"no <b>image</b>")
    (work / "plan.toml").write_text(PLAN)
    made = FindingPredictor()
    monkeypatch.setattr("napari_sam2.cli.run.new_worker", lambda: new_worker(made))
    return made


def states(work):
    with (work / "out" / "results.csv").open() as table:
        return [(row["name"], row["state"], row["objects"]) for row in csv.DictReader(table)]


def test_a_plan_is_run_and_one_that_fails_stops_no_other(work, plate, run):
    code, out, err = run("run plan.toml")
    assert code == 1
    assert "3 movies: 2 done, 1 failed." in out
    assert "raw/1: " in err
    assert states(work) == [("0", "done", "3"), ("1", "failed", "0"), ("2", "done", "3")]
    page = (work / "out" / "report.html").read_text()
    assert 'src="raw/0/thumbnail.png"' in page
    assert "✖ failed" in page
    assert "<b>image" not in page
    assert (work / "out" / "plan.toml").read_text() == PLAN
    assert "napari-sam2" in (work / "out" / "versions.json").read_text()
    plate.requests.clear()
    assert run("run plan.toml")[0] == 1
    assert not plate.requests, "what is finished was done again"


def test_the_movies_of_an_array_are_run_by_number_and_their_status_is_shown(work, plate, run):
    code, out, _ = run("run plan.toml --status")
    assert (code, states(work)) == (0, [(name, "waiting", "0") for name in "012"])
    assert "3 movies: 3 waiting." in out
    assert run("run plan.toml --index 2")[:2] == (0, "raw/2: done\n")
    assert run("run plan.toml --index 1")[0] == 1
    code, out, _ = run("run plan.toml --index 3")
    assert code == 1
    run("run plan.toml --status")
    assert [state for _, state, _ in states(work)] == ["waiting", "failed", "done"]


def test_a_failure_that_cannot_be_written_down_is_one(work, plate, run):
    (work / "out" / "raw").mkdir(parents=True)
    (work / "out" / "raw" / "0").write_text("where the folder of a movie should be")
    code, out, err = run("run plan.toml --index 0")
    assert (code, out) == (1, "raw/0: failed\n")
    assert "0 is a file. Move it away" in " ".join(err.split())
    code, out, _ = run("run plan.toml")
    assert (code, "3 movies: 1 done, 2 failed." in out) == (1, True), out
    assert [state for _, state, _ in states(work)] == ["failed", "failed", "done"]


def test_ctrl_c_stops_and_the_same_command_goes_on(work, plate, run, monkeypatch):
    stopping = FindingPredictor(on_tile=lambda done: os.kill(os.getpid(), signal.SIGINT) if not stopped else None)
    stopped = []
    monkeypatch.setattr(
        "napari_sam2.cli.run.new_worker", lambda: new_worker(stopping) if not stopped else new_worker(plate)
    )
    code, out, err = run("run plan.toml")
    stopped.append(True)
    assert code == 130
    assert "the same command goes on" in err
    assert "1 stopped" in out
    assert "2 waiting" in out
    assert "2 done, 1 failed" in run("run plan.toml")[1]


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("run none.toml", 1, "There is no plan none.toml"),
        ("run to_file.toml", 1, "plan.toml is a file. Move it away, or choose another folder"),
        ("run to_file.toml --status", 1, "plan.toml is a file. Move it away, or choose another folder"),
        ("run plan.toml --on slurm", 1, "dask-jobqueue, which is not installed"),
        ("run plan.toml --on dask --scheduler tcp://127.0.0.1:1", 1, "No Dask scheduler answers at tcp://127.0.0.1:1"),
        ("run plan.toml --scheduler tcp://127.0.0.1:1", 2, "give --on dask as well"),
    ],
)
def test_what_cannot_be_run_is_said(work, plate, run, line, code, words, monkeypatch):
    (work / "to_file.toml").write_text(PLAN.replace('"out"', '"plan.toml"'))
    monkeypatch.setattr("napari_sam2.plates.cluster._CONNECT_SECONDS", 0.5)
    found, _, err = run(line)
    assert (found, words in err) == (code, True), err
