"""Who comes from whom when objects are joined or change places: nobody is there before its mother divides.

Where a person says both, that an object is the same as another one and that it has a parent, what it is counts, and it
is told whose parents are gone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from napari_sam2.document.document import Document
from napari_sam2.document.track_events import settled
from napari_sam2.lineage.tracks import children_from, is_before_birth
from napari_sam2.masks.mask_store import MaskStore

Exchange = tuple[int, int, int]
"""Two objects, and the frame from which on they are exchanged."""


def told_alone(object_ids: Sequence[int]) -> str:
    """Return a sentence about objects that have no parent any more, with a space before it; "" where there are none."""
    if not object_ids:
        return ""
    who = " and ".join(map(str, object_ids))
    return f" {who} {'has' if len(object_ids) == 1 else 'have'} no parent any more, being there before its division."


def exchanged(document: Document, exchange: Exchange, frames: Callable[[int], Iterable[int]]) -> Document:
    """Return the document with two objects exchanged from a frame on; whoever divides on a frame is there before.

    Divisions and children from then on follow what of their mother is there, but stay hers where she is there before
    them and that is not. Where one of both comes from the other on that very frame, she goes on as what it was.

    Parameters
    ----------
    frames
        Gives those on which an object is there, before the exchange.
    """
    a, b, from_frame = exchange
    names, never = {a: b, b: a}, math.inf
    between = [one for one in document.divisions if one.frame == from_frame and names.get(one.mother) in one.daughters]
    for division in between:
        document = document.without_division(division.mother, from_frame)
    born = children_from(from_frame, (a, b), document, frames)
    made = document.swapped(a, b, from_frame, born)
    begins = {
        one: min(_after_exchange(frames(one), frames(other), from_frame), default=never) for one, other in names.items()
    }

    def is_hers(mother: int | None, frame: float) -> bool:
        return mother in names and begins[mother] < frame <= begins[names[mother]]

    for division in document.divisions:
        is_behind = division.frame >= from_frame and names.get(division.mother) not in division.daughters
        if is_behind and is_hers(division.mother, division.frame):
            made = made.with_division(division)
    for child in born:
        about, mother = made.objects[child], document.objects[child].parent
        if about.parent != mother and is_hers(mother, min(frames(child), default=never)):
            made = made.with_object(replace(about, parent=mother))
    for division in between:
        left = tuple(one for one in division.daughters if begins.get(one, 0) < never)
        made = made.with_division(replace(division, daughters=left)) if left else made
    return made


def swapped(document: Document, masks: MaskStore, exchange: Exchange) -> tuple[Document, tuple[int, ...]]:
    """Return the document with two objects exchanged from a frame on, and those that have no parent any more.

    An end or beginning that comes to lie in the middle by that is none any more.
    """
    a, b, from_frame = exchange
    frames, names = {one: list(masks.there(one)) for one in (a, b)}, {a: b, b: a}
    said = [
        one.renamed(names) if one.frame >= from_frame else one
        for one in document.events
        if one.object_id in frames and one.is_inside(*_span(frames[one.object_id], masks))
    ]
    made = exchanged(document, exchange, masks.there)
    frames_now = {one: _after_exchange(frames[one], frames[other], from_frame) for one, other in names.items()}
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
        first = {at: begins.get(at, _span([*masks.there(at)], masks)[0]) for at in (one, parent) if at is not None}
        return parent is not None and is_before_birth(one, first[one], about, first[parent])

    def is_said(one: int) -> bool:
        return document.objects[one].parent == old.objects[one].parent and is_early(one, old, {})

    alone = tuple(one for one in begins if is_early(one, document, begins) and not is_said(one))
    return document.with_objects([replace(document.objects[one], parent=None) for one in alone]), alone


def _after_exchange(own: Iterable[int], others: Iterable[int], from_frame: int) -> list[int]:
    """Return the frames on which an object is there that has those of another one from a frame on."""
    return [at for at in own if at < from_frame] + [at for at in others if at >= from_frame]


def _span(frames: Sequence[int], masks: MaskStore) -> tuple[int, int]:
    """Return the first and the last of frames; without any, ones between which nothing can lie."""
    return min(frames, default=masks.frame_count), max(frames, default=-1)
