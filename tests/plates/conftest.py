"""A folder of small movies, a plan of them, and a worker that finds bright pieces for cells."""

from __future__ import annotations

from pathlib import Path

import pytest
from finding_predictor import FindingPredictor
from small_plates import SETTINGS, TRACK, write_movie

from napari_sam2.plates import new_worker


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A folder with three movies, raw/A01_s1.tif to raw/A03_s1.tif, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for number in (1, 2, 3):
        write_movie(tmp_path / "raw" / f"A0{number}_s1.tif", number)
    return tmp_path


@pytest.fixture
def write_plan(work):
    """Writes plan.toml with what is done, and returns its path."""

    def write(do: str = TRACK, movies: str = 'paths = "raw/*.tif"', out: str = "out") -> Path:
        path = work / "plan.toml"
        path.write_text(f'out = "{out}"\n[[movies]]\n{movies}\n{do}{SETTINGS}')
        return path

    return write


@pytest.fixture
def predictor():
    return FindingPredictor()


@pytest.fixture
def worker(predictor):
    return new_worker(predictor)
