"""Frames that are kept one by one: what is read of them is what was put, or an error in words."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_sam2.io.found_frames import FoundFrames
from napari_sam2.io.found_table import write_found_table
from sam2_core.errors import StackError


@pytest.fixture
def frames(tmp_path):
    kept = FoundFrames(tmp_path / "out.tif.partial")
    kept.begin({"frames": [0]})
    kept.put(0, np.arange(12, dtype=np.uint16).reshape(3, 4), [{"frame": 0, "label": 1, "score": 0.5}], 7.0)
    return kept


def test_a_frame_comes_back(frames):
    assert frames.labels(0).tolist() == np.arange(12).reshape(3, 4).tolist()
    assert (frames.finished(), frames.diameter_px()) == ((0,), 7.0)


def test_an_image_whose_name_is_no_text_has_its_row(frames, tmp_path):
    frames.put(1, np.ones((3, 4), np.uint16), [{"image": "l\udcfc.tif", "frame": 1, "label": 1, "score": 0.5}], None)
    rows = list(frames.rows())
    assert rows[1]["image"] == "l\udcfc.tif"
    write_found_table(tmp_path / "table.csv", rows[1:])
    assert r"l\udcfc.tif" in (tmp_path / "table.csv").read_text()


def test_a_frame_that_says_it_is_far_larger_than_it_can_be_is_not_unpacked(frames):
    path = frames.folder / "frame000000.tif"
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["ImageLength"].overwrite(2**19)
        file.pages[0].tags["RowsPerStrip"].overwrite(2**19)
    with pytest.raises(StackError, match="its shape is"):
        frames.labels(0)


def test_a_run_that_dies_while_it_begins_or_ends_leaves_nothing_in_its_place(frames, monkeypatch):
    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("napari_sam2.io.atomic.shutil.rmtree", dies)
        with pytest.raises(KeyboardInterrupt):
            frames.remove()
    assert not frames.folder.exists()
    with monkeypatch.context() as patched:
        patched.setattr("napari_sam2.io.found_frames.write_atomically", dies)
        with pytest.raises(KeyboardInterrupt):
            frames.begin({"frames": [0]})
    assert not frames.folder.exists()
    frames.begin({"frames": [0]})
    assert frames.is_begun


def test_a_place_that_cannot_be_written_to_is_told(tmp_path):
    with pytest.raises(StackError, match="cannot be written"):
        FoundFrames(tmp_path / "gone" / "out.tif.partial").begin({})
