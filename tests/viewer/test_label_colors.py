"""Colours of objects by what they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.viewer.label_colors import COUNT, LARGEST_COLORED, colors_of, scale_of, strong_colors

RED, GREEN = np.array([1, 0, 0, 1.0]), np.array([0, 1, 0, 1.0])


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_objects_have_the_colours_that_are_given_and_the_others_their_own(dtype):
    colors = colors_of({3: RED, 120: GREEN})
    labels = np.array([0, 3, 120, 7, 100], dtype)
    shown = colors.map(labels)
    np.testing.assert_allclose(shown[1:3], [RED, GREEN])
    np.testing.assert_allclose(shown[[0, 3, 4]], strong_colors().map(labels)[[0, 3, 4]])
    assert len(colors.colors) == 121


def test_an_id_too_large_for_a_colour_of_its_own_is_no_reason_to_fail():
    colors = colors_of({5: RED, LARGEST_COLORED + 1: GREEN})
    np.testing.assert_allclose(colors.map(np.array([5], np.uint32))[0], RED)
    assert len(colors_of({}).colors) == 2 < COUNT


def test_numbers_go_from_dark_to_bright_whatever_a_few_of_them_are():
    values = {one: float(one) for one in range(1, 100)} | {100: 1e6}
    colors, (low, high) = scale_of(values)
    brightness = [float(colors[one][:3].sum()) for one in (1, 50, 99)]
    assert brightness == sorted(brightness)
    assert high < 200
    assert low >= 1
    assert len(scale_of({4: 2.0})[0]) == 1
    assert scale_of({})[0] == {}
