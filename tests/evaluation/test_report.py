from __future__ import annotations

import json
import math

import numpy as np
import torch
from PIL import Image
from truth_predictors import TruthPredictor, drifting

from napari_sam2.evaluation.movies import MovieTask, run_movie
from napari_sam2.evaluation.pictures import Panel, movie_panels, picked_objects, write_picture
from napari_sam2.evaluation.report import About, about_model, as_markdown, movie_row, stills_row, write_report
from napari_sam2.masks.stored_masks import StoredMask
from sam2_core.scoring.ground_truth import movie_targets

ABOUT = About("a model", "cpu", "float32", {"model input": "256 px"})


def finished_run():
    labels = np.zeros((6, 40, 60), np.uint16)
    labels[:, 5:15, 5:15], labels[:, 20:30, 20:30] = 1, 2
    task = MovieTask(np.full(labels.shape, 90, np.uint8), labels, movie_targets(labels), 11.0)
    return task, run_movie(TruthPredictor(labels, drifting), task, "click")


def test_the_table_names_model_device_precision_settings_seeds_and_seconds():
    _, run = finished_run()
    text = as_markdown(ABOUT, [movie_row("discs", run, 11.0), stills_row("nuclei", "box", {"a 1": 0.5, "a 2": 1.0}, 3)])
    for word in ("a model", "cpu", "float32", "model input 256 px", "Seeds", "s/object-frame", "### Stills"):
        assert word in text
    assert "| nuclei | – | box | 2 | 0.750 | 1.000 | 1.5000 |" in text
    assert f"| discs | 11.0 | click | 2 | 10 | {np.mean([9 / 11, 8 / 12, 7 / 13, 6 / 14, 5 / 15]):.3f} |" in text


def test_the_data_hold_every_object_and_no_nan(tmp_path):
    _, run = finished_run()
    _, data = write_report(tmp_path / "new", ABOUT, [movie_row("discs", run, 11.0)])
    document = json.loads(data.read_text(), parse_constant=lambda word: (_ for _ in ()).throw(ValueError(word)))
    row = document["rows"][0]
    assert document["about"]["model"] == "a model"
    assert set(row["by_object"]) == {"1", "2"}
    assert row["values"]["gone_without_mask"] is None
    assert math.isclose(row["values"]["j"], np.mean(list(row["by_object"].values())))


def test_a_movie_whose_name_is_no_text_is_reported(tmp_path):
    _, run = finished_run()
    table, data = write_report(tmp_path, ABOUT, [movie_row("l\udcfc", run, 11.0)])
    assert r"| l\udcfc |" in table.read_text()
    assert json.loads(data.read_text())["rows"][0]["stack"] == "l\udcfc"


def test_best_median_and_worst_are_shown_once():
    picked = picked_objects({key: key / 10 for key in range(10)})
    assert picked == [("best", 9), ("best", 8), ("median", 5), ("median", 4), ("worst", 1), ("worst", 0)]
    assert picked_objects({3: 0.5}) == [("best", 3)]
    assert picked_objects({3: 0.5, 4: 0.6}) == [("best", 4), ("worst", 3)]


def test_outlines_of_truth_and_result_are_drawn_where_they_are():
    truth, found = np.zeros((2, 40, 40), bool)
    truth[10:20, 10:20], found[10:20, 14:24] = True, True
    pixels = np.asarray(Panel(np.full((40, 40), 90, np.uint8), truth, found, "").drawn())
    green = np.argwhere((pixels == (60, 230, 90)).all(-1))
    magenta = np.argwhere((pixels == (255, 70, 230)).all(-1))
    assert green[:, 1].min() < magenta[:, 1].min()
    assert green[:, 1].max() < magenta[:, 1].max()


def test_a_picture_of_a_movie_is_written(tmp_path):
    task, run = finished_run()
    rows = movie_panels(task, run)
    assert [len(row) for row in rows] == [5, 5]
    write_picture(tmp_path / "movie.png", rows)
    with Image.open(tmp_path / "movie.png") as picture:
        assert picture.size[0] > 5 * 200


def test_masks_are_kept_small_and_whole():
    mask = np.zeros((30, 40), bool)
    mask[3:9, 20:33] = True
    assert StoredMask.of_mask(mask).shape == (6, 13)
    assert np.array_equal(StoredMask.of_mask(mask).placed((30, 40)), mask)
    assert not StoredMask.of_mask(np.zeros_like(mask)).placed((30, 40)).any()


def test_the_table_says_which_model_ran_where_and_how_precisely():
    predictor = TruthPredictor(np.zeros((1, 5, 5), int))
    about = about_model("a model", predictor)
    assert (about.model, about.precision, about.settings["model input"]) == ("a model", "float32", "256 px")
    assert about.device.startswith("cpu")


def test_a_device_that_is_neither_processor_nor_cuda_is_named_as_it_is():
    predictor = TruthPredictor(np.zeros((1, 5, 5), int))
    predictor.device = torch.device("mps")
    assert about_model("a model", predictor).device == "mps"
