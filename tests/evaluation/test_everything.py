"""Everything in a frame: what is found against all labels, beside the baseline, with a picture of what went wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import tifffile

from napari_sam2.evaluation import JudgedFrames, benchmark_finding
from napari_sam2.evaluation.baseline import regions_of_frame
from napari_sam2.evaluation.everything import judge_frame
from napari_sam2.evaluation.pictures import FramePanel
from napari_sam2.evaluation.report import About, as_markdown
from napari_sam2.evaluation.stills import Still
from napari_sam2.stacks import open_stack
from sam2_core.errors import StackError
from sam2_core.scoring.detection import frame_detection

HIT, MISS, EXTRA = (60, 230, 90), (255, 50, 50), (255, 165, 0)


@dataclass(frozen=True)
class Scored:
    score: float


@dataclass
class Finds:
    """Finds what it was given, at the diameter that it was told or else at 10 px."""

    given: np.ndarray
    diameter_px: float | None = 10.0

    @property
    def objects(self):
        return [Scored(0.9 - 0.2 * k) for k in range(self.given.max())]

    def __call__(self, image, diameter_px):
        self.diameter_px = diameter_px or self.diameter_px
        return self

    def labels(self):
        return self.given


def three() -> tuple[np.ndarray, np.ndarray]:
    """Three squares, one at the border; of them two found, and something else."""
    truth = np.zeros((60, 80), np.uint16)
    truth[0:10, 0:10], truth[20:30, 20:30], truth[40:50, 60:70] = 4, 5, 9
    found = np.zeros((60, 80), np.int32)
    found[0:10, 0:10], found[20:30, 22:30], found[45:55, 10:20] = 1, 2, 3
    return truth, found


def image_of(truth: np.ndarray) -> np.ndarray:
    return np.where(truth > 0, 180, 40).astype(np.uint8)


def test_a_frame_gives_rows_and_a_picture_of_hits_misses_and_extras(tmp_path):
    truth, found = three()
    begun = []

    def begin(what, total):
        begun.append((what, total))
        return lambda: None

    findings = benchmark_finding("data", [Still("one", image_of(truth), truth)], Finds(found), begin=begin)
    find, baseline = findings.rows
    assert begun == [("data: find", 1)]
    assert (find.kind, find.run, baseline.run) == ("frames", "find", "baseline")
    assert (find.values["truth"], find.values["found"]) == (3, 3)
    assert find.values["ap50"] == pytest.approx(2 / 4)
    assert find.values["ap75"] == pytest.approx(2 / 4)  # the second has an IoU of 0.8
    assert find.values["seg"] == pytest.approx((1 + 0.8 + 0) / 3)
    assert find.by_object == {"one": pytest.approx(0.5)}
    assert find.diameter_px == 10.0
    assert find.values["true_diameter"] == pytest.approx(math.sqrt(400 / math.pi))
    assert baseline.values["ap50"] == 1.0
    curve = [(each.low, each.objects, each.right) for each in find.by_score]
    assert curve == [(0.5, 1, 0.0), (0.7, 1, 1.0), (0.9, 1, 1.0)]  # the third object was the extra
    assert "| data | 0.5 to 0.6 | find | 1 | 0.50 | 0.00 |" in as_markdown(About("m", "cpu", "float32"), [find])
    assert baseline.by_score == ()
    findings.write_picture(tmp_path)
    assert (tmp_path / "data.png").stat().st_size > 1000


def test_the_picture_shows_each_in_its_colour():
    truth, found = three()
    drawn = np.array(FramePanel(image_of(truth), truth, found, "").drawn())
    height, width = drawn.shape[:2]
    assert (height, width) == (480, 640)

    def colours(y: int, x: int) -> set[tuple[int, ...]]:
        part = drawn[y * 8 : (y + 12) * 8, x * 8 : (x + 12) * 8].reshape(-1, 3)
        return {tuple(colour) for colour in part.tolist()} & {HIT, MISS, EXTRA}

    assert colours(0, 0) == {HIT}
    assert colours(19, 19) == {HIT}
    assert colours(39, 59) == {MISS}
    assert colours(44, 9) == {EXTRA}


def test_a_told_diameter_is_passed_on_and_one_that_cannot_be_told_is_a_dash():
    truth, found = three()
    judged, _ = judge_frame(Still("one", image_of(truth), truth, 33.0), Finds(found))
    assert judged.diameter_px == 33.0
    unknown, _ = judge_frame(Still("one", image_of(truth), truth), Finds(found * 0, None), baseline=False)
    assert math.isnan(unknown.diameter_px)
    assert unknown.baseline is None


def test_an_empty_frame_is_judged_too():
    nothing = np.zeros((40, 50), np.uint16)
    judged, _ = judge_frame(Still("empty", image_of(nothing), nothing), Finds(nothing))
    assert judged.score.ap() == 1.0
    assert math.isnan(judged.true_diameter_px)
    assert judged.baseline is not None


@pytest.mark.parametrize("inside", [200, 20])
def test_the_baseline_takes_what_agrees_better_bright_or_dark(inside):
    truth, _ = three()
    frame = np.where(truth > 0, inside, 110).astype(np.uint8)
    assert frame_detection(truth, regions_of_frame(frame, truth, 11.0)).ap() == 1.0


def test_frames_of_a_movie_have_one_contrast_and_their_numbers(tmp_path):
    truth, _ = three()
    labels = np.stack([truth] * 5)
    movie = np.stack([image_of(truth).astype(np.uint16) * (k + 1) for k in range(5)])
    tifffile.imwrite(tmp_path / "m.tif", movie, imagej=True, metadata={"axes": "TYX"})
    tifffile.imwrite(tmp_path / "l.tif", labels, imagej=True, metadata={"axes": "TYX"})
    frames = JudgedFrames(open_stack(tmp_path / "m.tif").movie(), tmp_path / "l.tif", every=2, diameter_px=7.0)
    assert len(frames) == 3
    assert [still.name for still in frames] == ["m [0]", "m [2]", "m [4]"]
    assert [still.diameter_px for still in frames] == [7.0] * 3
    brightest = [int(still.image.max()) for still in frames]
    assert brightest[0] < brightest[1] < brightest[2]
    findings = benchmark_finding("m", frames, Finds(truth))
    assert findings.rows[0].values["frames"] == 3
    assert [len(row) for row in findings.panels] == [3]


def test_no_frame_is_an_error(tmp_path):
    with pytest.raises(StackError, match="no frame"):
        benchmark_finding("none", [], Finds(np.zeros((4, 4), int)))
