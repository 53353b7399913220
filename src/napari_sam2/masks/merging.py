"""Two objects become one, what is said of them and what is shown: on each frame the pixels of both.

Where something is said of one of them and the other is there, what is said from then on is the pixels of both, so that
no run and no click takes those of one away again. Clicks and boxes went into these pixels, and are said no longer;
those that the model has not answered yet refine them.
"""

from __future__ import annotations

from collections.abc import Iterator

from napari_sam2.document.difference import difference
from napari_sam2.document.document import Document, PromptKey
from napari_sam2.document.prompt import Prompt
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stale import follow, is_drawn, is_painted_away
from napari_sam2.masks.stored_masks import MaskStatus, StoredMask


def merged(into: int, other: int, document: Document, masks: MaskStore) -> Document:
    """Return the document in which `other` is part of `into`; its masks become parts of those of that one.

    Raises
    ------
    PromptError
        If one of them does not exist or they are the same.
    """
    joined = document.merged(into, other)
    made = joined.with_prompts({(into, one.frame): one for one in _said_of_both(into, other, document, masks)})
    _join(into, other, document, masks)
    follow(difference(joined, made), made, masks)
    return made


def _said_of_both(into: int, other: int, document: Document, masks: MaskStore) -> Iterator[Prompt]:
    """Yield what is said where something is said of one of two objects and the other is there."""
    for frame in {**document.prompts_of(into), **document.prompts_of(other)}:
        keys = (into, frame), (other, frame)
        shown = {key: mask for key in keys if (mask := masks.get(key)) is not None and not mask.is_empty}
        if any(key in document.prompts and shown.keys() - {key} for key in keys):
            pixels = [Prompt(into, frame, mask=mask.drawn(masks.size)) for mask in shown.values()]
            waiting = [document.prompts[key].owned_by(into) for key in keys if _is_waiting(key, document, masks)]
            first, *rest = [*pixels, *waiting]
            for one in rest:
                first = first.joined(one)
            yield first


def _is_waiting(key: PromptKey, document: Document, masks: MaskStore) -> bool:
    """Return whether what is said under a key has no mask yet that the model made of it."""
    prompt, mask = document.prompts.get(key), masks.get(key)
    return prompt is not None and not is_drawn(prompt) and (mask is None or mask.status is MaskStatus.stale)


def _join(into: int, other: int, document: Document, masks: MaskStore) -> None:
    """Make masks of `other` parts of those of `into`; the document is the one before.

    That `other` was painted away on a frame says nothing where there is a prompt for `into`: it is stale there, until
    the prompt's mask is made. Where one of both was painted away and the other is there, the mask of that one stays as
    it is.
    """
    for frame, mask in masks.frames(other).items():
        key, own = (into, frame), masks.get((into, frame))
        if key in document.prompts and is_painted_away(mask):
            masks.remove((other, frame))
            if own is None:
                masks.put(key, mask.with_status(MaskStatus.stale))
        elif own is not None and own.is_empty is not mask.is_empty:
            _drop_painted_away((other, frame), mask, masks)
            _drop_painted_away(key, own, masks)
    masks.merge(into, other)


def _drop_painted_away(key: PromptKey, mask: StoredMask, masks: MaskStore) -> None:
    if is_painted_away(mask):
        masks.remove(key)
