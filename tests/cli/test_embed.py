"""Features made ahead on the command line are those that tracking finds."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections import namedtuple

import numpy as np
import pytest
import tifffile
from stand_ins import movie

from sam2_core.inference.feature_folder import FeatureFolder

Usage = namedtuple("Usage", "total used free")
FRAMES = 4
EMBED = "embed movie.tif --image-size 64 --device cpu"


@pytest.fixture
def work(tmp_path, monkeypatch):
    """An empty folder that holds a movie of a few frames and a click, and is the current one; a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path / "cache"))
    tifffile.imwrite(
        tmp_path / "movie.tif", movie(FRAMES, seed=11)[..., 1], photometric="minisblack", metadata={"axes": "TYX"}
    )
    entry = {"object_id": 1, "frame": 0, "points_yx": [[35.0, 112.0]]}
    content = {"format": "napari-sam2-prompts", "version": 1, "prompts": [entry]}
    (tmp_path / "prompts.json").write_text(json.dumps(content))
    return tmp_path


@pytest.fixture
def encoded(monkeypatch):
    """Counts the frames that pass the image encoder of whatever model is loaded."""
    from sam2_core.modeling.hiera import Hiera

    counted: list[int] = []
    forward = Hiera.forward

    def counting(self, images):
        counted.append(len(images))
        return forward(self, images)

    monkeypatch.setattr(Hiera, "forward", counting)
    return counted


def track(run, out, more=""):
    line = f"track movie.tif --prompts prompts.json --out {out} --image-size 64 --device cpu --view full {more}"
    assert run(line)[0] == 0


def test_tracking_finds_what_was_made_ahead(work, run, encoded):
    code, out, _ = run(EMBED)
    assert code == 0
    assert f"{FRAMES} frames made" in out
    assert str(work / "cache" / "features") in out
    encoded.clear()
    for out in ("labels.tif", "again.tif"):
        track(run, out, "--feature-cache")
        assert len(encoded) == 1  # the frame with the click in a mirror, the first time only
    track(run, "plain.tif")
    assert len(encoded) == 1 + FRAMES + 1
    labels, plain = tifffile.imread("labels.tif"), tifffile.imread("plain.tif")
    assert labels.any()
    assert np.mean(labels != plain) < 1e-3


def test_what_is_there_is_not_made_again(work, run, encoded):
    assert run(f"{EMBED} --start 1 --stop 3")[0] == 0
    code, out, _ = run(EMBED)
    assert code == 0
    assert "2 frames made" in out
    assert "2 were there" in out
    assert len(encoded) == FRAMES
    assert run(f"{EMBED} --contrast 0 9000")[1].startswith(f"{FRAMES} frames made")


def test_ctrl_c_keeps_what_is_made_and_the_same_command_goes_on(work, run, encoded, monkeypatch):
    written = FeatureFolder.write

    def write_and_press(self, key, content):
        answer = written(self, key, content)
        if self.count() == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return answer

    monkeypatch.setattr(FeatureFolder, "write", write_and_press)
    code, _, err = run(EMBED)
    assert code == 130
    assert f"Stopped after 2 of {FRAMES} frames" in err
    code, out, _ = run(EMBED)
    assert code == 0
    assert "2 were there" in out
    assert len(encoded) == FRAMES


def test_without_a_stack_it_shows_changes_and_clears(work, run):
    assert run(EMBED)[0] == 0
    code, out, _ = run("embed --limit 3.5")
    assert code == 0
    assert "3.50 GB" in out
    assert f" {FRAMES} " in out
    assert FeatureFolder().limit_bytes == 3_500_000_000
    code, out, err = run("embed --clear")
    assert code == 0
    assert "Deleted" in err
    assert FeatureFolder().count() == 0


def test_more_than_the_limit_holds_is_refused_before_anything_is_made(work, run, encoded):
    code, _, err = run(f"{EMBED} --limit 0.00002")
    assert code == 1
    assert f"The features of {FRAMES} frames take" in err
    assert "--limit" in err
    assert not encoded


def test_a_full_disk_is_an_error_that_says_so(work, run, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 10**12, 10**8))
    code, _, err = run(EMBED)
    assert code == 1
    assert "Frame 0 cannot be kept" in err
    assert "0.1 GB of the disk are free" in err


def test_a_stack_that_is_not_there_is_an_error(work, run):
    code, _, err = run("embed nothing.tif")
    assert code == 1
    assert "nothing.tif" in err


def test_a_session_that_keeps_features_encodes_nothing_when_it_is_opened_again(work, encoded):
    from napari_sam2.session import Session, SessionSettings

    found = []
    for expected in (FRAMES + 1, 0):  # the frame with the click in a mirror too
        settings = SessionSettings(view="full", device="cpu", feature_cache=True)
        with Session.open("movie.tif", settings=settings) as session:
            session.add_points(1, 0, [(35, 112)])
            encoded.clear()
            list(session.propagate())
            assert len(encoded) == expected
            found.append(np.stack([session.labels(frame) for frame in range(FRAMES)]))
    assert found[0].any()
    np.testing.assert_array_equal(*found)
