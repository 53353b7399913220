"""Frames of a video file, read in any order without holding the file in memory.

On opening, the packets are listed without being decoded: this gives the exact number of frames, when each is shown, and
where decoding may start (key frames). A wanted frame is then decoded from the key frame before it, or from where the
last reading stopped if that is nearer, so reading forward decodes each frame once. The last frames decoded are kept in
a bounded buffer, which makes reading backward bearable. Needs PyAV, the `video` extra.
"""

from __future__ import annotations

import io
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sam2_core.errors import StackError
from sam2_core.inference.frames.reading import reading

BUFFERED_BYTES = 128 * 2**20
BUFFERED_FRAMES = 32


class VideoFrames:
    """The frames of a video file's first picture stream as (H, W, 3) uint8 arrays, by index.

    Parameters
    ----------
    source
        Path of the file, or its content as bytes.

    Raises
    ------
    StackError
        PyAV is not installed, or the file holds no video that it can read.
    """

    def __init__(self, source: Path | bytes) -> None:
        av = _import_av()
        self.name = "the video" if isinstance(source, bytes) else str(source)
        with reading(self.name):
            self._container: Any = av.open(io.BytesIO(source) if isinstance(source, bytes) else str(source))
            self._stream: Any = next(iter(self._container.streams.video), None)
            if self._stream is None:
                raise StackError(f"{self.name} holds no video")
            self._times, self._key_frames = self._index()
        if not self._times:
            raise StackError(f"{self.name} holds no video frames")
        self._decoder: Iterator[Any] | None = None
        self._next = 0  # index of the frame that the decoder gives next
        self._first_whole = 0  # index of the key frame where decoding began
        self._buffer: OrderedDict[int, npt.NDArray[np.uint8]] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._times)

    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]:
        """Return one frame, (H, W, 3).

        Raises
        ------
        StackError
            The file is damaged there.
        """
        if index in self._buffer:
            return self._buffer[index]
        # Some containers (AVI) only know when a frame is decoded, not when it is shown: the key frame that seems to lie
        # before the wanted one may be shown after it, and the one before that is needed.
        for start in reversed(self._key_frames[: max(bisect_right(self._key_frames, index), 1)]):
            try:
                with reading(f"frame {index} of {self.name}"):
                    self._go_to(index, start)
                    self._decode_until(index)
            except StackError:
                self._decoder = None
                raise
            if index in self._buffer:
                return self._buffer[index]
            self._decoder = None
        raise StackError(f"frame {index} of {self.name} cannot be decoded; the file is damaged or incomplete there")

    def _index(self) -> tuple[list[int], list[int]]:
        """Return the display time of each frame in order, and the indices of the frames where decoding can start."""
        found = [packet for packet in self._container.demux(self._stream) if packet.dts is not None or packet.size]
        self._check_whole(found)
        packets = [packet for packet in found if packet.size and not packet.is_discard]
        timed = sorted({_time(packet): packet.is_keyframe for packet in packets}.items())
        return [time for time, _ in timed], [index for index, (_, is_key) in enumerate(timed) if is_key] or [0]

    def _check_whole(self, packets: Sequence[Any]) -> None:
        """Raise where the file says that it holds more frames, or lasts longer, than its packets do."""
        step = 1 / (self._stream.average_rate or 1)
        lasts = max((_time(packet) * (self._stream.time_base or 0) + step for packet in packets), default=0)
        named = _seconds(self._stream.metadata.get("DURATION", ""))
        is_short = len(packets) < self._stream.frames or lasts + step / 2 < named
        if is_short or (packets and packets[-1].is_corrupt):
            raise StackError(
                f"{self.name} cannot be read: it breaks off after {len(packets)} frames; the file was cut short, copy "
                "it again."
            )

    def _go_to(self, index: int, key_frame: int) -> None:
        """Place the decoder at or before the frame: go on if that is nearest, else seek to the key frame."""
        if self._decoder is None or not key_frame <= self._next <= index:
            self._first_whole = key_frame
            self._container.seek(self._times[key_frame], stream=self._stream, backward=True)
            self._decoder = self._container.decode(self._stream)

    def _decode_until(self, index: int) -> None:
        """Decode up to the frame, and keep it and those before it; frames shown before the key frame may lack parts."""
        for picture in self._decoder or ():
            decoded = min(bisect_left(self._times, _time(picture)), len(self) - 1)
            self._next = decoded + 1
            if decoded > index - BUFFERED_FRAMES and decoded >= self._first_whole:
                self._keep(decoded, picture.to_ndarray(format="rgb24"))
            if decoded >= index:
                break

    def _keep(self, index: int, frame: npt.NDArray[np.uint8]) -> None:
        self._buffer[index] = frame
        self._buffer.move_to_end(index)
        while len(self._buffer) > max(2, min(BUFFERED_FRAMES, BUFFERED_BYTES // frame.nbytes)):
            self._buffer.popitem(last=False)


def _time(item: Any) -> int:
    """Return when a packet or a picture is shown, in the stream's time base."""
    return int(item.pts if item.pts is not None else item.dts if item.dts is not None else 0)


def _seconds(words: str) -> float:
    """Return a duration like 00:00:01.6 in seconds, 0 where it is none."""
    parts = words.split(":")
    try:
        return sum(float(part) * unit for part, unit in zip(parts, (3600, 60, 1), strict=True))
    except ValueError:
        return 0.0


def _import_av() -> Any:
    try:
        import av
    except ImportError as error:
        raise StackError("reading video files needs PyAV; install it with: pip install napari-sam2[video]") from error
    return av
