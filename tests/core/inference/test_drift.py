"""Drift of whole frames: told where it is long and plain, and none where nothing drifts."""

from __future__ import annotations

import numpy as np
import pytest

from sam2_core import build_sam2_video_predictor
from sam2_core.inference.frames.drift import SUMMED, Drift, SmallFrames, laid_on
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


def test_frames_far_apart_are_laid_on_each_other_and_not_read_one_by_one(field):
    read = []

    class Watched:
        height = width = 200

        def __len__(self):
            return 4 * SUMMED

        def __getitem__(self, frame):
            read.append(frame)
            return shown(field, [(40, 40 + 20 * (frame > 9))])[0]

    drift = Drift(open_frames(Watched()))
    read.clear()
    assert drift.shift(0, 3 * SUMMED) == pytest.approx((0, -20 / 200), abs=1 / 128)
    assert set(read) == {0, 3 * SUMMED}


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


def test_small_frames_are_in_the_contrast_of_the_movie():
    frames = open_frames(np.full((2, 8, 12), 300, np.uint16), contrast_limits=(100, 500))
    np.testing.assert_allclose(SmallFrames(frames, 4)[0], np.full((2, 3), 0.5))


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
