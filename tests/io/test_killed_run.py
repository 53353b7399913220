"""A process that tracks is killed, the session is opened again, and the labels are those of an undisturbed run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tifffile

from napari_sam2 import samples
from napari_sam2.io import load_session
from napari_sam2.session.session import Session

FRAMES = 14


@pytest.fixture
def session_folder(tmp_path):
    """A session on a corner of the sample in which three cells were clicked on in a middle frame."""
    sample = samples.sample_movie()
    tifffile.imwrite(tmp_path / "movie.tif", sample.images[:FRAMES, 40:168, 50:178], photometric="minisblack")
    session = Session.open(tmp_path / "movie.tif", axes="TYX")
    for click in samples.first_clicks(sample):
        y, x = click.y - 40, click.x - 50
        if 0 <= y < 128 and 0 <= x < 128:
            session.add_points(click.object_id, 3, [(y, x)])
    session.save(tmp_path / "killed.sam2")
    session.close()
    shutil.copytree(tmp_path / "killed.sam2", tmp_path / "whole.sam2")
    return tmp_path


def kill_after(folder, updates):
    """Track in another process, which is killed when it has said so many frames."""
    command = [sys.executable, str(Path(__file__).with_name("slow_tracker.py")), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for number, _ in enumerate(process.stdout, start=1):
            if number == updates:
                os.kill(process.pid, signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL


def test_a_killed_run_goes_on_and_ends_with_the_same_masks(session_folder):
    whole = Session.open(session_folder / "whole.sam2")
    for _ in whole.propagate("both"):
        pass
    whole.close()
    kill_after(session_folder / "killed.sam2", 10)
    left = load_session(session_folder / "killed.sam2")
    assert left.notes == ()
    assert 3 <= sum(map(len, left.run.finished.values())) < FRAMES
    killed = Session.open(session_folder / "killed.sam2")
    resumed = [(update.leg, update.frame_index) for update in killed.resume()]
    killed.close()
    assert len(resumed) < FRAMES
    expected = dict(load_session(session_folder / "whole.sam2").masks)
    assert dict(load_session(session_folder / "killed.sam2").masks) == expected
    assert {frame for _, frame in expected} == set(range(FRAMES))
