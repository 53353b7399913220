"""Drift of whole frames: told where it is long and plain, and none where nothing drifts."""

from __future__ import annotations

import numpy as np
import pytest

from sam2_core import build_sam2_video_predictor
from sam2_core.inference.frames.drift import FARTHEST, Drift, SmallFrames, laid_on
from sam2_core.inference.frames.opened_frames import open_frames
from sam2_core.training.synthetic import MovieSettings, make_movie


@pytest.fixture
def field(rng):
    """A field that is larger than what frames show of it."""
    coarse = rng.integers(0, 200, (40, 48)).astype(np.uint8)
    return np.kron(coarse, np.ones((8, 8), np.uint8))


def shown(field, places, side=200):
    return np.stack([field[y : y + side, x : x + side] for y, x in places])


@pytest.mark.parametrize("step", [(7, -12), (-30, 0), (0, 25), (-20, -20)])
def test_frames_are_laid_on_each_other(field, step):
    there, here = (frame.astype(np.float32) for frame in shown(field, [(60, 60), (60 - step[0], 60 - step[1])]))
    assert laid_on(there, here, reach=50, least=5, gain=0.1) == step
    assert laid_on(there, here, reach=50, least=40, gain=0.1) == (0, 0)


def test_what_does_not_say_it_does_not_drift(rng):
    noise, other = rng.random((2, 64, 80), dtype=np.float32)
    flat = np.ones_like(noise)
    for here in (noise, other, flat):
        assert laid_on(noise, here, reach=30, least=2, gain=0.1) == (0, 0)
    assert laid_on(flat, flat, reach=30, least=2, gain=0.1) == (0, 0)


def test_a_cell_that_would_lie_on_another_is_no_drift():
    rows, columns = np.mgrid[:64, :80]
    discs = [np.float32(np.hypot(rows - y, columns - x) < 9) for y, x in ((18, 20), (46, 16), (44, 56))]
    nearby = [np.roll(disc, (1, 2), axis=(0, 1)) for disc in discs]
    assert laid_on(sum(discs), sum(nearby), reach=40, least=4, gain=0.1) == (0, 0)


def test_steps_are_added_up_and_are_shares_of_the_frame(field):
    places = [(40, 40), (40, 64), (80, 64), (80, 64), (56, 100)]
    drift = Drift(open_frames(shown(field, places)))
    for first, (y, x) in enumerate(places):
        for last, (down, right) in enumerate(places):
            assert drift.shift(first, last) == pytest.approx(((y - down) / 200, (x - right) / 200), abs=1 / 128)


class Read:
    """Frames that jump once, on frame 10, and of which some cannot be read; which were asked for is noted."""

    height = width = 200

    def __init__(self, field, broken=()):
        self.frames, self.broken, self.asked = shown(field, [(40, 40), (40, 60)]), broken, []

    def __len__(self):
        return 4 * FARTHEST

    def __getitem__(self, frame):
        self.asked.append(frame)
        if frame in self.broken:
            raise OSError("cannot be read")
        return self.frames[int(frame >= 10)]


def test_frames_are_read_one_by_one_and_only_of_frames_that_are_not_too_far_apart(field):
    movie = Read(field)
    drift = Drift(open_frames(movie))
    movie.asked.clear()
    assert drift.shift(0, FARTHEST + 1) == (0, 0)
    assert movie.asked == []
    assert drift.shift(5, FARTHEST) == pytest.approx((0, -20 / 200), abs=1 / 128)
    assert drift.shift(FARTHEST, 5) == pytest.approx((0, 20 / 200), abs=1 / 128)
    assert set(movie.asked) - {0} == set(range(5, FARTHEST + 1))


def test_a_frame_that_cannot_be_read_is_no_step_and_no_error_here(field):
    drift = Drift(open_frames(Read(field, broken=[5])))
    assert drift.shift(3, 8) == (0, 0)
    assert drift.shift(3, 12) == pytest.approx((0, -20 / 200), abs=1 / 128)


@pytest.mark.parametrize("side", [255, 257, 259])
def test_the_border_of_a_frame_that_is_no_multiple_of_a_small_pixel_says_nothing_of_its_own(rng, side):
    y, x = np.mgrid[: side + 40, : side + 40]
    picture = np.full(y.shape, 150.0)
    for at in rng.uniform(0, side + 40, (20, 2)):
        picture += 60 * np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / 128)
    frames = np.stack([picture[20 : 20 + side, left : left + side] for left in (40, 0)]).clip(0, 255).astype(np.uint8)
    assert Drift(open_frames(frames)).shift(0, 1) == pytest.approx((0, 40 / side), abs=2 / 128)


def test_a_frame_thinner_than_a_small_pixel_is_seen():
    strip = open_frames(np.full((2, 3, 600), 7, np.uint8))
    assert SmallFrames(strip, 8, smooth_px=3.0)[0].shape == (1, 200)
    assert Drift(strip).shift(0, 1) == (0, 0)


@pytest.mark.parametrize("kind", ["uint16", "float32 with holes", "RGB", "RGBA"])
def test_any_kind_of_frame_is_seen(field, kind):
    frames = shown(field, [(40, 40), (40, 80)])
    if kind == "uint16":
        frames = frames.astype(np.uint16) * 31
    elif kind == "float32 with holes":
        frames = frames.astype(np.float32)
        frames[:, 5:9, 70:90] = np.nan
    else:
        frames = np.repeat(frames[..., None], len(kind), axis=-1)
    assert Drift(open_frames(frames)).shift(0, 1) == pytest.approx((0, -40 / 200), abs=1 / 128)


def test_small_frames_are_in_the_contrast_of_the_movie_and_without_uneven_light():
    stored = np.full((2, 40, 40), 300, np.uint16)
    stored[:, 16:24, 16:24] += 200
    stored[:, :, :] += np.arange(0, 80, 2, dtype=np.uint16)
    frames = open_frames(stored, contrast_limits=(100, 900))
    small = SmallFrames(frames, 4, smooth_px=3.0)[0]
    assert small.shape == (10, 10)
    assert small[4:6, 4:6].min() - small[:, :2].mean() == pytest.approx(0.25, abs=0.08)
    assert abs(small[:2, 1:-1]).max() < 0.06


def test_an_inverted_picture_is_where_it_was(field):
    there = field[:200, :200].astype(np.float32)
    assert laid_on(there, 200 - there, reach=60, least=4, gain=0.2) == (0, 0)


def test_one_bright_thing_does_not_take_along_what_stays(field):
    there = field[:200, :200].astype(np.float32) / 10
    here, rows_and_columns = there.copy(), np.mgrid[:200, :200]
    for plane, x in ((there, 60), (here, 90)):
        plane[np.hypot(rows_and_columns[0] - 100, rows_and_columns[1] - x) < 30] += 2000
    assert laid_on(there, here, reach=60, least=4, gain=0.2) == (0, 0)


def test_a_stage_that_jumps_loses_no_cell():
    movie = make_movie(MovieSettings(frames=8, height=340, width=340, cells=24), 20)
    places = [(0, 0), (60, 20), (60, 20), (10, 80), (80, 80), (20, 10), (20, 10), (70, 60)]
    frames, truth = (
        np.stack([plane[y : y + 260, x : x + 260] for plane, (y, x) in zip(stack, places, strict=True)])
        for stack in (movie.images, movie.labels)
    )
    stays = [one for one in np.unique(truth[0])[1:] if all((plane == one).sum() > 200 for plane in truth)]

    def share_followed(follow_drift):
        predictor = build_sam2_video_predictor("cells-nano", "cells-nano", device="cpu", follow_drift=follow_drift)
        state = predictor.init_state(frames)
        for one in stays:
            y, x = np.argwhere(truth[0] == one).mean(axis=0)
            predictor.add_new_points_or_box(state, 0, int(one), points=[[x, y]], labels=[1])
        overlaps = []
        for frame, ids, logits in predictor.propagate_in_video(state):
            for one, mask in zip(ids, logits[:, 0].numpy() > 0, strict=True):
                right = truth[frame] == one
                overlaps.append((mask & right).sum() / (mask | right).sum())
        return np.mean(np.array(overlaps) > 0.5)

    assert len(stays) >= 3
    assert share_followed(follow_drift=True) > 0.95
    assert share_followed(follow_drift=False) < 0.6
