"""A session that needs no model: objects, edits recorded in order, and runs whose pace the test sets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from napari_sam2.document.document import Document
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.engine.jobs import CancelToken
from napari_sam2.engine.updates import FrameUpdate


def update_of(frame: int, total: int) -> FrameUpdate:
    return FrameUpdate(0, frame, "forward", (1,), (None,), (1.0,), frame + 1, total)


class StandInMasks:
    """Every look finds something new."""

    def __init__(self) -> None:
        self.looks = 0

    def revision(self, object_id: int) -> int:
        self.looks += 1
        return self.looks


class StandInSession:
    def __init__(self, frames: int = 10, objects: int = 2) -> None:
        self.document = Document.of((), [ObjectInfo(number + 1) for number in range(objects)])
        self.codes = {number + 1: np.zeros(frames, np.uint8) for number in range(objects)}
        self.masks = StandInMasks()
        self.frames = frames
        self.go = threading.Semaphore(0)
        self.computed: list[int] = []
        self.closed_in: list[str] = []
        self.failure: Exception | None = None

    def status(self, object_id: int) -> np.ndarray:
        return self.codes[object_id]

    def _change(self, object_id: int, **changes: Any) -> None:
        self.document = self.document.with_object(replace(self.document.objects[object_id], **changes))

    def rename_object(self, object_id: int, name: str) -> None:
        self._change(object_id, name=name)

    def set_visible(self, object_id: int, visible: bool) -> None:
        self._change(object_id, visible=visible)

    def set_locked(self, object_id: int, locked: bool) -> None:
        self._change(object_id, locked=locked)

    def let_pass(self, frames: int) -> None:
        for _ in range(frames):
            self.go.release()

    def run(self, job: object, token: CancelToken) -> Iterator[FrameUpdate]:
        try:
            for frame in range(self.frames):
                while not self.go.acquire(timeout=0.01):
                    if token.cancelled:
                        return
                if token.cancelled:
                    return
                if self.failure is not None:
                    raise self.failure
                self.computed.append(frame)
                yield update_of(frame, self.frames)
        finally:
            self.closed_in.append(threading.current_thread().name)
