"""Video files: exact frame numbers in any order, with a bounded buffer, and clear errors."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam2_core.errors import StackError
from sam2_core.inference.frames.opened_frames import open_frames
from sam2_core.inference.frames.video_file import BUFFERED_FRAMES, VideoFrames

av = pytest.importorskip("av")

NUMBER_OF_FRAMES = 90


def painted(index: int) -> np.ndarray:
    """A picture in which eight broad stripes spell the index in binary."""
    frame = np.zeros((48, 64, 3), np.uint8)
    for bit in range(8):
        frame[:, bit * 8 : bit * 8 + 8] = 220 if index >> bit & 1 else 30
    return frame


def spelled(frame: np.ndarray) -> int:
    return sum(1 << bit for bit in range(8) if frame[:, bit * 8 + 2 : bit * 8 + 6].mean() > 128)


def write_video(path: Path, codec: str, options: dict[str, str]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(25), options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(NUMBER_OF_FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(painted(index), format="rgb24")))
        container.mux(stream.encode())
    return path


KINDS = {
    "few_key_frames.mp4": ("libx264", {"g": "60", "bf": "2"}),
    "mpeg4.mp4": ("mpeg4", {"g": "12"}),
    "mpeg4.avi": ("mpeg4", {"g": "12", "bf": "2"}),
    "ordered.mkv": ("libx264", {"g": "30", "bf": "3"}),
}


@pytest.fixture(params=KINDS)
def video(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    codec, options = KINDS[request.param]
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    return write_video(tmp_path / request.param, codec, options)


def test_frames_come_by_number_in_any_order(video: Path, rng: np.random.Generator) -> None:
    frames = open_frames(video)
    assert (len(frames), frames.height, frames.width) == (NUMBER_OF_FRAMES, 48, 64)
    wanted = [0, 1, 2, 89, 0, 59, 60, 61, 30, 29, 28, *rng.integers(0, NUMBER_OF_FRAMES, 20).tolist()]
    assert [spelled(frames[index]) for index in wanted] == wanted
    assert frames.contrast_limits is None


def test_forward_and_backward_readings_are_complete(video: Path) -> None:
    frames = VideoFrames(video)
    assert [spelled(frames[index]) for index in range(NUMBER_OF_FRAMES)] == list(range(NUMBER_OF_FRAMES))
    backward = range(NUMBER_OF_FRAMES - 1, -1, -1)
    assert [spelled(frames[index]) for index in backward] == list(backward)


def test_reading_forward_never_seeks_back_and_the_buffer_is_bounded(video: Path, monkeypatch: Any) -> None:
    frames = VideoFrames(video)
    starts: list[int] = []
    go_to = VideoFrames._go_to

    def noted(self: VideoFrames, index: int, key_frame: int) -> None:
        before = self._decoder
        go_to(self, index, key_frame)
        if self._decoder is not before:
            starts.append(index)

    monkeypatch.setattr(VideoFrames, "_go_to", noted)
    for index in range(NUMBER_OF_FRAMES):
        assert frames[index].shape == (48, 64, 3)
        assert len(frames._buffer) <= BUFFERED_FRAMES
    assert len(starts) <= 1 + len(frames._key_frames)
    for index in range(NUMBER_OF_FRAMES - 1, -1, -1):
        assert frames[index] is not None
    assert len(starts) <= 2 + 2 * len(frames._key_frames) + NUMBER_OF_FRAMES // BUFFERED_FRAMES


def test_the_content_of_a_file_will_do(tmp_path: Path) -> None:
    path = write_video(tmp_path / "movie.mp4", "mpeg4", {})
    assert spelled(open_frames(path.read_bytes())[33]) == 33


@pytest.mark.parametrize("damage", ["garbage", "cut", "nothing"])
def test_a_damaged_video_is_named(tmp_path: Path, damage: str) -> None:
    path = write_video(tmp_path / "movie.mp4", "mpeg4", {})
    whole = path.read_bytes()
    path.write_bytes({"garbage": b"no video" * 50, "cut": whole[: len(whole) // 2], "nothing": b""}[damage])
    with pytest.raises(StackError, match=r"movie\.mp4"):
        open_frames(path)


@pytest.mark.parametrize("suffix", [".avi", ".mkv"])
@pytest.mark.parametrize("share", [0.4, 0.9])
def test_a_video_cut_short_is_no_shorter_movie(
    tmp_path: Path, rng: np.random.Generator, suffix: str, share: float
) -> None:
    path = tmp_path / f"movie{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for noise in rng.integers(0, 255, (20, 48, 64, 3), np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        container.mux(stream.encode())
    whole = path.read_bytes()
    assert len(open_frames(path)) == 20
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(StackError, match=rf"movie\{suffix} cannot be read: it breaks off after"):
        open_frames(path)


def test_without_pyav_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "movie.mp4").write_bytes(b"x")
    with pytest.raises(StackError, match=r"pip install napari-sam2\[video\]"):
        open_frames(tmp_path / "movie.mp4")
