"""The labels of a session as an array (T, H, W) whose frames are made when they are asked for."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np

from napari_sam2.io.results import Results
from napari_sam2.masks.mask_store import MaskStatus
from napari_sam2.masks.overlaps import label_dtype


class ResultLabels:
    """What `stacks.open_stack`, dask and napari take as an array of labels.

    Parameters
    ----------
    statuses
        Only masks of these statuses, and all of locked objects; every mask where None.
    """

    ndim = 3

    def __init__(self, results: Results, statuses: Container[MaskStatus] | None = None) -> None:
        self._results = results
        self._statuses = statuses
        self.shape = (len(results.movie), results.movie.height, results.movie.width)
        self.dtype = label_dtype(results.object_ids)
        self.name = f"{results.movie.stack.name} labels"

    def __getitem__(self, index: Any) -> np.ndarray[Any, Any]:
        key: tuple[Any, ...] = index if isinstance(index, tuple) else (index,)
        if isinstance(key[0], int | np.integer):
            return self._frame(int(key[0]))[key[1:]]
        frames = [self._frame(frame)[key[1:]] for frame in range(len(self))[key[0]]]
        return np.stack(frames) if frames else np.zeros((0, *self.shape[1:]), self.dtype)[(slice(None), *key[1:])]

    def __len__(self) -> int:
        return self.shape[0]

    def _frame(self, frame: int) -> np.ndarray[Any, Any]:
        """Return the labels of a frame, (H, W)."""
        results = self._results
        labels = results.labels(frame) if self._statuses is None else self._chosen(frame)
        return labels.astype(self.dtype, copy=False)

    def _chosen(self, frame: int) -> np.ndarray[Any, Any]:
        """Return the labels of a frame with the masks that do not count taken out, (H, W)."""
        results, locked = self._results, self._results.document.locked
        labels = results.labels(frame)
        for object_id in results.masks.objects_on(frame):
            mask = results.masks.get((object_id, frame))
            if mask is not None and object_id not in locked and mask.status not in (self._statuses or ()):
                labels[labels == object_id] = 0
        return labels
