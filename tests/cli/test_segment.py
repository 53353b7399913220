from __future__ import annotations

import csv
import os
import signal
import time

import numpy as np
import pytest
import tifffile
from finding_predictor import FindingPredictor, unsure_of_size
from label_stacks import labels_of

from napari_sam2.samples import sample_movie
from napari_sam2.stacks import open_stack
from sam2_core.errors import StackError

SIZE = (40, 60)
SEGMENT = "segment cells.tif --out labels.tif --contrast 0 255"
PLACES = ((2, 2, 250), (2, 30, 200), (20, 2, 150), (31, 51, 110))


@pytest.fixture
def found(monkeypatch):
    """Every command finds bright pieces instead of loading a model."""
    made = FindingPredictor()
    monkeypatch.setattr("napari_sam2.cli.terminal_run.load_predictor", lambda *args: made)
    return made


@pytest.fixture
def cells(work):
    """A movie of four frames with four squares, the third of them empty; written as cells.tif, 0.25 um a pixel."""
    frames = np.zeros((4, *SIZE), np.uint8)
    for y, x, value in PLACES:
        frames[[0, 1, 3], y : y + 9, x : x + 9] = value
    about = {"imagej": True, "resolution": (4, 4), "metadata": {"axes": "TYX", "unit": "um"}}
    tifffile.imwrite(work / "cells.tif", frames, **about)
    return work


def rows_of(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_every_frame_becomes_labels_and_a_table(cells, found, run):
    code, out, err = run(f"{SEGMENT} --table objects.csv")
    assert code == 0, err
    labels = labels_of(cells / "labels.tif")
    assert labels.shape == (4, *SIZE)
    assert [np.unique(frame).tolist() for frame in labels] == [[0, 1, 2, 3, 4]] * 2 + [[0]] + [[0, 1, 2, 3, 4]]
    assert labels[0, 5, 5] == 1
    assert open_stack(cells / "labels.tif").calibration.scale == {"Y": 0.25, "X": 0.25}
    rows = rows_of(cells / "objects.csv")
    assert len(rows) == 12
    assert rows[4]["frame"] == "1"
    told = {name: rows[0][name] for name in ("frame", "label", "area_px", "y_px", "x_px", "area", "y", "unit")}
    assert told == {
        "frame": "0",
        "label": "1",
        "area_px": "81",
        "y_px": "6.00",
        "x_px": "6.00",
        "area": "5.0625",
        "y": "1.5",
        "unit": "µm",
    }
    assert (rows[0]["score"], rows[0]["mean_intensity"], rows[0]["max_intensity"]) == ("0.980", "250", "250")
    assert "12 objects on 4 frames" in out
    assert "9 px, as found; to choose yourself, give --diameter" in out
    assert not (cells / "labels.tif.partial").exists()


def test_frames_scores_regions_and_sizes_are_chosen(cells, found, run):
    line = f"{SEGMENT} --frames 1,3 --diameter 12 --min-score 0.5 --region 0,0,25,60 --drop-border"
    code, out, _ = run(f"{line} --min-diameter 4 --max-diameter 30")
    assert code == 0
    assert [int(frame.max()) for frame in labels_of(cells / "labels.tif")] == [0, 3, 0, 3]
    (first, _) = found.requests
    assert (first.diameter_px, first.min_diameter_px, first.max_diameter_px, first.keep_border) == (12, 4, 30, False)
    assert "12 px, as given" in out


def test_the_size_that_the_first_frame_tells_holds_for_the_others(cells, found, run):
    assert run(SEGMENT)[0] == 0
    assert [request.diameter_px for request in found.requests] == [None, 9, 9, 9]


def test_all_channels_are_measured_whatever_the_model_sees(cells, found, run):
    stack = np.zeros((2, *SIZE), np.uint8)
    stack[0, 2:9, 2:9], stack[1] = 250, 7
    np.save(cells / "two.npy", stack)
    line = "segment two.npy --axes CYX --channel 0 --contrast 0 255 --out labels.tif --table objects.csv"
    assert run(line)[0] == 0
    (row,) = rows_of(cells / "objects.csv")
    assert (row["mean_channel0"], row["mean_channel1"]) == ("250", "7")
    assert tifffile.imread(cells / "labels.tif").shape == SIZE


def test_a_region_is_also_an_image_that_is_not_0(cells, found, run):
    mask = np.zeros(SIZE, np.uint8)
    mask[:, 25:] = 3
    tifffile.imwrite(cells / "where.tif", mask)
    assert run(f"{SEGMENT} --region where.tif --frames 0")[0] == 0
    assert labels_of(cells / "labels.tif")[0].max() == 2


@pytest.mark.parametrize("count", [2, 7, 13])
def test_ctrl_c_keeps_finished_frames_and_resume_ends_with_the_same_labels(cells, found, run, count):
    line = f"{SEGMENT} --table objects.csv"
    assert run(line)[0] == 0
    whole, table = labels_of(cells / "labels.tif"), (cells / "objects.csv").read_text()
    (cells / "labels.tif").unlink()
    (cells / "objects.csv").unlink()
    tiles = []

    def press(done):
        tiles.append(done)
        if len(tiles) == count:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)  # a model takes longer, so that the signal is seen before the tile is done

    found._on_tile = press
    code, _, err = run(line)
    assert code == 130
    assert not (cells / "labels.tif").exists()
    if count == 2:
        assert "nothing was written" in err
        assert not (cells / "labels.tif.partial").exists()
        return
    assert f"napari-sam2 {line} --resume" in err
    assert "interrupted run" in run(line)[2]
    assert "started differently" in run(f"{line} --resume --min-score 0.5")[2]
    looked = len(found.requests)
    assert run(f"{line} --resume")[0] == 0
    assert np.array_equal(labels_of(cells / "labels.tif"), whole)
    assert (cells / "objects.csv").read_text() == table
    assert len(found.requests) - looked == 4 - count // 4
    assert not (cells / "labels.tif.partial").exists()


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ("--frames 9", 1, "frames 0 to 3"),
        ("--frames x", 2, "0,5,10-19"),
        ("--diameter big", 2, "auto"),
        ("--region 0,0,0,9", 1, "Y0,X0,Y1,X1"),
        ("--resume", 1, "no interrupted run"),
        ("--resume --overwrite", 1, "exclude"),
        ("--table nowhere/objects.csv", 1, "There is no folder"),
        ("--table ./labels.tif", 1, "is given for two results"),
        ("--min-score 2", 2, "less than or equal to 1"),
    ],
)
def test_what_cannot_be_is_said(cells, found, run, more, code, said):
    got, _, err = run(f"{SEGMENT} {more}")
    assert (got, said in err) == (code, True), err
    assert not (cells / "labels.tif.partial").exists()


def test_labels_that_are_there_are_replaced_only_when_asked(cells, found, run):
    assert run(SEGMENT)[0] == 0
    assert "exists" in run(SEGMENT)[2]
    assert run(f"{SEGMENT} --overwrite")[0] == 0
    assert "raw data is never overwritten" in run("segment cells.tif --out cells.tif --overwrite")[2]


def test_what_was_found_is_kept_where_the_labels_cannot_be_written(cells, found, run, monkeypatch):
    def full(*args):
        raise StackError("No space is left on the device.")

    with monkeypatch.context() as disk:
        disk.setattr("napari_sam2.session.segment_job.write_labels", full)
        code, _, err = run(SEGMENT)
    assert (code, "No space" in err) == (1, True)
    looked = len(found.requests)
    assert run(f"{SEGMENT} --resume")[0] == 0
    assert len(found.requests) == looked, "no frame is looked at again"
    assert labels_of(cells / "labels.tif").max() == 4


def test_where_the_size_cannot_be_told_it_is_asked_for(cells, found, run, monkeypatch):
    monkeypatch.setattr(found, "find_steps", unsure_of_size(found.find_steps))
    code, _, err = run(SEGMENT)
    assert code == 1
    assert "Nothing tells how large cells are. (--diameter PX)" in err
    assert sorted(path.name for path in cells.iterdir()) == ["cells.tif", "movie.tif", "prompts.json"]


@pytest.fixture
def stills(cells):
    """Three images of three sizes with one, two and no squares, and their folder."""
    folder = cells / "stills"
    folder.mkdir()
    for name, size, spots in (("a", (30, 40), PLACES[:1]), ("b", (40, 50), PLACES[:2]), ("c", (20, 20), ())):
        image = np.zeros(size, np.uint8)
        for y, x, value in spots:
            image[y : y + 9, x : x + 9] = value
        tifffile.imwrite(folder / f"{name}.tif", image)
    return folder


STILLS = "segment stills --out found --table objects.csv --contrast 0 255"


def test_a_folder_of_stills_becomes_a_folder_of_labels(cells, stills, found, run):
    code, out, err = run(STILLS)
    assert code == 0, err
    labels = {path.name: tifffile.imread(path) for path in sorted((cells / "found").iterdir())}
    assert {name: (one.shape, int(one.max())) for name, one in labels.items()} == {
        "a.tif": ((30, 40), 1),
        "b.tif": ((40, 50), 2),
        "c.tif": ((20, 20), 0),
    }
    assert [(row["image"], row["label"]) for row in rows_of(cells / "objects.csv")] == [
        ("a.tif", "1"),
        ("b.tif", "1"),
        ("b.tif", "2"),
    ]
    assert [request.diameter_px for request in found.requests] == [None] * 3
    assert "3 objects on 3 frames." in out
    assert not (cells / "found.partial").exists()
    assert "exists" in run(STILLS)[2]
    assert "would be replaced" in run("segment stills --out stills --overwrite")[2]


def test_stills_go_on_where_they_were_stopped(cells, stills, found, run):
    tiles = []

    def press(done):
        tiles.append(done)
        if len(tiles) == 6:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)

    found._on_tile = press
    code, _, err = run(STILLS)
    assert code == 130
    assert "Stopped after 1 of 3" in err
    assert not (cells / "found").exists()
    assert "started differently" in run(f"{STILLS} --resume --drop-border")[2]
    assert run(f"{STILLS} --resume")[0] == 0
    assert len(found.requests) == 4
    assert len(rows_of(cells / "objects.csv")) == 3


def test_a_name_with_brackets_is_told_as_it_is(cells, found, run):
    (cells / "cells.tif").rename(cells / "cells[red].tif")
    code, out, err = run(SEGMENT.replace("cells.tif", "cells[red].tif").replace("labels.tif", "labels[red].tif"))
    assert code == 0, err
    assert "Labels: labels[red].tif" in out


def test_several_workers_write_the_same_labels(work, run):
    """With the model that ships, for processes of their own load it."""
    images = sample_movie("fluorescence").images[:4]
    tifffile.imwrite(work / "cells.tif", images, imagej=True, metadata={"axes": "TYX"})
    for workers in (1, 2):
        code, _, told = run(f"segment cells.tif --out labels_{workers}.tif --device cpu --workers {workers}")
        assert code == 0, told
    one, two = (tifffile.imread(work / f"labels_{workers}.tif") for workers in (1, 2))
    assert one.any(axis=(1, 2)).all()
    np.testing.assert_array_equal(one, two)
