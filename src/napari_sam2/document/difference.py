"""By which prompts, objects, proposals and tracks two documents differ; engine, masks and views follow it."""

from __future__ import annotations

from dataclasses import dataclass

from napari_sam2.document.document import Document, PromptKey
from napari_sam2.document.object_map import ObjectMap
from napari_sam2.document.prompt_map import PromptMap
from napari_sam2.document.proposal_map import ProposalMap
from napari_sam2.document.shared_map import SharedMap


@dataclass(frozen=True, slots=True)
class DocumentDiff:
    """By what a new document differs from an old one; all ascending.

    Attributes
    ----------
    changed
        Keys of prompts that are new or different, their masks compared too.
    removed
        Keys of prompts that are gone.
    objects
        Ids of objects that are new or described differently.
    removed_objects
        Ids of objects that are gone.
    proposals
        Numbers of proposals that are new, different or gone.
    tracks
        Ids of objects whose divisions, events or claims are different.
    review
        Whether other things were decided.
    """

    changed: tuple[PromptKey, ...] = ()
    removed: tuple[PromptKey, ...] = ()
    objects: tuple[int, ...] = ()
    removed_objects: tuple[int, ...] = ()
    proposals: tuple[int, ...] = ()
    tracks: tuple[int, ...] = ()
    review: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        return self == DocumentDiff()

    @property
    def keys(self) -> tuple[PromptKey, ...]:
        """Keys of all prompts that are new, different or gone, ascending."""
        return tuple(sorted((*self.changed, *self.removed)))


def difference(old: Document, new: Document) -> DocumentDiff:
    """Return what to do to come from one document to the other."""
    before, after = PromptMap.of(old.prompts), PromptMap.of(new.prompts)
    known, described = ObjectMap.of(old.objects), ObjectMap.of(new.objects)
    found, now_found = ProposalMap.of(old.proposals), ProposalMap.of(new.proposals)
    divided = [(one.mother, *one.daughters) for one in set(old.divisions) ^ set(new.divisions)]
    happened = [(one.object_id,) for one in set(old.events) ^ set(new.events)]
    claimed, claimed_now = SharedMap.of(old.claims), SharedMap.of(new.claims)
    said = (claimed.differing(claimed_now), claimed_now.differing(claimed))
    return DocumentDiff(
        changed=tuple(after.differing(before)),
        removed=tuple(key for key in before.differing(after) if key not in after),
        objects=tuple(described.differing(known)),
        removed_objects=tuple(one for one in known.differing(described) if one not in described),
        proposals=tuple(sorted({*found.differing(now_found), *now_found.differing(found)})),
        tracks=tuple(sorted({object_id for ids in (*divided, *happened, *said) for object_id in ids})),
        review=not new.review.says(old.review),
    )
