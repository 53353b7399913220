"""What a person said, as one immutable value: prompts, objects, divisions and events; beside it what was proposed.

Masks follow from it and are not in it.

Each edit returns a new `Document`, which shares with the old one what did not change, so that undoing is putting an
old one back. By what two documents differ is said by `difference`.
What a prompt means to a model, and whether it fits the movie (`prompts.check_prompts`), is not decided here.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from napari_sam2.document import families
from napari_sam2.document.claims import LinkClaims, following
from napari_sam2.document.object_map import ObjectMap
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.polygons import mask_of_polygon
from napari_sam2.document.prompt import Prompt, gathered
from napari_sam2.document.prompt_map import PromptKey, PromptMap
from napari_sam2.document.proposal_map import ProposalMap
from napari_sam2.document.proposals import Proposal
from napari_sam2.document.reviews import ReviewRecord
from napari_sam2.document.shared_map import SharedMap
from napari_sam2.document.track_events import Division, Names, TrackEvent, joined_absences
from sam2_core.errors import PromptError

__all__ = ["Document", "PromptKey", "mask_of_polygon"]

MOST_NAMED = 20
"""Objects that a sentence names one by one."""


@dataclass(frozen=True, eq=False)
class Document:
    """Prompts and objects; every prompt's object is known. Compare two with `difference.difference`.

    Attributes
    ----------
    prompts
        (object_id, frame) -> all that was said about the object there, ascending; any mapping is taken.
    objects
        Object id -> what is known about it besides, in the order in which they were made; any mapping is taken.
    proposals
        Number, 1 or more -> what a program found, ascending; any mapping is taken. See `proposing`.
    divisions
        In order of frame and mother; daughters are objects whose parent is the mother.
    events
        What else happens to objects, in order of object and frame.
    claims
        Object id -> how sure the program is that linked it; any mapping is taken.
    review
        What was decided about places in doubt.
    """

    prompts: Mapping[PromptKey, Prompt] = field(default_factory=dict)
    objects: Mapping[int, ObjectInfo] = field(default_factory=dict)
    proposals: Mapping[int, Proposal] = field(default_factory=dict)
    divisions: tuple[Division, ...] = ()
    events: tuple[TrackEvent, ...] = ()
    claims: Mapping[int, LinkClaims] = field(default_factory=dict)
    review: ReviewRecord = field(default_factory=ReviewRecord)

    def __post_init__(self) -> None:
        objects, prompts = ObjectMap.of(self.objects), PromptMap.of(self.prompts)
        proposals, claims = ProposalMap.of(self.proposals), SharedMap.of(self.claims)
        self._take(prompts, objects, self.divisions, self.events, proposals, claims)
        unknown = [object_id for object_id in prompts.object_ids if object_id not in objects]
        if unknown:
            raise PromptError(f"prompts name objects {unknown}, which the document does not have; add them to objects.")
        for object_id in objects:
            self.ancestors(object_id)
        self._check_tracks()

    def _take(
        self,
        prompts: PromptMap,
        objects: ObjectMap,
        divisions: Iterable[Division],
        events: Iterable[TrackEvent],
        proposals: ProposalMap,
        claims: SharedMap[LinkClaims],
    ) -> None:
        kept = {
            "prompts": prompts,
            "objects": objects,
            "proposals": proposals,
            "divisions": tuple(sorted(set(divisions), key=lambda one: (one.frame, one.mother))),
            "events": tuple(
                sorted(set(events), key=lambda one: (one.object_id, one.frame, one.kind, one.last_frame or 0))
            ),
            "claims": claims,
        }
        for name, value in kept.items():
            object.__setattr__(self, name, value)

    def _check_tracks(self) -> None:
        for object_id in (*(event.object_id for event in self.events), *self.claims):
            self.check_object(object_id)
        for division in self.divisions:
            if division.following({}, self.objects) != division:
                raise PromptError(f"{division} needs daughters whose parent is {division.mother}; use with_division.")

    @classmethod
    def of(cls, prompts: Iterable[Prompt], objects: Iterable[ObjectInfo] = ()) -> Document:
        """Return the document of prompts given in any order and in pieces; objects that are not described are made.

        Raises
        ------
        PromptError
            If an object has two boxes or two masks on one frame.
        """
        known = {info.object_id: info for info in objects}
        return cls({}, known).with_prompts({(one.object_id, one.frame): one for one in gathered(prompts)})

    def with_prompts(self, changes: Mapping[PromptKey, Prompt | None]) -> Document:
        """Return the document in which this is all that is said under these keys; None takes a prompt away.

        Raises
        ------
        PromptError
            If a prompt stands under another key than its own.
        """
        prompts, objects = self._prompts.changed(changes), self._objects
        named = sorted({object_id for object_id, _ in changes})
        new = {one: ObjectInfo(one) for one in named if one not in objects and prompts.of_object(one)}
        return self._next(prompts, objects.changed(new) if new else objects)

    def with_object(self, info: ObjectInfo) -> Document:
        """Return the document with this said about the object, which is new or known.

        Raises
        ------
        PromptError
            If its parent does not exist or descends from it.
        """
        return self.with_objects([info])

    def with_objects(self, infos: Iterable[ObjectInfo]) -> Document:
        """Return the document with this said about several objects; see `with_object`."""
        return self._with({}, {info.object_id: info for info in infos})

    def with_proposals(self, changes: Mapping[int, Proposal | None]) -> Document:
        """Return the document with these proposals under their numbers; None takes one away."""
        made = self._next()
        object.__setattr__(made, "proposals", self._proposals.changed(changes))
        return made

    def with_review(self, review: ReviewRecord) -> Document:
        """Return the document in which this is what was decided."""
        made = self._next()
        object.__setattr__(made, "review", review)
        return made

    def without_object(self, object_id: int) -> Document:
        """Return the document without the object and its prompts; its children have no parent any more.

        Raises
        ------
        PromptError
            If there is no such object.
        """
        self.check_object(object_id)
        return self._with({object_id: {}}, families.left_by(self.objects, object_id, heir=None))

    def with_division(self, division: Division) -> Document:
        """Return the document with this division of the mother on the frame; she is the parent of its daughters.

        It takes the place of the one that she has there, whose other daughters have no parent any more; a daughter is
        in no other division.

        Raises
        ------
        PromptError
            If one of them does not exist, or the mother descends from a daughter.
        """
        for object_id in (division.mother, *division.daughters):
            self.check_object(object_id)
        key = division.mother, division.frame
        replaced = [one for each in self.divisions if (each.mother, each.frame) == key for one in each.daughters]
        parents = dict.fromkeys(replaced) | dict.fromkeys(division.daughters, division.mother)
        new = self._with({}, {one: replace(self.objects[one], parent=parent) for one, parent in parents.items()})
        others = [one.without(division.daughters) for one in new.divisions if (one.mother, one.frame) != key]
        return new._next(divisions=(*filter(None, others), division))

    def without_division(self, mother: int, frame: int) -> Document:
        """Return the document without the division of the mother on the frame; its daughters have no parent any more.

        Raises
        ------
        PromptError
            If there is none.
        """
        gone = next((one for one in self.divisions if (one.mother, one.frame) == (mother, frame)), None)
        if gone is None:
            there = [one.frame for one in self.divisions if one.mother == mother]
            raise PromptError(f"object {mother} does not divide on frame {frame}; it does on {there or 'none'}.")
        return self._with({}, {one: replace(self.objects[one], parent=None) for one in gone.daughters})

    def with_events(self, events: Iterable[TrackEvent]) -> Document:
        """Return the document in which this is all that happens to objects besides divisions.

        Raises
        ------
        PromptError
            If there is no such object.
        """
        made = self._next(events=events)
        made._check_tracks()
        return made

    def with_tracks(
        self,
        infos: Sequence[ObjectInfo],
        divisions: Iterable[Division] = (),
        events: Iterable[TrackEvent] = (),
        claims: Iterable[LinkClaims] = (),
    ) -> Document:
        """Return the document with many objects, whose divisions, events and claims come with them.

        Raises
        ------
        PromptError
            If a parent does not exist or descends from its child, or a daughter has another parent.
        """
        made = self._next(
            objects=self._objects.changed({info.object_id: info for info in infos}),
            divisions=(*self.divisions, *divisions),
            events=(*self.events, *events),
            claims=self._claims.changed({one.object_id: one for one in claims}),
        )
        for info in infos:
            made.ancestors(info.object_id)
        made._check_tracks()
        return made

    def without_claims(self, object_id: int, frames: Container[int]) -> Document:
        """Return the document in which nothing is claimed about links of an object that lead to some frames."""
        claims = self.claims.get(object_id)
        left = None if claims is None else claims.without(frames)
        return self if left is claims else self._next(claims=self._claims.changed({object_id: left}))

    def merged(self, into: int, other: int) -> Document:
        """Return the document in which `other` is part of `into`: prompts joined per frame, all else handed over.

        Raises
        ------
        PromptError
            If one of them does not exist or they are the same.
        """
        self._check_pair(into, other)
        prompts = self.prompts_of(into)
        for frame, prompt in self._prompts.of_object(other).items():
            moved = prompt.owned_by(into)
            prompts[frame] = prompts[frame].joined(moved) if frame in prompts else moved
        kept = self.objects[into]
        about = replace(
            kept, name=kept.name or self.objects[other].name, parent=families.merged_parent(self.objects, into, other)
        )
        objects = {**families.left_by(self.objects, other, heir=into), into: about}
        return self._with({into: prompts, other: {}}, objects, {other: into})

    def swapped(self, a: int, b: int, from_frame: int, born: Collection[int] = ()) -> Document:
        """Return the document in which the two exchange prompts, divisions and events from `from_frame` on.

        `born` are children of theirs that are there from then on only: their parents follow too, also where no division
        says so.

        Raises
        ------
        PromptError
            If one of them does not exist or they are the same.
        """
        self._check_pair(a, b)
        exchanged: dict[int, dict[int, Prompt]] = {a: {}, b: {}}
        for object_id, other in ((a, b), (b, a)):
            for frame, prompt in self._prompts.of_object(object_id).items():
                owner = other if frame >= from_frame else object_id
                exchanged[owner][frame] = prompt.owned_by(owner)
        names = {a: b, b: a}
        behind = [one for one in self.divisions if one.frame >= from_frame]
        children = families.swapped_children(self.objects, behind, names, born)
        return self._with(exchanged, children, names, from_frame)

    def next_object_id(self) -> int:
        """Return the id of the next new object: one more than the highest."""
        return self._objects.last() + 1

    def next_proposal(self) -> int:
        """Return the number of the next new proposal: one more than the highest."""
        return self._proposals.last() + 1

    def prompts_of(self, object_id: int) -> dict[int, Prompt]:
        """Return the prompts of an object by frame, ascending; empty without any."""
        return dict(self._prompts.of_object(object_id))

    def ancestors(self, object_id: int) -> list[int]:
        """Return the object's parent, its parent and so on; see `families.ancestors`."""
        return families.ancestors(self.objects, object_id)

    @property
    def locked(self) -> frozenset[int]:
        """Ids of the objects that are locked."""
        return self._objects.locked

    def check_object(self, object_id: int) -> None:
        """Return nothing if the object exists.

        Raises
        ------
        PromptError
            If it does not.
        """
        if object_id not in self.objects:
            ids = sorted(self.objects)
            known = ids if len(ids) <= MOST_NAMED else f"{len(ids)}, from {ids[0]} to {ids[-1]}"
            choose = "choose one of these or add" if ids else "add"
            raise PromptError(
                f"object {object_id} does not exist; there are {known or 'none yet'}: {choose} a prompt for it."
            )

    @property
    def _prompts(self) -> PromptMap:
        return PromptMap.of(self.prompts)

    @property
    def _objects(self) -> ObjectMap:
        return ObjectMap.of(self.objects)

    @property
    def _proposals(self) -> ProposalMap:
        return ProposalMap.of(self.proposals)

    @property
    def _claims(self) -> SharedMap[LinkClaims]:
        return SharedMap.of(self.claims)

    def _next(
        self,
        prompts: PromptMap | None = None,
        objects: ObjectMap | None = None,
        divisions: Iterable[Division] | None = None,
        events: Iterable[TrackEvent] | None = None,
        claims: SharedMap[LinkClaims] | None = None,
    ) -> Document:
        """Return the document with other parts, which were checked: what it shares with this one is not looked at."""
        made = Document.__new__(Document)
        made._take(
            self._prompts if prompts is None else prompts,
            self._objects if objects is None else objects,
            self.divisions if divisions is None else divisions,
            self.events if events is None else events,
            self._proposals,
            self._claims if claims is None else claims,
        )
        object.__setattr__(made, "review", self.review)
        return made

    def _with(
        self,
        prompts: Mapping[int, Mapping[int, Prompt]],
        changes: Mapping[int, ObjectInfo | None],
        names: Names = MappingProxyType({}),
        from_frame: int = 0,
    ) -> Document:
        """Return the document with other prompts of some objects and changes of objects, None for one that is gone.

        Divisions, events, claims and decisions follow: they get new names from a frame on, and lose who is gone.
        """
        gone = [one for one, about in changes.items() if about is None]
        objects = self._objects.changed(changes)
        divisions = [one.following(names if one.frame >= from_frame else {}, objects) for one in self.divisions]
        events = [part for one in self.events for part in one.following(names, from_frame)]
        made = self._next(
            self._prompts.with_objects(prompts),
            objects,
            filter(None, divisions),
            [one for one in joined_absences(events, {*names, *names.values()}) if one.object_id in objects],
            self._claims.changed(following(self.claims, names, from_frame, gone) if names or gone else {}),
        )
        if names or gone:
            made = made.with_review(self.review.renamed(names, from_frame).without(gone))
        for object_id in changes:
            if (info := objects.get(object_id)) is not None and info.parent is not None:
                made.ancestors(object_id)
        return made

    def _check_pair(self, first: int, second: int) -> None:
        self.check_object(first)
        self.check_object(second)
        if first == second:
            raise PromptError(f"object {first} was given twice; choose two different ones.")
