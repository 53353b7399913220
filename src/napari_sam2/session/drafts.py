"""A cut through tracks before it is made: the document as it will be, and what is to be done with the masks.

A draft knows on which frames its objects will be, although no mask has moved yet. `Surgery` makes one step of it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace

from napari_sam2.document.difference import DocumentDiff, difference
from napari_sam2.document.document import Document, PromptKey
from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_parts import Mask
from napari_sam2.document.track_events import EventKind, TrackEvent, settled
from napari_sam2.masks.mask_store import MaskKey, MaskStore
from napari_sam2.masks.merging import merged
from napari_sam2.masks.stale import follow
from napari_sam2.masks.stored_masks import MaskChange, MaskStatus, StoredMask
from napari_sam2.session.parentage import exchanged
from sam2_core.errors import PromptError

Move = Callable[[MaskStore], Sequence[MaskChange]]


class Draft:
    """What a step will make of a document and its masks; `touched` are the ids of the objects that it changes."""

    def __init__(self, document: Document, masks: MaskStore) -> None:
        self.document = document
        self.touched: set[int] = set()
        self._masks = masks
        self._moves: list[Move] = []
        self._names: dict[int, int] = {}
        self._there: dict[int, list[int]] = {}
        self._next_id = max({document.next_object_id() - 1, *masks.object_ids()}, default=0) + 1

    def rearranged(self, _: DocumentDiff) -> list[MaskChange]:
        """Do with the masks what was noted, in that order; return the changes."""
        return [change for move in self._moves for change in move(self._masks)]

    def change(self, object_id: int, move: Move) -> None:
        """Note what is to be done with the masks of an object."""
        self.touched.add(object_id)
        self._moves.append(move)

    def put(self, masks: Mapping[MaskKey, StoredMask]) -> None:
        """Note that objects get masks, which are no prompts."""
        self.touched |= {object_id for object_id, _ in masks}
        self._moves.append(lambda store: [store.put(key, mask) for key, mask in masks.items()])

    def frames(self, object_id: int) -> list[int]:
        """Return the frames on which an object will be there, ascending."""
        if object_id not in self._there:
            self._there[object_id] = list(self._masks.there(object_id))
        return self._there[object_id]

    def first(self, object_id: int) -> int:
        """Return the first frame of an object."""
        return self._some_frames(object_id)[0]

    def last(self, object_id: int) -> int:
        """Return the last frame of an object."""
        return self._some_frames(object_id)[-1]

    def last_before(self, object_id: int, frame: int) -> int:
        """Return the last frame of an object before a frame."""
        before = [one for one in self._some_frames(object_id) if one < frame]
        if not before:
            raise PromptError(f"object {object_id} is not there before frame {frame}; choose a later frame.")
        return before[-1]

    def check_object(self, object_id: int) -> None:
        """Return nothing if the object is there on some frame."""
        self._some_frames(object_id)

    def check_there(self, object_id: int, frame: int) -> None:
        """Return nothing if the object is there on the frame."""
        if frame not in self._some_frames(object_id):
            raise PromptError(f"object {object_id} is not there on frame {frame}; choose a frame on which it is.")

    def check_unlocked(self, object_id: int) -> None:
        """Return nothing if the object may be changed."""
        self.document.check_object(object_id)
        if object_id in self.document.locked:
            raise PromptError(f"object {object_id} is locked and was not changed; unlock it first.")

    def part(self, object_id: int, frame: int) -> int:
        """Return the new object that an object is from a frame on; it has to be there on both sides.

        Those who come from it behind where the new one begins come from that one, the others do not.
        """
        self.check_unlocked(object_id)
        frames = self._some_frames(object_id)
        before, rest = [one for one in frames if one < frame], [one for one in frames if one >= frame]
        if not before or not rest:
            raise PromptError(
                f"object {object_id} is there from frame {frames[0]} to {frames[-1]}, so frame {frame} does not part "
                f"it; choose one of {frames[0] + 1} to {frames[-1]}."
            )
        new, self._next_id = self._next_id, self._next_id + 1
        info = replace(self.document.objects[object_id], object_id=new, name="", parent=None)
        self.document = exchanged(self.document.with_object(info), (object_id, new, frame), self.frames)
        self.touched.add(new)
        self.change(object_id, lambda masks: masks.swap(object_id, new, frame))
        self._there |= {object_id: before, new: rest}
        self.happens(object_id, EventKind.dies, before[-1])
        self.happens(new, EventKind.appears, rest[0])
        return new

    def join(self, into: int, other: int) -> None:
        """Make an object, which is nowhere where the other is, the same as the other."""
        for one in (into, other):
            self.check_unlocked(one)
        there = sorted({*self.frames(into), *self.frames(other)})
        both, drafted = (into, other), self._masks.drafted({*self.touched, into, other})
        for move in self._moves:
            move(drafted)
        self.document = merged(into, other, self.document, drafted)
        self.touched.add(other)
        self.change(into, lambda masks: masks.take_over(both, drafted))
        self._there |= {into: there, other: []}
        self._names[other] = into
        self._settle_events(into)

    def end_before(self, object_id: int, frame: int) -> None:
        """Let an object end before a frame: what it has later becomes another one, or else does not come from it."""
        self.check_unlocked(object_id)
        if self.last(object_id) >= frame:
            self.part(object_id, frame)
        else:
            self.undivide(object_id, self.last(object_id) + 1)

    def begun_at(self, object_id: int, frame: int) -> int:
        """Return the object that an object is from a frame on, cut off from what it was or came from before."""
        self.check_unlocked(object_id)
        if self.first(object_id) < frame:
            return self.part(object_id, frame)
        self.detach(object_id)
        return object_id

    def detach(self, object_id: int) -> None:
        """Take an object from its mother, who goes on as the other daughter, where there is one and not more."""
        mother = self.document.objects[object_id].parent
        if mother is None:
            return
        frames = {one.frame for one in self.document.divisions if one.mother == mother and object_id in one.daughters}
        self.document = self.document.with_object(replace(self.document.objects[object_id], parent=None))
        for division in self.document.divisions:
            if division.mother == mother and division.frame in frames and len(division.daughters) == 1:
                (left,) = division.daughters
                if self.frames(mother) and self.frames(left) and self.last(mother) < self.first(left):
                    self.document = self.document.without_division(mother, division.frame)
                    self.join(mother, left)

    def now(self, object_id: int) -> int:
        """Return the object that an object is by now: another one, where it was joined to that."""
        while object_id in self._names:
            object_id = self._names[object_id]
        return object_id

    def undivide(self, mother: int, frame: int) -> None:
        """Take all divisions of an object from a frame on away."""
        for division in self.document.divisions:
            if division.mother == mother and division.frame >= frame:
                self.document = self.document.without_division(mother, division.frame)

    def undivide_all_of(self, daughters: Sequence[int]) -> None:
        """Take divisions away all of whose daughters are among these."""
        for division in self.document.divisions:
            if set(division.daughters) <= set(daughters):
                self.document = self.document.without_division(division.mother, division.frame)

    def childless_until(self, object_id: int, frame: int) -> None:
        """Let those that come from an object up to a frame come from nobody."""
        for division in self.document.divisions:
            if division.mother == object_id and division.frame <= frame:
                self.document = self.document.without_division(object_id, division.frame)
        known = self.document.objects.items()
        children = [one for one, info in known if info.parent == object_id]
        early = [one for one in children if min(self.frames(one), default=frame + 1) <= frame]
        self.document = self.document.with_objects([replace(self.document.objects[one], parent=None) for one in early])

    def remove(self, object_id: int) -> None:
        """Remove an object with all that it has."""
        self.check_unlocked(object_id)
        self.document = self.document.without_object(object_id)
        self.change(object_id, lambda masks: masks.remove_object(object_id))
        self._there[object_id] = []

    def clear(self, object_id: int, frames: range) -> None:
        """Take prompts and masks of an object on frames away, and what was claimed about links to and from there."""
        self.check_unlocked(object_id)
        gone = [frame for frame in self._masks.frames(object_id) if frame in frames]
        unsaid = [frame for frame in self.document.prompts_of(object_id) if frame in frames]
        if unsaid != list(self.document.prompts_of(object_id)):
            self._says(object_id, {(object_id, frame): None for frame in unsaid})
        else:
            self.document = self.document.with_prompts({(object_id, frame): None for frame in unsaid})
        self.change(object_id, lambda masks: [masks.remove((object_id, frame)) for frame in gone])
        self._there[object_id] = [frame for frame in self.frames(object_id) if frame not in frames]
        behind = [frame for frame in self._there[object_id] if frame >= frames.stop]
        self.document = self.document.without_claims(object_id, {*frames, *behind[:1]})

    def say(self, object_id: int, frame: int) -> None:
        """Let the mask of an object on a frame be a prompt, if it is none yet."""
        mask = self._masks.frames(object_id)[frame]
        if (object_id, frame) in self.document.prompts or mask.status is MaskStatus.edited:
            return
        drawn = Mask.in_box(self._masks.size, mask.y0, mask.x0, mask.codes() > 0)
        self._says(object_id, {(object_id, frame): Prompt(object_id, frame, mask=drawn)})
        self.change(object_id, lambda masks: [masks.put((object_id, frame), StoredMask.of_drawn(drawn))])

    def goes_on(self, object_id: int, frames: Container[int], backward: bool) -> None:
        """Say no longer that an object ends on one of some frames; or that it begins there."""

        def holds(event: TrackEvent) -> bool:
            is_of_kind = event.kind.is_begin if backward else event.kind.is_end
            return event.object_id != object_id or not is_of_kind or event.frame not in frames

        self.document = self.document.with_events(filter(holds, self.document.events))

    def is_made_by_runs(self, object_id: int, frame: int) -> bool:
        """Return whether an object is there from a frame on, and only by runs: nobody found or prompted it there."""
        masks, rest = self._masks.frames(object_id), [one for one in self.frames(object_id) if one >= frame]
        is_said = max(self.document.prompts_of(object_id), default=-1) >= frame  # its mask may not be made yet
        return bool(rest) and not is_said and all(masks[one].status.is_made_by_run for one in rest)

    def happens(self, object_id: int, kind: EventKind, frame: int) -> TrackEvent:
        """Return what is said of how an object begins or ends, in place of what was said before."""
        event = TrackEvent(object_id, frame, kind)
        self.document = self.document.with_events(event.added_to(self.document.events))
        return event

    def _says(self, object_id: int, changes: Mapping[PromptKey, Prompt | None]) -> None:
        """Change prompts of an object, which has some afterwards; its masks follow before what is noted next."""
        before, after = self.document, self.document.with_prompts(changes)
        self.document = after
        self.change(object_id, lambda masks: follow(difference(before, after), after, masks))

    def _settle_events(self, object_id: int) -> None:
        """Drop beginnings and ends that are none any more, because the object is there before or after."""
        self.document = self.document.with_events(settled(self.document.events, {object_id: self.frames(object_id)}))

    def _some_frames(self, object_id: int) -> list[int]:
        self.document.check_object(object_id)
        frames = self.frames(object_id)
        if not frames:
            raise PromptError(f"object {object_id} has no mask on any frame; track it first, or choose another one.")
        return frames
