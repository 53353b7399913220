"""What a person said, as one immutable value: prompts, objects, divisions and events; beside it what was proposed.

Masks follow from it and are not in it.

Each edit returns a new `Document`, which shares with the old one what did not change, so that undoing is putting an
old one back. `difference` says by which prompts and objects two documents differ; the engine and the views follow it.
What a prompt means to a model, and whether it fits the movie (`prompts.check_prompts`), is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.polygons import mask_of_polygon
from napari_sam2.document.prompt import Prompt, gathered
from napari_sam2.document.prompt_map import PromptKey, PromptMap
from napari_sam2.document.proposals import Proposal
from napari_sam2.document.track_events import Division, Names, TrackEvent
from sam2_core.errors import PromptError

__all__ = ["Document", "DocumentDiff", "PromptKey", "difference", "mask_of_polygon"]


@dataclass(frozen=True, eq=False)
class Document:
    """Prompts and objects; every prompt's object is known. Compare two with `difference`.

    Attributes
    ----------
    prompts
        (object_id, frame) -> all that was said about the object there, ascending; any mapping is taken.
    objects
        Object id -> what is known about it besides, in the order in which they were made; any mapping is taken.
    proposals
        Number -> what a program found; any mapping is taken.
    divisions
        In order of frame and mother; daughters are objects whose parent is the mother.
    events
        What else happens to objects, in order of object and frame.
    """

    prompts: Mapping[PromptKey, Prompt] = field(default_factory=dict)
    objects: Mapping[int, ObjectInfo] = field(default_factory=dict)
    proposals: Mapping[int, Proposal] = field(default_factory=dict)
    divisions: tuple[Division, ...] = ()
    events: tuple[TrackEvent, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "prompts", PromptMap.of(self.prompts))
        object.__setattr__(self, "objects", MappingProxyType(dict(self.objects)))
        unknown = [object_id for object_id in self._map.object_ids if object_id not in self.objects]
        if unknown:
            raise PromptError(f"prompts name objects {unknown}, which the document does not have; add them to objects.")
        for object_id in self.objects:
            self.ancestors(object_id)
        object.__setattr__(self, "proposals", MappingProxyType(dict(self.proposals)))
        divisions = tuple(sorted(set(self.divisions), key=lambda one: (one.frame, one.mother)))
        events = tuple(sorted(set(self.events), key=lambda one: (one.object_id, one.frame, one.kind)))
        object.__setattr__(self, "divisions", divisions)
        object.__setattr__(self, "events", events)
        for event in events:
            self.check_object(event.object_id)
        for division in divisions:
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
        prompts, objects = self._map.changed(changes), dict(self.objects)
        for object_id in prompts.object_ids:
            objects.setdefault(object_id, ObjectInfo(object_id))
        return replace(self, prompts=prompts, objects=objects)

    def with_object(self, info: ObjectInfo) -> Document:
        """Return the document with this said about the object, which is new or known.

        Raises
        ------
        PromptError
            If its parent does not exist or descends from it.
        """
        return self._with({}, {**self.objects, info.object_id: info})

    def without_object(self, object_id: int) -> Document:
        """Return the document without the object and its prompts; its children have no parent any more.

        Raises
        ------
        PromptError
            If there is no such object.
        """
        self.check_object(object_id)
        return self._with({object_id: {}}, _without(self.objects, object_id, heir=None))

    def with_division(self, division: Division) -> Document:
        """Return the document with this division of the mother on the frame; she is the parent of its daughters.

        Raises
        ------
        PromptError
            If one of them does not exist, or the mother descends from a daughter.
        """
        for object_id in (division.mother, *division.daughters):
            self.check_object(object_id)
        daughters = {one: replace(self.objects[one], parent=division.mother) for one in division.daughters}
        new = self._with({}, {**self.objects, **daughters})
        others = [one for one in new.divisions if (one.mother, one.frame) != (division.mother, division.frame)]
        return replace(new, divisions=(*others, division))

    def merged(self, into: int, other: int) -> Document:
        """Return the document in which `other` is part of `into`: prompts joined per frame, all else handed over.

        Raises
        ------
        PromptError
            If one of them does not exist or they are the same.
        """
        self._check_pair(into, other)
        prompts = self.prompts_of(into)
        for frame, prompt in self._map.of_object(other).items():
            moved = prompt.owned_by(into)
            prompts[frame] = prompts[frame].joined(moved) if frame in prompts else moved
        kept = self.objects[into]
        about = replace(kept, name=kept.name or self.objects[other].name, parent=self._merged_parent(into, other))
        objects = _without({**self.objects, into: about}, other, heir=into)
        return self._with({into: prompts, other: {}}, objects, {other: into})

    def swapped(self, a: int, b: int, from_frame: int) -> Document:
        """Return the document in which the two exchange prompts, divisions and events from `from_frame` on.

        Raises
        ------
        PromptError
            If one of them does not exist or they are the same.
        """
        self._check_pair(a, b)
        exchanged: dict[int, dict[int, Prompt]] = {a: {}, b: {}}
        for object_id, other in ((a, b), (b, a)):
            for frame, prompt in self._map.of_object(object_id).items():
                owner = other if frame >= from_frame else object_id
                exchanged[owner][frame] = prompt.owned_by(owner)
        return self._with(exchanged, self._swapped_children({a: b, b: a}, from_frame), {a: b, b: a}, from_frame)

    def next_object_id(self) -> int:
        """Return the id of the next new object: one more than the highest."""
        return max(self.objects, default=0) + 1

    def prompts_of(self, object_id: int) -> dict[int, Prompt]:
        """Return the prompts of an object by frame, ascending; empty without any."""
        return dict(self._map.of_object(object_id))

    def ancestors(self, object_id: int) -> list[int]:
        """Return the object's parent, its parent and so on; empty without a parent.

        Raises
        ------
        PromptError
            If one of them does not exist or comes from itself.
        """
        found: list[int] = []
        parent = self.objects[object_id].parent
        while parent is not None:
            if parent not in self.objects:
                raise PromptError(
                    f"object {parent}, the parent of {[object_id, *found][-1]}, does not exist; use None."
                )
            if parent == object_id or parent in found:
                raise PromptError(
                    f"object {object_id} comes from {[*found, parent]}, a circle; give one another parent."
                )
            found.append(parent)
            parent = self.objects[parent].parent
        return found

    @property
    def locked(self) -> frozenset[int]:
        """Ids of the objects that are locked."""
        return frozenset(object_id for object_id, info in self.objects.items() if info.locked)

    def check_object(self, object_id: int) -> None:
        """Return nothing if the object exists.

        Raises
        ------
        PromptError
            If it does not.
        """
        if object_id not in self.objects:
            raise PromptError(
                f"object {object_id} does not exist; there are {sorted(self.objects) or 'none yet'}: choose one of "
                "these or add a prompt for it."
            )

    @property
    def _map(self) -> PromptMap:
        return PromptMap.of(self.prompts)

    def _with(
        self,
        prompts: Mapping[int, Mapping[int, Prompt]],
        objects: Mapping[int, ObjectInfo],
        names: Names = MappingProxyType({}),
        from_frame: int = 0,
    ) -> Document:
        """Return the document with other objects and prompts of some; what happened to the rest goes along.

        Divisions and events follow: they get new names from a frame on, and lose who is gone or has another parent.
        """
        divisions = [one.following(names if one.frame >= from_frame else {}, objects) for one in self.divisions]
        events = [one.renamed(names) if one.frame >= from_frame else one for one in self.events]
        return replace(
            self,
            prompts=self._map.with_objects(prompts),
            objects=objects,
            divisions=tuple(filter(None, divisions)),
            events=tuple(one for one in events if one.object_id in objects),
        )

    def _swapped_children(self, names: Names, from_frame: int) -> dict[int, ObjectInfo]:
        """Return the objects with the parents that follow when two exchange their divisions from a frame on."""
        objects = dict(self.objects)
        behind = [one for one in self.divisions if one.frame >= from_frame]
        for daughter in (one for division in behind for one in division.daughters):
            objects[daughter] = replace(objects[daughter], parent=None)
        for division in behind:
            for daughter in (names.get(one, one) for one in division.daughters):
                if objects[daughter].parent is None:
                    mother = names.get(division.mother, division.mother)
                    objects[daughter] = replace(objects[daughter], parent=mother)
        return objects

    def _check_pair(self, first: int, second: int) -> None:
        self.check_object(first)
        self.check_object(second)
        if first == second:
            raise PromptError(f"object {first} was given twice; choose two different ones.")

    def _merged_parent(self, into: int, other: int) -> int | None:
        own = self.objects[into].parent
        if own is not None and other not in self.ancestors(into):
            return own
        return None if into in self.ancestors(other) else self.objects[other].parent


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
        Ids of objects whose divisions or events are different.
    """

    changed: tuple[PromptKey, ...] = ()
    removed: tuple[PromptKey, ...] = ()
    objects: tuple[int, ...] = ()
    removed_objects: tuple[int, ...] = ()
    proposals: tuple[int, ...] = ()
    tracks: tuple[int, ...] = ()

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
    numbers = sorted(old.proposals.keys() | new.proposals.keys())
    divided = [(one.mother, *one.daughters) for one in set(old.divisions) ^ set(new.divisions)]
    happened = [(one.object_id,) for one in set(old.events) ^ set(new.events)]
    return DocumentDiff(
        changed=tuple(after.differing(before)),
        removed=tuple(key for key in before.differing(after) if key not in after),
        objects=tuple(sorted(key for key, info in new.objects.items() if old.objects.get(key) != info)),
        removed_objects=tuple(sorted(old.objects.keys() - new.objects.keys())),
        proposals=tuple(number for number in numbers if old.proposals.get(number) != new.proposals.get(number)),
        tracks=tuple(sorted({object_id for ids in (*divided, *happened) for object_id in ids})),
    )


def _without(objects: Mapping[int, ObjectInfo], gone: int, heir: int | None) -> dict[int, ObjectInfo]:
    """Return the objects without one; its children get `heir` as their parent."""
    return {
        object_id: replace(info, parent=heir) if info.parent == gone and object_id != heir else info
        for object_id, info in objects.items()
        if object_id != gone
    }
