"""Colonies that divide: objects with parents and masks, without images or a model."""

from __future__ import annotations

import numpy as np

from napari_sam2.document.document import Document
from napari_sam2.document.objects import LinkStatus, ObjectInfo
from napari_sam2.document.track_events import Division
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stored_masks import MaskStatus, StoredMask

Spans = dict[int, tuple[int | None, int, int]]
"""Object id -> parent, first and last frame."""


def colony(tracks: int, frames: int, founders: int = 0, seed: int = 0) -> Spans:
    """Return tracks of cells that divide after one or two cycles, so that all frames have about as many as fit."""
    draw = np.random.default_rng(seed)
    founders = founders or max(1, tracks // 60)
    cycle = max(frames / max(np.log2(max(tracks / founders, 2)), 1), 2)
    spans: Spans = {}
    due: list[tuple[int, int | None]] = [(0, None)] * founders
    while due and len(spans) < tracks:
        begin, parent = due.pop(0)
        last = min(begin + int(cycle * draw.uniform(0.6, 1.4)), frames - 1)
        number = len(spans) + 1
        spans[number] = (parent, begin, last)
        if last + 1 < frames:
            due += [(last + 1, number)] * 2
        if not due:
            due.append((int(draw.integers(0, max(frames // 2, 1))), None))
    return spans


def document_of(spans: Spans) -> Document:
    infos = [ObjectInfo(one, parent=parent, links=LinkStatus.linked) for one, (parent, _, _) in spans.items()]
    daughters: dict[int, list[int]] = {}
    for one, (parent, _, _) in spans.items():
        if parent is not None:
            daughters.setdefault(parent, []).append(one)
    divisions = tuple(Division(one, spans[born[0]][1], tuple(born)) for one, born in daughters.items())
    return Document({}, {info.object_id: info for info in infos}, {}, divisions)


def masks_of(spans: Spans, size: tuple[int, int], frames: int, side: int = 8) -> MaskStore:
    """Return masks that drift, found without prompts."""
    store = MaskStore(size, frames)
    draw = np.random.default_rng(1)
    for one, (_, first, last) in spans.items():
        y, x = draw.integers(0, size[0] - side), draw.integers(0, size[1] - side)
        mask = StoredMask.of_logits(int(y), int(x), np.ones((side, side), np.float32), MaskStatus.found)
        for frame in range(first, last + 1):
            store.put((one, frame), mask)
    return store
