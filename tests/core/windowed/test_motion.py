"""Motion around a place: told by the images where it is long and plain, and cells of a sheet followed along it."""

from __future__ import annotations

import numpy as np
import pytest

from sam2_core import WindowedPredictor, build_sam2_video_predictor
from sam2_core.inference.frames.opened_frames import open_frames
from sam2_core.training.synthetic import MovieSettings, make_movie
from sam2_core.windowed.motion import Motion

DIAMETER = 16.0


@pytest.fixture
def field(rng):
    """Bright cells of all sorts on a field that is larger than what frames show of it."""
    cells = np.kron(rng.integers(0, 200, (40, 40)), np.ones((10, 10), int))
    return cells.astype(np.uint8)


@pytest.mark.parametrize("step", [(24, 0), (-14, 9), (0, -30), (40, 30)])
def test_all_moves_alike(field, step):
    frames = np.stack([field[100:300, 100:300], field[100 - step[1] : 300 - step[1], 100 - step[0] : 300 - step[0]]])
    motion = Motion(open_frames(frames), DIAMETER)
    assert motion.step(0, 1, (90, 110)) == step
    assert motion.step(1, 0, (90 + step[0], 110 + step[1])) == (-step[0], -step[1])


def test_a_place_that_moves_by_itself_is_told_from_what_stays(field):
    frames = np.stack([field[:200, :200]] * 2)
    frames[1, 60:100, 70:120] = frames[0, 60:100, 60:110]
    motion = Motion(open_frames(frames), DIAMETER)
    assert motion.step(0, 1, (85, 80)) == (10, 0)
    assert motion.step(0, 1, (85, 150)) is None


def test_what_stays_is_not_taken_along_by_what_moves_around_it(field):
    frames = np.stack([field[100:300, 100:300], field[100:300, 76:276]])
    frames[:, 77:103, 87:113] = field[:26, :26]
    motion = Motion(open_frames(frames), DIAMETER)
    assert motion.step(0, 1, (100, 90)) is None
    assert motion.step(0, 1, (100, 150)) == (24, 0)


def test_a_frame_that_cannot_be_read_is_no_step_and_no_error_here(field):
    class Broken:
        height = width = 200

        def __len__(self):
            return 2

        def __getitem__(self, frame):
            if frame == 1:
                raise OSError("cannot be read")
            return field[:200, :200]

    assert Motion(open_frames(Broken()), DIAMETER).step(0, 1, (90, 110)) is None


def test_short_steps_and_other_pictures_are_none(field, rng):
    near = np.stack([field[100:300, 100:300], field[102:302, 97:297]])
    assert Motion(open_frames(near), DIAMETER).step(0, 1, (90, 110)) is None
    noise = rng.integers(0, 200, (2, 200, 200)).astype(np.uint8)
    assert Motion(open_frames(noise), DIAMETER).step(0, 1, (90, 110)) is None
    dark = np.stack([field[:200, :200], np.zeros((200, 200), np.uint8)])
    assert Motion(open_frames(dark), DIAMETER).step(0, 1, (90, 110)) is None


@pytest.mark.parametrize("place", [(0, 0), (199, 199), (-15, 210)])
def test_at_the_border_and_beyond_it(field, place):
    frames = np.stack([field[100:300, 100:300], field[100:300, 70:270]])
    assert Motion(open_frames(frames), DIAMETER).step(0, 1, place) in (None, (30, 0))


@pytest.mark.parametrize("shared", [True, False])
def test_a_sheet_that_migrates_by_a_diameter_a_frame_loses_few_cells(shared, monkeypatch):
    movie = make_movie(MovieSettings(frames=5, height=400, width=400, cells=160, diameter_px=DIAMETER, bits=8), 7)
    frames, truth = (
        np.stack([plane[20 * at : 20 * at + 300, 15 * at : 15 * at + 300] for at, plane in enumerate(stack)])
        for stack in (movie.images, movie.labels)
    )
    whole = [one for one in np.unique(truth[0])[1:] if all((plane == one).sum() > 100 for plane in truth)][:12]
    predictor = build_sam2_video_predictor("cells-nano", "cells-nano", device="cpu")

    def share_followed():
        windowed = WindowedPredictor(predictor, DIAMETER, shared=shared)
        state = windowed.init_state(frames)
        for one in whole:
            y, x = np.argwhere(truth[0] == one).mean(axis=0)
            windowed.add_new_points_or_box(state, 0, int(one), points=[[x, y]], labels=[1])
        *_, (frame, ids, logits) = windowed.propagate_in_video(state)
        masks = np.asarray(logits)[:, 0] > 0
        overlaps = [
            (mask & (truth[frame] == one)).sum() / (mask | (truth[frame] == one)).sum()
            for one, mask in zip(ids, masks, strict=True)
        ]
        return np.mean(np.array(overlaps) > 0.5)

    assert len(whole) == 12
    assert share_followed() > 0.8
    monkeypatch.setattr(Motion, "step", lambda *asked: None)
    assert share_followed() < 0.4
