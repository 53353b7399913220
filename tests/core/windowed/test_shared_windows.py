"""Neighbours that are seen in the same windows: which, what is encoded, what is remembered, and that ids are kept."""

from __future__ import annotations

import numpy as np
import pytest
from bright_predictor import BrightPredictor, Movie, click, masks, straight

from sam2_core import WindowedPredictor
from sam2_core.windowed.window_features import SPARE_FEATURES

PATHS = {1: ((40, 30), (1, 3)), 2: (((52, 44)), (1, 3)), 3: ((150, 220), (-1, -2))}


@pytest.fixture
def windowed():
    return WindowedPredictor(BrightPredictor(), object_diameter_px=12, span=0.17)


def movie_of_discs(count):
    return Movie(*(straight(start, step, count) for start, step in PATHS.values()))


def clicked(windowed, movie, *object_ids):
    state = windowed.init_state(movie)
    for object_id in object_ids:
        click(windowed, state, 0, object_id, *PATHS[object_id][0])
    return state


def windows_on(state, frame):
    return {object_id: view.source.window(frame) for object_id, view in state.views.items()}


def test_neighbours_see_the_same_window_and_are_followed_over_many(windowed):
    movie = movie_of_discs(40)
    state = clicked(windowed, movie, 1, 2, 3)
    assert windows_on(state, 0)[1] == windows_on(state, 0)[2] != windows_on(state, 0)[3]
    found = masks(windowed.propagate_in_video(state))
    for frame, by_id in found.items():
        for object_id in PATHS:
            np.testing.assert_array_equal(by_id[object_id], movie[frame] == object_id)
    for object_id in PATHS:
        seen = {windows_on(state, frame)[object_id] for frame in range(40)}
        assert 2 <= len(seen) <= 6
        assert all(window in state.views[object_id].tiling for window in seen)


def test_what_an_object_is_seen_in_does_not_depend_on_the_others(windowed):
    movie = movie_of_discs(30)
    every, alone = clicked(windowed, movie, 1, 2, 3), clicked(windowed, movie, 2)
    masks(windowed.propagate_in_video(every))
    masks(windowed.propagate_in_video(alone))
    assert every.views[2].source.places == alone.views[2].source.places


def test_a_disc_that_hurries_is_handed_over_before_it_is_cut_off(windowed):
    movie = Movie(straight((30, 20), (5, 8), 25))
    state = windowed.init_state(movie)
    click(windowed, state, 0, 1, 30, 20)
    for frame, by_id in masks(windowed.propagate_in_video(state)).items():
        np.testing.assert_array_equal(by_id[1], movie[frame] == 1)


def test_an_object_that_grows_gets_a_window_around_it(windowed):
    movie = Movie(straight((100, 130), (0, 0), 12))
    rows, columns = np.mgrid[:200, :260]
    for frame in range(12):
        movie.frames[frame] = np.hypot(rows - 100, columns - 130) <= 6 + 3 * frame
    state = windowed.init_state(movie)
    click(windowed, state, 0, 1, 100, 130)
    for frame, by_id in masks(windowed.propagate_in_video(state)).items():
        np.testing.assert_array_equal(by_id[1], movie[frame] == 1)
    view = state.views[1]
    assert view.source.window(0) in view.tiling
    assert view.source.window(11) not in view.tiling
    assert view.source.window(11).centre_xy == pytest.approx((130, 100), abs=1)


def test_a_large_prompt_gets_a_larger_window_of_its_own(windowed):
    state = windowed.init_state(movie_of_discs(3))
    windowed.add_new_points_or_box(state, 0, 1, box=[60, 60, 130, 130])
    assert state.views[1].tiling is None
    assert state.views[1].source.height == 1.6 * 70 > windowed.side_on((200, 260))


class Counting:
    """A model that counts the images that it encodes."""

    def __init__(self, model):
        self.model = model
        self.images = 0

    def encode_image(self, images):
        self.images += len(images)
        return type(self.model).encode_image(self.model, images)


@pytest.fixture
def noise(rng):
    return rng.integers(0, 255, (5, 90, 120)).astype(np.uint8)


def stay(state):
    """Let no window move, whatever is seen."""
    for view in state.views.values():
        view.follow = lambda frame, to, logits, motion, view=view: view.source.put(to, view.source.placed(0))


@pytest.mark.parametrize(("shared", "per_frame"), [(True, 1), (False, 3)])
def test_each_window_is_encoded_once_on_a_frame(real, noise, monkeypatch, shared, per_frame):
    counting = Counting(real.model)
    monkeypatch.setattr(real.model, "encode_image", counting.encode_image)
    windowed = WindowedPredictor(real, 8.0, shared=shared)
    state = windowed.init_state(noise)
    for object_id, (y, x) in enumerate([(20, 20), (22, 28), (28, 20)], start=1):
        click(windowed, state, 0, object_id, y, x)
    assert counting.images == per_frame
    for view in state.views.values():  # nobody moves
        monkeypatch.setattr(
            view, "follow", lambda frame, to, logits, motion, view=view: view.source.put(to, view.source.placed(0))
        )
    list(windowed.propagate_in_video(state))
    assert counting.images == per_frame * len(noise)


def test_as_many_image_features_are_kept_as_there_are_objects_and_a_few(real, noise):
    windowed = WindowedPredictor(real, 8.0)
    state = windowed.init_state(noise)
    for object_id in (1, 2):
        click(windowed, state, 0, object_id, 20 * object_id, 20 * object_id)
        state.select([object_id])
    features = state.views[1].state.features
    for frame in range(5):
        features.put(frame, f"frame {frame}")
        state.views[2].source.put(frame, state.views[2].source.around((100.0, 80.0)))
        state.views[2].state.features.put(frame, f"frame {frame}, elsewhere")
    assert len(features) == 2 + SPARE_FEATURES
    assert features.get(4) == "frame 4"
    assert state.views[2].state.features.get(4) == "frame 4, elsewhere"
    assert features.get(1) is None


def test_within_one_window_it_is_a_movie_of_that_part(real, noise):
    windowed = WindowedPredictor(real, 8.0)
    state = windowed.init_state(noise)
    places = {1: (20, 20), 2: (22, 28)}
    for object_id, (y, x) in places.items():
        click(windowed, state, 0, object_id, y, x)
    (window,) = set(windows_on(state, 0).values())
    stay(state)
    region = window.region((90, 120))
    plain = real.init_state(noise[:, *region])
    for object_id, (y, x) in places.items():
        real.add_new_points_or_box(plain, 0, object_id, points=[[x - window.x0, y - window.y0]], labels=[1])
    for (frame, ids, found), (other, other_ids, wanted) in zip(
        windowed.propagate_in_video(state), real.propagate_in_video(plain), strict=True
    ):
        assert (frame, ids) == (other, other_ids)
        np.testing.assert_allclose(np.asarray(found)[:, :, *region], wanted.numpy(), atol=1e-4, rtol=1e-4)


def test_only_what_is_seen_through_windows_is_moved_by_them(real, noise):
    windowed = WindowedPredictor(real, 8.0)
    state = windowed.init_state(noise)
    tiled, plain = state.new_view(real, windowed.side_on((90, 120)), True), state.new_view(real, windowed.side, False)
    assert tiled.state.shift == tiled.source.shift
    assert plain.state.shift == plain.source.shift
    assert state.new_view(real, None, tiled=False).state.shift is None
