"""What came from the lane into the masks: written where it still holds, dropped where it became void."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from napari_sam2.document.document import Document, PromptKey
from napari_sam2.engine.updates import FrameUpdate, MaskPatch
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stale import is_drawn
from napari_sam2.masks.stored_masks import Array, MaskChange, MaskStatus, StoredMask


def write_update(
    update: FrameUpdate, document: Document, masks: MaskStore, is_void: Callable[[PromptKey], bool]
) -> list[MaskChange]:
    """Return the changes that an update makes to the masks, but where `is_void` says that a key holds no longer.

    Locked objects, painted masks, evidence and masks that are prompts stay as they are; the mask of a prompted frame
    comes from its prompt and not from a run that passes by. Where others were found or imported, a run has nothing to
    say: a mask that is tracked loses those pixels, and where that is more than half of it, it follows somebody else.
    """
    changes: list[MaskChange] = []
    locked = document.locked
    others = None if update.leg == "prompt" else _evidence(masks, update.frame_index)
    for object_id, patch, score in zip(update.object_ids, update.patches, update.object_score_logits, strict=True):
        key = (object_id, update.frame_index)
        holds = object_id in document.objects and object_id not in locked and not is_void(key)
        if holds and _may_write(update, key, document, masks):
            changes.append(masks.put(key, _stored(update, _beside(patch, others), score)))
    return changes


def _may_write(update: FrameUpdate, key: PromptKey, document: Document, masks: MaskStore) -> bool:
    before = masks.get(key)
    if before is not None and (before.status is MaskStatus.edited or before.status.is_evidence):
        return False
    prompt = document.prompts.get(key)
    if update.leg == "prompt":
        return prompt is not None and not is_drawn(prompt)
    return prompt is None


def _stored(update: FrameUpdate, patch: MaskPatch | None, score: float) -> StoredMask:
    if patch is None:
        return StoredMask.empty(MaskStatus.absent, score, update.leg)
    status = MaskStatus.prompted if update.leg == "prompt" else MaskStatus.tracked
    return StoredMask.of_logits(patch.y0, patch.x0, patch.logits, status, score, update.leg)


def _evidence(masks: MaskStore, frame: int) -> Array | None:
    """Return the pixels (H, W) of what was found or imported on a frame; None where nothing was."""
    there = [masks.get((one, frame)) for one in masks.objects_on(frame)]
    known = [mask for mask in there if mask is not None and mask.status.is_evidence]
    if not known:
        return None
    taken = np.zeros(masks.size, bool)
    for mask in known:
        taken[mask.rows, mask.columns] |= mask.mask()
    return taken


def _beside(patch: MaskPatch | None, taken: Array | None) -> MaskPatch | None:
    """Return what of a mask lies beside pixels that are taken; None where more than half of it does not."""
    if patch is None or taken is None:
        return patch
    height, width = patch.logits.shape
    there = taken[patch.y0 : patch.y0 + height, patch.x0 : patch.x0 + width]
    inside = patch.logits > 0
    lost = np.count_nonzero(inside & there)
    if not lost:
        return patch
    if 2 * lost > np.count_nonzero(inside):
        return None
    return replace(patch, logits=np.where(there, np.float32(-1), patch.logits))
