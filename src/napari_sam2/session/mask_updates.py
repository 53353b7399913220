"""What came from the lane into the masks: written where it still holds, dropped where it became void."""

from __future__ import annotations

from collections.abc import Callable

from napari_sam2.document.document import Document, PromptKey
from napari_sam2.engine.updates import FrameUpdate, MaskPatch
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stale import is_drawn
from napari_sam2.masks.stored_masks import MaskChange, MaskStatus, StoredMask


def write_update(
    update: FrameUpdate, document: Document, masks: MaskStore, is_void: Callable[[PromptKey], bool]
) -> list[MaskChange]:
    """Return the changes that an update makes to the masks, but where `is_void` says that a key holds no longer.

    Locked objects, painted masks, evidence and masks that are prompts stay as they are; the mask of a prompted frame
    comes from its prompt and not from a run that passes by.
    """
    changes: list[MaskChange] = []
    locked = document.locked
    for object_id, patch, score in zip(update.object_ids, update.patches, update.object_score_logits, strict=True):
        key = (object_id, update.frame_index)
        holds = object_id in document.objects and object_id not in locked and not is_void(key)
        if holds and _may_write(update, key, document, masks):
            changes.append(masks.put(key, _stored(update, patch, score)))
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
