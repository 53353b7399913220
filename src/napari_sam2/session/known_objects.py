"""What is known of objects when a program links: where they are, and where a person said that nothing is to be added.

`linked` carries them on by what was found, `relinked` links anew around them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import chain, pairwise

from napari_sam2.document.document import Document
from napari_sam2.document.reviews import At, Place, ReviewState
from napari_sam2.document.track_events import BEGINS, ENDS, EventKind, TrackEvent
from napari_sam2.engine.known_objects import Way
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stored_masks import MaskStatus, StoredMask
from napari_sam2.review.ground import grounds_of


def said_frames(document: Document, masks: MaskStore, object_id: int) -> set[int]:
    """Return the frames of an object on which a person said something: painted it, also away, or gave a prompt."""
    painted = {frame for frame, mask in masks.frames(object_id).items() if mask.status is MaskStatus.edited}
    return painted | document.prompts_of(object_id).keys()


def is_decided(place: Place, document: Document, masks: MaskStore) -> bool:
    """Return whether a person found a place right or made it so, and it is as it was then."""
    decision = document.review.decisions.get(place)
    if decision is None or decision.state not in (ReviewState.accepted, ReviewState.corrected):
        return False
    return decision.ground in grounds_of(place, document, masks)


def ways_of(
    document: Document, masks: MaskStore, object_ids: Iterable[int], near: range, found_on: Collection[int]
) -> dict[int, Way]:
    """Return the ways of objects, by their ids, ascending; without those that are not there near by.

    Locked objects are left as they are. An object does not begin earlier than where it was born, a person said or
    decided that it begins, or said something before; nor does it end later than likewise. What a program made of its
    beginning or end before is open.

    Parameters
    ----------
    near
        The frames to look at.
    found_on
        Frames on which something was found: where an object was missed between two others, it may be there.
    """
    ids = sorted(object_ids)
    asked = set(ids)
    places = (place for place in document.review.decisions if place.object_id in asked)
    decided = {place for place in places if is_decided(place, document, masks)}
    mothers = {info.parent for info in document.objects.values()} | {one.mother for one in document.divisions}
    events: dict[int, list[TrackEvent]] = defaultdict(list)
    for event in document.events:
        events[event.object_id].append(event)
    at_odds = _at_odds(document, masks)
    ways: dict[int, Way] = {}
    for one in ids:
        own = masks.there(one)
        here = {frame: mask for frame, mask in own.items() if frame in near}
        if not here:
            continue
        said = said_frames(document, masks, one) | _absent(events[one])
        (first, *_), last, locked = own, max(own), one in document.locked
        is_born = document.objects[one].parent is not None or one in at_odds
        begins = is_born or first not in here or min(said, default=first) < first
        ends = one in mothers or last not in here or max(said, default=last) > last
        ways[one] = Way(
            here,
            frozenset(
                frame
                for before, frame in pairwise(here)
                if locked or Place(At.step, one, frame) in decided or not _is_open(before, frame, found_on, said)
            ),
            locked or begins or Place(At.begin, one, first) in decided or _is_said(events[one], BEGINS, own),
            locked or ends or Place(At.end, one, last) in decided or _is_said(events[one], ENDS, own),
        )
    return ways


def _is_open(before: int, frame: int, found_on: Collection[int], said: Collection[int]) -> bool:
    """Return whether an object may be found between two frames: something was, and nobody said anything of it."""
    between = range(before + 1, frame)
    return any(one in found_on for one in between) and not any(one in said for one in between)


def _is_said(events: Iterable[TrackEvent], kinds: Collection[EventKind], own: Mapping[int, StoredMask]) -> bool:
    """Return whether a person or another program said that an object begins, or ends: not who found its mask there."""
    found = {frame for frame, mask in own.items() if mask.status is MaskStatus.found}
    return any(event.kind in kinds and event.frame not in found for event in events)


def _absent(events: Iterable[TrackEvent]) -> set[int]:
    spans = ((one.frame, one.last_frame) for one in events if one.last_frame is not None)
    return {frame for first, last in spans for frame in range(first, last + 1)}


def _at_odds(document: Document, masks: MaskStore) -> set[int]:
    """Return the objects of which others come that begin before they do; nobody can be said to be their mother."""
    lines = {one: document.ancestors(one) for one, info in document.objects.items() if info.parent is not None}
    firsts = {one: min(own) for one in {*lines, *chain(*lines.values())} if (own := masks.there(one))}
    return {
        earlier
        for one, line in lines.items()
        if one in firsts
        for earlier in line
        if firsts[one] < firsts.get(earlier, 0)
    }
