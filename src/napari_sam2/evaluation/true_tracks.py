"""The truth as a curator asks it: which cell a mask shows, where that comes from and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from napari_sam2.io.tracked import TrackedLabels
from napari_sam2.masks.stored_masks import Array, StoredMask

LEAST_IOU = 0.5


class TrueTracks:
    """Cells of a truth by label; all of its labels are held."""

    def __init__(self, truth: TrackedLabels) -> None:
        self.frames: list[Array] = [np.asarray(frame) for frame in truth.labels]
        self.parents: Mapping[int, int] = truth.parents
        self._areas: list[dict[int, int]] = []
        self._there: dict[int, list[int]] = {}
        self._known: dict[int, tuple[StoredMask, int]] = {}
        for frame, labels in enumerate(self.frames):
            values, areas = np.unique(labels[labels > 0], return_counts=True)
            self._areas.append(dict(zip(values.tolist(), areas.tolist(), strict=True)))
            for value in values.tolist():
                self._there.setdefault(value, []).append(frame)

    @property
    def labels(self) -> list[int]:
        """All labels, ascending."""
        return sorted(self._there)

    def label_of(self, mask: StoredMask | None, frame: int) -> int:
        """Return the label that a mask shows with an IoU of 0.5 or more; 0 for none."""
        if mask is None or mask.is_empty:
            return 0
        known = self._known.get(id(mask))
        if known is None or known[0] is not mask:
            known = self._known[id(mask)] = mask, self.best((mask.y0, mask.x0), mask.mask(), frame)
        return known[1]

    def best(self, corner_yx: tuple[int, int], inside: Array, frame: int) -> int:
        """Return the label that pixels (h, w) at a place show with an IoU of 0.5 or more; 0 for none."""
        label, shared = self._most(corner_yx, inside, frame)
        union = int(np.count_nonzero(inside)) + self._areas[frame].get(label, 0) - shared
        return label if label and shared >= LEAST_IOU * union else 0

    def below(self, mask: StoredMask | None, frame: int) -> int:
        """Return the label that most of a mask lies on, if that is a third of it or more; 0 for none."""
        if mask is None or mask.is_empty:
            return 0
        inside = mask.mask()
        label, shared = self._most((mask.y0, mask.x0), inside, frame)
        return label if 3 * shared >= np.count_nonzero(inside) else 0

    def mask(self, label: int, frame: int) -> Array:
        """Return the pixels of a cell, (H, W) bool."""
        found: Array = self.frames[frame] == label
        return found

    def first(self, label: int) -> int:
        """Return the first frame of a cell."""
        return self._there[label][0]

    def next_of(self, label: int, frame: int) -> int | None:
        """Return the next frame on which a cell is there; None behind its last."""
        return next((one for one in self._there[label] if one > frame), None)

    def before(self, label: int, frame: int) -> tuple[int, int] | None:
        """Return (label, frame) where a cell was before: its own, or of its mother; None where it is first seen."""
        own = [one for one in self._there[label] if one < frame]
        if own:
            return label, own[-1]
        mother = self.parents.get(label, 0)
        earlier = [one for one in self._there.get(mother, ()) if one < frame]
        return (mother, earlier[-1]) if earlier else None

    def daughters(self, label: int) -> list[int]:
        """Return the cells that come from a cell, ascending."""
        return [one for one in self.labels if self.parents.get(one) == label]

    def divides(self, label: int) -> bool:
        """Return whether two cells or more come from a cell."""
        return len(self.daughters(label)) > 1

    def _most(self, corner_yx: tuple[int, int], inside: Array, frame: int) -> tuple[int, int]:
        """Return the label with most pixels inside, and how many."""
        (y0, x0), (height, width) = corner_yx, inside.shape
        here = self.frames[frame][y0 : y0 + height, x0 : x0 + width][inside]
        labels, counts = np.unique(here[here > 0], return_counts=True)
        return (int(labels[counts.argmax()]), int(counts.max())) if len(labels) else (0, 0)
