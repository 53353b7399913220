from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from disc_predictor import DiscPredictor

from napari_sam2.cli import main


@pytest.fixture(autouse=True)
def one_core(monkeypatch):
    """What commands find they find in this process, where predictors can be replaced."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def predictor(monkeypatch):
    """Every command tracks discs instead of loading a model."""
    made = DiscPredictor()
    monkeypatch.setattr("napari_sam2.cli.terminal_run.load_predictor", lambda *args: made)
    return made


@pytest.fixture
def work(tmp_path, monkeypatch):
    """An empty folder that holds a movie of ten frames and a prompt file for two objects, and is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    frames = np.random.default_rng(5).integers(0, 4000, (10, 40, 60)).astype(np.uint16)
    resolution = {"imagej": True, "resolution": (4, 4)}
    tifffile.imwrite(tmp_path / "movie.tif", frames, **resolution, metadata={"axes": "TYX", "unit": "um"})
    write_prompts(tmp_path / "prompts.json", (3, 0, 10, 12), (7, 4, 30, 30))
    return tmp_path


def write_prompts(path, *clicks, version=1):
    entries = [{"object_id": object_id, "frame": frame, "points_yx": [[y, x]]} for object_id, frame, y, x in clicks]
    path.write_text(json.dumps({"format": "napari-sam2-prompts", "version": version, "prompts": entries}))


@pytest.fixture
def run(capsys):
    """Runs one command line; returns exit code, standard output and standard error."""

    def run_command(line):
        code = main(line.split())
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_command
