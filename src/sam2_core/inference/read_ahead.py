"""Images of frames as the model sees them: read when they are asked for, or a little ahead while the network runs.

`FrameImages` reads in the thread that asks. `FrameImagesAhead` is made for one run: a single thread reads, resizes and
normalises the next frames in the direction of travel, and on CUDA copies them from pinned memory on a stream of its
own. Every read of the run goes through that thread, so a lazy stack (dask, zarr, video) is never read by two threads of
the run. What goes wrong is raised where the frame is asked for.

Reading ahead pays where the network runs elsewhere: `frames_ahead` is 2 on CUDA and MPS, and 0 on a CPU, whose cores
the network has use for. It never happens for a source that says ``may_read_ahead = False``, such as a window whose
place on the next frame depends on this one, nor with a feature cache, which may need no images.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

import torch
from torch import Tensor

from sam2_core.inference.frames.opened_frames import OpenedFrames
from sam2_core.inference.transforms import prepare_video_frame

FRAMES_AHEAD = {"cuda": 2, "mps": 2}
THREAD_NAME = "frames-ahead"

_Upload = tuple[Tensor, "torch.cuda.Event | None"]
"""An image, and the event after which it is on the device."""


class FrameImages:
    """Images for a model input of that size, on that device, read when asked for."""

    def __init__(self, image_size: int, device: torch.device) -> None:
        self._image_size = image_size
        self._device = device

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Stop reading ahead, if that was done."""

    def get(self, frames: OpenedFrames, index: int) -> Tensor:
        """Return an image (1, 3, S, S) on the device.

        Raises
        ------
        StackError
            The frame cannot be read.
        """
        return self._prepared(frames, index).to(self._device)

    def _prepared(self, frames: OpenedFrames, index: int) -> Tensor:
        return prepare_video_frame(frames.read_rgb(index), self._image_size)[None]


class FrameImagesAhead(FrameImages):
    """The same for one run, of which the next frames are read before they are asked for.

    `order` are the frames of the run as they are visited; `count` frames of each stack are read ahead, at least 1.
    """

    def __init__(self, image_size: int, device: torch.device, order: Sequence[int], count: int) -> None:
        super().__init__(image_size, device)
        self._position = {frame: position for position, frame in enumerate(order)}
        self._order = order
        self._count = count
        self._coming: dict[tuple[OpenedFrames, int], Future[_Upload]] = {}
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix=THREAD_NAME)

    def __exit__(self, *error: object) -> None:
        """Wait for the read that is under way, and drop what was to come."""
        self._reader.shutdown(wait=True, cancel_futures=True)
        self._coming.clear()

    def get(self, frames: OpenedFrames, index: int) -> Tensor:
        """Return an image (1, 3, S, S) on the device, and have the next ones read."""
        coming = self._coming.pop((frames, index), None) or self._reader.submit(self._upload, frames, index)
        self._look_ahead(frames, index)
        return self._arrived(coming.result())

    def _look_ahead(self, frames: OpenedFrames, index: int) -> None:
        """Order the frames behind one of the run; forget those that it has passed without asking for them."""
        position = self._position.get(index)
        if position is None or not frames.may_read_ahead:
            return
        for stack, other in list(self._coming):
            if stack is frames and self._position[other] <= position:
                self._coming.pop((stack, other)).cancel()
        for other in self._order[position + 1 : position + 1 + self._count]:
            if (frames, other) not in self._coming:
                self._coming[frames, other] = self._reader.submit(self._upload, frames, other)

    def _upload(self, frames: OpenedFrames, index: int) -> _Upload:
        """Run by the reader."""
        image = self._prepared(frames, index)
        if self._stream is None:
            return image, None
        with torch.cuda.stream(self._stream):
            copy = image.pin_memory().to(self._device, non_blocking=True)
            return copy, self._stream.record_event()

    def _arrived(self, upload: _Upload) -> Tensor:
        """Return the image for use on the current stream, which waits for the copy; the host does not."""
        image, event = upload
        if event is None:
            return image.to(self._device)
        here = torch.cuda.current_stream(self._device)
        here.wait_event(event)
        image.record_stream(here)
        return image
