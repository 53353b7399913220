"""Tracks cut and joined by hand: divide here, connect, break, end, begin, absent from - to, delete or track again.

Each verb is one step that can be undone. A place that a person made so is decided about with it (`Decided`), so that
the review does not ask for it again. Where a track was ended, begun or is absent, an event says so, and no run carries
memory across it (`engine.span_plan`). Nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np

from napari_sam2.document.plain_values import ids_of, pair_of, whole_number, whole_numbers
from napari_sam2.document.reviews import At, Place
from napari_sam2.document.track_events import Division, EventKind, TrackEvent
from napari_sam2.engine.jobs import PropagateRequest
from napari_sam2.masks.mask_store import MaskKey
from napari_sam2.masks.stored_masks import DRAWN_LOGIT, MaskStatus, StoredMask
from napari_sam2.review.fixes import Fix, Verb
from napari_sam2.review.ground import decided
from napari_sam2.review.views import centroid_yx
from napari_sam2.session.drafts import Draft
from napari_sam2.session.edits import Edits
from napari_sam2.session.known_objects import said_frames
from napari_sam2.session.proposals import Proposals
from napari_sam2.session.saving import Saving
from napari_sam2.session.state import SessionState
from napari_sam2.session.steps import Steps
from sam2_core.errors import PromptError


class Surgery:
    """Verbs that cut and join the tracks of a session; all on the main thread."""

    def __init__(self, state: SessionState, saving: Saving, edits: Edits, proposals: Proposals) -> None:
        self._state = state
        self._steps = Steps(state, saving)
        self._edits = edits
        self._proposals = proposals

    def do(self, fix: Fix) -> None:
        """Do one of the things that the review offers about a place.

        Raises
        ------
        PromptError
            If it cannot be done any more.
        """
        (object_id, frame), keys = fix.keys[0], fix.keys
        verbs: dict[Verb, Callable[[], object]] = {
            Verb.connect: lambda: self.connect(keys[0], keys[1]),
            Verb.divide: lambda: self.divide_here(object_id, keys[1][1], [one for one, _ in keys[1:]]),
            Verb.undivide: lambda: self.undivide(object_id, frame),
            Verb.break_here: lambda: self.break_here(object_id, frame),
            Verb.remove: lambda: self._edits.remove_object(object_id),
            Verb.merge: lambda: self._edits.merge_objects(keys[1][0], object_id),
            Verb.swap: lambda: self._edits.swap_objects(object_id, keys[1][0], frame),
            Verb.accept_proposal: lambda: self._proposals.accept([object_id]),
        }
        verbs[fix.verb]()

    def break_here(self, object_id: int, frame: int) -> int:
        """Return the id of the new object that an object's masks and prompts from a frame on became.

        Raises
        ------
        PromptError
            If the object is locked, or is not there on both sides.
        """
        return self.break_all([object_id], frame)[0]

    def break_all(self, object_ids: Iterable[int], frame: int) -> tuple[int, ...]:
        """Return the ids of the new objects that several objects are from a frame on, in one step; see `break_here`."""
        draft, ids, frame = self._said_of(object_ids, frame)
        rests = [draft.part(one, frame) for one in ids]
        places = [place for one in ids for place in _ends(draft, one)]
        self._make(draft, "break a track", places + [place for one in rests for place in _begins(draft, one)])
        return tuple(rests)

    def connect(self, before: MaskKey, after: MaskKey) -> int:
        """Return the id of the object that (object_id, frame) and another one on a later frame are from now on.

        What the first had later and the second had earlier become objects of their own, but what only runs made of the
        first is deleted; a mother that goes on as one of her daughters has not divided, and where one of two daughters
        is taken away, she goes on as the other.

        Raises
        ------
        PromptError
            If one is locked or not there, or the second is not on a later frame.
        """
        (object_id, frame), (other, later) = (pair_of(one, "object id and frame") for one in (before, after))
        draft = self._draft()
        if not later > frame:
            raise PromptError(f"frame {later} is not later than frame {frame}; connect to a later one.")
        if object_id == other:
            return object_id
        for key in (before, after):
            draft.check_there(*key)
        if draft.is_made_by_runs(object_id, frame + 1):
            draft.clear(object_id, range(frame + 1, self._state.masks.frame_count))
        draft.end_before(object_id, frame + 1)
        joined = draft.begun_at(other, later)
        into = draft.now(object_id)
        draft.join(into, joined)
        self._make(draft, "connect tracks", [Place(At.step, into, later)])
        return into

    def divide_here(self, mother: int, frame: int, daughters: int | Sequence[int] = ()) -> Division:
        """Return the division of a mother who ends before a frame, her daughters there from then on.

        What a run made of her later is deleted; what was found, prompted or painted becomes another object.

        Parameters
        ----------
        daughters
            As they are called on that frame; the mother among them is what of her goes on. One that is there before
            is cut. The two that together lie nearest to her, where none are given.

        Raises
        ------
        PromptError
            If one of them is given twice, locked or not there, or the mother is not there before.
        """
        draft, mother, frame = self._draft(), whole_number(mother, "mother"), whole_number(frame, "frame")
        chosen = whole_numbers(daughters, "daughter") or self._nearest_two(mother, frame)
        if len(set(chosen)) < len(chosen):
            raise PromptError(f"object {mother} cannot divide into {chosen}; give each once.")
        draft.last_before(mother, frame)
        if draft.last(mother) < frame:
            draft.undivide(mother, draft.last(mother) + 1)
        draft.undivide_all_of(chosen)
        parts = [self._daughter(draft, mother, one, frame) for one in chosen]
        if draft.is_made_by_runs(mother, frame):
            draft.clear(mother, range(frame, self._state.masks.frame_count))
        draft.end_before(mother, frame)
        division = Division(mother, frame, tuple(parts))
        draft.document = draft.document.with_division(division)
        self._make(draft, "divide an object", [Place(At.division, mother, frame)])
        return division

    def undivide(self, mother: int, frame: int) -> None:
        """Take a division away; how mother and daughters end and begin then was decided with it.

        Raises
        ------
        PromptError
            If she does not divide on the frame.
        """
        draft, mother, frame = self._draft(), whole_number(mother, "mother"), whole_number(frame, "frame")
        before = draft.document.objects
        draft.document = draft.document.without_division(mother, frame)
        orphans = [one for one, info in draft.document.objects.items() if info != before[one]]
        places = [place for one in orphans if draft.frames(one) for place in _begins(draft, one)]
        ends = _ends(draft, mother) if draft.frames(mother) else []
        self._make(draft, "take a division away", ends + places)

    def end_here(self, object_ids: int | Iterable[int], frame: int) -> tuple[TrackEvent, ...]:
        """Return how objects end on a frame: each leaves where it touches the border, else dies; the rest is deleted.

        Raises
        ------
        PromptError
            If one of them is locked or not there on the frame.
        """
        draft, ids, frame = self._said_of(object_ids, frame)
        for object_id in ids:
            draft.check_there(object_id, frame)
        return self._ended(draft, ids, frame + 1, "end a track")

    def delete_from(self, object_ids: int | Iterable[int], frame: int, whole: bool = False) -> None:
        """Delete what objects have from a frame on; `remove_object` deletes all of one.

        Parameters
        ----------
        whole
            Remove those that are not there before, and of which nothing is said there.

        Raises
        ------
        PromptError
            If one of them is locked, or, unless `whole`, is not there before; then none is changed.
        """
        draft, ids, frame = self._said_of(object_ids, frame)
        known = {one: [*draft.frames(one), *draft.document.prompts_of(one)] for one in ids}
        removed = [one for one in ids if whole and min(known[one], default=frame) >= frame]
        rest = [one for one in ids if one not in removed]
        for object_id in removed:
            draft.remove(object_id)
        for object_id in rest:
            draft.last_before(object_id, frame)
        text = "delete the rest of a track" if rest else "remove an object"
        self._ended(draft, rest, frame, text)

    def track_again(self, object_ids: int | Iterable[int], frame: int, backward: bool = False) -> PropagateRequest:
        """Return the request that tracks objects anew from a frame on, each up to its next prompt; hand it to a run.

        What they have there is deleted, but for prompts and painted masks, and that they end there is no longer said.
        Their masks on the frame are what is gone on from: they become prompts where they are none. One that has no
        frame to be tracked on stays as it is.

        Parameters
        ----------
        backward
            To earlier frames, down to the prompt before; where they begin is then no longer said.

        Raises
        ------
        PromptError
            If one of them is locked or not there on the frame, or none has a frame to be tracked on.
        """
        draft, ids, frame = self._said_of(object_ids, frame)
        beyond = {one: self._to_next_said(one, frame, backward) for one in ids}
        if not any(beyond.values()):
            way = "before" if backward else "behind"
            raise PromptError(f"{way} frame {frame} there is a prompt or no frame any more; there is nothing to track.")
        for object_id in ids:
            draft.check_there(object_id, frame)
        anew = {one: frames for one, frames in beyond.items() if frames}
        for object_id, frames in anew.items():
            draft.clear(object_id, frames)
            draft.goes_on(object_id, {frame, *frames}, backward)
            draft.say(object_id, frame)
        self._make(draft, "track again from here", [])
        first, stop = min(one.start for one in anew.values()), max(one.stop for one in anew.values())
        return PropagateRequest("backward" if backward else "forward", range(first, stop), tuple(anew), True, True)

    def begin_here(self, object_ids: int | Iterable[int], frame: int) -> tuple[int, ...]:
        """Let a frame be the first one of objects: what they have earlier is deleted, and they have no parent.

        Returns the ids of those that have no parent any more, because it begins only then.

        Raises
        ------
        PromptError
            If one of them is locked or not there on the frame; then none is changed.
        """
        draft, ids, frame = self._said_of(object_ids, frame)
        before = draft.document.objects
        for object_id in ids:
            draft.check_there(object_id, frame)
        draft.undivide_all_of(ids)
        for object_id in ids:
            draft.detach(object_id)
            draft.childless_until(object_id, frame)
            draft.clear(object_id, range(frame))
            draft.happens(object_id, EventKind.appears, frame)
        self._make(draft, "begin a track", [place for one in ids for place in _begins(draft, one)])
        now = self._state.document.objects.items()
        return tuple(one for one, info in now if info.parent != before[one].parent and one not in ids)

    def absent(self, object_id: int, first: int, last: int) -> None:
        """Say that an object is not there from a frame to another, both included; its masks there are emptied.

        Raises
        ------
        PromptError
            If the object is locked, or there is no such frame.
        """
        self.absent_all({object_id: (first, last)})

    def absent_all(self, spans: Mapping[int, tuple[int, int]]) -> None:
        """Say of several objects, each from its first to its last frame, what `absent` says of one, in one step."""
        draft, count = self._draft(), self._state.masks.frame_count
        gone = StoredMask.empty(MaskStatus.edited, DRAWN_LOGIT)
        for object_id, span in spans.items():
            first, last = pair_of(span, "first and last frame")
            draft.check_unlocked(object_id)
            if not 0 <= first <= last < count:
                raise PromptError(f"frames {first} to {last} cannot be used; give two of 0 to {count - 1}, in order.")
            draft.clear(object_id, range(first, last + 1))
            event = TrackEvent(object_id, first, EventKind.absent, last)
            draft.document = draft.document.with_events(event.added_to(draft.document.events))
            draft.put(dict.fromkeys([(object_id, frame) for frame in range(first, last + 1)], gone))
        self._make(draft, "object absent", [])

    def _draft(self) -> Draft:
        return Draft(self._state.document, self._state.masks)

    def _said_of(self, object_ids: int | Iterable[int], frame: int) -> tuple[Draft, list[int], int]:
        """Return a draft, the ids of the objects that it is about, and the frame, as plain numbers."""
        return self._draft(), ids_of(object_ids), whole_number(frame, "frame")

    def _daughter(self, draft: Draft, mother: int, daughter: int, frame: int) -> int:
        """Return the object that a daughter is from a frame on, or from her first one behind it."""
        if daughter == mother:
            return draft.part(mother, frame)
        draft.check_object(daughter)
        return draft.begun_at(daughter, max(frame, draft.first(daughter)))

    def _ended(self, draft: Draft, object_ids: Sequence[int], frame: int, text: str) -> tuple[TrackEvent, ...]:
        events = []
        for object_id in object_ids:
            draft.check_unlocked(object_id)
            draft.undivide(object_id, frame)
            draft.clear(object_id, range(frame, self._state.masks.frame_count))
            last = draft.last(object_id)
            events.append(draft.happens(object_id, self._kind_of_end(object_id, last), last))
        self._make(draft, text, [place for one in object_ids for place in _ends(draft, one)])
        return tuple(events)

    def _to_next_said(self, object_id: int, frame: int, backward: bool) -> range:
        """Return the frames of an object between a frame and the next on which a person said something, or the end."""
        masks = self._state.masks
        said = said_frames(self._state.document, masks, object_id)
        if backward:
            return range(max((one for one in said if one < frame), default=-1) + 1, frame)
        return range(frame + 1, min((one for one in said if one > frame), default=masks.frame_count))

    def _kind_of_end(self, object_id: int, frame: int) -> EventKind:
        y0, x0, y1, x1 = self._state.masks.frames(object_id)[frame].box_yx
        height, width = self._state.masks.size
        return EventKind.leaves if 0 in (y0, x0) or y1 == height or x1 == width else EventKind.dies

    def _nearest_two(self, mother: int, frame: int) -> list[int]:
        """Return the two objects on a frame whose middle lies nearest to where the mother was last."""
        masks = self._state.masks
        last = masks.get((mother, Draft(self._state.document, masks).last_before(mother, frame)))
        here = {one: mask for one in masks.objects_on(frame) if (mask := masks.get((one, frame))) and not mask.is_empty}
        if last is None or len(here) < 2:
            raise PromptError(f"there are {len(here)} objects on frame {frame}; two are needed to divide into.")
        place = np.array(centroid_yx(last))
        centers = {one: np.array(centroid_yx(mask)) for one, mask in here.items()}
        nearest = sorted(centers, key=lambda one: float(np.hypot(*(centers[one] - place))))[:5]

        def cost(first: int, second: int) -> float:
            middle = (centers[first] + centers[second]) / 2
            return float(np.hypot(*(middle - place)) + np.hypot(*(centers[first] - centers[second])) / 2)

        return list(min(combinations(nearest, 2), key=lambda pair: cost(*pair)))

    def _make(self, draft: Draft, text: str, places: Iterable[Place]) -> None:
        """Make the step, and note that a person decided about places; that is the step where nothing else changes."""
        is_made = self._steps.make(draft.document, text, draft.touched, draft.rearranged)
        document = decided(places, self._state.document, self._state.masks)
        if is_made:
            self._steps.amend(document)
        else:
            self._steps.make(document, text)


def _begins(draft: Draft, object_id: int) -> list[Place]:
    return [Place(At.begin, object_id, draft.first(object_id))]


def _ends(draft: Draft, object_id: int) -> list[Place]:
    return [Place(At.end, object_id, draft.last(object_id))]
