"""What was found, object by object: counted frame by frame, so that no stack of labels is ever held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from napari_sam2.masks.stored_masks import Array


@dataclass(frozen=True, slots=True)
class ObjectSummary:
    """Where one object was found: first, last and number of frames that have a mask, and the mean area on these."""

    object_id: int
    first_frame: int | None
    last_frame: int | None
    frames: int
    mean_area_px: float


class LabelCounts:
    """Areas per object, added up over frames; every object that was asked for has a row, also if it was never found."""

    def __init__(self, object_ids: Iterable[int]) -> None:
        self._found: dict[int, list[tuple[int, int]]] = {object_id: [] for object_id in sorted(set(object_ids))}

    def add(self, frame_index: int, labels: Array) -> None:
        """Count one frame of labels (H, W)."""
        values, areas = np.unique(labels, return_counts=True)
        for value, area in zip(values.tolist(), areas.tolist(), strict=True):
            if value:
                self._found.setdefault(value, []).append((frame_index, area))

    def rows(self) -> tuple[ObjectSummary, ...]:
        """Return one row per object, by id."""
        return tuple(_row(object_id, self._found[object_id]) for object_id in sorted(self._found))


def counted(frames: Iterable[Array], counts: LabelCounts) -> Iterator[Array]:
    """Yield frames of labels as they come, each counted on its way."""
    for index, labels in enumerate(frames):
        counts.add(index, labels)
        yield labels


def _row(object_id: int, found: list[tuple[int, int]]) -> ObjectSummary:
    if not found:
        return ObjectSummary(object_id, None, None, 0, 0.0)
    frames = [frame for frame, _ in found]
    areas = [area for _, area in found]
    return ObjectSummary(object_id, min(frames), max(frames), len(frames), sum(areas) / len(areas))
