from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
import tifffile
from PIL import Image
from truth_predictors import TruthImagePredictor, TruthPredictor, coordinates

from napari_sam2.cli import main
from napari_sam2.cli.evaluate import checked_prompts, judged_frames
from napari_sam2.cli.movie_choice import MovieChoice
from sam2_core.errors import StackError
from sam2_core.training.synthetic import MovieSettings, make_movie


@pytest.fixture
def movie(tmp_path, monkeypatch):
    """A synthetic movie in two files, and a predictor that knows its truth."""
    made = make_movie(MovieSettings(frames=6, height=96, width=128), seed=3)
    tifffile.imwrite(tmp_path / "images.tif", made.images, imagej=True, metadata={"axes": "TYX"})
    tifffile.imwrite(tmp_path / "labels.tif", made.labels, imagej=True, metadata={"axes": "TYX"})
    monkeypatch.setattr("napari_sam2.cli.evaluate.load_predictor", lambda *args: TruthPredictor(made.labels))
    return tmp_path


def test_a_movie_gives_a_table_the_data_and_a_picture(movie, capsys):
    line = f"evaluate {movie}/images.tif --truth {movie}/labels.tif --out {movie}/out --view full --frames 4"
    assert main(line.split()) == 0
    document = json.loads((movie / "out" / "evaluation.json").read_text())
    rows = {row["run"]: row for row in document["rows"]}
    assert list(rows) == ["click", "box", "corrections", "baseline"]
    assert document["about"]["settings"] == {"model input": "256 px", "ids per movie": "40", "frames per id": "4"}
    for run in ("click", "box", "corrections"):
        assert rows[run]["values"]["j"] == 1.0
    assert 0.0 <= rows["baseline"]["values"]["j"] < 1.0
    assert "| J |" in (movie / "out" / "evaluation.md").read_text()
    assert (movie / "out" / f"{movie.name}.png").stat().st_size > 1000
    assert "recall" in capsys.readouterr().out


def test_runs_objects_and_baseline_can_be_chosen(movie):
    line = f"evaluate {movie}/images.tif --truth {movie}/labels.tif --out {movie}/out --view full"
    assert main(f"{line} --prompt box --objects 2 --no-baseline --first-frame-only".split()) == 0
    (row,) = json.loads((movie / "out" / "evaluation.json").read_text())["rows"]
    assert row["run"] == "box"
    assert row["values"]["objects"] == 2


def test_an_unknown_prompt_is_named(movie, capsys):
    line = f"evaluate {movie}/images.tif --truth {movie}/labels.tif --out {movie}/out --prompt clicks3"
    assert main(line.split()) == 1
    assert "corrections" in capsys.readouterr().err
    with pytest.raises(StackError, match="clicks3"):
        checked_prompts(["corrections"], "stills")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("--tracking --find", "--tracking judges tracks that are there, but --find was given"),
        ("--tracking --prompt click", "but --prompt was given; leave one of them out"),
        ("--find --prompt click", "--find prompts nothing, but --prompt click was given"),
        ("--parents t.csv", "--parents t.csv goes with tracks; give --tracking as well"),
        ("--truth-parents t.csv", "--truth-parents t.csv goes with tracks; give --tracking as well"),
        ("--baselines images.tif", "--baselines images.tif goes with tracks; give --tracking as well"),
    ],
)
def test_options_that_cannot_both_be_meant_are_said(movie, capsys, given, words):
    line = f"evaluate {movie}/images.tif --truth {movie}/labels.tif --out {movie}/out {given}"
    assert main(line.split()) == 1
    assert words in " ".join(capsys.readouterr().err.split())
    assert not (movie / "out").exists()


def test_folders_of_stills_are_evaluated(tmp_path, monkeypatch):
    labels = np.zeros((80, 100), np.uint8)
    labels[20:32, 20:32], labels[50:62, 60:72] = 1, 2
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for k in range(2):
        Image.fromarray(coordinates(80, 100)).save(tmp_path / "images" / f"{k}.png")
        Image.fromarray(labels).save(tmp_path / "masks" / f"{k}.png")
    monkeypatch.setattr("napari_sam2.cli.evaluate.load_predictor", lambda *args: TruthPredictor(labels))
    monkeypatch.setattr("napari_sam2.evaluation.image_predictor", lambda loaded: TruthImagePredictor(loaded.labels))
    line = f"evaluate {tmp_path}/images --truth {tmp_path}/masks --out {tmp_path}/out"
    assert main(line.split()) == 0
    rows = json.loads((tmp_path / "out" / "evaluation.json").read_text())["rows"]
    assert [row["run"] for row in rows] == ["click", "box", "clicks3", "baseline"]
    assert [row["values"]["mean_iou"] for row in rows[:3]] == [1.0, 1.0, 1.0]
    assert rows[0]["values"]["objects"] == 4
    assert (tmp_path / "out" / f"{tmp_path.name}.png").is_file()


@dataclass(frozen=True)
class FoundTruth:
    """What is found: the truth of the frame, but for its first object."""

    truth: np.ndarray
    diameter_px: float | None
    objects: tuple[()] = ()

    def labels(self):
        return np.where(self.truth == 1, 0, self.truth)


def test_everything_in_the_frames_of_a_movie_is_judged_without_a_prompt(movie, monkeypatch, capsys):
    labels = tifffile.imread(movie / "labels.tif")
    asked = []

    def finder(predictor):
        def find(image, diameter_px):
            asked.append((image.dtype, diameter_px))
            return FoundTruth(labels[3 * (len(asked) - 1)], 21.0)

        return find

    monkeypatch.setattr("napari_sam2.evaluation.finder", finder)
    line = f"evaluate {movie}/images.tif --truth {movie}/labels.tif --out {movie}/out --find --every 3"
    assert main(line.split()) == 0
    assert asked == [(np.uint8, None)] * 2
    document = json.loads((movie / "out" / "evaluation.json").read_text())
    find, baseline = document["rows"]
    assert (find["kind"], find["run"], baseline["run"]) == ("frames", "find", "baseline")
    objects = [len(np.unique(labels[k])) - 1 for k in (0, 3)]
    assert find["values"]["truth"] == sum(objects)
    assert find["values"]["ap50"] == pytest.approx(np.mean([(n - 1) / n for n in objects]))
    assert document["about"]["settings"]["diameter"] == "found"
    assert "AP50" in (movie / "out" / "evaluation.md").read_text()
    assert (movie / "out" / f"{movie.name}.png").is_file()
    assert main([*line.split(), "--prompt", "click"]) == 1
    assert "leave one of them out" in capsys.readouterr().err


@pytest.fixture
def volume(movie):
    """The movie as one plane of a stack along time and depth, whose other plane holds nothing; so its labels."""
    for name in ("images", "labels"):
        plane = tifffile.imread(movie / f"{name}.tif")
        stored = np.stack([np.zeros_like(plane), plane], axis=1)
        tifffile.imwrite(movie / f"{name}.ome.tif", stored, metadata={"axes": "TZYX"})
    return movie


def test_a_stack_along_time_and_depth_is_judged_at_a_fixed_depth(volume):
    line = f"evaluate {volume}/images.ome.tif --truth {volume}/labels.ome.tif --out {volume}/out --fixed Z=1"
    assert main(f"{line} --no-baseline --view full --frames 3 --objects 1 --prompt box".split()) == 0
    (row,) = json.loads((volume / "out" / "evaluation.json").read_text())["rows"]
    assert (row["values"]["objects"], row["values"]["j"]) == (1, 1.0)


@pytest.mark.parametrize("kind", ["movie", "stills"])
def test_frames_along_time_and_depth_are_taken_at_a_fixed_depth(volume, kind):
    files = volume / "images.ome.tif", volume / "labels.ome.tif"
    frames = judged_frames(kind, *files, MovieChoice(fixed=["Z=1"]), 1, None)
    truth = tifffile.imread(volume / "labels.tif")
    assert len(frames) == len(truth)
    for still, labels in zip(frames, truth, strict=True):
        np.testing.assert_array_equal(still.labels, labels)
        assert still.image.any()


def test_tracks_along_time_and_depth_are_judged_at_a_fixed_depth(volume):
    line = f"evaluate {volume}/labels.ome.tif --tracking --truth {volume}/labels.tif --out {volume}/out --fixed Z=1"
    assert main(line.split()) == 0
    (row,) = json.loads((volume / "out" / "evaluation.json").read_text())["rows"]
    assert row["values"]["tra"] == 1.0
