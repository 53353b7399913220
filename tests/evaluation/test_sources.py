from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2.evaluation.judged_stacks import Stills, open_task, stack_name
from napari_sam2.stacks import open_stack
from sam2_core.errors import StackError


@pytest.fixture
def labels():
    found = np.zeros((4, 40, 60), np.uint16)
    found[:, 10:20, 10:20], found[:, 25:35, 30:40] = 1, 2
    return found


@pytest.fixture
def folders(tmp_path, labels):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for k in range(5):
        Image.fromarray((labels[0] * 40 + k).astype(np.uint8)).save(tmp_path / "images" / f"im{k}.png")
        if k != 3:
            tifffile.imwrite(tmp_path / "masks" / f"im{k}.tif", labels[0])
    return tmp_path / "images", tmp_path / "masks"


def test_a_movie_and_its_truth_are_joined(tmp_path, labels):
    tifffile.imwrite(tmp_path / "m.tif", (labels * 1000), imagej=True, metadata={"axes": "TYX"})
    tifffile.imwrite(tmp_path / "l.tif", labels, imagej=True, metadata={"axes": "TYX"})
    task = open_task(open_stack(tmp_path / "m.tif").movie(), tmp_path / "l.tif")
    assert [target.object_id for target in task.targets] == [1, 2]
    assert task.diameter_px == pytest.approx(np.sqrt(400 / np.pi))
    assert task.movie[0].dtype == np.uint8
    assert np.array_equal(task.truth[3], labels[3])
    assert open_task(open_stack(tmp_path / "m.tif").movie(), tmp_path / "l.tif", diameter_px=17.0).diameter_px == 17.0


def test_a_truth_of_another_size_or_of_real_numbers_is_refused(tmp_path, labels):
    tifffile.imwrite(tmp_path / "m.tif", labels, imagej=True, metadata={"axes": "TYX"})
    tifffile.imwrite(tmp_path / "short.tif", labels[:3], imagej=True, metadata={"axes": "TYX"})
    tifffile.imwrite(tmp_path / "real.tif", labels.astype(np.float32), imagej=True, metadata={"axes": "TYX"})
    with pytest.raises(StackError, match="must cover the same frames"):
        open_task(open_stack(tmp_path / "m.tif").movie(), tmp_path / "short.tif")
    with pytest.raises(StackError, match="whole numbers"):
        open_task(open_stack(tmp_path / "m.tif").movie(), tmp_path / "real.tif")


def test_stills_are_matched_by_name_and_every_so_many_taken(folders):
    assert [still.name for still in Stills(*folders)] == ["im0", "im1", "im2", "im4"]
    assert [still.name for still in Stills(*folders, every=2)] == ["im0", "im2"]
    assert len(Stills(*folders, every=2)) == 2


def test_folders_without_a_pair_are_refused(tmp_path, folders):
    (tmp_path / "other").mkdir()
    with pytest.raises(StackError, match="same name"):
        list(Stills(folders[0], tmp_path / "other"))


def test_frames_of_a_stack_can_be_stills(tmp_path, labels):
    for name in ("m", "l"):
        tifffile.imwrite(tmp_path / f"{name}.tif", labels, imagej=True, metadata={"axes": "TYX"})
    stills = Stills(tmp_path / "m.tif", tmp_path / "l.tif", every=3)
    found = list(stills)
    assert len(stills) == len(found)
    assert [still.name for still in found] == ["m [0]", "m [3]"]
    assert found[0].image.dtype == np.uint8


def test_stills_can_be_gone_through_twice(folders):
    stills = Stills(*folders)
    assert [still.name for still in stills] == [still.name for still in stills]
    assert len(stills) == 4


def test_a_stack_is_named_by_its_folder_where_its_own_name_says_nothing(tmp_path):
    assert stack_name(tmp_path / "yeast" / "images.tif") == "yeast"
    assert stack_name(tmp_path / "phase" / "val" / "images") == "phase_val"
    assert stack_name(tmp_path / "a" / "16cell_image.tif") == "16cell_image"
