"""The same prompts mean the same pixels, whoever gives them: the command line, a script, the layers of a viewer, and
the evaluation.

With the model that ships, on a corner of the sample movie. The viewer shows a mask after every click, a script tracks
at once, and the command line reads all prompts from a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel

from napari_sam2 import samples
from napari_sam2.cli import main
from napari_sam2.evaluation.movies import CORRECTIONS, MovieTask, run_movie
from napari_sam2.io import write_prompts
from napari_sam2.session import Prompt, Session, SessionSettings
from napari_sam2.stacks import ModelMovie, open_stack
from napari_sam2.viewer import InlineRunner, bind, image_source
from sam2_core import SAM2VideoPredictor, build_sam2
from sam2_core.scoring.clicks import corrective_click
from sam2_core.scoring.ground_truth import Target

FRAMES, SIDE, MARGIN = 5, 128, 8


@pytest.fixture(scope="module")
def predictor():
    return SAM2VideoPredictor(build_sam2("cells-nano", "cells-nano", device="cpu", image_size=160))


@pytest.fixture(scope="module")
def corner():
    """Images (T, H, W) of a part of the sample, and the masks (T, H, W) of two cells that stay inside."""
    sample = samples.sample_movie()
    height, width = sample.labels.shape[1:]
    for top, left in product(range(0, height - SIDE, MARGIN), range(0, width - SIDE, MARGIN)):
        part = np.s_[:FRAMES, top : top + SIDE, left : left + SIDE]
        inner = np.zeros_like(sample.labels[part])
        inner[:, MARGIN:-MARGIN, MARGIN:-MARGIN] = sample.labels[part][:, MARGIN:-MARGIN, MARGIN:-MARGIN]
        cut = set(np.unique(sample.labels[part][inner == 0]))
        whole = [one for one in np.unique(inner) if one not in cut and all(one in frame for frame in inner)]
        if len(whole) >= 2:
            return sample.images[part], [inner == one for one in whole[:2]]
    raise AssertionError("no corner of the sample holds two cells")


def clicks_on(object_id, frame, mask, count):
    """A click in the middle, then one beyond the right border, one near the upper border, one below the lower one."""
    rows, columns = np.nonzero(mask[frame])
    y, x = float(round(rows.mean())), float(round(columns.mean()))
    points = ((y, x), (y, columns.max() + 3.0), (rows.min() + 2.0, x), (rows.max() + 3.0, x))
    return Prompt(object_id, frame, points[:count], (1, 0, 1, 0)[:count])


def box_of(frame, mask):
    rows, columns = np.nonzero(mask[frame])
    return (float(rows.min() - 2), float(columns.min()), float(rows.max()), float(columns.max() + 2))


def prompts_of(case: str, cells: Sequence[np.ndarray]) -> list[Prompt]:
    first, second = cells
    if case == "box and clicks":
        return [
            replace(clicks_on(3, 2, first, 2), box_yx=box_of(2, first)),
            Prompt(7, 2, box_yx=box_of(2, second)),
        ]
    if case == "correction":
        return [clicks_on(3, 1, first, 2), clicks_on(3, 3, first, 3), clicks_on(7, 0, second, 1)]
    return [clicks_on(3, 2, first, int(case[0])), clicks_on(7, 1, second, 1)]


def limits_of(images):
    return float(images.min()), float(images.max())


def session_on(images, predictor, **settings):
    chosen = SessionSettings(contrast_limits=(limits_of(images),), **settings)
    return Session.open(images, axes="TYX", settings=chosen, predictor=predictor)


def give_in_script(session, prompts):
    """Say prompts in a script, piece by piece, and look at nothing."""
    for one in prompts:
        if one.box_yx is not None:
            session.add_box(one.object_id, one.frame, one.box_yx)
        for point, label in zip(one.points_yx, one.labels, strict=True):
            session.add_points(one.object_id, one.frame, [point], [label])


def labels_of(session):
    return np.stack([session.labels(frame) for frame in range(FRAMES)])


def in_script(images, predictor, prompts, direction, **settings):
    with session_on(images, predictor, **settings) as session:
        give_in_script(session, prompts)
        list(session.propagate(direction))
        return labels_of(session)


class Viewer:
    """A viewer without a window, a session on its image, and a hand that clicks."""

    def __init__(self, images, predictor, **settings):
        viewer = ViewerModel()
        image = viewer.add_image(images, contrast_limits=limits_of(images))
        source = image_source(image)
        chosen = SessionSettings.model_validate({**source.settings.model_dump(), **settings})
        self.session = Session.open(source.stack, settings=chosen, predictor=predictor)
        self.binding = bind(viewer, self.session, image, InlineRunner(self.session))

    def give(self, prompts):
        """Make the clicks and boxes of prompts one after another; each is answered before the next one."""
        for one in prompts:
            self.binding.current.choose(one.object_id, "in")
            self.binding.show_frame(one.frame)
            if one.box_yx is not None:
                y0, x0, y1, x1 = one.box_yx
                corners = np.array([(one.frame, y, x) for y, x in ((y0, x0), (y0, x1), (y1, x1), (y1, x0))])
                self.binding.prompts.shapes.add(corners, shape_type="rectangle")
            for (y, x), label in zip(one.points_yx, one.labels, strict=True):
                self.binding.current.choose(one.object_id, "in" if label else "out")
                self.binding.prompts.points.add((one.frame, y, x))
            assert not self.session.needs_preview

    def propagated(self, direction, **request):
        self.binding.propagate(direction, **request)
        return labels_of(self.session)

    def close(self):
        self.binding.unbind()
        self.session.close()


def in_viewer(images, predictor, prompts, direction, **settings):
    viewer = Viewer(images, predictor, **settings)
    viewer.give(prompts)
    found = viewer.propagated(direction)
    viewer.close()
    return found


def on_command_line(folder, images, prompts, *options):
    tifffile.imwrite(folder / "movie.tif", images, photometric="minisblack")
    write_prompts(folder / "prompts.json", prompts)
    low, high = limits_of(images)
    given = ["--axes", "TYX", "--contrast", str(low), str(high), "--prompts", str(folder / "prompts.json"), *options]
    assert main(["track", str(folder / "movie.tif"), *given, "--out", str(folder / "labels.tif")]) == 0
    return np.stack(list(open_stack(folder / "labels.tif").movie()))


CASES = ["1 click", "2 clicks", "3 clicks", "4 clicks", "box and clicks", "correction"]


@pytest.mark.parametrize(("case", "direction"), [("3 clicks", "forward"), *((case, "both") for case in CASES)])
def test_prompts_mean_the_same_on_the_command_line_in_a_script_and_in_a_viewer(
    corner, predictor, tmp_path, monkeypatch, case, direction
):
    monkeypatch.setattr("napari_sam2.cli.terminal_run.load_predictor", lambda *args: predictor)
    images, cells = corner
    prompts = prompts_of(case, cells)
    script = in_script(images, predictor, prompts, direction)
    assert {3, 7} <= set(np.unique(script[2:]))
    np.testing.assert_array_equal(in_viewer(images, predictor, prompts, direction), script)
    np.testing.assert_array_equal(
        on_command_line(tmp_path, images, prompts, "--direction", direction), script.astype(np.uint16)
    )


def test_they_do_through_windows_and_backward_too(corner, predictor, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_sam2.cli.terminal_run.load_predictor", lambda *args: predictor)
    images, cells = corner
    prompts = prompts_of("correction", cells)
    looks = {"view": "windows", "object_diameter_px": 14.0}
    script = in_script(images, predictor, prompts, "backward", **looks)
    options = ["--direction", "backward", "--view", "windows", "--object-diameter", "14"]
    np.testing.assert_array_equal(in_viewer(images, predictor, prompts, "backward", **looks), script)
    np.testing.assert_array_equal(on_command_line(tmp_path, images, prompts, *options), script)


def test_a_correction_of_what_was_tracked_is_the_same_in_a_script_and_in_a_viewer(corner, predictor):
    images, cells = corner
    prompts = prompts_of("1 click", cells)
    correction = clicks_on(3, 3, cells[0], 4)
    with session_on(images, predictor) as session:
        give_in_script(session, prompts)
        list(session.propagate("both"))
        give_in_script(session, [correction])
        list(session.propagate("forward"))
        script = labels_of(session)
    viewer = Viewer(images, predictor)
    viewer.give(prompts)
    viewer.propagated("both")
    viewer.give([correction])
    np.testing.assert_array_equal(viewer.propagated("forward"), script)
    viewer.close()


@pytest.mark.parametrize("wrong", [0, 2])
def test_the_evaluation_measures_what_a_session_shows(corner, predictor, wrong):
    """From a frame on the truth is another cell, so that the protocol corrects there: the prompted one, or a later."""
    images, cells = corner
    truth = np.where(np.arange(FRAMES)[:, None, None] < wrong, cells[0], cells[1])
    (y, x), rest = np.argwhere(cells[0][0]).mean(axis=0).round().astype(int), np.nonzero(truth[0])
    box = (int(rest[0].min()), int(rest[1].min()), int(rest[0].max()), int(rest[1].max()))
    movie = ModelMovie(open_stack(images, axes="TYX").movie(), None)
    target = Target(1, 0, FRAMES - 1, (int(y), int(x)), box)
    run = run_movie(predictor, MovieTask(movie, truth.astype(np.uint16), (target,), 20.0), "corrections")
    assert run.corrections == CORRECTIONS
    with Session.open(images, axes="TYX", settings=SessionSettings(view="full"), predictor=predictor) as session:
        session.add_points(1, 0, [(y, x)])
        start, corrected = 0, []
        for left in range(CORRECTIONS, -1, -1):
            list(session.propagate("forward"))
            found = [session.labels(frame, 1) == 1 for frame in range(FRAMES)]
            failed = [one for one in range(start, FRAMES) if _iou(truth[one], found[one]) < 0.5]
            if not failed or not left:
                break
            start = failed[0]
            click = corrective_click(truth[start], found[start])
            session.add_points(1, start, [click.yx], [click.label])
            corrected.append(start)
    assert corrected[0] == wrong
    assert corrected.count(wrong) > 1
    for frame in range(FRAMES):
        np.testing.assert_array_equal(run.masks[1, frame].placed((SIDE, SIDE)), found[frame], err_msg=str(frame))


def _iou(first, second):
    return (first & second).sum() / max((first | second).sum(), 1)
