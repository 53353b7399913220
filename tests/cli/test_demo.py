from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from napari_sam2 import samples
from napari_sam2.cli.demo import object_ious
from napari_sam2.io import read_prompts
from napari_sam2.io.contact_sheet import object_colour, outlined
from napari_sam2.stacks import open_stack


@pytest.fixture(scope="module")
def movie():
    return samples.sample_movie()


@pytest.fixture(autouse=True)
def made_once(monkeypatch, movie):
    monkeypatch.setattr(samples, "sample_movie", lambda: movie)


def test_demo_leaves_a_movie_prompts_labels_and_a_picture(work, predictor, run):
    code, out, _ = run("demo --out shown")
    assert code == 0
    folder = work / "shown"
    assert sorted(path.name for path in folder.iterdir()) == [
        "demo.png", "images.tif", "labels.tif", "prompts.json", "truth.tif"
    ]  # fmt: skip
    prompts = read_prompts(folder / "prompts.json")
    assert all(prompt.frame == 0 for prompt in prompts)
    first = next(iter(open_stack(folder / "labels.tif").movie()))
    assert set(np.unique(first)) - {0} == {prompt.object_id for prompt in prompts}
    assert "Mean IoU" in out
    assert "demo.png" in out
    with Image.open(folder / "demo.png") as picture:
        assert picture.size[0] > 600


def test_demo_can_be_run_again_in_the_same_folder(work, predictor, run):
    assert run("demo")[0] == 0
    assert run("demo")[0] == 0


def test_iou_counts_frames_behind_the_click_on_which_the_object_is(tmp_path):
    truth = np.zeros((3, 4, 4), np.uint16)
    truth[:, :2, :2] = 1
    truth[:2, 3, 3] = 2
    truth[1:, 3, 0] = 5  # not there on frame 0, so never clicked
    found = np.zeros_like(truth)
    found[1, :2, :1] = 1
    found[2, :2, :2] = 1
    np.save(tmp_path / "truth.npy", truth)
    np.save(tmp_path / "found.npy", found)
    # Three dimensions of size 4 need their axes; saved as TIFF they would carry them.
    ious = object_ious(open_stack(tmp_path / "truth.npy", axes="TYX"), open_stack(tmp_path / "found.npy", axes="TYX"))
    assert ious == {1: 0.75, 2: 0.0}


def test_outlines_are_drawn_in_the_colour_of_the_object():
    labels = np.zeros((40, 50), np.uint16)
    labels[10:20, 10:20] = 3
    pixels = np.array(outlined(np.zeros((40, 50), np.uint8), labels))
    factor = pixels.shape[0] // 40
    assert pixels.shape[1] == 50 * factor
    assert tuple(pixels[10 * factor, 15 * factor]) == object_colour(3)
    assert tuple(pixels[15 * factor, 15 * factor]) == (0, 0, 0)
    assert object_colour(3) != object_colour(4)
