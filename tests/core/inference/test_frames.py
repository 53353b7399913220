"""Whatever holds frames can be opened, is read one frame at a time, and says clearly what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sam2_core.errors import StackError
from sam2_core.inference.frames.contrast import frame_to_rgb
from sam2_core.inference.frames.opened_frames import FrameSource, open_frames


@pytest.fixture
def movie(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (12, 20, 30, 3), dtype=np.uint8)


class CountingStack:
    """2,000 frames of 1024 x 1024 of which only the shape exists."""

    def __init__(self, dtype: type = np.uint16, shape: tuple[int, ...] = (2000, 1024, 1024)) -> None:
        self.shape, self.dtype, self.read = shape, np.dtype(dtype), list[int]()

    def __getitem__(self, index: int) -> np.ndarray:
        self.read.append(index)
        frame = np.zeros(self.shape[1:], self.dtype)
        frame[::2] = index
        return frame

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise AssertionError("the whole stack was converted")


def test_a_lazy_stack_opens_without_reading_and_samples_sixteen_frames() -> None:
    stack = CountingStack()
    frames = open_frames(stack)
    assert (len(frames), frames.height, frames.width) == (2000, 1024, 1024)
    assert stack.read == []
    frames.read_rgb(1000)
    assert len(set(stack.read)) <= 18
    already = len(stack.read)
    frames.read_rgb(1001)
    frames.read_rgb(0)
    assert len(stack.read) == already + 2


def test_a_lazy_stack_of_bytes_reads_only_what_is_asked() -> None:
    stack = CountingStack(np.uint8, (50, 64, 64))
    frames = open_frames(stack)
    assert frames.read_rgb(7).dtype == np.uint8
    assert set(stack.read) <= {0, 7}


def test_frames_are_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = CountingStack(np.uint8, (50, 64, 64))
    frames = open_frames(stack)
    first = frames[3]
    frames[3]
    assert stack.read.count(3) == 2
    assert first is not frames[3]


@pytest.mark.parametrize("wrap", [np.asarray, torch.from_numpy, list, tuple])
def test_arrays_tensors_and_lists_give_the_same_frames(movie: np.ndarray, wrap: Any) -> None:
    frames = open_frames(wrap(movie))
    assert isinstance(frames, FrameSource)
    assert (len(frames), frames.height, frames.width) == (12, 20, 30)
    assert frames.contrast_limits is None
    for index in (0, 11, 5):
        np.testing.assert_array_equal(frames[index], movie[index])
        np.testing.assert_array_equal(frames.read_rgb(index), movie[index])
    np.testing.assert_array_equal(frames[-1], movie[11])
    assert len(list(frames)) == 12


def test_dask_and_zarr_arrays(movie: np.ndarray) -> None:
    dask_array = pytest.importorskip("dask.array")
    zarr = pytest.importorskip("zarr")
    np.testing.assert_array_equal(open_frames(dask_array.from_array(movie, chunks=(1, 20, 30, 3)))[4], movie[4])
    np.testing.assert_array_equal(open_frames(zarr.array(movie))[4], movie[4])


def test_a_dask_stack_computes_one_frame_at_a_time() -> None:
    dask_array = pytest.importorskip("dask.array")
    computed: list[int] = []

    def plane(block_info: Any = None) -> np.ndarray:
        computed.append(block_info[None]["chunk-location"][0])
        return np.zeros((1, 8, 8), np.uint8)

    lazy = dask_array.map_blocks(plane, chunks=((1,) * 40, (8,), (8,)), dtype=np.uint8)
    open_frames(lazy)[17]
    assert computed == [17]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_one_to_four_channels_become_three(movie: np.ndarray, channels: int) -> None:
    stack = np.concatenate([movie, movie], axis=3)[..., :channels]
    frames = open_frames(stack)
    assert frames.read_rgb(0).shape == (20, 30, 3)
    assert frames[0].shape == ((20, 30) if channels == 1 else (20, 30, channels))


def test_one_contrast_for_the_whole_stack() -> None:
    stack = np.stack([np.full((32, 32), value, np.uint16) for value in np.linspace(100, 1100, 40)])
    frames = open_frames(stack)
    ((low, high),) = frames.contrast_limits or ()
    assert (low, high) == pytest.approx((100, 1100))
    assert frames.read_rgb(0).max() == 0
    assert frames.read_rgb(39).min() == 1
    assert frames.read_rgb(20)[0, 0, 0] == pytest.approx((stack[20, 0, 0] - low) / (high - low))


def test_given_contrast_is_used_and_saves_reading() -> None:
    stack = CountingStack(np.uint16, (300, 16, 16))
    frames = open_frames(stack, contrast_limits=(0, 200))
    assert frames.read_rgb(100).max() == pytest.approx(0.5)
    assert stack.read == [100]
    assert open_frames(frames) is frames
    assert open_frames(frames, contrast_limits=(0, 100)).read_rgb(100).max() == 1


def test_an_object_with_length_and_index_may_bring_its_contrast() -> None:
    class Source:
        contrast_limits = ((0.0, 10.0),)

        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> np.ndarray:
            return np.full((4, 6), index, np.float32)

    frames = open_frames(Source())
    assert (frames.height, frames.width) == (4, 6)
    assert frames.read_rgb(2)[0, 0].tolist() == pytest.approx([0.2] * 3)


def test_read_rgb_takes_any_source() -> None:
    class Source:
        height, width = 4, 6

        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> np.ndarray:
            return np.arange(24, dtype=np.uint8).reshape(4, 6)

    source: FrameSource = Source()
    np.testing.assert_array_equal(open_frames(source).read_rgb(0), frame_to_rgb(source[0]))


# --- what cannot be used -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([], "empty"),
        (np.zeros((0, 8, 8)), "empty"),
        (np.zeros((8, 8)), "2 axes.*add the missing axis"),
        (np.zeros((2, 2, 2, 16, 16)), "5 axes.*choose one position"),
        (np.zeros((16, 16, 3), np.uint8), "looks like one image"),
        (np.zeros((16, 16, 1), np.uint8), r"frames that are 1 px wide, array\[..., None\]"),
        (np.zeros((5, 3, 16, 16)), "move the channels to the end"),
        (np.zeros((5, 30, 16, 16)), "choose one position"),
        (np.zeros((5, 16, 16, 4), np.uint16), "not RGBA; choose three"),
        ([np.zeros((4, 4, 3, 3))], r"frame 0 has the shape \(4, 4, 3, 3\)"),
        ([np.zeros((9, 9, 6), np.uint8)], "6 channels"),
        ([None], "type object"),
        ([[[1, 2], [3]]], "cannot be read as an array"),
        (Image.new("L", (4, 4)), "a list of images"),
        (17, "int cannot be read as frames"),
        ({"0": 1}, "dict cannot be read as frames"),
        (Path("/nowhere/at/all.tif"), "/nowhere/at/all.tif does not exist"),
        ("/nowhere/at/all", "does not exist"),
    ],
)
def test_each_unusable_source_has_its_own_error(source: Any, message: str) -> None:
    with pytest.raises(StackError, match=message):
        open_frames(source).read_rgb(0)


def test_sizes_and_types_are_compared_when_read(movie: np.ndarray) -> None:
    frames = open_frames([movie[0], movie[1, :10], movie[2].astype(np.uint16), movie[3, ..., 0]])
    with pytest.raises(StackError, match=r"frame 1 has the shape \(10, 30, 3\), others \(20, 30, 3\)"):
        frames[1]
    with pytest.raises(StackError, match="frame 2 has the type uint16"):
        frames[2]
    with pytest.raises(StackError, match="frame 3 has the shape"):
        frames[3]
    frames[0]


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_what_is_not_finite_is_black_and_counts_for_nothing(nothing: float, dtype: type) -> None:
    stack = np.broadcast_to(np.linspace(100, 200, 64), (4, 64, 64)).astype(dtype)
    expected = open_frames(stack).contrast_limits
    stack[2, :9], stack[3] = nothing, nothing  # the border of a registered frame, a frame where nothing was imaged
    frames = open_frames(stack)
    assert frames.contrast_limits == expected
    assert frames.read_rgb(2)[:9].max() == frames.read_rgb(3).max() == 0
    np.testing.assert_array_equal(frames.read_rgb(2)[9:], frames.read_rgb(1)[9:])
    assert open_frames(stack[3:]).read_rgb(0).max() == 0


@pytest.mark.parametrize("index", [12, -13])
def test_a_frame_that_does_not_exist(movie: np.ndarray, index: int) -> None:
    with pytest.raises(IndexError, match=f"frame {index} does not exist; the stack has 12"):
        open_frames(movie)[index]
