"""Results of other programs, or of an earlier day, as a document and masks whose status is `imported`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from napari_sam2.document.document import Document
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.masks.mask_store import MaskStatus, MaskStore
from napari_sam2.masks.stored_masks import DRAWN_LOGIT, StoredMask
from napari_sam2.stacks import Movie
from sam2_core.errors import StackError


def import_labels(labels: Movie, parents: Mapping[int, int] | None = None) -> tuple[Document, MaskStore]:
    """Return the objects and masks of a label stack, an object for each value above 0; one frame is read at a time.

    Parameters
    ----------
    labels
        Whole numbers, one channel; see `stacks.open_labels`.
    parents
        Object id -> object that it came from.

    Raises
    ------
    StackError
        If it holds anything but whole numbers from 0, or several channels.
    PromptError
        If a parent is not in the stack, or an object comes from itself.
    """
    if labels.dtype.kind not in "bui" or labels.channel_count != 1:
        raise StackError(
            f"{labels.stack.name} holds {labels.dtype} in {labels.channel_count} channels, no labels; give a stack of "
            "whole numbers, 0 for nothing, with one channel."
        )
    masks = MaskStore((labels.height, labels.width), len(labels))
    for frame in range(len(labels)):
        for object_id, mask in _masks(labels[frame]):
            if object_id < 0:
                raise StackError(
                    f"{labels.stack.name}, frame {frame}: the label {object_id} is below 0; use 1 or more."
                )
            masks.put((object_id, frame), mask)
    known = parents or {}
    return Document.of([], [ObjectInfo(one, parent=known.get(one)) for one in masks.object_ids()]), masks


def _masks(labels: np.ndarray[Any, Any]) -> Iterator[tuple[int, StoredMask]]:
    """Yield the values but 0 of labels (H, W), ascending, each with its pixels; these are passed over once."""
    rows, columns = np.nonzero(labels)
    order = np.argsort(labels[rows, columns], kind="stable")
    values, starts = np.unique(labels[rows[order], columns[order]], return_index=True)
    for value, places in zip(values.tolist(), np.split(order, starts[1:]), strict=False):
        y0, x0 = rows[places].min(), columns[places].min()
        logits = np.zeros((rows[places].max() - y0 + 1, columns[places].max() - x0 + 1), np.float32)
        logits[rows[places] - y0, columns[places] - x0] = DRAWN_LOGIT
        yield int(value), StoredMask.of_logits(int(y0), int(x0), logits, MaskStatus.imported)
