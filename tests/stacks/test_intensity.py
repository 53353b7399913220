from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.stacks import ContrastLimits, ModelMovie, estimate_contrast, normalise, open_stack
from sam2_core.errors import StackError


def twelve_bit_movie():
    ramp = np.linspace(100, 1100, 64 * 64).reshape(64, 64)
    return np.stack([ramp * (1 - 0.05 * index) for index in range(10)]).astype(np.uint16)


def test_limits_cover_the_stack_and_use_the_whole_8_bit_range():
    frames = ModelMovie(open_stack(twelve_bit_movie()).movie())
    assert 50 < frames.limits.low[0] < 70
    assert 1000 < frames.limits.high[0] <= 1100
    assert (frames[0].dtype, frames[0].shape) == (np.uint8, (64, 64))
    assert frames[0].max() == 255
    assert len(np.unique(frames[0])) > 200


def test_limits_are_the_same_for_every_frame_so_bleaching_stays_visible():
    frames = ModelMovie(open_stack(twelve_bit_movie()).movie())
    assert frames[0].mean() > frames[9].mean() * 1.5


def test_only_a_few_frames_are_read_for_the_limits():
    class Counting:
        shape, dtype = (2000, 16, 16), np.dtype(np.uint8)

        def __init__(self):
            self.reads = []

        def __getitem__(self, index):
            self.reads.append(index[0])
            return np.full((16, 16), index[0] % 200, np.uint8)

    source = Counting()
    estimate_contrast(open_stack(source, axes="TYX").movie(), frames=5)
    assert source.reads == [0, 500, 1000, 1499, 1999]


def test_mapping_is_linear_between_the_limits_and_clipped_outside():
    frame = np.array([[0, 100, 150, 200, 300]], np.uint16)
    assert normalise(frame, ContrastLimits((100.0,), (200.0,))).tolist() == [[0, 0, 128, 255, 255]]


def test_two_channels_become_three_with_their_own_limits():
    frame = np.stack([np.full((4, 4), 10.0), np.full((4, 4), 500.0)], axis=-1)
    mapped = normalise(frame, ContrastLimits((0.0, 0.0), (10.0, 1000.0)))
    assert mapped.shape == (4, 4, 3)
    assert mapped[0, 0].tolist() == [255, 128, 191]


def test_8_bit_colour_is_left_as_it_is():
    seed = 11
    data = np.random.default_rng(seed).integers(20, 90, (3, 16, 16, 3), dtype=np.uint8)
    frames = ModelMovie(open_stack(data, axes="TYXS").movie())
    np.testing.assert_array_equal(frames[2], data[2], err_msg=f"seed {seed}")


def test_16_bit_colour_is_scaled_by_one_pair_so_hues_stay():
    data = np.zeros((1, 16, 16, 3), np.uint16)
    data[..., 0], data[..., 1] = 4000, 2000
    limits = estimate_contrast(open_stack(data, axes="TYXS").movie())
    assert limits == ContrastLimits((0.0,), (4000.0,))


def test_uniform_stack_maps_without_dividing_by_zero():
    frames = ModelMovie(open_stack(np.full((2, 8, 8), 7, np.uint8)).movie())
    assert frames[0].max() == 0


def test_boolean_and_negative_values_map():
    assert ModelMovie(open_stack(np.eye(20, dtype=bool)).movie())[0].max() == 255
    signed = np.linspace(-500, 500, 400).reshape(20, 20).astype(np.int16)
    mapped = ModelMovie(open_stack(signed).movie())[0]
    assert (mapped.min(), mapped.max()) == (0, 255)


@pytest.mark.parametrize(("low", "high"), [((5.0,), (5.0,)), ((5.0,), (1.0,)), ((0.0,), (float("nan"),)), ((), ())])
def test_limits_that_make_no_sense_are_refused(low, high):
    with pytest.raises(StackError):
        ContrastLimits(low, high)


def test_limits_for_another_number_of_channels_are_refused():
    with pytest.raises(StackError, match="2 channels, but a frame has 1"):
        normalise(np.zeros((4, 4)), ContrastLimits((0.0, 0.0), (1.0, 1.0)))


def bleaching_movie():
    """A square on a dark ground with an offset; the light fades to a fifth, and one frame flickers."""
    frames = np.full((20, 64, 64), 100.0)
    for index, fading in enumerate(np.linspace(1, 0.2, 20)):
        light = fading * (0.5 if index == 7 else 1)
        frames[index] += 10 * light
        frames[index, 10:30, 10 + index : 30 + index] += 1000 * light
    return frames.astype(np.uint16)


def test_a_movie_that_is_evened_out_shows_a_fading_cell_equally_bright():
    movie = open_stack(bleaching_movie()).movie()
    limits = ContrastLimits((100.0,), (1200.0,))
    plain, even = ModelMovie(movie, limits), ModelMovie(movie, limits, even_out=True)
    seen = [float(even[index][20, 20 + index]) for index in range(20)]
    assert max(seen) / min(seen) < 1.05
    assert plain[0][20, 20] > 4 * plain[19][20, 39]
    assert even[0][50, 5] == even[19][50, 5], "the ground stays dark"
    assert (even[0].dtype, even.limits) == (np.uint8, limits)


def test_an_empty_frame_is_not_blown_up():
    frames = bleaching_movie()
    frames[5] = 100
    even = ModelMovie(open_stack(frames).movie(), ContrastLimits((100.0,), (1200.0,)), even_out=True)
    assert even[5].max() == 0


def test_channels_are_evened_out_each_by_itself():
    frames = np.stack([bleaching_movie(), bleaching_movie()[::-1]], axis=1)
    even = ModelMovie(open_stack(frames, "TCYX").movie(), ContrastLimits((100.0,), (1200.0,)), even_out=True)
    first, last = even[0][20, 20], even[19][20, 39]
    assert first.shape == (3,)
    assert abs(float(first[0]) - float(last[0])) < 12


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf])
def test_the_border_of_a_registered_stack_is_black_and_changes_nothing_else(nothing):
    stack = np.stack([np.linspace(100, 200, 64 * 64).reshape(64, 64) * (1 - 0.1 * index) for index in range(4)])
    bordered = stack.astype(np.float32)
    bordered[2, :, 60:], bordered[3] = nothing, nothing
    frames = ModelMovie(open_stack(bordered).movie())
    evened = ModelMovie(open_stack(bordered).movie(), frames.limits, even_out=True)
    assert frames.limits.low[0] == pytest.approx(80, abs=1)  # of frames 0 to 2: the last one says nothing
    for movie in (frames, evened):
        assert movie[2][:, 60:].max() == movie[3].max() == 0
    assert evened[2][:, :60].mean() == pytest.approx(evened[1][:, :60].mean(), abs=1)
    assert estimate_contrast(open_stack(bordered[3:]).movie()) == ContrastLimits((0.0,), (1.0,))
