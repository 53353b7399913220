"""The example scripts, run as a person would run them, with the model that ships."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem != "drawing")


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a script into a folder; check its picture, and return the names that it leaves behind."""

    def run_script(name: str) -> dict[str, Any]:
        monkeypatch.syspath_prepend(str(EXAMPLES))
        monkeypatch.setattr(sys, "argv", [f"{name}.py", str(tmp_path / "pictures")])
        names = runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        with Image.open(tmp_path / "pictures" / f"{name}.png") as picture:
            assert picture.size == (sum(p.width + 6 for p in names["pictures"]) - 6, names["pictures"][0].height + 24)
        return names

    return run_script


def holds(mask: Any, x: float, y: float) -> bool:
    """Whether the mask covers the click and is no mask of the whole image."""
    mask = np.asarray(mask) > 0
    return bool(mask[int(y), int(x)]) and mask.mean() < 0.25


def test_every_example_has_a_test() -> None:
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert set(SCRIPTS) <= tests


def test_image_one_click(run) -> None:
    names = run("image_one_click")
    click, scores = names["click"], names["scores"]
    assert names["masks"].shape == (3, 256, 256)
    assert (np.diff(scores) <= 0).all()
    assert ((scores >= 0) & (scores <= 1)).all()
    assert holds(names["masks"][0], click.x, click.y)
    assert holds(names["refined"][0], click.x, click.y)


def test_image_box_and_click(run) -> None:
    names = run("image_box_and_click")
    click = names["click"]
    assert holds(names["masks"][0], click.x, click.y)
    assert holds(names["clicked"][0], click.x, click.y)
    assert names["several"].shape == (4, 1, 256, 256)
    for mask, box in zip(names["several"][:, 0], names["boxes"], strict=True):
        assert share_in_box(mask, box) > 0.5


def share_in_box(mask: np.ndarray, box: np.ndarray) -> float:
    """The share of the mask's pixels that lie in the box."""
    x0, y0, x1, y1 = box
    return float(mask[y0:y1, x0:x1].sum() / max(mask.sum(), 1))


def test_image_batch(run) -> None:
    names = run("image_batch")
    assert [scores.shape for scores in names["scores"]] == [(4, 3), (4, 3)]
    for masks, points in zip(names["best"], names["points"], strict=True):
        assert all(holds(mask, *point[0]) for mask, point in zip(masks, points, strict=True))


def test_image_all_masks(run) -> None:
    names = run("image_all_masks")
    assert len(names["found"]) >= 8
    assert all(holds(one["segmentation"], *one["point_coords"][0]) for one in names["found"])
    assert sum(one["segmentation"].astype(int) for one in names["found"]).max() == 1  # no nucleus is found twice


def test_video_two_clicks(run) -> None:
    names = run("video_two_clicks")
    segments, click = names["video_segments"], names["click"]
    assert list(segments) == list(range(30))
    assert holds(names["after_one"], click.x, click.y)
    assert all(holds(names["after_two"], x, y) for x, y in names["points"])
    assert np.array_equal(segments[0][1], names["after_two"])
    assert segments[29][1].any()


def test_video_later_correction(run) -> None:
    names = run("video_later_correction")
    keep = names["keep"]
    first, second = names["video_segments"], names["corrected_segments"]
    assert holds(names["answer"], keep.x, keep.y)
    assert not np.array_equal(names["answer"], first[keep.frame][1]), "the clicks must change the mask"
    assert np.array_equal(second[keep.frame][1], names["answer"]), "the correction must survive the second run"
    assert all(np.array_equal(first[frame][1], second[frame][1]) for frame in range(keep.frame))


def test_video_box(run) -> None:
    names = run("video_box")
    segments, second = names["video_segments"], names["second"]
    assert list(segments) == list(range(30))
    assert share_in_box(names["first_masks"][1], names["boxes"][names["first"].object_id]) > 0.5
    assert holds(names["first_masks"][2], second.x, second.y)
    assert all(segments[15][object_id].any() for object_id in (1, 2))


def test_video_several_objects(run) -> None:
    names = run("video_several_objects")
    segments, removed = names["video_segments"], names["removed"]
    assert set(names["first_masks"]) == {click.object_id for click in names["clicks"]}
    assert all(holds(names["first_masks"][click.object_id], click.x, click.y) for click in names["clicks"])
    assert names["remaining"] == [click.object_id for click in names["clicks"] if click.object_id != removed]
    assert all(list(masks) == names["remaining"] for masks in segments.values())
    assert list(segments) == list(range(30))


def test_video_small_cells(run) -> None:
    names = run("video_small_cells")
    segments, truth = names["video_segments"], names["movie"].labels
    assert list(segments) == list(range(10))
    for click in names["clicks"]:
        for frame in (0, 9):
            found, cell = segments[frame][click.object_id], np.zeros((768, 768), bool)
            cell[:256, :256] = truth[frame] == click.object_id
            assert (found & cell).sum() > 0.7 * (found | cell).sum()


def test_session_track_and_correct(run, tmp_path) -> None:
    names = run("session_track_and_correct")
    first, second, clicks = names["first"], names["second"], names["clicks"]
    assert all(first[click.frame, click.y, click.x] == click.object_id for click in clicks)
    assert names["stale"].tolist() == list(range(6, 12))
    assert names["visited"] == list(range(7, 12)), "what is behind the corrected frame, and nothing else"
    others = [click.object_id for click in clicks if click.object_id != names["corrected"]]
    assert np.array_equal(np.isin(first[:6], others), np.isin(second[:6], others))
    assert np.array_equal(first[:6], second[:6])
    assert np.array_equal(names["undone"], first)
    assert np.array_equal(names["reopened"], second)
    assert np.array_equal(tifffile.imread(tmp_path / "pictures" / "session_masks.tif"), second)


def test_viewer_session(run) -> None:
    text = (EXAMPLES / "viewer_session.py").read_text(encoding="utf-8")
    _, *steps = re.split(r"^# (?=\d+\. )", text, flags=re.MULTILINE)
    assert [int(step.split(".")[0]) for step in steps] == list(range(1, len(steps) + 1))
    assert len(steps) >= 50
    assert all("\nassert " in step for step in steps), "each step says what then holds"
    names = run("viewer_session")
    assert np.array_equal(names["reopened"], names["before"])
    assert set(np.unique(names["reopened"])) == {0, *names["cells"]}
    assert not names["session"].is_running


def test_window_panel(run, qapp) -> None:
    names = run("window_panel")
    click, labels = names["click"], names["labels"]
    assert holds(labels[0], click.x, click.y)
    assert all((frame == 1).any() for frame in labels)
    assert names["one"].session is None, "the viewer was closed"


def test_the_notebook_is_the_page_that_is_tested() -> None:
    """Its cells run as blocks of docs/scripting.md; `python scripts/make_notebook.py` makes it anew."""
    make = runpy.run_path(str(EXAMPLES.parent / "scripts" / "make_notebook.py"))
    assert make["NOTEBOOK"].read_text(encoding="utf-8") == make["notebook"](make["PAGE"].read_text(encoding="utf-8"))
