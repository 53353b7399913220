from __future__ import annotations

import pytest

from napari_sam2.stacks.axes import fix_axes, letters_from_names, pick_track_axis, resolve_axes
from sam2_core.errors import StackError


@pytest.mark.parametrize(
    ("shape", "given", "from_file", "expected"),
    [
        ((64, 64), None, None, "YX"),
        ((10, 64, 64), None, None, "TYX"),
        ((10, 64, 64), "zyx", None, "ZYX"),
        ((10, 64, 64), "ZYX", "TYX", "ZYX"),
        ((10, 64, 64), None, "ZYX", "ZYX"),
        ((10, 64, 64), None, "QYX", "TYX"),
        ((10, 64, 64, 3), None, "IYXS", "TYXS"),
        ((4, 3, 2, 64, 64), None, "TZCYX", "TZCYX"),
        ((64, 64, 1), None, None, "YXC"),
        ((10, 64, 64, 1), None, None, "TYXC"),
        ((10, 64, 64, 1), None, "QYXQ", "TYXC"),
        ((10, 64, 64, 1), None, "TYXQ", "TYXC"),
        ((10, 64, 1), "TYX", None, "TYX"),
        ((10, 1, 64), None, None, "TYX"),
    ],
)
def test_given_axes_win_over_the_file_and_the_file_over_a_guess(shape, given, from_file, expected):
    assert resolve_axes(shape, given, from_file, "stack") == expected


@pytest.mark.parametrize(
    ("shape", "given", "from_file", "words"),
    [
        ((64, 64, 1), None, None, "the last axis of shape (64, 64, 1) is taken as a channel (YXC)"),
        ((10, 64, 64, 1), None, None, "If frames are 1 pixel wide, say so: --axes TZYX"),
        ((10, 1, 64), None, None, "is taken as TYX, so its frames are only 1 x 64 pixels"),
        ((10, 64, 1), None, "TYX", "only 64 x 1 pixels. If an axis of 1 is a channel"),
        ((10, 64, 1), "TYX", None, ""),
        ((10, 64, 64), None, None, ""),
        ((64, 1), None, None, ""),
    ],
)
def test_what_an_axis_of_one_was_taken_for_is_said(caplog, shape, given, from_file, words):
    resolve_axes(shape, given, from_file, "stack")
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == bool(words)
    assert words in "".join(said)


@pytest.mark.parametrize(
    ("shape", "given", "from_file", "words"),
    [
        ((2, 3, 4, 64, 64), None, None, "(2, 3, 4, 64, 64)"),
        ((2, 3, 64, 64), None, "QQYX", "--axes TCYX"),
        ((64, 64, 3), None, None, "YXS"),
        ((10, 64, 64), "TY", None, "2 dimensions"),
        ((10, 64, 64), "TTX", None, "at most once"),
        ((10, 64, 64), "TKX", None, "at most once"),
        ((10, 64, 64), "TZX", None, "lack Y or X"),
    ],
)
def test_axes_that_cannot_be_told_or_do_not_fit_are_refused(shape, given, from_file, words):
    with pytest.raises(StackError) as caught:
        resolve_axes(shape, given, from_file, "stack")
    assert words in str(caught.value)


def test_long_axis_names_become_letters():
    assert letters_from_names(["time", "c", "z", "Y", "x", None, "angle"]) == "TCZYX??"


@pytest.mark.parametrize(
    ("axes", "shape", "wanted", "expected"),
    [
        ("TYX", (5, 8, 8), None, "T"),
        ("ZYX", (5, 8, 8), None, "Z"),
        ("TZYX", (5, 4, 8, 8), None, "T"),
        ("TZYX", (1, 4, 8, 8), None, "Z"),
        ("TZYX", (5, 4, 8, 8), "z", "Z"),
        ("YX", (8, 8), None, None),
        ("TYX", (1, 8, 8), None, "T"),
    ],
)
def test_time_is_tracked_and_depth_where_there_is_no_time(axes, shape, wanted, expected):
    assert pick_track_axis(axes, shape, wanted) == expected


def test_an_axis_that_is_not_there_cannot_be_tracked():
    with pytest.raises(StackError, match="Cannot track along axis 'Z'"):
        pick_track_axis("TYX", (5, 8, 8), "Z")


def test_extra_axes_are_held_and_single_ones_need_no_index():
    assert fix_axes("TZYX", (5, 4, 8, 8), "TYX", {"z": 3}) == {"Z": 3}
    assert fix_axes("TZYX", (5, 1, 8, 8), "TYX", {}) == {"Z": 0}


@pytest.mark.parametrize(
    ("fixed", "words"),
    [
        ({}, "--fixed Z=2"),
        ({"Z": 4}, "runs from 0 to 3"),
        ({"C": 0}, "axes of the stack"),
        ({"T": 0, "Z": 0}, "tracked"),
    ],
)
def test_an_open_or_impossible_fixed_axis_is_refused(fixed, words):
    with pytest.raises(StackError) as caught:
        fix_axes("TZYX", (5, 4, 8, 8), "TYX", fixed)
    assert words in str(caught.value)
