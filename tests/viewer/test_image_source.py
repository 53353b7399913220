from __future__ import annotations

import dask.array
import numpy as np
import pytest
from napari.layers import Image

from napari_sam2.viewer.image_source import axes_of, grid_of, image_source
from sam2_core.errors import StackError


class Untouchable:
    """An array that may be asked for its shape, not for its values."""

    def __init__(self, shape):
        self.shape, self.dtype, self.ndim = shape, np.dtype(np.uint16), len(shape)
        self.armed = False

    def __getitem__(self, index):
        assert not self.armed, "the image was read"
        return np.zeros(self.shape, self.dtype)[index]


def layer(shape, **kwargs):
    return Image(np.zeros(shape, np.uint16), contrast_limits=(10, 500), **kwargs)


@pytest.mark.parametrize(
    ("shape", "labels", "axes"),
    [
        ((30, 40), None, "YX"),
        ((5, 30, 40), None, "TYX"),
        ((5, 30, 40), ("z", "y", "x"), "ZYX"),
        ((5, 6, 30, 40), None, "TZYX"),
        ((5, 2, 30, 40), None, "TCYX"),
        ((5, 4, 30, 40), ("time", "channel", "y", "x"), "TCYX"),
        ((5, 2, 4, 30, 40), None, "TCZYX"),
    ],
)
def test_axes_come_from_labels_or_number(shape, labels, axes):
    assert axes_of(layer(shape, axis_labels=labels)) == axes


@pytest.mark.parametrize("shape", [(40, 30, 1), (5, 40, 30, 1)])
def test_a_last_axis_of_one_is_not_taken_for_x_unless_that_is_said(shape):
    with pytest.raises(StackError, match=r"most likely a channel. Add the image without it, as data\[\.\.\., 0\]"):
        axes_of(layer(shape))
    letters = "tzyx"[-len(shape) :]
    assert axes_of(layer(shape, axis_labels=tuple(letters))) == letters.upper()
    assert axes_of(layer((40, 1))) == "YX"


def test_what_is_seen_is_what_the_model_gets():
    image = layer((5, 4, 30, 40), axis_labels=("t", "z", "y", "x"), scale=(2, 3, 1, 1))
    source = image_source(image, point=(4, 9, 0, 0))
    assert (source.settings.track_axis, source.settings.fixed) == ("T", {"Z": 3})
    assert source.settings.contrast_limits == ((10.0, 500.0),)
    assert source.grid.frame_count == 5
    movie = source.stack.movie("T", None, source.settings.fixed)
    assert movie.shape == (5, 30, 40)


def test_depth_may_be_tracked_and_time_held():
    source = image_source(layer((5, 4, 30, 40), axis_labels=("t", "z", "y", "x")), track_axis="Z", point=(3, 0, 0, 0))
    assert source.settings.fixed == {"T": 3}
    assert source.grid.frame_count == 4


def test_several_layers_are_channels_read_one_by_one():
    layers = [layer((5, 30, 40), name="a"), Image(np.ones((5, 30, 40), np.uint16), contrast_limits=(0, 1), name="b")]
    source = image_source(layers)
    assert source.stack.axes == "CTYX"
    assert source.settings.contrast_limits == ((10.0, 500.0), (0.0, 1.0))
    frame = source.stack.movie(None, source.settings.channels, source.settings.fixed)[2]
    assert frame.shape == (30, 40, 2)
    assert frame[..., 1].all()
    assert not frame[..., 0].any()
    assert grid_of(layers[0], source.stack, source.settings) == source.grid


def test_a_channel_axis_and_colour():
    source = image_source(layer((5, 2, 30, 40), axis_labels=("t", "c", "y", "x")))
    assert source.settings.channels == (0,)
    source = image_source(layer((5, 2, 30, 40), axis_labels=("t", "c", "y", "x")), point=(3, 1, 0, 0))
    assert source.settings.channels == (1,)
    assert source.settings.fixed == {}
    colour = Image(np.zeros((5, 30, 40, 3), np.uint8), rgb=True)
    source = image_source(colour)
    assert (source.stack.axes, source.settings.contrast_limits) == ("TYXS", ((0.0, 255.0),))
    assert source.grid.axes == "TYX"


def test_nothing_is_read():
    data = Untouchable((5, 30, 40))
    image = Image(data, contrast_limits=(0, 9))
    data.armed = True
    assert image_source(image).stack.data is data
    data.armed = False
    lazy = dask.array.zeros((5, 30, 40), chunks=(1, 30, 40))
    assert image_source(Image(lazy, contrast_limits=(0, 1))).stack.data is lazy


def test_the_full_resolution_of_a_multiscale_image_is_taken():
    levels = [np.zeros((5, 64, 80)), np.zeros((5, 32, 40))]
    image = Image(levels, multiscale=True, contrast_limits=(0, 1))
    assert image_source(image).grid.size == (64, 80)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([layer((5, 30, 40)), layer((5, 30, 41), name="wide")], "wide"),
        ([layer((5, 30, 40)), layer((5, 30, 40), name="moved", translate=(0, 1, 0))], "moved"),
        ([layer((5, 30, 40))] * 4, "4 image layers"),
        ([], "0 image layers"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers, words):
    with pytest.raises(StackError, match=words):
        image_source(layers)


def test_of_more_dimensions_than_there_are_axes_a_part_is_asked_for():
    with pytest.raises(StackError, match="6 dimensions; two to five"):
        image_source(layer((2, 2, 2, 2, 30, 40)))


def test_axes_that_do_not_fit_are_refused():
    with pytest.raises(StackError, match="has 3 dimensions"):
        image_source(layer((5, 30, 40)), axes="TZYX")
