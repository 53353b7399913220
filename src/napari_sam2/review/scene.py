"""A document and its masks as they are at a moment, to be looked through on any thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from napari_sam2.document.document import Document
from napari_sam2.document.objects import LinkStatus
from napari_sam2.document.track_events import Division
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stored_masks import MaskKey, StoredMask

Stamp = tuple[object, ...]
"""Of an object: as long as it is the same, so are its masks and what is said of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What is looked through.

    Attributes
    ----------
    masks
        Object id -> frame -> mask, also empty ones.
    stamps, divisions
        By object id; divisions by their mother.
    source
        Where the masks were held; stamps of one source say nothing of another.
    """

    document: Document
    masks: Mapping[int, Mapping[int, StoredMask]]
    stamps: Mapping[int, Stamp]
    divisions: Mapping[int, tuple[Division, ...]]
    size: tuple[int, int]
    frame_count: int
    source: MaskStore

    @classmethod
    def of(cls, document: Document, masks: MaskStore) -> Scene:
        """Return the scene of a session as it is now; on the main thread."""
        ids = masks.object_ids()
        divisions: dict[int, tuple[Division, ...]] = {}
        for one in document.divisions:
            divisions[one.mother] = (*divisions.get(one.mother, ()), one)
        stamps = {
            one: (masks.revision(one), document.objects.get(one), divisions.get(one), document.claims.get(one))
            for one in ids
        }
        held = {one: masks.held(one) for one in ids}
        return cls(document, held, stamps, divisions, masks.size, masks.frame_count, masks)

    def is_same(self, other: Scene) -> bool:
        """Return whether the other shows the same masks, objects and proposals."""
        return (
            self.source is other.source
            and self.document.proposals is other.document.proposals
            and self.stamps == other.stamps
        )

    def get(self, key: MaskKey) -> StoredMask | None:
        """Return the mask of (object_id, frame), or None."""
        return self.masks.get(key[0], {}).get(key[1])

    def frames(self, object_id: int) -> dict[int, StoredMask]:
        """Return the masks of an object by frame, ascending."""
        return dict(sorted(self.masks.get(object_id, {}).items()))

    def is_claim(self, object_id: int) -> bool:
        """Return whether a program linked an object, or carried it on, and nobody looked at it as a whole."""
        info = self.document.objects.get(object_id)
        if info is None or info.links is LinkStatus.looked_at:
            return False
        return info.links is LinkStatus.linked or object_id in self.document.claims
