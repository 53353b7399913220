from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from truth_predictors import TruthImagePredictor, TruthPredictor, coordinates, drifting

from napari_sam2.engine.view import ViewChoice
from napari_sam2.evaluation import MovieTask, Plan, Stills, benchmark_movie, benchmark_stills, movie_targets
from sam2_core.errors import StackError

WIDE = (6, 100, 1200)


@pytest.fixture
def task():
    labels = np.zeros(WIDE, np.uint16)
    labels[:, 5:15, 5:15], labels[:, 20:30, 20:30] = 1, 2
    return MovieTask(np.full(WIDE, 90, np.uint8), labels, movie_targets(labels), 11.0)


@pytest.fixture
def written_stills(tmp_path):
    """Writes two images with the same labels, and returns the stills."""

    def write(labels):
        for name, pixels in (("images", coordinates(*labels.shape)), ("masks", labels)):
            (tmp_path / name).mkdir()
            for k in range(2):
                Image.fromarray(pixels).save(tmp_path / name / f"{k}.png")
        return Stills(tmp_path / "images", tmp_path / "masks")

    return write


@pytest.fixture
def progress():
    """What was begun, and how often each of it was ticked."""
    counts: dict[str, list[int]] = {}

    def begin(what, total):
        counts[what] = [total, 0]

        def tick():
            counts[what][1] += 1

        return tick

    return begin, counts


def test_a_movie_gives_a_row_per_run_and_the_picture_of_the_first(task, progress, tmp_path):
    begin, counts = progress
    plan = Plan(movie_runs=("box", "click"), movie_view=ViewChoice.full)
    found = benchmark_movie("two", task, TruthPredictor(task.truth, drifting), plan, begin)
    assert [(row.stack, row.run) for row in found.rows] == [
        ("two (full frame)", run) for run in ("box", "click", "baseline")
    ]
    assert counts == {f"two (full frame): {row.run}": [12, 12] for row in found.rows}
    assert [panel.caption.split(",")[0] for panel in (row[0] for row in found.panels)] == ["best: 1", "worst: 2"]
    found.write_picture(tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["two.png"]


def test_the_rows_of_a_movie_name_the_windows_that_were_looked_through(task):
    found = benchmark_movie("two", task, TruthPredictor(task.truth), Plan(("click",), baseline=False))
    (row,) = found.rows
    assert row.stack.startswith("two (windows of ")


def test_where_nothing_was_followed_no_picture_is_written(task, tmp_path):
    still = MovieTask(task.movie[:1], task.truth[:1], movie_targets(task.truth[:1]), 11.0)
    plan = Plan(("click",), baseline=False, movie_view=ViewChoice.full)
    found = benchmark_movie("one frame", still, TruthPredictor(still.truth), plan)
    assert found.rows[0].values["objects"] == 2
    found.write_picture(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_stills_give_a_row_per_prompt_and_one_picture(written_stills, progress, tmp_path):
    begin, counts = progress
    labels = np.zeros((80, 100), np.uint8)
    labels[20:32, 20:32], labels[50:62, 60:72] = 1, 2
    plan = Plan(still_prompts=("box", "click"))
    found = benchmark_stills("discs", written_stills(labels), TruthImagePredictor(labels), plan, begin)
    assert [(row.run, row.values["objects"]) for row in found.rows] == [("box", 4), ("click", 4), ("baseline", 4)]
    assert set(found.rows[0].by_object) == {"0 1", "0 2", "1 1", "1 2"}
    assert counts == {"discs": [2, 2]}
    found.write_picture(tmp_path)
    assert (tmp_path / "discs.png").is_file()


def test_stills_without_an_object_are_refused(written_stills):
    empty = np.zeros((80, 100), np.uint8)
    with pytest.raises(StackError, match="are these label images"):
        benchmark_stills("empty", written_stills(empty), TruthImagePredictor(empty), Plan())
