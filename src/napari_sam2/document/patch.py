"""What makes one document of another, as a value small enough to be written down: the steps of undo are saved so.

`patch_between` looks at what the two do not share; `patched` shares all the rest with the document that it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from napari_sam2.document.claims import LinkClaims
from napari_sam2.document.difference import difference
from napari_sam2.document.document import Document, PromptKey
from napari_sam2.document.object_map import ObjectMap
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_map import PromptMap
from napari_sam2.document.proposal_map import ProposalMap
from napari_sam2.document.proposals import Proposal
from napari_sam2.document.reviews import Decision, Place, Sample, Sampled
from napari_sam2.document.shared_map import SharedMap
from napari_sam2.document.track_events import Division, TrackEvent

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class DocumentPatch:
    """What is other in a second document; None stands for what is not there.

    Attributes
    ----------
    order
        Ids of all its objects in their order, where that does not follow; else empty.
    divisions, events
        All of them where they differ; else None.
    """

    prompts: Mapping[PromptKey, Prompt | None] = field(default_factory=dict)
    objects: Mapping[int, ObjectInfo | None] = field(default_factory=dict)
    order: tuple[int, ...] = ()
    proposals: Mapping[int, Proposal | None] = field(default_factory=dict)
    divisions: tuple[Division, ...] | None = None
    events: tuple[TrackEvent, ...] | None = None
    claims: Mapping[int, LinkClaims | None] = field(default_factory=dict)
    decisions: Mapping[Place, Decision | None] = field(default_factory=dict)
    samples: Mapping[Sampled, Sample | None] = field(default_factory=dict)


def patch_between(old: Document, new: Document) -> DocumentPatch:
    """Return what makes `new` of `old`."""
    diff = difference(old, new)
    before, after = SharedMap.of(old.claims), SharedMap.of(new.claims)
    claimed = {*before.differing(after), *after.differing(before)}
    objects = {one: new.objects.get(one) for one in (*diff.objects, *diff.removed_objects)}
    follows = tuple(ObjectMap.of(old.objects).changed(objects)) == tuple(new.objects)
    return DocumentPatch(
        prompts={key: new.prompts.get(key) for key in diff.keys},
        objects=objects,
        order=() if follows else tuple(new.objects),
        proposals={number: new.proposals.get(number) for number in diff.proposals},
        divisions=None if old.divisions == new.divisions else new.divisions,
        events=None if old.events == new.events else new.events,
        claims={one: new.claims.get(one) for one in sorted(claimed)},
        decisions=_differing(old.review.decisions, new.review.decisions) if diff.review else {},
        samples=_differing(old.review.samples, new.review.samples) if diff.review else {},
    )


def patched(old: Document, patch: DocumentPatch) -> Document:
    """Return the document that a patch makes of the one that it was made for.

    Raises
    ------
    PromptError
        If the two do not go together.
    """
    objects: Mapping[int, ObjectInfo] = ObjectMap.of(old.objects).changed(patch.objects)
    if patch.order:
        objects = {one: objects[one] for one in patch.order if one in objects}
    review = old.review.with_decisions(patch.decisions)
    samples = {of: one for of, one in {**review.samples, **patch.samples}.items() if one is not None}
    return Document(
        prompts=PromptMap.of(old.prompts).changed(patch.prompts),
        objects=objects,
        proposals=ProposalMap.of(old.proposals).changed(patch.proposals),
        divisions=old.divisions if patch.divisions is None else patch.divisions,
        events=old.events if patch.events is None else patch.events,
        claims=SharedMap.of(old.claims).changed(patch.claims),
        review=replace(review, samples=samples),
    )


def _differing(old: Mapping[K, V], new: Mapping[K, V]) -> dict[K, V | None]:
    return {key: new.get(key) for key in {**old, **new} if old.get(key) != new.get(key)}
