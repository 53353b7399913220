"""The ground that a person decides on, as a short text: the same as long as the masks and links of a place are."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from typing import Protocol

import numpy as np

from napari_sam2.document.document import Document
from napari_sam2.document.reviews import At, Decision, Place, ReviewKind, ReviewState
from napari_sam2.document.track_events import Division
from napari_sam2.masks.stored_masks import MaskKey, StoredMask

_KINDS = {At.begin: ReviewKind.begins_inside, At.end: ReviewKind.ends_inside, At.division: ReviewKind.division}
"""What a place is as a person made it; else a link."""


class MasksByKey(Protocol):
    """Masks of objects: a `MaskStore`, or what was held of one."""

    def get(self, key: MaskKey) -> StoredMask | None:
        """Return the mask of (object_id, frame), or None."""

    def frames(self, object_id: int) -> dict[int, StoredMask]:
        """Return the masks of an object by frame, ascending."""


def ground_of(place: Place, document: Document, masks: MasksByKey) -> str:
    """Return the fingerprint of what a decision about a place is made on: which pixels, linked to which."""
    return _digest(_parts(place, document, masks))


def grounds_of(place: Place, document: Document, masks: MasksByKey) -> tuple[str, ...]:
    """Return the fingerprints with which a decision about a place holds.

    Of an overlap there are two: its objects may have changed names since, and with these their order.
    """
    parts = _parts(place, document, masks)
    return (_digest(parts), _digest(parts[::-1])) if place.at is At.overlap else (_digest(parts),)


def is_there(place: Place, document: Document) -> bool:
    """Return whether there is still what a place is about, in doubt or not: its objects, its division, its proposal."""
    if place.at is At.proposal:
        return place.object_id in document.proposals
    if place.at is At.division:
        return bool(_divisions(place, document))
    return {place.object_id, place.other or place.object_id} <= document.objects.keys()


def is_about(place: Place, object_ids: Collection[int], document: Document) -> bool:
    """Return whether a place is one of these objects: a division is one of its daughters too."""
    daughters = {one for each in _divisions(place, document) for one in each.daughters}
    return place.is_about(object_ids) or not daughters.isdisjoint(object_ids)


def decided(places: Iterable[Place], document: Document, masks: MasksByKey) -> Document:
    """Return the document in which a person is known to have made places as they are."""
    decisions = {
        place: Decision(place, _KINDS.get(place.at, ReviewKind.doubtful_link), ReviewState.corrected,
                        ground_of(place, document, masks))
        for place in places
    }  # fmt: skip
    return document.with_review(document.review.with_decisions(decisions))


def _divisions(place: Place, document: Document) -> list[Division]:
    here = place.at, place.object_id, place.frame
    return [each for each in document.divisions if (At.division, each.mother, each.frame) == here]


def _parts(place: Place, document: Document, masks: MasksByKey) -> list[StoredMask | str | None]:
    own, frame = place.object_id, place.frame
    if place.at is At.proposal:
        proposal = document.proposals.get(own)
        return [None if proposal is None else StoredMask.of_drawn(proposal.mask)]
    info = document.objects.get(own)
    parent = None if info is None else info.parent
    here = masks.get((own, frame))
    if place.at is At.overlap:
        return [here, masks.get((place.other, frame))]
    if place.at is At.end:
        return [here, str(_daughters(document, own, frame + 1))]
    if place.at is At.begin:
        return [here, str(parent)]
    if place.at is At.division:
        daughters = _daughters(document, own, frame)
        return [_before(masks, own, frame), str(daughters), *(_first(masks, one) for one in daughters)]
    if place.at is At.track:
        there = [mask for mask in masks.frames(own).values() if not mask.is_empty]
        return [str(parent), str(len(there)), *there[:1], *there[-1:]]
    before = _before(masks, own, frame)
    return [before if before is not None or parent is None else _before(masks, parent, frame), here]


def _daughters(document: Document, mother: int, frame: int) -> list[int]:
    """Return the daughters of an object that are there from a frame on, or later, ascending."""
    return sorted({one for each in document.divisions if each.mother == mother for one in each.daughters
                   if each.frame >= frame})  # fmt: skip


def _before(masks: MasksByKey, object_id: int, frame: int) -> StoredMask | None:
    earlier = [mask for one, mask in masks.frames(object_id).items() if one < frame and not mask.is_empty]
    return earlier[-1] if earlier else None


def _first(masks: MasksByKey, object_id: int) -> StoredMask | None:
    return next((mask for mask in masks.frames(object_id).values() if not mask.is_empty), None)


def _digest(parts: Iterable[StoredMask | str | None]) -> str:
    digest = hashlib.blake2b(digest_size=6)
    for part in parts:
        digest.update(_bytes_of(part))
    return digest.hexdigest()


def _bytes_of(part: StoredMask | str | None) -> bytes:
    if part is None or isinstance(part, str):
        return f"{part};".encode()
    return f"{part.box_yx};".encode() + np.packbits(part.mask()).tobytes()
