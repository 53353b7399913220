"""Who comes from whom when objects are joined or change places: nobody is there before its mother divides.

Where a person says both, that an object is the same as another one and that it has a parent, what it is counts, and it
is told whose parents are gone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from napari_sam2.document.document import Document
from napari_sam2.document.track_events import settled
from napari_sam2.lineage.tracks import is_before_birth
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.session.known_objects import there


def told_alone(object_ids: Sequence[int]) -> str:
    """Return a sentence about objects that have no parent any more, with a space before it; "" where there are none."""
    if not object_ids:
        return ""
    who = " and ".join(map(str, object_ids))
    return f" {who} {'has' if len(object_ids) == 1 else 'have'} no parent any more, being there before its division."


def swapped(
    document: Document, masks: MaskStore, swap: tuple[int, int, int], born: Collection[int]
) -> tuple[Document, tuple[int, ...]]:
    """Return the document with two objects exchanged from a frame on, and those that have no parent any more.

    An end or beginning that comes to lie in the middle by that is none any more.
    """
    a, b, from_frame = swap
    frames, names = {one: list(there(masks, one)) for one in (a, b)}, {a: b, b: a}
    said = [
        one.renamed(names) if one.frame >= from_frame else one
        for one in document.events
        if one.object_id in frames and one.is_inside(*_span(frames[one.object_id], masks))
    ]
    made = document.swapped(a, b, from_frame, born)
    frames_now = {
        one: [at for at in frames[one] if at < from_frame] + [at for at in frames[other] if at >= from_frame]
        for one, other in names.items()
    }
    earlier = {one for one in names if min(frames[one], default=from_frame) < from_frame}
    for division in document.divisions:  # who begins on the frame of a division cannot be its mother
        other = names.get(division.mother)
        is_hers = division.mother in earlier and other not in earlier and other not in division.daughters
        if division.frame == from_frame and is_hers:
            made = made.with_division(division)
    for child in born:
        first, parent = min(there(masks, child), default=None), made.objects[child].parent
        if first is not None and parent is not None and min(frames_now.get(parent, ()), default=-1) >= first:
            made = made.with_object(replace(made.objects[child], parent=document.objects[child].parent))
    begins = {one: _span(there_now, masks)[0] for one, there_now in frames_now.items()}
    return parted(made.with_events(settled(made.events, frames_now, said)), begins, document, masks)


def parted(
    document: Document, begins: Mapping[int, int], old: Document, masks: MaskStore
) -> tuple[Document, tuple[int, ...]]:
    """Return a document without parents that objects cannot have because they begin on other frames now, and whose.

    What was said so in the `old` one, to which the masks belong, stays.
    """

    def is_early(one: int, about: Document, begins: Mapping[int, int]) -> bool:
        parent = about.objects[one].parent
        first = {at: begins.get(at, _span([*there(masks, at)], masks)[0]) for at in (one, parent) if at is not None}
        return parent is not None and is_before_birth(one, first[one], about, first[parent])

    def is_said(one: int) -> bool:
        return document.objects[one].parent == old.objects[one].parent and is_early(one, old, {})

    alone = tuple(one for one in begins if is_early(one, document, begins) and not is_said(one))
    return document.with_objects([replace(document.objects[one], parent=None) for one in alone]), alone


def _span(frames: Sequence[int], masks: MaskStore) -> tuple[int, int]:
    """Return the first and the last of frames; without any, ones between which nothing can lie."""
    return min(frames, default=masks.frame_count), max(frames, default=-1)
