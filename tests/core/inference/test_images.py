"""FrameImages read ahead of a run: the same ones, in time, never too many, and nothing left behind."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from lost_frame import LostFrame
from stand_ins import movie

from sam2_core import SAM2VideoPredictor, StackError
from sam2_core.inference.frames.opened_frames import OpenedFrames, open_frames
from sam2_core.inference.read_ahead import THREAD_NAME, FrameImages, FrameImagesAhead

CPU = torch.device("cpu")
SIDE = 64


@pytest.fixture(autouse=True)
def no_reader_left():
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(THREAD_NAME)]


class Watched:
    """Frames that note which was read, by which thread, and can wait until they may be read."""

    def __init__(self, frames: np.ndarray) -> None:
        self.frames = frames
        self.shape = frames.shape
        self.read: list[int] = []
        self.readers: set[str] = set()
        self.may_go_on, self.has_begun = threading.Event(), threading.Event()
        self.may_go_on.set()

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> np.ndarray:
        self.has_begun.set()
        self.may_go_on.wait()
        self.read.append(index)
        self.readers.add(threading.current_thread().name)
        return self.frames[index]


@pytest.fixture
def stack() -> Watched:
    return Watched(movie(8, seed=3))


def opened(stack: Watched) -> OpenedFrames:
    """The stack, once it is known what it is like."""
    frames = open_frames(stack)
    assert frames.contrast_limits is None
    stack.read.clear()
    stack.readers.clear()
    return frames


def ahead(order, count=2) -> FrameImagesAhead:
    return FrameImagesAhead(SIDE, CPU, order, count)


def is_read(stack: Watched, images: FrameImagesAhead, expected: list[int]) -> bool:
    """Let the one reader come to the end of what was ordered, and compare."""
    images._reader.submit(lambda: None).result()
    return stack.read == expected


@pytest.mark.parametrize("order", [range(8), range(7, -1, -1)])
def test_images_are_the_same_and_the_next_ones_are_there(stack, order) -> None:
    frames, plain = opened(stack), FrameImages(SIDE, CPU)
    expected = {index: plain.get(frames, index) for index in order}
    stack.read.clear()
    with ahead(order) as images:
        for position, index in enumerate(order):
            assert torch.equal(images.get(frames, index), expected[index])
            assert is_read(stack, images, list(order)[: position + 3])


def test_one_thread_does_all_the_reading(stack) -> None:
    frames = opened(stack)
    with ahead(range(4, 8)) as images:
        for index in (4, 1, 5, 6, 0, 7):  # 1 and 0 are not on the way: a packed memory is encoded again
            images.get(frames, index)
    assert len(stack.readers) == 1
    assert stack.readers.pop().startswith(THREAD_NAME)
    assert sorted(stack.read) == [0, 1, 4, 5, 6, 7]


def test_frames_that_are_passed_without_being_asked_for_are_forgotten(stack) -> None:
    frames = opened(stack)
    with ahead(range(8)) as images:
        images.get(frames, 0)
        assert is_read(stack, images, [0, 1, 2])
        images.get(frames, 5)
        assert len(images._coming) == 2
        assert is_read(stack, images, [0, 1, 2, 5, 6, 7])


def test_a_broken_frame_is_an_error_where_it_is_asked_for_and_only_there() -> None:
    broken = np.zeros((4, 32, 32), np.float32)
    broken[:, 4:9] = 1
    frames = open_frames(LostFrame(broken, lost=2), contrast_limits=(0, 1))
    with ahead(range(4)) as images:
        images.get(frames, 0)
        images.get(frames, 1)
        with pytest.raises(StackError, match="frame 2 cannot be read"):
            images.get(frames, 2)
        assert images.get(frames, 3).shape == (1, 3, SIDE, SIDE)


def test_a_source_that_may_not_be_read_ahead_is_not(stack) -> None:
    stack.may_read_ahead = False
    frames = opened(stack)
    with ahead(range(8)) as images:
        images.get(frames, 0)
        assert is_read(stack, images, [0])


def test_closing_waits_for_the_read_under_way_and_drops_the_others(stack) -> None:
    frames = opened(stack)
    images = ahead(range(8), count=4)
    images.get(frames, 0)
    images._reader.submit(lambda: None).result()
    stack.may_go_on.clear()
    stack.has_begun.clear()
    images.get(frames, 3)  # was read; 5, 6 and 7 are ordered
    stack.has_begun.wait()
    coming = [images._coming[frames, index] for index in (5, 6, 7)]
    coming[-1].add_done_callback(lambda _: stack.may_go_on.set())  # dropped: closing has begun
    images.__exit__(None, None, None)
    assert [future.cancelled() for future in coming] == [False, True, True]
    assert stack.read == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("count", [1, 3])
def test_a_predictor_tracks_the_same_and_can_be_left(model, stack, count) -> None:
    answers = []
    for options in ({"frames_ahead": 0}, {"frames_ahead": count}):
        predictor = SAM2VideoPredictor(model, **options)
        state = predictor.init_state(stack)
        for frame, object_id in ((0, 1), (2, 2)):
            predictor.add_new_points_or_box(state, frame, object_id, points=[[60, 50]], labels=[1])
        answers.append([logits for _, _, logits in predictor.propagate_in_video(state)])
        run = predictor.propagate_in_video(state, 3)
        next(run)
        run.close()
    assert all(torch.equal(one, other) for one, other in zip(*answers, strict=True))


def test_on_a_cpu_frames_are_read_by_the_thread_that_asks(model, stack) -> None:
    predictor = SAM2VideoPredictor(model)
    state = predictor.init_state(stack)
    predictor.add_new_points_or_box(state, 0, 1, points=[[60, 50]], labels=[1])
    assert len(list(predictor.propagate_in_video(state))) == 8
    assert stack.readers == {threading.current_thread().name}


def test_a_number_of_frames_below_none_is_refused(model) -> None:
    with pytest.raises(ValueError, match="frames_ahead is -1"):
        SAM2VideoPredictor(model, frames_ahead=-1)
