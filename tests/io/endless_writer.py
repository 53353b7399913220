"""Puts frames into a session folder for ever and says of each that it is there; made to be killed."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from napari_sam2.io import Autosaver, FrameDone
from napari_sam2.masks.mask_store import StoredMask


@dataclass
class Memory:
    tensors: dict
    meta: dict


def stored(object_id, frame):
    logits = np.random.default_rng((object_id, frame)).normal(4, 4, (7, 6)).astype(np.float32)
    return StoredMask.of_logits(frame, object_id, logits, leg="backward")


saver, saved = Autosaver.open(sys.argv[1])
saver.begin_run({}, saved.document)
for frame in range(100_000):
    saver.put([((object_id, frame), stored(object_id, frame)) for object_id in (11, 12)], FrameDone("backward", frame))
    print(frame, flush=True)
    if frame % 25 == 0:
        saver.snapshot(Memory({"x": np.zeros((200, 200), np.float32)}, {"next": frame}), FrameDone("backward", frame))
