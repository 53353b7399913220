"""What a change of prompts does to masks: what lies behind turns stale, what nothing speaks for any more goes.

Behind a prompt are the masks of its object that were tracked past it: on later frames those of a forward leg, on
earlier ones those of a backward leg. They stay visible until they are computed again. What a prompt that is gone left
on its own frame goes with it; that a person painted an object away stays, and so does evidence (imported, found).
"""

from __future__ import annotations

from itertools import groupby

from napari_sam2.document.difference import DocumentDiff
from napari_sam2.document.document import Document, PromptKey
from napari_sam2.document.prompt import Prompt
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stored_masks import MaskChange, MaskStatus, StoredMask


def is_drawn(prompt: Prompt) -> bool:
    """Return whether a prompt is a mask and nothing else: then that is the object's mask on the frame."""
    return prompt.parts == (prompt.drawn,)


def is_painted_away(mask: StoredMask) -> bool:
    """Return whether a person said by painting that the object is not there."""
    return mask.is_empty and mask.status is MaskStatus.edited


def follow(diff: DocumentDiff, document: Document, masks: MaskStore) -> list[MaskChange]:
    """Return the changes made to masks so that they go with a new document; `diff` is to the one before."""
    changes, gone = list[MaskChange](), set(diff.removed_objects)
    for object_id in diff.removed_objects:
        changes += masks.remove_object(object_id)
    for object_id, keys in groupby(diff.keys, key=lambda key: key[0]):
        if object_id in gone:
            continue
        if not document.prompts_of(object_id):
            kept = masks.frames(object_id).items()
            changes += [masks.remove((object_id, frame)) for frame, mask in kept if not _speaks_for_itself(mask)]
            continue
        for key in keys:
            changes += behind(key, masks)
            changes += _on_the_frame(key, document.prompts.get(key), masks)
    return changes


def behind(key: PromptKey, masks: MaskStore) -> tuple[MaskChange, ...]:
    """Return the changes made: what was tracked past the prompt of a key is stale.

    A leg ends where the other one has been, so what a backward leg found before the first prompt does not lie behind a
    correction of the forward leg.
    """
    object_id, changed = key
    frames = masks.frames(object_id)
    if not frames:
        return ()
    found: set[int] = set()
    for leg, past in (
        ("forward", [frame for frame in frames if frame > changed]),
        ("backward", [frame for frame in reversed(list(frames)) if frame < changed]),
    ):
        for frame in past:
            if frames[frame].leg not in (leg, "prompt"):
                break
            if frames[frame].leg == leg:
                found.add(frame)
    return masks.turn_stale(object_id, lambda frame, mask: frame in found)


def _on_the_frame(key: PromptKey, prompt: Prompt | None, masks: MaskStore) -> list[MaskChange]:
    """Return the changes made to the mask of a prompt itself: as drawn, stale until it is made again, or gone.

    What was painted stays so where its pixels are those that are drawn.
    """
    mask = masks.get(key)
    if prompt is not None and prompt.drawn is not None and is_drawn(prompt):
        is_painted = mask is not None and mask.status is MaskStatus.edited and mask.drawn(masks.size) == prompt.drawn
        status = MaskStatus.edited if is_painted else MaskStatus.prompted
        return [masks.put(key, StoredMask.of_drawn(prompt.drawn, status))]
    if mask is None or (prompt is None and mask.leg == "prompt"):
        return [masks.remove(key)]
    return [masks.put(key, mask.with_status(MaskStatus.stale))]


def _speaks_for_itself(mask: StoredMask) -> bool:
    return mask.status.is_evidence or is_painted_away(mask)
